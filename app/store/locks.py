"""What one operation keeps the others of its hotel out of: an order, a room type.

A lock belongs to an operation, not to a process, so that whoever takes the operation over is let in. It ends by
itself only when its owner's sends have surely ended, or else when the operation is settled.
"""

from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.domain.ids import OperationId
from app.store.repository import Repository
from app.store.tables import LockRow, OperationRow

_TABLE = cast("Table", LockRow.__table__)
_RELEASE = delete(_TABLE).where(_TABLE.c.operation_id == bindparam("operation"))  # made once: each write ends so


class Locks(Repository):
    """Locks by hotel and name."""

    table = "locks"

    async def take(
        self,
        hotel_id: str,
        name: str,
        operation_id: OperationId,
        *,
        until_settled: bool = False,
        takeover_after: timedelta,
    ) -> bool:
        """Take a lock, or keep the one that this operation has; false while another operation has it.

        Without `until_settled` it ends once another process could take the operation over.
        """
        deadline = (
            select(OperationRow.deadline_at + takeover_after)
            .where(OperationRow.id == UUID(operation_id))
            .scalar_subquery()
        )
        until = None if until_settled else deadline
        statement = insert(LockRow).values(hotel_id=hotel_id, name=name, operation_id=UUID(operation_id), until=until)
        taken = statement.on_conflict_do_update(
            index_elements=["hotel_id", "name"],
            set_={"operation_id": statement.excluded.operation_id, "until": statement.excluded.until},
            where=or_(LockRow.operation_id == UUID(operation_id), LockRow.until <= func.now()),
        ).returning(LockRow.name)
        return await self._session.scalar(taken) is not None

    async def release(self, operation_id: OperationId, name: str | None = None) -> None:
        """Let the others in: to one thing, or to all that the operation kept."""
        statement = _RELEASE if name is None else _RELEASE.where(_TABLE.c.name == name)
        await self._session.execute(statement, {"operation": UUID(operation_id)})
