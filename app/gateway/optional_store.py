"""Our database as reads use it: they go on without it, and a Postgres that hangs must not hold them up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.gateway.patience import within
from app.store.database import Database, UnitOfWork
from app.store.statements import StorageReadOnly

T = TypeVar("T")

SPARE_SECONDS = 0.25
"""How long a read waits at most for one thing that it can do without."""
_SPARE_SHARE = 0.25
"""Which part of the time that it has left it spends on such a thing."""
_PAUSE_SECONDS = 1.0
"""After a miss reads leave the database alone for this long; after that one of them tries."""

log = structlog.get_logger()


def spare(left: float, *, at_most: float = SPARE_SECONDS) -> float:
    """Give the seconds that a read with so much time left spends on something that it can do without."""
    return min(at_most, max(0.0, left) * _SPARE_SHARE)


class OptionalStore:
    """What the database does not give at once is None, and it is left alone for a moment.

    One that is read-only gives no numbers, and is asked all the same.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._away_until = float("-inf")
        self._no_numbers_until = float("-inf")
        self._missed = False
        self._doubted_at = float("-inf")
        self._in_doubt_since: float | None = None
        """When somebody in a hurry began to wait in vain, by the event loop; nobody had an answer since."""

    async def read_no(self, seconds: float) -> int | None:
        """Take a number for a read; None where it is not to be had."""
        if self._clock.monotonic() < self._no_numbers_until:
            return None
        try:
            return await self._try(seconds, self._database.next_read_no)
        except StorageReadOnly:
            self._no_numbers_until = self._clock.monotonic() + _PAUSE_SECONDS
            return None

    async def ask(self, seconds: float, question: Callable[[UnitOfWork], Awaitable[T]]) -> T | None:
        """Ask the store something; None where there is no answer."""

        async def asked() -> T:
            async with self._database.unit_of_work() as work:
                return await question(work)

        try:
            return await self._try(seconds, asked)
        except StorageReadOnly:
            return None

    async def _try(self, seconds: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        now = self._clock.monotonic()
        if now < self._away_until:
            return None
        if self._missed:
            self._away_until = now + _PAUSE_SECONDS  # this one tries; the others need not wait for it
        began = asyncio.get_running_loop().time()
        try:
            found = await within(seconds, call())
        except StorageReadOnly:
            self._note_answer()
            raise
        except StorageUnavailable:
            self._note_miss(seconds, began)
            return None
        except Exception:
            log.exception("store.failed")
            return None
        self._note_answer()
        return found

    def _note_answer(self) -> None:
        self._missed, self._away_until, self._in_doubt_since = False, float("-inf"), None

    def _note_miss(self, seconds: float, began: float) -> None:
        """Leave the database alone for a moment; those in a hurry speak for all only together."""
        now = asyncio.get_running_loop().time()
        if self._in_doubt_since is None or now - self._doubted_at > _PAUSE_SECONDS:
            self._in_doubt_since = began
        self._doubted_at = now
        waited = now - self._in_doubt_since
        if seconds >= SPARE_SECONDS or waited >= SPARE_SECONDS:
            self._missed, self._away_until = True, self._clock.monotonic() + _PAUSE_SECONDS
