"""The durable steps of a write: each vendor call is noted before it is sent and when it is answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from app.core.operation import READING
from app.domain.ids import OperationId
from app.store.crypto import RowCipher
from app.store.repository import Repository
from app.store.statements import Constant
from app.store.tables import OperationRow, OperationStepRow

_SENDING = """
WITH sending AS (
    UPDATE operations SET last_sent_at = now(), updated_at = now()
    WHERE id = CAST(:operation AS uuid) AND owner = CAST(:owner AS text) AND status IN ('running', 'queued', 'unknown')
    RETURNING id
)"""
"""Start and end of a send both move this clock; settling counts from it, never from our own."""
START = Constant(
    text(
        _SENDING  # noqa: S608 - made of constants  # nosec B608
        + """, noted AS (
    INSERT INTO operation_steps AS step (operation_id, name, reference, status, undoable)
    SELECT id, CAST(:name AS text), CAST(:reference AS text), 'running', CAST(:undoable AS boolean) FROM sending
    ON CONFLICT (operation_id, name) DO UPDATE SET status = 'running', attempts = step.attempts + 1, finished_at = NULL,
        started_at = CASE WHEN step.status IN ('running', 'unknown') THEN step.started_at ELSE now() END
    WHERE step.status <> 'done'
)
SELECT id FROM sending"""
    )
)
_FINISH = text(
    _SENDING  # noqa: S608 - made of constants  # nosec B608
    + """, noted AS (
    INSERT INTO operation_steps (operation_id, name, reference, status, result, finished_at)
    SELECT id, CAST(:name AS text), CAST(:reference AS text), CAST(:status AS text), CAST(:result AS bytea), now()
    FROM sending
    ON CONFLICT (operation_id, name) DO UPDATE
    SET status = excluded.status, result = excluded.result, finished_at = excluded.finished_at
)
SELECT id FROM sending"""
)


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


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended; `result` is JSON text."""

    name: str
    reference: str
    status: StepStatus
    result: bytes | None

    def sealed(self, cipher: RowCipher, hotel_id: str, operation_id: OperationId) -> bytes | None:
        """Give the result encrypted for its place."""
        return cipher.seal_present("result", self.result, hotel_id=hotel_id, row=f"{operation_id}/{self.name}")


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
        given = start_values(operation_id, owner=owner, name=name, reference=reference, undoable=undoable)
        return await self._session.scalar(START.statement, given) is not None

    async def finish(
        self,
        operation_id: OperationId,
        *,
        hotel_id: str,
        owner: str,
        name: str,
        reference: str,
        status: StepStatus,
        result: bytes | None = None,
    ) -> bool:
        """Note how a step ended (`result` is JSON text); false where the operation has another owner."""
        sealed = StepEnd(name, reference, status, result).sealed(self._cipher, hotel_id, operation_id)
        given = {"operation": UUID(operation_id), "owner": owner, "name": name}
        given |= {"reference": reference, "status": status.value, "result": sealed}
        return await self._session.scalar(_FINISH, given) is not None

    async def clear(self, operation_id: OperationId, *, owner: str | None = None) -> None:
        """Note that what may have been sent was not: it was seen that it is not there, or it never went out.

        With `owner`, only while the operation is still that one's.
        """
        statement = update(OperationStepRow).where(
            OperationStepRow.operation_id == UUID(operation_id),
            OperationStepRow.status.in_([StepStatus.RUNNING.value, StepStatus.UNKNOWN.value]),
        )
        if owner is not None:
            owned = select(OperationRow.id).where(OperationRow.id == UUID(operation_id), OperationRow.owner == owner)
            statement = statement.where(owned.exists())
        await self._session.execute(statement.values(status=StepStatus.NOT_SENT.value, finished_at=func.now()))

    async def forget_readings(self, operation_id: OperationId) -> None:
        """Drop what was read before a send that never was: next time things may be otherwise."""
        await self._session.execute(
            delete(OperationStepRow).where(
                OperationStepRow.operation_id == UUID(operation_id), OperationStepRow.name.startswith(READING)
            )
        )

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


def start_values(
    operation_id: OperationId, *, owner: str, name: str, reference: str, undoable: bool = False
) -> dict[str, Any]:
    """Give the values of `START`."""
    given = {"operation": UUID(operation_id), "owner": owner, "name": name}
    return given | {"reference": reference, "undoable": undoable}
