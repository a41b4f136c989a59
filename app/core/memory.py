"""What a connector keeps in mind of a PMS that seldom changes: room types, rates, what an id stands for."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.core.clock import Clock

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds for which what was just read is not read again, whatever it surprises with: an id may really be nowhere."""


class Memory:
    """Facts of one hotel by name, each read once by all who ask at the same time, and again when it is old.

    It is forgotten on surprise: who finds that something is missing says so (`knows`), and it is read anew. It holds
    nothing of guests, and nothing that must never be stale: it lives as long as the connector.
    """

    def __init__(self, clock: Clock, lifetime: float = 600.0) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._kept: dict[str, tuple[float, Any]] = {}
        self._readers: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def recall(
        self, name: str, read: Callable[[], Awaitable[T]], *, knows: Callable[[T], bool] = lambda _: True
    ) -> T:
        """Give what is kept under `name`, or what `read` gives.

        What is kept and does not know what it is asked for is read again, unless that was done a moment ago.

        Raises:
            GatewayError: it had to be read and could not be; nothing is kept of that.
        """
        async with self._readers[name]:
            kept = self._kept.get(name)
            age = self._clock.monotonic() - kept[0] if kept else self._lifetime
            if kept and age < self._lifetime and (age < _PATIENCE or knows(kept[1])):
                found: T = kept[1]
                return found
            asked = self._clock.monotonic()
            found = await read()
            self._kept[name] = (asked, found)
            return found

    def forget(self, name: str) -> None:
        """Let the next one who asks read it anew."""
        self._kept.pop(name, None)
