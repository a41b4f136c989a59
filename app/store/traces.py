"""All that is stored of one guest, in whatever table, and its erasing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, LargeBinary, or_, select, text, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.domain.hotel import Hotel
from app.store.crypto import DecryptionFailed, RowCipher
from app.store.people import Person
from app.store.repository import Repository, StoreKeys
from app.store.subjects import lookups_of
from app.store.tables import (
    AuditRow,
    DeadLetterRow,
    GuestRow,
    InboxRow,
    OperationRow,
    OperationStepRow,
    OutboxRow,
    ReservationRow,
    TombstoneRow,
)

T = TypeVar("T")

_HOLD = text(
    "SELECT id FROM operations WHERE hotel_id = :hotel AND subjects && :wanted "
    "AND 'operations/' || id <> ALL (:spared) ORDER BY id FOR NO KEY UPDATE"
)
_ERASE = text("SELECT erase_subjects(:hotel, :wanted, :marks, :stays, :spared, :actor, :correlation)")


_AT_ONCE = 100
"""Rows that are opened, or looked through, before others have their turn: an agency's address is in thousands."""


async def unhurried(rows: Iterable[T]) -> AsyncIterator[T]:
    """Give rows one by one, and now and then the event loop to others."""
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield row


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One row that may hold something of a guest.

    `name` tells it from the other rows of its table. `contents` are its encrypted columns as JSON, null where there is
    nothing or no key opens it; `facts` the others that say what it is. `is_sure`: it carries an id of the guest's, and
    not only an address, which somebody else may share.
    """

    table: str
    name: str
    facts: Mapping[str, Any]
    contents: Mapping[str, Any]
    is_sure: bool
    parts: "tuple[Trace, ...]" = ()
    """The steps of an operation, in their order."""

    @property
    def said(self) -> list[Any]:
        """All that stands in it, and in its parts."""
        return [*self.contents.values(), *(value for part in self.parts for value in part.said)]

    @property
    def place(self) -> str:
        """Its table and name, as the erasing function writes them."""
        return f"{self.table}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """How a table keeps what it has of guests."""

    entity: type[Any]
    newest: InstrumentedAttribute[Any]
    sealed: tuple[str, ...]
    facts: tuple[str, ...]
    name: Callable[[Any], str] = lambda row: str(row.id)
    bound_to: Callable[[Any], str] = lambda row: str(row.id)


def _delivery(row: InboxRow) -> str:
    return f"{row.vendor}|{row.external_id}"


_KEPT = (
    _Kept(entity=GuestRow, newest=GuestRow.as_of, sealed=("payload",), facts=("as_of",)),
    _Kept(entity=ReservationRow, newest=ReservationRow.as_of, sealed=("payload",), facts=("as_of",)),
    _Kept(
        entity=OperationRow,
        newest=OperationRow.created_at,
        sealed=("payload", "answer", "error"),
        facts=("id", "kind", "status", "target", "client", "created_at", "updated_at"),
    ),
    _Kept(
        entity=DeadLetterRow,
        newest=DeadLetterRow.created_at,
        sealed=("payload", "error", "notes", "base", "theirs"),
        facts=("id", "operation_id", "operation", "status", "created_at"),
    ),
    _Kept(
        entity=AuditRow,
        newest=AuditRow.at,
        sealed=("before", "after"),
        facts=("at", "actor", "operation", "target", "outcome"),
    ),
    _Kept(
        entity=OutboxRow,
        newest=OutboxRow.created_at,
        sealed=("payload",),
        facts=("event_id", "type", "created_at"),
        bound_to=lambda row: str(row.event_id),
    ),
    _Kept(
        entity=InboxRow,
        newest=InboxRow.received_at,
        sealed=("payload",),
        facts=("vendor", "received_at"),
        name=_delivery,
        bound_to=_delivery,
    ),
)


class Traces(Repository):
    """What is stored of a guest, over all tables of their hotel."""

    table = "traces"

    def __init__(self, session: AsyncSession, keys: StoreKeys) -> None:
        super().__init__(session, keys)
        tables = (*(kept.entity.__tablename__ for kept in _KEPT), OperationStepRow.__tablename__)
        self._ciphers = {table: RowCipher(keys.keyring, table=table) for table in tables}

    async def of(self, hotel: Hotel, person: Person, *, limit: int | None = None) -> list[Trace]:
        """Give every row that carries an id or address of a guest, by table, the newest first; `limit` of each.

        What carries an id of theirs goes before what carries an address, as thousands may share that.
        """
        sure = set(lookups_of(self._index, hotel, person.sure))
        wanted = sure.union(lookups_of(self._index, hotel, person.addresses))
        found: list[Trace] = []
        for kept in _KEPT:
            about, surely = _about(kept, hotel, person, wanted), _about(kept, hotel, person, sure)
            async for row in unhurried(await self._rows(kept, about, surely, limit)):
                is_sure = not sure.isdisjoint(row.subjects) or _is_stay(row, person)
                found.append(self._trace(kept, row, is_sure=is_sure))
        return await self._with_steps(hotel, found)

    async def is_erased(self, hotel: Hotel, person: Person) -> bool:
        """Tell whether this guest was erased before."""
        query = select(TombstoneRow.subject).where(
            TombstoneRow.hotel_id == hotel.id, TombstoneRow.subject.in_(person.marks(self._marks, hotel))
        )
        return await self._session.scalar(query.limit(1)) is not None

    async def erase(
        self,
        hotel: Hotel,
        person: Person,
        *,
        spared: Iterable[Trace] = (),
        actor: str,
        correlation_id: str | None,
    ) -> int:
        """Blank every row of ours that is a guest's, but for those that are `spared`, and leave marks.

        Gives how many rows that were. The PMS is untouched.

        Raises:
            ConflictRefused: a write for them is not settled yet.
        """
        theirs = {
            "hotel": hotel.id,
            "wanted": lookups_of(self._index, hotel, [*person.sure, *person.addresses]),
            "spared": sorted({trace.place for trace in spared}),
        }
        more = {
            "marks": person.marks(self._marks, hotel),
            "stays": sorted(person.stays),
            "actor": actor,
            "correlation": correlation_id,
        }
        busy = "a write for this guest is not settled yet"
        # Nobody begins one anew between the function's look at them and their end.
        await self._erase(_HOLD, theirs, busy=busy)
        return int(await self._erase(_ERASE, theirs | more, busy=busy))

    async def _rows(
        self, kept: _Kept, wanted: ColumnElement[bool], sure: ColumnElement[bool], limit: int | None
    ) -> Sequence[Any]:
        query = select(kept.entity).where(wanted)
        if limit is not None:
            query = query.order_by(sure.desc(), kept.newest.desc()).limit(limit)
        found = await self._session.stream_scalars(query.execution_options(yield_per=_AT_ONCE))
        rows = [row async for row in found]
        return sorted(rows, key=lambda row: getattr(row, kept.newest.key), reverse=True)

    async def _with_steps(self, hotel: Hotel, found: Sequence[Trace]) -> list[Trace]:
        """Give the same, each operation with its steps."""
        owners = {UUID(trace.name): trace.is_sure for trace in found if trace.table == OperationRow.__tablename__}
        query = select(OperationStepRow).where(OperationStepRow.operation_id.in_(owners))
        steps: dict[str, tuple[Trace, ...]] = {}
        for row in await self._session.scalars(query.order_by(OperationStepRow.started_at, OperationStepRow.name)):
            step = self._step(hotel, row, is_sure=owners[row.operation_id])
            steps[str(row.operation_id)] = (*steps.get(str(row.operation_id), ()), step)
        return [replace(trace, parts=steps.get(trace.name, ())) for trace in found]

    def _step(self, hotel: Hotel, row: OperationStepRow, *, is_sure: bool) -> Trace:
        table, name = OperationStepRow.__tablename__, f"{row.operation_id}/{row.name}"
        facts = {key: getattr(row, key) for key in ("name", "status", "started_at", "finished_at")}
        contents = {"result": self._opened(table, "result", row.result, hotel.id, name)}
        return Trace(table=table, name=name, facts=facts, contents=contents, is_sure=is_sure)

    def _trace(self, kept: _Kept, row: Any, *, is_sure: bool) -> Trace:
        table, place = kept.entity.__tablename__, kept.bound_to(row)
        return Trace(
            table=table,
            name=kept.name(row),
            facts={name: getattr(row, name) for name in kept.facts},
            contents={name: self._opened(table, name, getattr(row, name), row.hotel_id, place) for name in kept.sealed},
            is_sure=is_sure,
        )

    def _opened(self, table: str, column: str, value: bytes | None, hotel_id: str, row: str) -> Any:
        if value is None:
            return None
        try:
            plain = self._ciphers[table].open(column, value, hotel_id=hotel_id, row=row)
        except DecryptionFailed:
            return None
        try:
            return orjson.loads(plain)
        except orjson.JSONDecodeError:  # a vendor's webhook as it came, which need not be JSON
            return plain.decode(errors="replace")


def _about(kept: _Kept, hotel: Hotel, person: Person, wanted: Collection[bytes]) -> ColumnElement[bool]:
    of_hotel: ColumnElement[bool] = kept.entity.hotel_id == hotel.id
    named: ColumnElement[bool] = type_coerce(kept.entity.subjects, ARRAY(LargeBinary)).overlap(list(wanted))
    if kept.entity is ReservationRow:
        named = or_(named, ReservationRow.id.in_(person.stays))
    return of_hotel & named


def _is_stay(row: Any, person: Person) -> bool:
    return isinstance(row, ReservationRow) and row.id in person.stays
