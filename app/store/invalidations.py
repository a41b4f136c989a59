"""Cache generations to be moved: written with the change, repeated until Redis has confirmed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import ARRAY, BigInteger, Table, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import InvalidationRow

_TABLE = cast("Table", InvalidationRow.__table__)
_ADD = insert(_TABLE).returning(_TABLE.c.id)
_CONFIRM = (
    update(_TABLE).where(_TABLE.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))).values(done_at=func.now())
)


@dataclass(frozen=True, slots=True)
class Invalidation:
    """The generations of one hotel that have to move."""

    id: int
    hotel_id: str
    resources: tuple[str, ...]


class Invalidations(Repository):
    """Invalidations in the order in which they were written."""

    table = "invalidations"

    async def add(self, hotel_id: str, resources: Collection[str]) -> Invalidation:
        """Add one to this unit of work; the names of `resources` are the cache's own."""
        named = sorted(set(resources))
        number = await self._session.scalar(_ADD, {"hotel_id": hotel_id, "resources": named})
        return Invalidation(number or 0, hotel_id, tuple(named))

    async def open(self, *, older_than: float = 0.0, limit: int = 100) -> list[Invalidation]:
        """Give what Redis has not confirmed for more than so many seconds, oldest first."""
        query = (
            select(InvalidationRow)
            .where(InvalidationRow.done_at.is_(None))
            .where(InvalidationRow.created_at <= func.now() - timedelta(seconds=older_than))
            .order_by(InvalidationRow.id)
            .limit(limit)
        )
        return [Invalidation(row.id, row.hotel_id, tuple(row.resources)) for row in await self._session.scalars(query)]

    async def confirm(self, ids: Collection[int]) -> None:
        """Note that Redis has moved the generations."""
        await self._session.execute(_CONFIRM, {"ids": list(ids)})
