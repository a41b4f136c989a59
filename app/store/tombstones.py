"""Which guests were erased: a read of them passes through and leaves nothing here."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.hotel import Hotel
from app.store.crypto import BlindIndex
from app.store.subjects import Subject, lookups_of
from app.store.tables import TombstoneRow

K = TypeVar("K")


async def erased_among(
    session: AsyncSession, index: BlindIndex, hotel: Hotel, people: Mapping[K, Iterable[Subject]]
) -> frozenset[K]:
    """Tell which of the named rows speak of an erased guest; looked for under every live index key."""
    lookups = {name: set(lookups_of(index, hotel, subjects)) for name, subjects in people.items()}
    wanted = set[bytes]().union(*lookups.values())
    if not wanted:
        return frozenset()
    query = select(TombstoneRow.subject).where(TombstoneRow.hotel_id == hotel.id, TombstoneRow.subject.in_(wanted))
    erased = set(await session.scalars(query))
    return frozenset(name for name, subjects in lookups.items() if subjects & erased)
