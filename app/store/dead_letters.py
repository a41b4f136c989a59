"""Dead letters: writes that wait to be sent, that need a person, or of which staff should know."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Interval,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from app.domain.capability import Capability
from app.domain.ids import OperationId
from app.store.crypto import DecryptionFailed
from app.store.operation_records import OperationRecord
from app.store.repository import Repository
from app.store.tables import DeadLetterRow, OperationRow

MACHINE = "gateway"
"""Who resolved what resolved itself."""


class LetterStatus(StrEnum):
    """Where a dead letter stands."""

    PENDING = "pending"
    RETRYING = "retrying"
    RESOLVED = "resolved"
    ABANDONED = "abandoned"


OPEN = frozenset({LetterStatus.PENDING, LetterStatus.RETRYING})
"""Not closed: somebody, or the machine, has yet to do something."""
_OPEN = [status.value for status in OPEN]
_CONTENTS = ("payload", "error", "notes", "base", "theirs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Why a write is parked. `error` is the problem as a caller is told it.

    `auto_retry`: the machine goes on with it. `replayable`: a person may have it sent again. `notice`: nothing
    is to be done, staff should know. `base` and `theirs` are what a change was made for and what stands there now.
    """

    error: Any
    auto_retry: bool = False
    replayable: bool = False
    notice: bool = False
    base: Any = None
    theirs: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter as stored; attempts and times are its operation's.

    `readable` is false where its contents are nothing because no key of this gateway opens them any more.
    """

    id: UUID
    operation_id: OperationId
    hotel_id: str
    operation: Capability
    payload: Any
    error: Any
    error_code: str
    attempts: int
    first_attempt_at: datetime
    last_attempt_at: datetime
    next_attempt_at: datetime | None
    auto_retry: bool
    replayable: bool
    notice: bool
    status: LetterStatus
    resolved_by: str | None
    resolved_at: datetime | None
    notes: Any
    base: Any
    theirs: Any
    created_at: datetime
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Tally:
    """How many open letters of a kind there are that are no notices, and how long the oldest has waited."""

    operation: Capability
    status: LetterStatus
    auto_retry: bool
    count: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Backlog:
    """The letters that a person should look at."""

    count: int
    oldest: timedelta
    charges: int
    """How many of them are charges."""


class DeadLetters(Repository):
    """Dead letters; an operation has one at most."""

    table = "dead_letters"

    async def put(self, operation: OperationRecord, letter: Letter) -> UUID:
        """Park an operation, or say anew why it is parked; gives the letter's id."""
        found = await self._session.scalar(
            select(DeadLetterRow.id).where(DeadLetterRow.operation_id == UUID(operation.id)).with_for_update()
        )
        letter_id = found or uuid4()
        values = {
            "error_code": str((letter.error or {}).get("code", "internal_error")),
            "error": self._seal("error", letter.error, operation.hotel_id, letter_id),
            "auto_retry": letter.auto_retry,
            "replayable": letter.replayable,
            "notice": letter.notice,
            "status": LetterStatus.PENDING.value,
            "resolved_by": None,
            "resolved_at": None,
            "updated_at": func.now(),
        }
        if letter.base is not None or found is None:
            values["base"] = self._seal("base", letter.base, operation.hotel_id, letter_id)
        if letter.theirs is not None or found is None:
            values["theirs"] = self._seal("theirs", letter.theirs, operation.hotel_id, letter_id)
        fresh = {
            "id": letter_id,
            "operation_id": UUID(operation.id),
            "hotel_id": operation.hotel_id,
            "operation": operation.kind.value,
            "payload": self._seal("payload", operation.payload, operation.hotel_id, letter_id),
            "correlation_id": operation.correlation_id,
            "subjects": sorted(set(operation.subjects)),
        }
        statement = insert(DeadLetterRow).values({**fresh, **values})
        since = case((_waits_anew(letter), func.now()), else_=DeadLetterRow.waiting_since)
        changes = {**values, "waiting_since": since}
        await self._session.execute(statement.on_conflict_do_update(index_elements=["operation_id"], set_=changes))
        return letter_id

    async def close(
        self,
        operation_id: OperationId,
        *,
        status: LetterStatus = LetterStatus.RESOLVED,
        by: str = MACHINE,
        notes: str | None = None,
    ) -> None:
        """Close the letter of an operation that is settled, where it has one that is open."""
        row = await self._session.scalar(
            select(DeadLetterRow)
            .where(
                DeadLetterRow.operation_id == UUID(operation_id),
                DeadLetterRow.status.in_(_OPEN),
            )
            .with_for_update()
        )
        if row is None:
            return
        await self._session.execute(
            update(DeadLetterRow)
            .where(DeadLetterRow.id == row.id)
            .values(
                status=status.value,
                auto_retry=False,
                replayable=False,
                # Who had it sent again is who resolved it, even where the machine did the sending.
                resolved_by=row.resolved_by if by == MACHINE and row.resolved_by else by,
                resolved_at=func.now(),
                notes=row.notes if notes is None else self._seal("notes", notes, row.hotel_id, row.id),
                updated_at=func.now(),
            )
        )

    async def send_again(self, operation_id: OperationId, *, by: str) -> None:
        """Note that a person has the write sent again."""
        await self._session.execute(
            update(DeadLetterRow)
            .where(DeadLetterRow.operation_id == UUID(operation_id))
            .values(
                status=LetterStatus.RETRYING.value,
                auto_retry=True,
                replayable=False,
                resolved_by=by,
                updated_at=func.now(),
                waiting_since=func.now(),
            )
        )

    async def found_out(self, operation_id: OperationId, *, notes: str) -> None:
        """Note a person's finding that it did not happen: from now on it may be sent again."""
        row = await self._session.scalar(
            select(DeadLetterRow).where(DeadLetterRow.operation_id == UUID(operation_id)).with_for_update()
        )
        if row is not None:
            row.replayable, row.auto_retry = True, False
            row.notes = self._seal("notes", notes, row.hotel_id, row.id)

    async def find(self, letter_id: str) -> DeadLetter | None:
        """Give one letter; nothing for what is no id of ours."""
        try:
            wanted = UUID(letter_id)
        except ValueError:
            return None
        rows = await self._read(_listing().where(DeadLetterRow.id == wanted))
        return rows[0] if rows else None

    async def hold(self, letter_id: UUID, operation_id: OperationId) -> DeadLetter | None:
        """Give a letter that nobody changes until this unit of work ends, nor its operation."""
        # The operation first, as everybody does who ends one: so two never wait for each other in a circle.
        await self._session.execute(
            select(OperationRow.id).where(OperationRow.id == UUID(operation_id)).with_for_update()
        )
        rows = await self._read(_listing().where(DeadLetterRow.id == letter_id).with_for_update(of=DeadLetterRow))
        return rows[0] if rows else None

    async def of(self, operation_id: OperationId) -> DeadLetter | None:
        """Give the letter of an operation."""
        rows = await self._read(_listing().where(DeadLetterRow.operation_id == UUID(operation_id)))
        return rows[0] if rows else None

    async def entries(
        self,
        *,
        hotel_ids: Collection[str] | None = None,
        status: LetterStatus | None = None,
        operation: Capability | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[DeadLetter]:
        """Give the letters that match, newest first; `after` is the last one of the page before."""
        query = _listing().order_by(DeadLetterRow.created_at.desc(), DeadLetterRow.id.desc()).limit(limit)
        if hotel_ids is not None:
            query = query.where(DeadLetterRow.hotel_id.in_(hotel_ids))
        if status is not None:
            query = query.where(DeadLetterRow.status == status.value)
        if operation is not None:
            query = query.where(DeadLetterRow.operation == operation.value)
        if after is not None:
            query = query.where(tuple_(DeadLetterRow.created_at, DeadLetterRow.id) < after)
        return await self._read(query)

    async def tally(self) -> list[Tally]:
        """Count the open letters, notices left out."""
        age = type_coerce(func.now() - func.min(DeadLetterRow.waiting_since), Interval)
        kinds = (DeadLetterRow.operation, DeadLetterRow.status, DeadLetterRow.auto_retry)
        query = select(*kinds, func.count(), age).where(*_counted()).group_by(*kinds)
        return [
            Tally(Capability(operation), LetterStatus(status), auto_retry, count, oldest)
            for operation, status, auto_retry, count, oldest in await self._session.execute(query)
        ]

    async def backlog(self, *, patience: timedelta) -> Backlog:
        """Count what a person should look at: what the machine does not go on with, or queues for longer than that."""
        stuck = or_(~DeadLetterRow.auto_retry, DeadLetterRow.waiting_since < func.now() - patience)
        charges = func.count().filter(DeadLetterRow.operation == Capability.CHARGE_POST.value)
        age = type_coerce(func.now() - func.min(DeadLetterRow.waiting_since), Interval)
        query = select(func.count(), age, charges).where(*_counted(), stuck)
        count, oldest, posted = (await self._session.execute(query)).one()
        return Backlog(count, oldest or timedelta(), posted)

    async def _read(self, query: Select[DeadLetterRow, OperationRow]) -> list[DeadLetter]:
        found = await self._session.execute(query.execution_options(populate_existing=True))
        return [self._letter(letter, operation) for letter, operation in found]

    def _letter(self, row: DeadLetterRow, operation: OperationRow) -> DeadLetter:
        contents, readable = self._contents(row)
        return DeadLetter(
            id=row.id,
            operation_id=OperationId(str(operation.id)),
            hotel_id=row.hotel_id,
            operation=Capability(row.operation),
            error_code=row.error_code,
            attempts=operation.attempts,
            first_attempt_at=operation.created_at,
            last_attempt_at=operation.last_sent_at or operation.updated_at,
            next_attempt_at=operation.next_attempt_at,
            auto_retry=row.auto_retry,
            replayable=row.replayable,
            notice=row.notice,
            status=LetterStatus(row.status),
            resolved_by=row.resolved_by if row.resolved_at else None,
            resolved_at=row.resolved_at,
            created_at=row.created_at,
            readable=readable,
            **contents,
        )

    def _contents(self, row: DeadLetterRow) -> tuple[dict[str, Any], bool]:
        """Open what a letter holds; one that is lost must not hide the others."""
        try:
            return {name: self._open(name, getattr(row, name), row.hotel_id, row.id) for name in _CONTENTS}, True
        except DecryptionFailed:
            return dict.fromkeys(_CONTENTS), False


def _counted() -> tuple[ColumnElement[bool], ...]:
    return DeadLetterRow.status.in_(_OPEN), ~DeadLetterRow.notice


def _waits_anew(letter: Letter) -> ColumnElement[bool]:
    """Tell whether a letter that is there already begins to wait for something else."""
    return or_(
        DeadLetterRow.status.not_in(_OPEN),
        DeadLetterRow.notice != letter.notice,
        and_(~DeadLetterRow.auto_retry, literal(letter.auto_retry)),
    )


def _listing() -> Select[DeadLetterRow, OperationRow]:
    return select(DeadLetterRow, OperationRow).join(OperationRow, OperationRow.id == DeadLetterRow.operation_id)
