"""Our database as reads use it: they go on without it, and a Postgres that hangs must not hold them up."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.gateway.patience import within
from app.store.database import Database, UnitOfWork

T = TypeVar("T")

SPARE_SECONDS = 0.25
"""How long a read waits at most for one thing that it can do without."""
_SPARE_SHARE = 0.25
"""Which part of the time that it has left it spends on such a thing."""
_PAUSE_SECONDS = 1.0
"""After a miss reads leave the database alone for this long; after that one of them tries."""

log = structlog.get_logger()


def spare(left: float) -> float:
    """Give the seconds that a read with so much time left spends on something that it can do without."""
    return min(SPARE_SECONDS, max(0.0, left) * _SPARE_SHARE)


class OptionalStore:
    """What the database does not give at once is None, and it is left alone for a moment."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._away_until = float("-inf")
        self._missed = False

    async def read_no(self, seconds: float) -> int | None:
        """Take a number for a read; None where it is not to be had."""
        return await self._try(seconds, self._database.next_read_no)

    async def ask(self, seconds: float, question: Callable[[UnitOfWork], Awaitable[T]]) -> T | None:
        """Ask the store something; None where there is no answer."""

        async def asked() -> T:
            async with self._database.unit_of_work() as work:
                return await question(work)

        return await self._try(seconds, asked)

    async def _try(self, seconds: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        now = self._clock.monotonic()
        if now < self._away_until:
            return None
        if self._missed:
            self._away_until = now + _PAUSE_SECONDS  # this one tries; the others need not wait for it
        try:
            found = await within(seconds, call())
        except StorageUnavailable:
            if seconds >= SPARE_SECONDS:  # who is in a hurry does not speak for all
                self._missed, self._away_until = True, self._clock.monotonic() + _PAUSE_SECONDS
            return None
        except Exception:
            log.exception("store.failed")
            return None
        self._missed, self._away_until = False, float("-inf")
        return found
