"""A vendor's quota that all processes share through Redis, and keep their shares of while Redis is away.

Whatever happens, no window has more than the vendor allows. While Redis answers, it counts, by its own time. Every
process also remembers what it sent, and says every moment that it is there. What a process does on its own when Redis
does not answer it is therefore known to all without a word: those that are there leave a *share* (limit / processes)
to each that is not, and a *reserve* (a tenth of the share) to each that is.

- A process that loses Redis sends its reserve at most, until all that it does not know of has left the windows and
  the others count it as missing; from then on its share.
- A process that finds Redis, or finds that Redis has lost its memory (the epoch is gone), first tells what it sent.
- While the memory is lost and not all have told, all that are there send no more than their reserves.

With one process there is nobody to be careful of: it goes on by what it remembers.
"""

import asyncio
import contextlib
import functools
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from app.core import deadline, priority
from app.core.clock import Clock, SystemClock
from app.core.profile import RateLimit
from app.core.throttle import COMING_BACK, Book, QuotaLeft, has, kept_for, pause, tightest, until_room, used_up
from app.store.quota_scripts import ANNOUNCE, CLOSE, LEFT, TAKE, TELL, AccountKeys, common_keys
from app.store.redis_link import NoAnswer, RedisLink, Refused, script

SILENT_SECONDS = 1.0
"""After so long without a word a process counts as missing."""
BEAT_SECONDS = 0.3
_EPOCH_SECONDS = 7 * 86_400
_AT_ONCE = 500
"""How many takes are told in one question, so that each is answered within Redis's patience."""
_LONGEST_NAP = 1.0
"""Whoever waits looks again after so many seconds, as Redis may have come back by then."""
_BLINK_SECONDS = 0.25
"""For so long nobody is refused only because Redis was lost: mostly it is back at the next look."""
_AT_A_TIME = 8
"""How many questions are under way at once; a burst would open a connection for each, and take Redis for slow."""
_WANTS_NOTHING = "the PMS asked for a pause"
_NOBODY = "the PMS's limit is smaller than the number of processes, so that nothing can be sent while Redis is away"


class SharedQuota:
    """The quota of one process among `processes`.

    `clock` is what callers' deadlines are counted by. Windows are counted by Redis's time and the machine's, so that
    a wait for them is one of the machine's seconds, whatever clock is handed in.
    """

    def __init__(self, link: RedisLink, *, processes: int, clock: Clock) -> None:
        self._link = link
        self._processes = processes
        self._clock = clock
        self._time = SystemClock()
        self._name = secrets.token_hex(6)
        self._books: dict[tuple[str, str], Book] = {}
        self._closed: dict[tuple[str, str], float] = {}
        """Until when a vendor told this process to be silent, by the clock that its own waits are counted by."""
        self._epoch: bytes | None = None
        """The epoch in which Redis knows all that this process sent; None while it does not."""
        self._lost_at = self._time.monotonic()
        """When Redis was last asked in vain, which it may have heard all the same."""
        self._telling = asyncio.Lock()
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._present, self._era = common_keys(processes)
        self._take, self._left = script(link.client, TAKE), script(link.client, LEFT)
        self._announce, self._add = script(link.client, ANNOUNCE), script(link.client, TELL)
        self._shut = script(link.client, CLOSE)

    async def take(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> None:
        """Wait for a permission.

        Raises:
            VendorThrottled: none comes free within the deadline; nothing was sent.
        """
        background = priority.is_background()
        book = self._book(vendor, account)
        while True:
            patience = deadline.remaining(self._clock.monotonic())
            if (silence := self._silence(vendor, account)) > 0:
                if silence > patience:
                    raise used_up(vendor, silence, _WANTS_NOTHING)
                await self._clock.sleep(silence)
                continue
            try:
                wait = await self._wait_together(vendor, account, limits, background=background, patience=patience)
            except NoAnswer:
                wait = self._wait_alone(book, limits, background=background)
            if wait <= 0:
                return
            if wait > patience:
                raise used_up(vendor, wait) if math.isfinite(wait) else used_up(vendor, wait, _NOBODY)
            book.wants(self._time.monotonic() + wait, background=background)
            await self._time.sleep(min(wait, _LONGEST_NAP))

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds, in all processes; in this one whether Redis answers or not."""
        silence = pause(seconds)
        until = self._clock.monotonic() + silence
        self._closed[vendor, account] = max(until, self._closed.get((vendor, account), until))
        keys = AccountKeys.of(vendor, account)
        await self._link.ask_if_there(lambda: self._shut(keys=[keys.state], args=[_milliseconds(silence), self._name]))

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit, for all; only for this process while Redis is away."""
        if not limits:
            return None
        keys = AccountKeys.of(vendor, account)
        names = [keys.taken, keys.state, self._present]
        args = [self._processes, _milliseconds(SILENT_SECONDS), *self._figures(limits)]
        counts = await self._link.ask_if_there(lambda: self._left(keys=names, args=args))
        if counts is None:
            book, now = self._books.get((vendor, account), Book()), self._time.monotonic()
            is_open = book.closed_until <= now and self._silence(vendor, account) <= 0
            counts = [self._share(limit) - book.used(limit, now) if is_open else 0 for limit in limits]
        return tightest(limits, counts)

    async def watch(self) -> None:
        """Say every moment that this process is there, until cancelled; one that is alone has nobody to tell."""
        while self._processes > 1:
            with contextlib.suppress(NoAnswer):
                await self._be_there()
            await asyncio.sleep(BEAT_SECONDS)

    async def _wait_together(
        self, vendor: str, account: str, limits: tuple[RateLimit, ...], *, background: bool, patience: float
    ) -> float:
        """Take one if Redis has room for it, else give the seconds until it may.

        Raises:
            NoAnswer: Redis did not say.
        """
        book, keys = self._book(vendor, account), AccountKeys.of(vendor, account)
        if self._epoch is None:
            await self._tell()
        if (wait := book.wait(limits, self._time.monotonic(), background=background)) > 0:
            return wait
        moment = book.note(limits, self._time.monotonic(), background=background)
        try:
            wait, closed = await self._ask_for_one(keys, limits, moment, background=background, patience=patience)
        except NoAnswer:
            book.strike(moment)
            raise
        book.close(self._time.monotonic() + closed)
        if wait > 0:
            book.strike(moment)
        return wait

    async def _ask_for_one(
        self, keys: AccountKeys, limits: tuple[RateLimit, ...], moment: float, *, background: bool, patience: float
    ) -> tuple[float, float]:
        """Ask Redis; gives the seconds until there is room, and those for which the vendor wants nothing."""
        names = [keys.taken, keys.background, keys.state, self._present, self._era]
        for _ in range(3):
            known = self._epoch or await self._tell()
            args = [self._name, known, self._member(moment), int(background), _milliseconds(min(patience, 1e6))]
            args += [_milliseconds(COMING_BACK), self._processes, _milliseconds(SILENT_SECONDS), *self._figures(limits)]
            wait, closed = await self._ask(functools.partial(self._take, keys=names, args=args))
            if wait >= 0:
                return wait / 1000, closed / 1000
            self._forget(known)
        self._be_alone()
        raise NoAnswer

    def _wait_alone(self, book: Book, limits: tuple[RateLimit, ...], *, background: bool) -> float:
        """Take one without asking anybody, if it is sure that there is room for it; else give the seconds."""
        now = self._time.monotonic()
        shares = tuple(RateLimit(self._share(limit), limit.window_seconds) for limit in limits)
        wait = book.wait(shares, now, background=background)
        for limit in limits if self._processes > 1 else ():
            unsure = self._lost_at + SILENT_SECONDS + kept_for(limit) - now
            if unsure > 0:
                wait = max(wait, min(unsure, until_room(book.alone, self._reserve(limit), kept_for(limit), now)))
        if wait <= 0:
            book.note(limits, now, background=background, alone=True)
        elif now < self._lost_at + _BLINK_SECONDS:
            wait = max(book.gate(now, background=background), min(wait, _BLINK_SECONDS / 5))
        return wait

    async def _be_there(self) -> None:
        known = self._epoch or await self._tell()
        is_known, _ = await self._say(known, joining=False)
        if not is_known:
            self._forget(known)
            await self._tell()

    async def _tell(self) -> bytes:
        """Let Redis know all that this process sent of late, and be present from then on; gives the epoch.

        Raises:
            NoAnswer: Redis did not confirm.
        """
        async with self._telling:
            while self._epoch is None:
                _, epoch = await self._say(b"", joining=False)
                for one, book in list(self._books.items()):
                    await self._tell_of(AccountKeys.of(*one), book, silence=self._silence(*one))
                is_known, _ = await self._say(epoch, joining=True)
                self._epoch = epoch if is_known else None
            return self._epoch

    async def _tell_of(self, keys: AccountKeys, book: Book, *, silence: float) -> None:
        """Add what was sent with one set of credentials; what Redis has already is not added twice."""
        now = self._time.monotonic()
        closed = _milliseconds(silence)
        recent = [moment for moment in book.taken if moment > now - book.longest]
        for start in range(0, len(recent) or int(closed > 0), _AT_ONCE):
            args: list[str | int] = [_milliseconds(book.longest), closed, self._name]
            for moment in recent[start : start + _AT_ONCE]:
                age = _milliseconds(now - moment)
                args += [self._member(moment), age, int(has(book.background, moment))]
            names = [keys.taken, keys.background, keys.state]
            await self._ask(functools.partial(self._add, keys=names, args=args))

    async def _say(self, known: bytes, *, joining: bool) -> tuple[bool, bytes]:
        """Be present, if Redis knows what this process sent in its epoch; gives whether so, and the epoch."""
        args = [self._name, known, secrets.token_hex(6), int(joining), _milliseconds(SILENT_SECONDS)]
        args.append(_milliseconds(_EPOCH_SECONDS))
        is_known, epoch = await self._ask(lambda: self._announce(keys=[self._present, self._era], args=args))
        return bool(is_known), epoch

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Ask Redis; whoever gets no answer is on its own from this moment, as it may have been heard.

        Raises:
            NoAnswer: it does not answer.
        """
        async with self._turns:
            was_away = self._link.is_away
            try:
                return await self._link.ask(call)
            except NoAnswer as error:
                may_have_been_heard = not was_away and not isinstance(error, Refused)
                if may_have_been_heard or self._epoch is not None:
                    self._be_alone()
                raise

    def _forget(self, known: bytes) -> None:
        """Take note that Redis does not know us any more in the epoch that we thought it was in."""
        if self._epoch == known:
            self._be_alone()

    def _be_alone(self) -> None:
        self._epoch = None
        self._lost_at = self._time.monotonic()

    def _silence(self, vendor: str, account: str) -> float:
        """Give the seconds for which the vendor told this process to send nothing."""
        return max(0.0, self._closed.get((vendor, account), 0.0) - self._clock.monotonic())

    def _book(self, vendor: str, account: str) -> Book:
        return self._books.setdefault((vendor, account), Book())

    def _member(self, moment: float) -> str:
        return f"{self._name}:{moment!r}"

    def _share(self, limit: RateLimit) -> int:
        """Give how many this process may send on its own when it counts as missing."""
        return limit.requests // self._processes

    def _reserve(self, limit: RateLimit) -> int:
        """Give how many it may send on its own at any time; one that is alone needs none."""
        return self._share(limit) // 10 if self._processes > 1 else 0

    def _figures(self, limits: tuple[RateLimit, ...]) -> list[int]:
        """Give what the scripts want to know of each limit."""
        return [
            number
            for limit in limits
            for number in (limit.requests, _milliseconds(kept_for(limit)), self._share(limit), self._reserve(limit))
        ]


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
