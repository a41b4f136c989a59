"""Write intents: one row per write, stored before the network is touched, settled once it is known.

Who runs an operation is its `owner`; every change of a running one names the owner and does nothing when
another process has taken over meanwhile.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Interval, Table, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.capability import Capability
from app.domain.errors import StorageUnavailable
from app.domain.ids import OperationId
from app.store.crypto import RowCipher
from app.store.operation_records import LIVE, Begun, Intent, OperationRecord, OperationStatus, Result, TakenOver
from app.store.repository import Repository
from app.store.statements import Constant
from app.store.tables import OperationRow

KEY_LIFETIME = timedelta(days=7)
_SEALED = ("payload", "answer", "error")


_LIVE = [status.value for status in LIVE]
_TABLE = cast("Table", OperationRow.__table__)
# Made once: each write begins so.
_INSERT = (
    insert(_TABLE)
    .values(deadline_at=func.now() + bindparam("budget", type_=Interval))
    .on_conflict_do_nothing(
        index_elements=["client", "hotel_id", "key_hash"], index_where=_TABLE.c.key_hash.is_not(None)
    )
    .returning(_TABLE.c.deadline_at, _TABLE.c.created_at)
)
_OWNED = (
    select(_TABLE.c.id, _TABLE.c.hotel_id, _TABLE.c.target, _TABLE.c.subjects, _TABLE.c.absences)
    .where(_TABLE.c.id == bindparam("operation"), _TABLE.c.owner == bindparam("owned_by"), _TABLE.c.status.in_(_LIVE))
    .with_for_update()
)


_INTENT_COLUMNS = tuple(field.name for field in fields(Intent))
BEGIN = Constant(_INSERT, (*_INTENT_COLUMNS, "status", "attempts"))


def intent_values(intent: Intent, cipher: RowCipher) -> dict[str, Any]:
    """Give the values of `BEGIN`."""
    values = {name: getattr(intent, name) for name in _INTENT_COLUMNS}
    return values | {
        "id": UUID(intent.id),
        "kind": intent.kind.value,
        "subjects": sorted(set(intent.subjects)),
        "status": OperationStatus.RUNNING.value,
        "attempts": 1,
        "payload": cipher.seal("payload", intent.payload, hotel_id=intent.hotel_id, row=intent.id),
    }


def begun_now(intent: Intent, *, deadline_at: datetime, now: datetime) -> OperationRecord:
    """Give the operation as `BEGIN` has just stored it; it need not be read again."""
    return OperationRecord(
        id=intent.id,
        hotel_id=intent.hotel_id,
        client=intent.client,
        kind=intent.kind,
        target=intent.target,
        method=intent.method,
        route=intent.route,
        fingerprint=intent.fingerprint,
        status=OperationStatus.RUNNING,
        queueable=intent.queueable,
        owner=intent.owner,
        deadline_at=deadline_at,
        payload=intent.payload,
        correlation_id=intent.correlation_id,
        subjects=tuple(sorted(set(intent.subjects))),
        attempts=1,
        created_at=now,
        updated_at=now,
    )


class Operations(Repository):
    """Operations by their own id; a caller's key leads to at most one live one."""

    table = "operations"

    async def begin(self, intent: Intent) -> Begun:
        """Store an intent, or give the operation that holds its idempotency key.

        Two callers with one key are put in a row by the unique index: the second waits for the first's
        commit and then meets its operation. The caller compares fingerprints.
        """
        for _ in range(3):
            fresh = (await self._session.execute(_INSERT, intent_values(intent, self._cipher))).one_or_none()
            if fresh is not None:
                return Begun(begun_now(intent, deadline_at=fresh.deadline_at, now=fresh.created_at), created=True)
            if await self._forget_expired_key(intent):
                continue
            row = await self._session.scalar(self._holding_key(intent))
            if row is not None:
                return Begun(self._record(row), created=False)
        # Inserting met a holder of the key and reading did not, three times over: keys that expire as we look.
        raise StorageUnavailable("the idempotency key is changing hands; repeat the request")

    async def run_again(self, operation_id: OperationId, intent: Intent) -> OperationRecord | None:
        """Take up an operation of which nothing was sent, as it is asked for now; nothing where another was faster."""
        statement = (
            update(OperationRow)
            .where(OperationRow.id == UUID(operation_id), OperationRow.runs_again)
            .values(
                status=OperationStatus.RUNNING.value,
                runs_again=False,
                queueable=intent.queueable,
                correlation_id=intent.correlation_id,
                owner=intent.owner,
                deadline_at=func.now() + intent.budget,
                attempts=OperationRow.attempts + 1,
                replays=0,
                looks=0,
                absences=0,
                handed_over=False,
                last_sent_at=None,
                next_attempt_at=None,
                expires_at=None,
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
        found = await self._session.execute(_OWNED, {"operation": UUID(operation_id), "owned_by": owner})
        row = found.one_or_none()
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
            "absences": row.absences if result.absences is None else result.absences,
            "handed_over": result.handed_over,
            "next_attempt_at": None if result.next_in is None else func.now() + result.next_in,
            "updated_at": func.now(),
            "settled_at": func.now() if settled else None,
            "key_expires_at": func.now() + KEY_LIFETIME if settled else None,
        }
        if result.expires_in is not None:
            values["expires_at"] = func.now() + result.expires_in
        if result.status is OperationStatus.QUEUED:
            values["accepted_at"] = func.coalesce(OperationRow.accepted_at, func.now())
        await self._session.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(values))
        return True

    async def is_so(self, operation_id: OperationId, *, owner: str, status: OperationStatus) -> bool:
        """Tell whether this very owner has left the operation so: whether its word is written already."""
        query = select(OperationRow.id).where(
            OperationRow.id == UUID(operation_id), OperationRow.owner == owner, OperationRow.status == status.value
        )
        return await self._session.scalar(query) is not None

    async def is_overtaken(self, operation: OperationRecord) -> bool:
        """Tell whether a later write of the same kind to the same thing was done before this one."""
        query = select(OperationRow.id).where(
            OperationRow.hotel_id == operation.hotel_id,
            OperationRow.kind == operation.kind.value,
            OperationRow.target == operation.target,
            OperationRow.status == OperationStatus.SUCCEEDED.value,
            OperationRow.created_at > operation.created_at,
        )
        return await self._session.scalar(query.limit(1)) is not None

    async def due(self, *, takeover_after: timedelta, limit: int = 1_000) -> list[OperationId]:
        """Give the live operations that somebody has to go on with now, the longest waiting first."""
        query = (
            select(OperationRow.id)
            .where(OperationRow.status.in_(_LIVE), _is_due(takeover_after))
            .order_by(func.coalesce(OperationRow.next_attempt_at, OperationRow.deadline_at), OperationRow.id)
            .limit(limit)
        )
        return [OperationId(str(found)) for found in await self._session.scalars(query)]

    async def take_over(
        self, operation_id: OperationId, *, owner: str, budget: timedelta, takeover_after: timedelta
    ) -> TakenOver | None:
        """Become the owner of a live operation that is due; nothing where it is not, or somebody was faster.

        The one who had it may have sent until its deadline, so that settling counts from there. Nobody is
        put off for longer than `budget` and `takeover_after` if the new owner dies in its turn.
        """
        row = await self._session.scalar(
            select(OperationRow)
            .where(OperationRow.id == UUID(operation_id), OperationRow.status.in_(_LIVE), _is_due(takeover_after))
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if row is None:
            return None
        was = OperationStatus(row.status)
        queued = was is OperationStatus.QUEUED
        was_queued = row.expires_at is not None  # also where a worker died at it
        last_sent_at = func.greatest(OperationRow.last_sent_at, OperationRow.deadline_at)
        died = row.next_attempt_at is None and row.last_sent_at is not None
        now = (await self._session.execute(select(func.now()))).scalar_one()
        is_expired = row.expires_at is not None and row.expires_at <= now
        statement = (
            update(OperationRow)
            .where(OperationRow.id == row.id)
            .values(
                status=OperationStatus.RUNNING.value if queued else row.status,
                owner=owner,
                deadline_at=func.now() + budget,
                last_sent_at=last_sent_at if died else OperationRow.last_sent_at,
                next_attempt_at=None,
                attempts=OperationRow.attempts + int(queued),
                replays=OperationRow.replays + int(queued),
                looks=OperationRow.looks + int(not queued),
                updated_at=func.now(),
            )
            .returning(OperationRow)
        )
        taken = await self._session.scalar(statement, execution_options={"populate_existing": True})
        return None if taken is None else TakenOver(self._record(taken), was, was_queued, is_expired, now)

    async def end(
        self, operation_id: OperationId, *, of: Collection[OperationStatus], status: OperationStatus
    ) -> OperationRecord | None:
        """End what stands as one of the statuses `of`, or queue it again, as a person decided; else give nothing.

        Whoever works on it loses it. An ended operation's key lives for seven more days.
        """
        settled = status not in LIVE
        statement = (
            update(OperationRow)
            .where(OperationRow.id == UUID(operation_id), OperationRow.status.in_([one.value for one in of]))
            .values(
                status=status.value,
                owner=None,
                handed_over=False,
                runs_again=False,
                next_attempt_at=None if settled else func.now(),
                settled_at=func.now() if settled else None,
                key_expires_at=func.now() + KEY_LIFETIME if settled else None,
                updated_at=func.now(),
            )
            .returning(OperationRow)
        )
        row = await self._session.scalar(statement, execution_options={"populate_existing": True})
        return None if row is None else self._record(row)

    async def renew(self, operation_id: OperationId, *, expires_in: timedelta) -> None:
        """Give an operation that a person sends again its tries and its time anew."""
        await self._session.execute(
            update(OperationRow)
            .where(OperationRow.id == UUID(operation_id))
            .values(
                replays=0,
                absences=0,
                looks=0,
                last_sent_at=None,
                queueable=True,
                expires_at=func.now() + expires_in,
            )
        )

    async def link(self, operation_id: OperationId, *, dead_letter_id: UUID) -> None:
        """Note which dead letter tells of an operation."""
        await self._session.execute(
            update(OperationRow).where(OperationRow.id == UUID(operation_id)).values(dead_letter_id=dead_letter_id)
        )

    async def forget(self, operation_id: OperationId, *, owner: str) -> None:
        """Drop an intent of which nothing was sent nor told, so that its key is free for any request."""
        await self._session.execute(
            delete(OperationRow).where(
                OperationRow.id == UUID(operation_id),
                OperationRow.owner == owner,
                OperationRow.status == OperationStatus.RUNNING.value,
                OperationRow.accepted_at.is_(None),
                OperationRow.attempts == 1,
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
                or_(OperationRow.kind.startswith("reservation."), OperationRow.kind.startswith("charge.")),
                OperationRow.status.in_(_LIVE),
            )
            .order_by(OperationRow.created_at, OperationRow.id)
        )
        found: dict[str, tuple[str, ...]] = {}
        for target, operation_id in await self._session.execute(query):
            about = target or ""
            found[about] = (*found.get(about, ()), str(operation_id))
        return found

    async def _forget_expired_key(self, intent: Intent) -> bool:
        """Free the key where its time is over; tells whether it was."""
        statement = (
            update(OperationRow)
            .where(*_same_key(intent), OperationRow.key_expires_at <= func.now())
            .values(key_hash=None)
            .returning(OperationRow.id)
        )
        return await self._session.scalar(statement) is not None

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


def _is_due(takeover_after: timedelta) -> Any:
    """Tell what somebody has to go on with: its time has come, or its owner has been silent for too long."""
    return and_(
        ~OperationRow.handed_over,
        or_(
            OperationRow.next_attempt_at <= func.now(),
            and_(OperationRow.next_attempt_at.is_(None), OperationRow.deadline_at + takeover_after <= func.now()),
        ),
    )


def _same_key(intent: Intent) -> tuple[Any, ...]:
    return (
        OperationRow.client == intent.client,
        OperationRow.hotel_id == intent.hotel_id,
        OperationRow.key_hash == intent.key_hash,
    )
