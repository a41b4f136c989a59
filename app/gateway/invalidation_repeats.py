"""Repeats what Redis was not told: cache generations that a write has to move, until Redis confirms."""

import asyncio

import structlog

from app.domain.errors import StorageUnavailable
from app.store.cache import Cache
from app.store.database import Database

EVERY_SECONDS = 2.0
OVERDUE_SECONDS = 5.0
"""How old an open invalidation is before it is repeated: its own process confirms what went well long before."""

log = structlog.get_logger()


class InvalidationRepeats:
    """Looks after the open invalidations of all processes; doing one twice does no harm."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache
        self._moved: set[int] = set()

    def note_moved(self, invalidation: int) -> None:
        """Note that Redis has confirmed one; that is written down soon, together with others."""
        self._moved.add(invalidation)

    async def watch(self) -> None:
        """Repeat again and again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.repeat()
            except StorageUnavailable:
                log.info("invalidations.not_repeated")
            except Exception:
                log.exception("invalidations.failed")

    async def repeat(self) -> None:
        """Confirm what this process moved, then move the generations of all that are overdue, oldest first.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        await self.confirm()
        async with self._database.unit_of_work() as work:
            waiting = await work.invalidations.open(older_than=OVERDUE_SECONDS)
        for one in waiting:
            if await self._cache.move(one.hotel_id, one.resources):
                self.note_moved(one.id)
        if self._moved:
            log.info("invalidations.repeated", count=len(self._moved))
            await self.confirm()

    async def confirm(self) -> None:
        """Write down what Redis has confirmed; where that fails, it is written the next time.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        moved = tuple(self._moved)
        if not moved:
            return
        async with self._database.unit_of_work() as work:
            await work.invalidations.confirm(moved)
        self._moved.difference_update(moved)
