"""Which guests were erased: a read of them passes through and leaves nothing here."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ARRAY, LargeBinary, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.hotel import Hotel
from app.store.crypto import Marks
from app.store.repository import Repository
from app.store.subjects import Subject, marks_of
from app.store.tables import TombstoneRow

K = TypeVar("K")

_AMONG = text("SELECT * FROM tombstones_among(:hotel, :wanted)").bindparams(
    bindparam("wanted", type_=ARRAY(LargeBinary))
)


async def erased_among(
    session: AsyncSession, marks: Marks, hotel: Hotel, people: Mapping[K, Iterable[Subject]]
) -> frozenset[K]:
    """Tell which of the named rows speak of an erased guest, for somebody who writes the others in this transaction.

    An erasing that runs at the same time is waited for, or waits for the end of this transaction: no row comes after.
    """
    found = {name: marks_of(marks, hotel, subjects) for name, subjects in people.items()}
    wanted = frozenset[bytes]().union(*found.values())
    if not wanted:
        return frozenset()
    erased = set(await session.scalars(_AMONG, {"hotel": hotel.id, "wanted": sorted(wanted)}))
    return frozenset(name for name, own in found.items() if own & erased)


class Tombstones(Repository):
    """What is left of erased guests: marks that nobody can read anything from."""

    table = "tombstones"

    async def versions(self) -> dict[str, tuple[int, datetime]]:
        """Give what changes with every erasing, for each hotel that has erased anybody."""
        query = select(TombstoneRow.hotel_id, func.count(), func.max(TombstoneRow.erased_at))
        rows = await self._session.execute(query.group_by(TombstoneRow.hotel_id))
        return {hotel_id: (count, newest) for hotel_id, count, newest in rows}

    async def of_hotels(self, hotel_ids: Collection[str]) -> dict[str, frozenset[bytes]]:
        """Give all marks of these hotels."""
        query = select(TombstoneRow.hotel_id, TombstoneRow.subject).where(TombstoneRow.hotel_id.in_(hotel_ids))
        found: dict[str, set[bytes]] = {hotel_id: set() for hotel_id in hotel_ids}
        for hotel_id, mark in await self._session.execute(query):
            found[hotel_id].add(mark)
        return {hotel_id: frozenset(marks) for hotel_id, marks in found.items()}
