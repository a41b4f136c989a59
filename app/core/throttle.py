"""A vendor's quota, kept before the vendor has to enforce it: what every process does with its own memory.

What processes know together is in `app.store.quota`, which falls back on this one's book-keeping.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core import deadline, priority
from app.core.clock import Clock
from app.core.profile import RateLimit
from app.domain.errors import VendorThrottled

PAUSE_SECONDS = 1.0
"""How long nothing is sent after a vendor said "too many" without saying when to come back."""
LONGEST_PAUSE = 3_600.0
"""Seconds of a vendor's `Retry-After` that are believed: nobody comes back to find a hotel silent for a day."""
COMING_BACK = 0.5
"""Seconds that a caller who waited may take to ask again, while nobody in the background slips in."""


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """A limit of `limit` requests in `window_seconds`, and how many of them remain now."""

    limit: int
    window_seconds: int
    remaining: int


class Quota(Protocol):
    """Permission to send one request with one set of credentials.

    `account` tells sets of credentials apart and is no secret itself. Whoever works in the background
    (`app.core.priority`) may have at most half of a window, and nothing while a caller waits for a turn.
    """

    async def take(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> None:
        """Wait for a permission.

        Raises:
            VendorThrottled: none comes free within the deadline; nothing was sent.
        """

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds, because the vendor said so; None where it did not say how long."""

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""


class LocalQuota:
    """Sliding windows in the memory of this process, by the clock that is handed in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._books: dict[tuple[str, str], Book] = {}

    async def take(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> None:
        """Wait for a permission."""
        book = self._books.setdefault((vendor, account), Book())
        background = priority.is_background()
        while (wait := book.wait(limits, self._clock.monotonic(), background=background)) > 0:
            patience = deadline.remaining(self._clock.monotonic())
            if wait > patience:
                raise used_up(vendor, wait)
            book.wants(self._clock.monotonic() + wait, background=background)
            await self._clock.sleep(wait)
        book.note(limits, self._clock.monotonic(), background=background)

    async def close(self, vendor: str, account: str, seconds: float | None) -> None:
        """Send nothing for so many seconds."""
        book = self._books.setdefault((vendor, account), Book())
        book.close(self._clock.monotonic() + pause(seconds))

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""
        book, now = self._books.get((vendor, account), Book()), self._clock.monotonic()
        return tightest(limits, [limit.requests - book.used(limit, now) for limit in limits])


class Book:
    """What one process knows of one set of credentials. Moments are its own monotonic seconds, the latest last.

    All windows are asked at once: a permission that was taken from one while another one is still waited for would
    be of the past when the request leaves.
    """

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.background: list[float] = []
        self.alone: list[float] = []
        """Those that other processes did not know of when they were taken."""
        self.closed_until = -math.inf
        self.longest = 0.0
        """Seconds for which moments are kept."""
        self._wanted_until = -math.inf

    def wait(self, limits: tuple[RateLimit, ...], now: float, *, background: bool) -> float:
        """Give the seconds until one more may be sent, by what this process alone has sent."""
        waits = [self.gate(now, background=background)]
        for limit in limits:
            waits.append(until_room(self.taken, limit.requests, kept_for(limit), now))
            if background:
                waits.append(until_room(self.background, half(limit.requests), kept_for(limit), now))
        return max(waits)

    def gate(self, now: float, *, background: bool) -> float:
        """Give the seconds until anything may be sent at all."""
        return max(0.0, self.closed_until - now, self._wanted_until - now if background else 0.0)

    def note(self, limits: tuple[RateLimit, ...], now: float, *, background: bool, alone: bool = False) -> float:
        """Write down that one is sent; gives its moment, which no other has."""
        if not limits:
            return now
        self.longest = max(self.longest, *map(kept_for, limits))
        moment = max(now, math.nextafter(self.taken[-1], math.inf)) if self.taken else now
        for moments, is_one in ((self.taken, True), (self.background, background), (self.alone, alone)):
            del moments[: bisect_left(moments, now - self.longest)]
            if is_one:
                moments.append(moment)
        return moment

    def strike(self, moment: float) -> None:
        """Take back what was written down and is not sent after all."""
        for moments in (self.taken, self.background, self.alone):
            if has(moments, moment):
                del moments[bisect_left(moments, moment)]

    def close(self, until: float) -> None:
        """Let nothing be sent until then; never earlier than was said before."""
        self.closed_until = max(self.closed_until, until)

    def wants(self, until: float, *, background: bool) -> None:
        """Remember that somebody waits for a turn until then."""
        if not background:
            self._wanted_until = max(self._wanted_until, until + COMING_BACK)

    def used(self, limit: RateLimit, now: float) -> int:
        """Count what this process has sent in a window."""
        return len(self.taken) - bisect_left(self.taken, now - kept_for(limit))


def kept_for(limit: RateLimit) -> float:
    """Give the seconds for which a request counts: its window, and the time that it may take to arrive.

    A permission is given here and counted there. Without the rest a request that was held up on its way would meet
    those of the next window: a quarter of a short one, two seconds (a connection's time) of a long one.
    """
    return limit.window_seconds + min(limit.window_seconds / 4, 2.0)


def until_room(moments: Sequence[float], requests: int, seconds: float, now: float) -> float:
    """Give the seconds until a window has room for one more; for ever where nothing is allowed."""
    if requests <= 0:
        return math.inf
    return max(0.0, moments[-requests] + seconds - now) if len(moments) >= requests else 0.0


def half(requests: int) -> int:
    """Give what is for the background: half, but never nothing."""
    return max(1, requests // 2)


def pause(seconds: float | None) -> float:
    """Give the seconds of silence that a vendor's `Retry-After` stands for."""
    return PAUSE_SECONDS if seconds is None else min(seconds, LONGEST_PAUSE)


def has(moments: Sequence[float], moment: float) -> bool:
    """Tell whether a moment is among sorted ones."""
    place = bisect_left(moments, moment)
    return place < len(moments) and moments[place] == moment


def tightest(limits: tuple[RateLimit, ...], remaining: Sequence[int]) -> QuotaLeft | None:
    """Give the limit of which the least remains."""
    left = [
        QuotaLeft(limit.requests, limit.window_seconds, max(0, count))
        for limit, count in zip(limits, remaining, strict=True)
    ]
    return min(left, key=lambda one: one.remaining, default=None)


def used_up(vendor: str, wait: float, why: str = "the PMS's quota is used up") -> VendorThrottled:
    """Make the refusal of a request that was not sent."""
    return VendorThrottled(why, vendor=vendor, retry_after=wait if math.isfinite(wait) else None)
