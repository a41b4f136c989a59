"""The durable steps of a write: each vendor call is noted before it is sent and when it is answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.ids import OperationId
from app.store.operations import LIVE
from app.store.repository import Repository
from app.store.tables import OperationRow, OperationStepRow


class StepStatus(StrEnum):
    """How a step's last attempt stands; the three failures are named as outcomes are."""

    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step; `result` is JSON text, there once it is done."""

    name: str
    reference: str
    status: StepStatus
    attempts: int
    result: bytes | None
    started_at: datetime
    finished_at: datetime | None


class Steps(Repository):
    """Steps by operation and name."""

    table = "operation_steps"

    async def all(self, hotel_id: str, operation_id: OperationId) -> list[StepRecord]:
        """Give an operation's steps in the order in which they were first sent."""
        query = (
            select(OperationStepRow)
            .where(OperationStepRow.operation_id == UUID(operation_id))
            .order_by(OperationStepRow.started_at, OperationStepRow.name)
            .execution_options(populate_existing=True)
        )
        return [self._record(hotel_id, row) for row in await self._session.scalars(query)]

    async def start(
        self, operation_id: OperationId, *, owner: str, name: str, reference: str, undoable: bool = False
    ) -> bool:
        """Note that a step is about to be sent; false where the operation has another owner by now.

        A step that failed before starts anew, under the same reference.
        """
        if not await self._sending(operation_id, owner):
            return False
        statement = insert(OperationStepRow).values(
            operation_id=UUID(operation_id),
            name=name,
            reference=reference,
            status=StepStatus.RUNNING.value,
            undoable=undoable,
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["operation_id", "name"],
                set_={
                    "status": StepStatus.RUNNING.value,
                    "attempts": OperationStepRow.attempts + 1,
                    "finished_at": None,
                },
                where=OperationStepRow.status != StepStatus.DONE.value,
            )
        )
        return True

    async def finish(
        self,
        operation_id: OperationId,
        *,
        hotel_id: str,
        owner: str,
        name: str,
        status: StepStatus,
        result: bytes | None = None,
    ) -> bool:
        """Note how a step ended (`result` is JSON text); false where the operation has another owner."""
        if not await self._sending(operation_id, owner):
            return False
        await self._session.execute(
            update(OperationStepRow)
            .where(OperationStepRow.operation_id == UUID(operation_id), OperationStepRow.name == name)
            .values(
                status=status.value,
                result=self._seal("result", result, hotel_id, f"{operation_id}/{name}"),
                finished_at=func.now(),
            )
        )
        return True

    async def _sending(self, operation_id: OperationId, owner: str) -> bool:
        # Start and end of a send both move this clock; settling counts from it, never from our own.
        statement = (
            update(OperationRow)
            .where(
                OperationRow.id == UUID(operation_id),
                OperationRow.owner == owner,
                OperationRow.status.in_([status.value for status in LIVE]),
            )
            .values(last_sent_at=func.now(), updated_at=func.now())
            .returning(OperationRow.id)
        )
        return await self._session.scalar(statement) is not None

    def _record(self, hotel_id: str, row: OperationStepRow) -> StepRecord:
        place = f"{row.operation_id}/{row.name}"
        result = row.result and self._cipher.open("result", row.result, hotel_id=hotel_id, row=place)
        return StepRecord(
            name=row.name,
            reference=row.reference,
            status=StepStatus(row.status),
            attempts=row.attempts,
            result=result,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
