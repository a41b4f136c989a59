"""The three moments of every write that have to be committed: begun, about to be sent, and succeeded.

Each is one statement, so that alone it is one round trip and one transaction; a success with more to write is a part
of a unit of work.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.domain.event import EventType
from app.domain.ids import OperationId
from app.store.audit import AuditEntry
from app.store.crypto import RowCipher
from app.store.operation_records import Intent, OperationRecord
from app.store.operations import BEGIN, KEY_LIFETIME, begun_now, intent_values
from app.store.repository import StoreKeys
from app.store.statements import Constant, Door
from app.store.steps import START, StepEnd, start_values

_SUCCEED = Constant(
    text("""
WITH succeeded AS (
    UPDATE operations SET
        status = 'succeeded', runs_again = false, handed_over = false, next_attempt_at = NULL, error = NULL,
        answer_status = CAST(:answer_status AS int), answer = CAST(:answer AS bytea),
        target = coalesce(CAST(:new_target AS text), target),
        subjects = ARRAY(SELECT DISTINCT one FROM unnest(subjects || CAST(:subjects AS bytea[])) AS one ORDER BY one),
        last_sent_at = CASE WHEN cardinality(CAST(:steps AS text[])) > 0 THEN now() ELSE last_sent_at END,
        updated_at = now(), settled_at = now(), key_expires_at = now() + CAST(:key_lifetime AS interval)
    WHERE id = CAST(:operation AS uuid) AND owner = CAST(:owner AS text) AND status IN ('running', 'queued', 'unknown')
    RETURNING id, hotel_id
), noted AS (
    INSERT INTO operation_steps (operation_id, name, reference, status, result, finished_at)
    SELECT succeeded.id, step.name, step.reference, step.status, step.result, now()
    FROM succeeded, unnest(
        CAST(:steps AS text[]), CAST(:references AS text[]), CAST(:statuses AS text[]), CAST(:results AS bytea[])
    ) AS step (name, reference, status, result)
    ON CONFLICT (operation_id, name) DO UPDATE
    SET status = excluded.status, result = excluded.result, finished_at = excluded.finished_at
), audited AS (
    INSERT INTO audit_log (
        id, actor, hotel_id, operation, target, outcome, correlation_id, vendor_request_id, before, after, subjects
    )
    SELECT CAST(:line AS uuid), CAST(:actor AS text), hotel_id, CAST(:kind AS text), CAST(:target AS text),
        CAST(:outcome AS text), CAST(:correlation_id AS text), CAST(:vendor_request_id AS text),
        CAST(:before AS bytea), CAST(:after AS bytea), CAST(:subjects AS bytea[])
    FROM succeeded
), told AS (
    INSERT INTO outbox (event_id, hotel_id, type, payload, subjects)
    SELECT CAST(:event_id AS uuid), hotel_id, CAST(:event AS text), CAST(:payload AS bytea), CAST(:subjects AS bytea[])
    FROM succeeded
)
INSERT INTO invalidations (hotel_id, resources) SELECT hotel_id, CAST(:resources AS text[]) FROM succeeded
RETURNING id""")
)
"""Whoever does not own the operation any more writes nothing of all this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """All that is written of a write that the PMS has done. `answer` and `payload` are JSON."""

    operation: OperationRecord
    owner: str
    answer_status: int
    answer: Any
    target: str | None
    """The vendor's id of what was made, where it is only known now."""
    steps: Sequence[StepEnd]
    """Those that ended since something was last written."""
    line: AuditEntry
    event: EventType
    payload: Any
    resources: Collection[str]
    """The cache generations that have to move."""
    subjects: Collection[bytes]


class Milestones:
    """The moments of writes, through one of the two doors."""

    def __init__(self, door: Door, keys: StoreKeys) -> None:
        self._door = door
        self._operations = RowCipher(keys.keyring, table="operations")
        self._steps = RowCipher(keys.keyring, table="operation_steps")
        self._audit = RowCipher(keys.keyring, table="audit_log")
        self._outbox = RowCipher(keys.keyring, table="outbox")

    async def begin(self, intent: Intent) -> OperationRecord | None:
        """Store an intent; nothing where its idempotency key is taken: `Operations.begin` tells by what."""
        row = await self._door.first(BEGIN, intent_values(intent, self._operations))
        return None if row is None else begun_now(intent, deadline_at=row[0], now=row[1])

    async def send(self, operation_id: OperationId, *, owner: str, name: str, reference: str) -> bool:
        """Note that a step is about to be sent, as `Steps.start` does; false where another one owns the operation."""
        values = start_values(operation_id, owner=owner, name=name, reference=reference)
        return await self._door.first(START, values) is not None

    async def succeed(self, success: Success) -> int | None:
        """Write a success down: outcome, steps, audit, event and invalidation; gives the invalidation's number.

        Nothing where another one owns the operation, or it is written already.
        """
        row = await self._door.first(_SUCCEED, self._values(success))
        return None if row is None else int(row[0])

    def _values(self, success: Success) -> dict[str, Any]:
        record, line, event = success.operation, uuid4(), uuid4()
        hotel, entry, steps = record.hotel_id, success.line, success.steps
        return {
            "operation": UUID(record.id),
            "owner": success.owner,
            "answer_status": success.answer_status,
            "answer": self._operations.seal("answer", success.answer, hotel_id=hotel, row=record.id),
            "new_target": success.target,
            "key_lifetime": KEY_LIFETIME,
            "steps": [step.name for step in steps],
            "references": [step.reference for step in steps],
            "statuses": [step.status.value for step in steps],
            "results": [step.sealed(self._steps, hotel, record.id) for step in steps],
            "line": line,
            "actor": entry.actor,
            "kind": entry.operation,
            "target": entry.target,
            "outcome": entry.outcome,
            "correlation_id": entry.correlation_id,
            "vendor_request_id": entry.vendor_request_id,
            "before": self._audit.seal_present("before", entry.before, hotel_id=hotel, row=str(line)),
            "after": self._audit.seal_present("after", entry.after, hotel_id=hotel, row=str(line)),
            "event_id": event,
            "event": success.event.value,
            "payload": self._outbox.seal("payload", success.payload, hotel_id=hotel, row=str(event)),
            "resources": sorted(set(success.resources)),
            "subjects": sorted(set(success.subjects)),
        }
