"""Write intents: one row per write, stored before the network is touched, settled once it is known.

Who runs an operation is its `owner`; every change of a running one names the owner and does nothing when
another process has taken over meanwhile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.capability import Capability
from app.domain.errors import StorageUnavailable
from app.domain.ids import OperationId
from app.store.repository import Repository
from app.store.tables import OperationRow

KEY_LIFETIME = timedelta(days=7)
_SEALED = ("payload", "answer", "error")


class OperationStatus(StrEnum):
    """Where a write stands."""

    RUNNING = "running"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    DEAD = "dead"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


LIVE = frozenset({OperationStatus.RUNNING, OperationStatus.QUEUED, OperationStatus.UNKNOWN})
"""Not settled: such a write may still take effect."""
_LIVE = [status.value for status in LIVE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write to be stored before it is sent.

    `payload` is the parsed request as JSON; `target` the vendor's id of what it is about, where there is
    one; `route` the route's template, as paths name guests. `budget` is the operation's own time.
    """

    id: OperationId
    hotel_id: str
    client: str
    kind: Capability
    target: str | None
    method: str
    route: str
    key_hash: bytes | None
    fingerprint: bytes
    owner: str
    budget: timedelta
    payload: Any
    subjects: Sequence[bytes] = ()
    correlation_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """A write as stored.

    `runs_again`: nothing was sent, and a repeat of its key runs it once more. `accepted_at`: since when a
    caller has been told 202 while it was running.
    """

    id: OperationId
    hotel_id: str
    client: str
    kind: Capability
    target: str | None
    method: str
    route: str
    fingerprint: bytes
    status: OperationStatus
    runs_again: bool
    owner: str | None
    deadline_at: datetime
    last_sent_at: datetime | None
    attempts: int
    payload: Any
    answer_status: int | None
    answer: Any
    error: Any
    correlation_id: str | None
    subjects: tuple[bytes, ...]
    created_at: datetime
    updated_at: datetime
    accepted_at: datetime | None
    settled_at: datetime | None
    expires_at: datetime | None
    next_attempt_at: datetime | None
    dead_letter_id: UUID | None

    @property
    def is_live(self) -> bool:
        """Whether it may still take effect."""
        return self.status in LIVE


@dataclass(frozen=True, slots=True)
class Begun:
    """What beginning an intent met: a fresh operation, or the one that its key stands for already."""

    operation: OperationRecord
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an attempt left the operation. `answer` and `error` are JSON: the body told, the problem told.

    `target` and `subjects` add what is only known now, such as the id of a reservation that was created.
    """

    status: OperationStatus
    answer_status: int | None = None
    answer: Any = None
    error: Any = None
    runs_again: bool = False
    target: str | None = None
    subjects: Sequence[bytes] = ()
    next_attempt_at: datetime | None = None
    dead_letter_id: UUID | None = None


class Operations(Repository):
    """Operations by their own id; a caller's key leads to at most one live one."""

    table = "operations"

    async def begin(self, intent: Intent) -> Begun:
        """Store an intent, or give the operation that holds its idempotency key.

        Two callers with one key are put in a row by the unique index: the second waits for the first's
        commit and then meets its operation. The caller compares fingerprints.
        """
        if intent.key_hash is not None:
            await self._forget_expired_key(intent)
        for _ in range(3):
            row = await self._session.scalar(self._insert(intent))
            if row is not None:
                return Begun(self._record(row), created=True)
            row = await self._session.scalar(self._holding_key(intent))
            if row is not None:
                return Begun(self._record(row), created=False)
        # Inserting met a holder of the key and reading did not, three times over: keys that expire as we look.
        raise StorageUnavailable("the idempotency key is changing hands; repeat the request")

    async def run_again(self, operation_id: OperationId, *, owner: str, budget: timedelta) -> OperationRecord | None:
        """Take up an operation of which nothing was sent; nothing where somebody else was faster."""
        statement = (
            update(OperationRow)
            .where(OperationRow.id == UUID(operation_id), OperationRow.runs_again)
            .values(
                status=OperationStatus.RUNNING.value,
                runs_again=False,
                owner=owner,
                deadline_at=func.now() + budget,
                attempts=OperationRow.attempts + 1,
                answer_status=None,
                answer=None,
                error=None,
                accepted_at=None,
                settled_at=None,
                key_expires_at=None,
                updated_at=func.now(),
            )
            .returning(OperationRow)
        )
        row = await self._session.scalar(statement, execution_options={"populate_existing": True})
        return None if row is None else self._record(row)

    async def finish(self, operation_id: OperationId, *, owner: str, result: Result) -> bool:
        """Write down how an attempt ended; false where another owner has taken over.

        A settled operation's key lives for seven more days by the database's clock.
        """
        row = await self._session.scalar(
            select(OperationRow)
            .where(
                OperationRow.id == UUID(operation_id),
                OperationRow.owner == owner,
                OperationRow.status.in_(_LIVE),
            )
            .with_for_update()
        )
        if row is None:
            return False
        settled = result.status not in LIVE
        values = {
            "status": result.status.value,
            "runs_again": result.runs_again,
            "answer_status": result.answer_status,
            "answer": self._seal("answer", result.answer, row.hotel_id, row.id),
            "error": self._seal("error", result.error, row.hotel_id, row.id),
            "target": result.target or row.target,
            "subjects": sorted({*row.subjects, *result.subjects}),
            "next_attempt_at": result.next_attempt_at,
            "dead_letter_id": result.dead_letter_id or row.dead_letter_id,
            "updated_at": func.now(),
            "settled_at": func.now() if settled else None,
            "key_expires_at": func.now() + KEY_LIFETIME if settled else None,
        }
        await self._session.execute(update(OperationRow).where(OperationRow.id == row.id).values(values))
        return True

    async def forget(self, operation_id: OperationId, *, owner: str) -> None:
        """Drop an intent of which nothing was sent, so that its key is free for any request."""
        await self._session.execute(
            delete(OperationRow).where(
                OperationRow.id == UUID(operation_id),
                OperationRow.owner == owner,
                OperationRow.status == OperationStatus.RUNNING.value,
            )
        )

    async def accept(self, operation_id: OperationId) -> OperationRecord | None:
        """Note that a caller is told 202 of an operation; gives it as it is then."""
        statement = (
            update(OperationRow)
            .where(OperationRow.id == UUID(operation_id))
            .values(accepted_at=func.coalesce(OperationRow.accepted_at, func.now()))
            .returning(OperationRow)
        )
        row = await self._session.scalar(statement, execution_options={"populate_existing": True})
        return None if row is None else self._record(row)

    async def find(self, operation_id: str, *, client: str | None = None) -> OperationRecord | None:
        """Give an operation, of one client only where one is named; nothing for what is no id of ours."""
        try:
            wanted = UUID(operation_id)
        except ValueError:
            return None
        query = select(OperationRow).where(OperationRow.id == wanted)
        if client is not None:
            query = query.where(OperationRow.client == client)
        row = await self._session.scalar(query.execution_options(populate_existing=True))
        return None if row is None else self._record(row)

    async def live_by_target(self, hotel_id: str, targets: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Give the ids of live writes per target, oldest first: a reservation's `pending_operations`."""
        query = (
            select(OperationRow.target, OperationRow.id)
            .where(
                OperationRow.hotel_id == hotel_id,
                OperationRow.target.in_(targets),
                OperationRow.status.in_(_LIVE),
            )
            .order_by(OperationRow.created_at, OperationRow.id)
        )
        found: dict[str, tuple[str, ...]] = {}
        for target, operation_id in await self._session.execute(query):
            about = target or ""
            found[about] = (*found.get(about, ()), str(operation_id))
        return found

    async def _forget_expired_key(self, intent: Intent) -> None:
        await self._session.execute(
            update(OperationRow)
            .where(*_same_key(intent), OperationRow.key_expires_at <= func.now())
            .values(key_hash=None)
        )

    def _insert(self, intent: Intent) -> Any:
        values = {field.name: getattr(intent, field.name) for field in fields(intent)}
        budget, payload = values.pop("budget"), values.pop("payload")
        values |= {
            "id": UUID(intent.id),
            "kind": intent.kind.value,
            "subjects": sorted(set(intent.subjects)),
            "status": OperationStatus.RUNNING.value,
            "attempts": 1,
            "deadline_at": func.now() + budget,
            "payload": self._seal("payload", payload, intent.hotel_id, intent.id),
        }
        return (
            insert(OperationRow)
            .values(values)
            .on_conflict_do_nothing(
                index_elements=["client", "hotel_id", "key_hash"],
                index_where=OperationRow.key_hash.is_not(None),
            )
            .returning(OperationRow)
        )

    @staticmethod
    def _holding_key(intent: Intent) -> Any:
        return select(OperationRow).where(*_same_key(intent)).execution_options(populate_existing=True)

    def _record(self, row: OperationRow) -> OperationRecord:
        values = {field.name: getattr(row, field.name) for field in fields(OperationRecord)}
        values |= {name: self._open(name, values[name], row.hotel_id, row.id) for name in _SEALED}
        values |= {
            "id": OperationId(str(row.id)),
            "kind": Capability(row.kind),
            "status": OperationStatus(row.status),
            "subjects": tuple(row.subjects),
        }
        return OperationRecord(**values)


def _same_key(intent: Intent) -> tuple[Any, ...]:
    return (
        OperationRow.client == intent.client,
        OperationRow.hotel_id == intent.hotel_id,
        OperationRow.key_hash == intent.key_hash,
    )
