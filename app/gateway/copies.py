"""Per-process copies of small tables, so that reads go on while Postgres is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.gateway.patience import storage_within

T = TypeVar("T")

FRESH_SECONDS = 2.0
PAUSE_SECONDS = 0.05
"""Least time between two loads for those who looked in vain, so that wrong keys do not become a query each."""
KEEP_SECONDS = 900.0
"""How long a copy serves while it cannot be refreshed."""
REFRESH_SECONDS = 0.25
"""How long a request waits for a newer copy when there is one to go on with."""
FIRST_SECONDS = 2.0
"""How long it waits when there is none."""


class Copies:
    """Named copies, each refreshed by whoever needs it, one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, Any]] = {}
        self._missed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, name: str, load: Callable[[], Awaitable[T]], *, newest: bool = False) -> T:
        """Give the copy called `name`, at most two seconds old while it can be loaded, else at most 15 minutes.

        With `newest` it is one that was loaded after this call: for somebody who looked in vain.

        Raises:
            StorageUnavailable: it cannot be loaded and no copy is recent enough.
        """
        asked = self._clock.monotonic()
        if not newest and self._serves(name):
            return cast("T", self._held[name][1])
        async with self._locks.setdefault(name, asyncio.Lock()):
            if self._age(name) < self._clock.monotonic() - asked if newest else self._serves(name):
                return cast("T", self._held[name][1])  # somebody else loaded it while we waited
            if newest and self._age(name) < PAUSE_SECONDS:
                await self._clock.sleep(PAUSE_SECONDS - self._age(name))
            return await self._refresh(name, load)

    async def _refresh(self, name: str, load: Callable[[], Awaitable[T]]) -> T:
        begun = self._clock.monotonic()
        try:
            async with storage_within(REFRESH_SECONDS if self._age(name) < KEEP_SECONDS else FIRST_SECONDS):
                value = await load()
        except StorageUnavailable:
            if self._age(name) < KEEP_SECONDS:
                self._missed[name] = self._clock.monotonic()
                return cast("T", self._held[name][1])
            raise
        self._held[name] = (begun, value)
        return value

    def forget(self, name: str) -> None:
        """Let the next look load anew: this process itself has just changed it."""
        self._held.pop(name, None)

    def _serves(self, name: str) -> bool:
        """Tell whether the copy is fresh, or was not to be had fresher a moment ago: one request waits, not each."""
        age = self._age(name)
        missed = self._clock.monotonic() - self._missed.get(name, float("-inf"))
        return age < FRESH_SECONDS or (age < KEEP_SECONDS and missed < FRESH_SECONDS)

    def _age(self, name: str) -> float:
        held = self._held.get(name)
        return float("inf") if held is None else self._clock.monotonic() - held[0]
