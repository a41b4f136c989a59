"""A vendor's quota that all processes share through Redis, and keep their shares of while Redis is away."""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from app.core.clock import Clock, SystemClock
from app.core.profile import RateLimit
from app.core.throttle import (
    COMING_BACK,
    SILENCE,
    USED_UP,
    Book,
    QuotaLeft,
    Turn,
    Wait,
    WaitingQuota,
    kept_for,
    tightest,
)
from app.store.quota_scripts import LOOK, TAKE, TELL, AccountKeys
from app.store.redis_link import NoAnswer, RedisLink, Refused, script

WATCH_SECONDS = 0.3
_LONGEST_HOLD = 60.0
"""For so long at most nothing is sent alone because others may have used the window up."""
_LOOK_EVERY = 0.1
_LONGEST_NAP = 1.0
"""Whoever waits looks again after so many seconds: somebody may have given up, or Redis may have gone."""
_AT_ONCE = 500
"""How many takes are told in one question, so that each is answered within Redis's patience."""
_EXPIRING = 0.15
"""Seconds before the end of a request's time in which Redis may have dropped it already."""
_NOT_SURE = "Redis is away, and other processes may have used the PMS's quota up"
_NOBODY = "the PMS's limit is smaller than the number of processes, so that nothing can be sent while Redis is away"
_NO_ACCOUNT = AccountKeys("", "")


class SharedQuota(WaitingQuota):
    """The quota of one process among `processes`.

    While Redis answers it counts, and no window has more than the vendor allows, however many processes there are. If
    it loses its memory, each process notices by what it sent itself, and all tell what they sent before any goes on.

    While Redis gives no answer, a process that is alone goes on by what it remembers, once it has been there for as
    long as a window (a minute at most): one before it may have used that up. One among several first waits as long, as
    the others may have done so, and then keeps to its share, limit // `processes`.

    This is not exact, and a window may have too many, when

    - one process is cut off from Redis and others are not: by its share;
    - there are more processes than `processes` says, while Redis is away: by their shares;
    - Redis is empty and all processes are started anew: by what those before them sent;
    - Redis stays away, or comes back, and windows are longer than a minute: by what was sent before the minute.
    """

    def __init__(self, link: RedisLink, *, processes: int, clock: Clock) -> None:
        """`clock` is what deadlines are counted by; windows are by Redis's time and the machine's."""
        super().__init__(clock, SystemClock())
        self._link = link
        self._processes = processes
        self._name = secrets.token_hex(6)
        self._born = self._last_moment = self._time.monotonic()
        self._lost_at: float | None = None
        """When Redis first gave no answer since something was taken together."""
        self._seen_at = -math.inf
        """When `watch` last had an answer."""
        self._birth: int | None = None
        """Since when Redis remembers, as `watch` saw it."""
        self._untold = False
        """Whether something was sent or closed that Redis has not been told."""
        self._looks: dict[tuple[str, str], tuple[float, asyncio.Task[None]]] = {}
        self._shut: dict[tuple[str, str], float] = {}
        """Until when a vendor wants nothing that told other processes so."""
        self._take, self._look = script(link.client, TAKE), script(link.client, LOOK)
        self._tell = script(link.client, TELL)
        link.before_return(self._come_back)

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds, in all processes; in this one whether Redis answers or not."""
        await super().close(vendor, account, seconds)
        try:
            await self._tell_of(vendor, account)
        except NoAnswer:
            self._untold = True

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit, for all; only for this process while Redis is away."""
        if not limits:
            return None
        book = self._books.get((vendor, account), Book())
        if book.closed_until > self._clock.monotonic():
            return tightest(limits, [0] * len(limits))
        try:
            _, _, _, *counts = await self._ask(self._look, AccountKeys(vendor, account), *_figures(limits))
        except NoAnswer:
            is_open = self._shut_for(vendor, account) <= 0 and self._unsure(limits) <= 0
            counts = [book.left(share, self._time.monotonic()) if is_open else 0 for share in self._shares(limits)]
        return tightest(limits, counts)

    async def watch(self) -> None:
        """Tell Redis what this process sent as soon as it does not know, until cancelled."""
        while self._processes > 1:
            with contextlib.suppress(NoAnswer):
                birth, *_ = await self._ask(self._look, _NO_ACCOUNT, even_when_away=True)
                self._seen_at = self._time.monotonic()
                if birth != self._birth or self._untold:
                    self._birth = birth
                    await self._tell_all()
            await asyncio.sleep(WATCH_SECONDS)

    async def _try(self, turn: Turn) -> Wait:
        try:
            if turn.limits:
                return await self._try_together(turn)
            await self._look_at_gate(turn)
            if (closed := self._shut_for(turn.vendor, turn.account)) > 0:
                return Wait(closed, min(closed, _LONGEST_NAP), why=SILENCE)
            is_counted = turn.book.longest(self._time.monotonic()) > 0
            return await self._try_together(turn) if is_counted else Wait(0)
        except NoAnswer:
            if self._lost_at is None:
                self._lost_at = self._time.monotonic()
            return self._try_alone(turn)

    async def _try_together(self, turn: Turn) -> Wait:
        """Take one if Redis has room for it.

        Raises:
            NoAnswer: Redis did not say, but may have been asked.
        """
        moment = self._last_moment = max(self._time.monotonic(), math.nextafter(self._last_moment, math.inf))
        facts = (int(turn.background), int(self._heeds(turn)), _milliseconds(self._patience()))
        for _ in range(3):
            args = (self._member(moment), self._newest(turn.book), *facts, _milliseconds(COMING_BACK))
            keys = AccountKeys(turn.vendor, turn.account)
            wait, closed, longest = await self._ask(self._take, keys, *args, *_figures(turn.limits))
            if wait >= 0:
                break
            await self._tell_of(turn.vendor, turn.account)
        else:
            raise NoAnswer
        self._note_gate(turn, closed, longest)
        if wait > 0:
            why = SILENCE if closed >= wait else USED_UP
            return Wait(wait / 1000, min(wait / 1000, _LONGEST_NAP), why=why)
        turn.book.note(moment, background=turn.background)
        self._lost_at = None
        return Wait(0)

    def _try_alone(self, turn: Turn) -> Wait:
        """Take one without asking anybody, if it is sure that there is room for it."""
        now, shares = self._time.monotonic(), self._shares(turn.limits)
        if (closed := self._shut_for(turn.vendor, turn.account)) > 0:
            return Wait(closed, min(closed, _LOOK_EVERY), why=SILENCE)
        if turn.limits:
            self._say("quota.alone", turn.vendor)
        is_nobody = any(share.requests <= 0 for share in shares)
        if (unsure := self._unsure(turn.limits)) > 0:
            why = _NOBODY if is_nobody else _NOT_SURE
            return Wait(unsure, min(unsure, _LOOK_EVERY), is_hopeful=True, why=why)
        wait = turn.book.wait(shares, now, background=turn.background, heeds=self._heeds(turn))
        if wait > 0:
            return Wait(wait, min(wait, _LOOK_EVERY), why=_NOBODY if is_nobody else USED_UP)
        turn.book.note(now, background=turn.background)
        self._untold = True
        return Wait(0)

    def _unsure(self, limits: tuple[RateLimit, ...]) -> float:
        """Give the seconds for which others may have used up what this process does not know of."""
        if not limits:
            return 0.0
        now = self._time.monotonic()
        since = self._born if self._processes == 1 else now if self._lost_at is None else self._lost_at
        unsure = since + min(_LONGEST_HOLD, max(map(kept_for, limits))) - now
        is_back = now < self._seen_at + WATCH_SECONDS + _LOOK_EVERY  # all have told, so nothing more is taken alone
        return max(unsure, _LOOK_EVERY if is_back else 0.0)

    async def _look_at_gate(self, turn: Turn) -> None:
        """See whether the gate is closed: every moment at most, and once for all who want to know."""
        one, now = (turn.vendor, turn.account), self._time.monotonic()
        looked_at, look = self._looks.get(one, (-math.inf, None))
        if now >= looked_at + _LOOK_EVERY and not self._link.is_away and (look is None or look.done()):
            self._looks = {key: kept for key, kept in self._looks.items() if now < kept[0] + _LOOK_EVERY}
            look = asyncio.create_task(self._see_gate(turn))
            self._looks[one] = (now, look)
        if look is not None and not look.done():
            await asyncio.wait({look})

    async def _see_gate(self, turn: Turn) -> None:
        with contextlib.suppress(NoAnswer):
            _, closed, longest = await self._ask(self._look, AccountKeys(turn.vendor, turn.account))
            self._note_gate(turn, closed, longest)

    def _note_gate(self, turn: Turn, closed: int, longest: int) -> None:
        now = self._time.monotonic()
        turn.book.learn(longest / 1000, now)
        self._shut.pop((turn.vendor, turn.account), None)
        if closed > 0:
            others = {one: until for one, until in self._shut.items() if until > now}
            self._shut = {**others, (turn.vendor, turn.account): now + closed / 1000}

    def _shut_for(self, vendor: str, account: str) -> float:
        return max(0.0, self._shut.get((vendor, account), 0.0) - self._time.monotonic())

    async def _come_back(self) -> None:
        """Tell what Redis missed before anybody asks it again; one that takes nothing in is there all the same."""
        with contextlib.suppress(Refused):
            await self._tell_all()

    async def _tell_all(self) -> None:
        self._untold = False
        try:
            for vendor, account in list(self._books):
                await self._tell_of(vendor, account, even_when_away=True)
        except NoAnswer:
            self._untold = True
            raise

    async def _tell_of(self, vendor: str, account: str, *, even_when_away: bool = False) -> None:
        """Tell what was sent of late with one set of credentials; what Redis knows already changes nothing.

        Raises:
            NoAnswer: Redis did not confirm.
        """
        book, now = self._books.get((vendor, account), Book()), self._time.monotonic()
        closed = _milliseconds(max(0.0, book.closed_until - self._clock.monotonic()))
        longest = book.longest(now)
        recent = [moment for moment in book.taken if moment > now - longest]
        behind = set(book.background)
        for start in range(0, len(recent) or int(closed > 0), _AT_ONCE):
            args: list[str | int] = [_milliseconds(longest), closed]
            for moment in recent[start : start + _AT_ONCE]:
                args += [self._member(moment), _milliseconds(now - moment), int(moment in behind)]
            await self._ask(self._tell, AccountKeys(vendor, account), *args, even_when_away=even_when_away)

    async def _ask(
        self, do: Callable[..., Awaitable[Any]], keys: AccountKeys, *args: str | int, even_when_away: bool = False
    ) -> Any:
        """Ask Redis.

        Raises:
            NoAnswer: it does not answer, or refuses.
        """
        said = [self._name, self._processes, *args]
        return await self._link.ask(lambda: do(keys=keys.names, args=said), even_when_away=even_when_away)

    def _newest(self, book: Book) -> str:
        """Name the latest that Redis has to know of."""
        now = self._time.monotonic()
        is_recent = bool(book.taken) and book.taken[-1] > now - book.longest(now) + _EXPIRING
        return self._member(book.taken[-1]) if is_recent else ""

    def _member(self, moment: float) -> str:
        return f"{self._name}:{moment!r}"

    def _shares(self, limits: tuple[RateLimit, ...]) -> tuple[RateLimit, ...]:
        return tuple(RateLimit(limit.requests // self._processes, limit.window_seconds) for limit in limits)


def _figures(limits: tuple[RateLimit, ...]) -> list[int]:
    """Give what the scripts want to know of each limit."""
    return [number for limit in limits for number in (limit.requests, _milliseconds(kept_for(limit)))]


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
