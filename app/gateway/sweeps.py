"""Takes what the cache keeps of a hotel out of Redis, until Redis has confirmed it.

Once is not enough: other processes believe a copy of the marks that is up to five seconds old, and may keep an answer
in that time. So a job sweeps once more when none of them can.
"""

from datetime import timedelta

import structlog

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.store.database import Database, UnitOfWork
from app.store.sweeper import Sweeper

SWEEP_JOB = "cache_sweep"
"""The worker's job of sweeping a hotel; it carries the hotel's id."""
SWEEP_AFTER = timedelta(seconds=10)
_AGAIN = timedelta(seconds=5)
_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


async def enqueue_sweep(work: UnitOfWork, hotel_id: str, *, delay: timedelta = SWEEP_AFTER) -> None:
    """Have a hotel swept a while after this unit of work; each erasing has a job of its own."""
    await work.enqueue(SWEEP_JOB, about=hotel_id, delay=delay)


class CacheSweeps:
    """Sweeps hotels; doing it twice does no harm."""

    def __init__(self, database: Database, sweeper: Sweeper, clock: Clock) -> None:
        self._database = database
        self._sweeper = sweeper
        self._clock = clock

    async def now(self, hotel_id: str) -> bool:
        """Sweep at once; false when Redis did not confirm it."""
        return await self._sweeper.sweep(hotel_id)

    async def attend(self, hotel_id: str) -> None:
        """Sweep, or have it done again a little later: the job ends only when it is done or the next one is there."""
        while not await self._sweeper.sweep(hotel_id):
            log.warning("cache.not_swept", hotel_id=hotel_id)
            try:
                async with self._database.unit_of_work() as work:
                    await enqueue_sweep(work, hotel_id, delay=_AGAIN)
            except StorageUnavailable:
                await self._clock.sleep(_PAUSE_SECONDS)
            else:
                return
