"""Keeps writes apart that would disturb each other, in this process and across processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from weakref import WeakValueDictionary

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable, VendorUnavailable
from app.domain.ids import OperationId
from app.gateway.waits import Waits
from app.store.database import Database


class Locks:
    """Locks of operations on things of a hotel; of each process one operation at a time waits in Postgres."""

    def __init__(self, database: Database, clock: Clock, waits: Waits) -> None:
        self._database = database
        self._clock = clock
        self._waits = waits
        self._here: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(
        self, hotel_id: str, name: str, operation_id: OperationId, *, until_settled: bool, not_after: float
    ) -> AsyncIterator[None]:
        """Hold a lock; with `until_settled` it stays when the block ends, until the operation is settled.

        Raises:
            VendorUnavailable: others had it until `not_after` (monotonic seconds).
            StorageUnavailable: Postgres cannot be reached.
        """
        here = self._here.setdefault((hotel_id, name), asyncio.Lock())
        async with here:
            while not await self._take(hotel_id, name, operation_id, until_settled=until_settled):
                if self._clock.monotonic() >= not_after:
                    raise VendorUnavailable("other writes to the same thing took too long; nothing was sent")
                await self._clock.sleep(self._waits.lock_poll)
            try:
                yield
            finally:
                if not until_settled:
                    with suppress(StorageUnavailable):  # it ends by itself, later
                        await self._release(operation_id, name)

    async def _take(self, hotel_id: str, name: str, operation_id: OperationId, *, until_settled: bool) -> bool:
        async with self._database.unit_of_work() as work:
            return await work.locks.take(
                hotel_id,
                name,
                operation_id,
                until_settled=until_settled,
                takeover_after=timedelta(seconds=self._waits.takeover_after),
            )

    async def _release(self, operation_id: OperationId, name: str) -> None:
        async with self._database.unit_of_work() as work:
            await work.locks.release(operation_id, name)
