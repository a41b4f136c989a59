"""A vendor's quota, kept before the vendor has to enforce it: waiting in line, and what one process remembers.

What processes know together is in `app.store.quota`, which falls back on this one's book-keeping.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from app.core import deadline, priority
from app.core.clock import Clock
from app.core.profile import RateLimit
from app.domain.errors import VendorThrottled

PAUSE_SECONDS = 1.0
"""How long nothing is sent after a vendor said "too many" without saying when to come back."""
LONGEST_PAUSE = 3_600.0
"""Seconds of a vendor's `Retry-After` that are believed: nobody comes back to find a hotel silent for a day."""
LONGEST_WAIT = 60.0
"""Seconds that somebody without a deadline waits at most."""
COMING_BACK = 0.5
"""Seconds that a caller who waited may take to ask again, while nobody in the background slips in."""
PATIENT_SECONDS = 5.0
"""After so long the background need not stay behind callers any more: settling lost writes is background, too."""
USED_UP = "the PMS's quota is used up"
SILENCE = "the PMS asked for a pause"
_SAY_EVERY = 60.0
_SWEEP_EVERY = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """A limit of `limit` requests in `window_seconds`, and how many of them could be sent now."""

    limit: int
    window_seconds: int
    remaining: int


class Slots(Protocol):
    """What a request needs besides a permission: a free connection, without which the permission would grow stale."""

    async def acquire(self, seconds: float) -> None:
        """Wait for one, so many seconds at most."""

    def release(self) -> None:
        """Give it back."""


class Quota(Protocol):
    """Permission to send one request with one set of credentials.

    `account` tells sets of credentials apart and is no secret itself. Whoever works in the background
    (`app.core.priority`) may have at most half of a window, and for five seconds nothing while a caller waits.
    """

    async def take(
        self, vendor: str, account: str, limits: tuple[RateLimit, ...], *, slots: Slots | None = None
    ) -> None:
        """Wait for a permission, and for one of `slots` to use it at once: that one is the caller's to release.

        Raises:
            VendorThrottled: none comes free within the deadline, or a minute without one; nothing was sent.
        """

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds, because the vendor said so; None where it did not say how long."""

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""


@dataclass(slots=True)
class Line:
    """Those who wait in one process for one account: only the first asks and sleeps."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    opens_at: float = -math.inf
    """When the first hopes to get one."""
    least: float = -math.inf
    """Before when it surely gets none."""


class Book:
    """What one process knows of one set of credentials. Moments are monotonic seconds, the latest last."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.background: list[float] = []
        self.closed_until = -math.inf
        """By the clock that waits are counted by."""
        self.lines = (Line(), Line())
        """Of callers, and of the background."""
        self._longest = 0.0
        self._known_until = -math.inf
        self._wanted_until = -math.inf

    def wait(self, limits: tuple[RateLimit, ...], now: float, *, background: bool, heeds: bool) -> float:
        """Give the seconds until one more may be sent, of all windows at once, by what this process has sent."""
        if any(limit.requests <= 0 for limit in limits):
            return math.inf
        waits = [self._wanted_until - now if heeds and limits else 0.0, 0.0]
        for limit in limits:
            waits.append(until_room(self.taken, limit.requests, kept_for(limit), now))
            if background:
                waits.append(until_room(self.background, max(1, limit.requests // 2), kept_for(limit), now))
        return max(waits)

    def note(self, now: float, *, background: bool) -> None:
        """Write down that one is sent, if some hotel of this account has a limit."""
        if (longest := self.longest(now)) == 0:
            return
        for moments, counts in ((self.taken, True), (self.background, background)):
            del moments[: bisect_left(moments, now - longest)]
            if counts:
                insort(moments, now)

    def longest(self, now: float) -> float:
        """Give the seconds for which requests are remembered; 0 where no hotel of this account has a limit."""
        return self._longest if now < self._known_until else 0.0

    def learn(self, longest: float, now: float) -> None:
        """Remember requests for so long; a shorter time is believed when the longer one was not named for an hour."""
        if longest > 0 and longest >= self.longest(now):
            self._longest, self._known_until = longest, now + max(longest, 3_600.0)

    def wants(self, until: float) -> None:
        """Remember that a caller waits until then."""
        self._wanted_until = max(self._wanted_until, until + COMING_BACK)

    def left(self, limit: RateLimit, now: float) -> int:
        """Count what this process could send now."""
        return max(0, limit.requests - len(self.taken) + bisect_right(self.taken, now - kept_for(limit)))

    def is_idle(self, now: float, clock_now: float) -> bool:
        """Tell whether nothing in here says anything any more."""
        is_past = not self.taken or self.taken[-1] < now - self._longest
        return is_past and self.closed_until <= clock_now and not any(line.turn.locked() for line in self.lines)


@dataclass(frozen=True, slots=True)
class Wait:
    """How long there is no permission: so many `seconds`, as far as is known; 0: it was given."""

    seconds: float
    nap: float = 0.0
    """After so many seconds somebody looks again."""
    is_hopeful: bool = False
    """Whether there may be one at any moment, so that it is worth looking until the deadline."""
    why: str = USED_UP


@dataclass(frozen=True, slots=True)
class Turn:
    """One who wants a permission."""

    vendor: str
    account: str
    limits: tuple[RateLimit, ...]
    background: bool
    book: Book
    began: float


class WaitingQuota(ABC):
    """Waiting in line for permissions; where they come from is the subclass's."""

    def __init__(self, clock: Clock, time: Clock) -> None:
        """`clock`: what deadlines and gates are counted by. `time`: what windows are."""
        self._clock, self._time = clock, time
        self._books: dict[tuple[str, str], Book] = {}
        self._said: dict[tuple[str, str], float] = {}
        self._sweep_at = -math.inf

    async def take(
        self, vendor: str, account: str, limits: tuple[RateLimit, ...], *, slots: Slots | None = None
    ) -> None:
        """Wait for a permission, and for one of `slots`, which is the caller's to release."""
        if limits and slots:  # those who find no connection find so all at once, not one after the other
            await slots.acquire(self._patience())
            slots.release()
        book = self._book(vendor, account)
        book.learn(max(map(kept_for, limits), default=0.0), self._time.monotonic())
        taken = False
        while not taken:
            turn = Turn(vendor, account, limits, priority.is_background(), book, self._time.monotonic())
            taken = await (self._stand_and_take(turn, slots) if limits else self._until_taken(turn, slots))

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds; never fewer than was said before."""
        silence = pause(seconds)
        book = self._book(vendor, account)
        book.closed_until = max(book.closed_until, self._clock.monotonic() + silence)
        self._say("quota.closed", vendor, seconds=silence)

    @abstractmethod
    async def _try(self, turn: Turn) -> Wait:
        """Take one, without waiting for it."""

    async def _stand_and_take(self, turn: Turn, slots: Slots | None) -> bool:
        line = turn.book.lines[turn.background]
        await self._stand(turn, line)
        try:
            return await self._until_taken(turn, slots)
        finally:
            line.opens_at = line.least = -math.inf
            line.turn.release()

    async def _stand(self, turn: Turn, line: Line) -> None:
        """Wait until it is one's turn to ask."""
        patience = self._patience()
        try:
            if line.least - self._time.monotonic() > patience:
                raise TimeoutError
            async with asyncio.timeout(patience):
                await line.turn.acquire()
        except TimeoutError:
            raise used_up(turn.vendor, max(0.1, line.opens_at - self._time.monotonic())) from None

    async def _until_taken(self, turn: Turn, slots: Slots | None) -> bool:
        """Take one; False when it belongs into the other line now, as all who waited for it have left, or one came."""
        line = turn.book.lines[turn.background]
        while turn.background == priority.is_background():
            wait = await self._try_with(turn, slots)
            if wait.seconds <= 0:
                return True
            least = wait.nap if wait.is_hopeful else wait.seconds
            if least > self._patience():
                raise used_up(turn.vendor, wait.seconds, wait.why)
            if turn.limits:
                now = self._time.monotonic()
                line.opens_at, line.least = now + wait.seconds, now + least
                if not turn.background:
                    turn.book.wants(now + wait.nap)
            is_closed = turn.book.closed_until > self._clock.monotonic()
            await (self._clock if is_closed else self._time).sleep(wait.nap)
        return False

    async def _try_with(self, turn: Turn, slots: Slots | None) -> Wait:
        """Take one if there is a slot to use it with; without a permission the slot is given back."""
        silence = turn.book.closed_until - self._clock.monotonic()
        if silence > 0:
            return Wait(silence, silence, why=SILENCE)
        if slots is None:
            return await self._try(turn)
        await slots.acquire(self._patience())
        wait = None
        try:
            wait = await self._try(turn)
        finally:
            if wait is None or wait.seconds > 0:
                slots.release()
        return wait

    def _patience(self) -> float:
        left = deadline.remaining(self._clock.monotonic())
        return left if math.isfinite(left) else LONGEST_WAIT

    def _heeds(self, turn: Turn) -> bool:
        """Tell whether this one stays behind the callers that wait."""
        return turn.background and self._time.monotonic() - turn.began <= PATIENT_SECONDS

    def _book(self, vendor: str, account: str) -> Book:
        now = self._time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_EVERY
            idle = [one for one, book in self._books.items() if book.is_idle(now, self._clock.monotonic())]
            for one in idle:
                del self._books[one]
        return self._books.setdefault((vendor, account), Book())

    def _say(self, event: str, vendor: str, **facts: float) -> None:
        """Write a log line, once a minute at most."""
        now = self._time.monotonic()
        if now >= self._said.get((event, vendor), -math.inf) + _SAY_EVERY:
            self._said[event, vendor] = now
            log.warning(event, vendor=vendor, **facts)


class LocalQuota(WaitingQuota):
    """Sliding windows in the memory of this process, by the clock that is handed in."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, clock)

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""
        book, now = self._books.get((vendor, account), Book()), self._clock.monotonic()
        return tightest(limits, [book.left(limit, now) if book.closed_until <= now else 0 for limit in limits])

    async def _try(self, turn: Turn) -> Wait:
        now = self._clock.monotonic()
        wait = turn.book.wait(turn.limits, now, background=turn.background, heeds=self._heeds(turn))
        if wait <= 0:
            turn.book.note(now, background=turn.background)
        return Wait(wait, wait)


def kept_for(limit: RateLimit) -> float:
    """Give the seconds for which a request counts: its window, and the time that it may take to arrive.

    A permission is given here and counted there. Without the rest a request that was held up on its way would meet
    those of the next window: a quarter of a short one, two seconds (a connection's time) of a long one.
    """
    return limit.window_seconds + min(limit.window_seconds / 4, 2.0)


def until_room(moments: Sequence[float], requests: int, seconds: float, now: float) -> float:
    """Give the seconds until a window has room for one more."""
    return max(0.0, moments[-requests] + seconds - now) if len(moments) >= requests else 0.0


def pause(seconds: float | None) -> float:
    """Give the seconds of silence that a vendor's `Retry-After` stands for."""
    return PAUSE_SECONDS if seconds is None else min(seconds, LONGEST_PAUSE)


def tightest(limits: tuple[RateLimit, ...], remaining: Sequence[int]) -> QuotaLeft | None:
    """Give the limit of which the least remains."""
    left = [QuotaLeft(one.requests, one.window_seconds, count) for one, count in zip(limits, remaining, strict=True)]
    return min(left, key=lambda one: one.remaining, default=None)


def used_up(vendor: str, wait: float, why: str = USED_UP) -> VendorThrottled:
    """Make the refusal of a request that was not sent."""
    return VendorThrottled(why, vendor=vendor, retry_after=wait if math.isfinite(wait) else None)
