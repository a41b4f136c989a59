"""Full passes over a hotel's resource: only after one may a list be served from the store."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import ListPassRow


@dataclass(frozen=True, slots=True)
class FullPass:
    """The newest full pass. Rows it saw carry its `read_no` or a later one; older rows were not there."""

    hotel_id: str
    resource: str
    day: date | None
    read_no: int
    finished_at: datetime


class Passes(Repository):
    """The newest full pass per hotel, resource and day (hotel-local; none where a list has no day)."""

    table = "list_passes"

    async def record(self, full_pass: FullPass) -> None:
        """Note that a pass finished, unless a later one did already."""
        statement = insert(ListPassRow).values(
            hotel_id=full_pass.hotel_id,
            resource=full_pass.resource,
            day=full_pass.day,
            read_no=full_pass.read_no,
            finished_at=full_pass.finished_at,
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["hotel_id", "resource", "day"],
                set_={name: statement.excluded[name] for name in ("read_no", "finished_at")},
                where=ListPassRow.read_no < statement.excluded.read_no,
            )
        )

    async def find(self, hotel_id: str, resource: str, day: date | None) -> FullPass | None:
        """Give the newest finished pass."""
        query = select(ListPassRow).where(
            ListPassRow.hotel_id == hotel_id,
            ListPassRow.resource == resource,
            ListPassRow.day.is_not_distinct_from(day),
        )
        row = await self._session.scalar(query)
        if row is None:
            return None
        return FullPass(row.hotel_id, row.resource, row.day, row.read_no, row.finished_at)
