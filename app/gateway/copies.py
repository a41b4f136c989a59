"""Per-process copies of small tables, so that reads go on while Postgres is away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.gateway.optional_store import SPARE_SECONDS, spare
from app.gateway.patience import within

T = TypeVar("T")

FRESH_SECONDS = 2.0
PAUSE_SECONDS = 0.05
"""Least time between two loads for those who looked in vain, so that wrong keys do not become a query each."""
KEEP_SECONDS = 900.0
"""How long a copy serves while it cannot be refreshed."""
FIRST_SECONDS = 2.0
"""How long a request waits for a copy when there is none to go on with."""


@dataclass(frozen=True, slots=True)
class _Copy:
    begun: float
    changes: int
    """How often this process had changed the table when the copy was loaded."""
    value: Any


class Copies:
    """Named copies, each refreshed by whoever needs it, one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Copy] = {}
        self._changes: dict[str, int] = {}
        self._missed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(
        self, name: str, load: Callable[[], Awaitable[T]], *, newest: bool = False, until: float = float("inf")
    ) -> T:
        """Give the copy called `name`, at most two seconds old while it can be loaded, else at most 15 minutes.

        With `newest` it is one that was loaded after this call: for somebody who looked in vain, and must not be told
        that there is no such thing when only we could not look. `until` is when the caller's time ends (monotonic).

        Raises:
            StorageUnavailable: it cannot be loaded in time and no copy is recent enough.
        """
        if not newest and self._serves(name):
            return cast("T", self._held[name].value)
        left = until - self._clock.monotonic()
        usable = not newest and self._age(name) < KEEP_SECONDS
        seconds = spare(left) if usable else min(FIRST_SECONDS, left)
        try:
            return await within(seconds, self._load(name, load, newest))
        except StorageUnavailable:
            if not usable:
                raise
            if seconds >= SPARE_SECONDS:  # who is in a hurry does not speak for all
                self._missed[name] = self._clock.monotonic()
            return cast("T", self._held[name].value)

    def forget(self, name: str) -> None:
        """Let the next look load anew: this process itself has just changed it. The copy stays for bad times."""
        self._changes[name] = self._changes.get(name, 0) + 1
        self._missed.pop(name, None)

    async def _load(self, name: str, load: Callable[[], Awaitable[T]], newest: bool) -> T:  # noqa: FBT001 - private
        asked = self._clock.monotonic()
        async with self._locks.setdefault(name, asyncio.Lock()):
            if self._age(name) < self._clock.monotonic() - asked if newest else self._serves(name):
                return cast("T", self._held[name].value)  # somebody else loaded it while we waited
            if newest and self._age(name) < PAUSE_SECONDS:
                await self._clock.sleep(PAUSE_SECONDS - self._age(name))
            begun, changes = self._clock.monotonic(), self._changes.get(name, 0)
            value = await load()
            self._held[name] = _Copy(begun, changes, value)
            return value

    def _serves(self, name: str) -> bool:
        """Tell whether the copy is fresh, or was not to be had fresher a moment ago: one request waits, not each."""
        age, changed = self._age(name), self._changes.get(name, 0)
        if age >= KEEP_SECONDS:
            return False
        missed = self._clock.monotonic() - self._missed.get(name, float("-inf"))
        return missed < FRESH_SECONDS or (age < FRESH_SECONDS and self._held[name].changes == changed)

    def _age(self, name: str) -> float:
        held = self._held.get(name)
        return float("inf") if held is None else self._clock.monotonic() - held.begun
