"""A vendor's quota, kept before the vendor has to enforce it. In this process only, until processes share it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core import deadline
from app.core.clock import Clock
from app.core.profile import RateLimit
from app.domain.errors import VendorThrottled


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """A limit of `limit` requests in `window_seconds`, and how many of them remain now."""

    limit: int
    window_seconds: int
    remaining: int


class Quota(Protocol):
    """Permission to send one request with one set of credentials."""

    async def take(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> None:
        """Wait for a permission.

        Raises:
            VendorThrottled: none comes free within the deadline; nothing was sent.
        """

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""


class LocalQuota:
    """Sliding windows in the memory of this process, by the clock that is handed in.

    All windows of a vendor are asked at once: a permission that was taken from one while another one is still
    waited for would be of the past when the request leaves.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: dict[tuple[str, str], deque[float]] = {}

    async def take(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> None:
        """Wait for a permission; `account` tells sets of credentials apart and is no secret itself."""
        if not limits:
            return
        taken = self._taken.setdefault((vendor, account), deque(maxlen=max(limit.requests for limit in limits)))
        while (wait := _until_free(taken, limits, self._clock.monotonic())) > 0:
            if wait > deadline.remaining(self._clock.monotonic()):
                raise VendorThrottled("the PMS's quota is used up", vendor=vendor, retry_after=wait)
            await self._clock.sleep(wait)
        taken.append(self._clock.monotonic())

    async def left(self, vendor: str, account: str, limits: tuple[RateLimit, ...]) -> QuotaLeft | None:
        """Give what is left of the tightest limit; None where there is no limit."""
        now, taken = self._clock.monotonic(), self._taken.get((vendor, account), ())
        used = {limit: sum(moment > now - limit.window_seconds for moment in taken) for limit in limits}
        left = [QuotaLeft(limit.requests, limit.window_seconds, limit.requests - used[limit]) for limit in limits]
        return min(left, key=lambda one: one.remaining, default=None)


def _until_free(taken: Sequence[float], limits: tuple[RateLimit, ...], now: float) -> float:
    """Give the seconds until every window has room again; `taken` are the moments, the latest last."""
    full = (limit for limit in limits if len(taken) >= limit.requests)
    return max((taken[-limit.requests] + limit.window_seconds - now for limit in full), default=0.0)
