"""Cache generations to be moved: written with the change, repeated until Redis has confirmed."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import InvalidationRow


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
        statement = insert(InvalidationRow).values(hotel_id=hotel_id, resources=named)
        number = await self._session.scalar(statement.returning(InvalidationRow.id))
        return Invalidation(number or 0, hotel_id, tuple(named))

    async def open(self, *, limit: int = 100) -> list[Invalidation]:
        """Give what Redis has not confirmed, oldest first."""
        query = (
            select(InvalidationRow).where(InvalidationRow.done_at.is_(None)).order_by(InvalidationRow.id).limit(limit)
        )
        return [Invalidation(row.id, row.hotel_id, tuple(row.resources)) for row in await self._session.scalars(query)]

    async def confirm(self, ids: Collection[int]) -> None:
        """Note that Redis has moved the generations."""
        await self._session.execute(
            update(InvalidationRow).where(InvalidationRow.id.in_(ids)).values(done_at=func.now())
        )
