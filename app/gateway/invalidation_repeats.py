"""Repeats what Redis was not told: cache generations that a write has to move, until Redis confirms."""

import asyncio

import structlog

from app.domain.errors import StorageUnavailable
from app.store.cache import Cache
from app.store.database import Database

EVERY_SECONDS = 2.0

log = structlog.get_logger()


class InvalidationRepeats:
    """Looks after the open invalidations of all processes; doing one twice does no harm."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

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
        """Move the generations of all open invalidations, oldest first.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            waiting = await work.invalidations.open()
        moved = [one.id for one in waiting if await self._cache.move(one.hotel_id, one.resources)]
        if moved:
            async with self._database.unit_of_work() as work:
                await work.invalidations.confirm(moved)
            log.info("invalidations.repeated", count=len(moved))
