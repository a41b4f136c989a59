"""The audit: who did what to which guest's things, and how it ended. It is only ever added to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Table, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.store.crypto import DecryptionFailed
from app.store.repository import Repository
from app.store.tables import AuditRow

_OF_RESERVATIONS = ("reservation.", "charge.")
"""How the operations begin whose target is a reservation; the ids of rooms and guests may be the same text."""

_LOCK_WAIT = text("SET LOCAL lock_timeout = '2s'")
_APPEND = insert(cast("Table", AuditRow.__table__))  # made once: each write adds a line
_ENSURE_PARTITIONS = text(
    "SELECT audit_log_ensure_partition((now() AT TIME ZONE 'UTC' + make_interval(months => ahead))::date) "
    "FROM generate_series(0, CAST(:months_ahead AS int)) AS ahead"
)

_MISSING_PARTITIONS = text(
    "SELECT count(*) FROM generate_series(0, CAST(:months_ahead AS int)) AS ahead WHERE to_regclass("
    "'audit_log_' || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => ahead), 'YYYY_MM')) IS NULL"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands in the audit, which is ordered by both, the newest first."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit. `actor` is a client's name; `operation` a capability or an act of ours.

    `before` and `after` are JSON and are stored encrypted; `place` is given by the database when it is added.
    """

    actor: str
    hotel_id: str | None
    operation: str
    target: str | None
    outcome: str
    correlation_id: str | None = None
    vendor_request_id: str | None = None
    before: Any = None
    after: Any = None
    readable: bool = True
    """False where `before` and `after` are nothing because no key of this gateway opens them any more."""
    place: Place | None = None

    @property
    def at(self) -> datetime | None:
        """When it was added; known of a line that was read."""
        return None if self.place is None else self.place.at


class Audit(Repository):
    """The audit of all hotels."""

    table = "audit_log"

    async def append(self, entry: AuditEntry, *, subjects: Sequence[bytes] = ()) -> None:
        """Add a line to this unit of work."""
        line = uuid4()
        await self._session.execute(
            _APPEND,
            {
                "id": line,
                "actor": entry.actor,
                "hotel_id": entry.hotel_id,
                "operation": entry.operation,
                "target": entry.target,
                "outcome": entry.outcome,
                "correlation_id": entry.correlation_id,
                "vendor_request_id": entry.vendor_request_id,
                "before": self._seal("before", entry.before, entry.hotel_id, line),
                "after": self._seal("after", entry.after, entry.hotel_id, line),
                "subjects": sorted(set(subjects)),
            },
        )

    async def entries(
        self,
        *,
        hotel_ids: Collection[str] | None = None,
        target: str | None = None,
        reservation: str | None = None,
        operation: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        older_than: Place | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """Give the newest lines that match, newest first; `since` is inclusive, `before` is not.

        `reservation` is the vendor's id of one; `older_than` the place of a line after which the list goes on.
        """
        conditions = [
            None if hotel_ids is None else AuditRow.hotel_id.in_(hotel_ids),
            None if target is None else AuditRow.target == target,
            None if reservation is None else _about_reservation(reservation),
            None if operation is None else AuditRow.operation == operation,
            None if since is None else AuditRow.at >= since,
            None if before is None else AuditRow.at < before,
            None if older_than is None else _older_than(older_than),
        ]
        query = (
            select(AuditRow)
            .where(*(condition for condition in conditions if condition is not None))
            .order_by(AuditRow.at.desc(), AuditRow.id.desc())
            .limit(limit)
        )
        return [self._entry(row) for row in await self._session.scalars(query)]

    async def ensure_partitions(self, months_ahead: int) -> list[str]:
        """Make the partitions of this month (UTC) and of as many months after it, where they are missing.

        Gives the names of all of them. To be called in a unit of work of its own: making one locks the audit until
        that ends. What cannot have the lock within two seconds gives up, as every write queues up behind it.

        Raises:
            StorageUnavailable: the audit is too busy just now; lines of a month without a partition are kept, too.
        """
        await self._session.execute(_LOCK_WAIT)
        return list(await self._session.scalars(_ENSURE_PARTITIONS, {"months_ahead": months_ahead}))

    async def missing_partitions(self, months_ahead: int) -> int:
        """Count the months, of this one (UTC) and as many after it, that have no partition of their own."""
        return int((await self._session.execute(_MISSING_PARTITIONS, {"months_ahead": months_ahead})).scalar_one())

    def _entry(self, row: AuditRow) -> AuditEntry:
        before, after, readable = self._contents(row)
        return AuditEntry(
            actor=row.actor,
            hotel_id=row.hotel_id,
            operation=row.operation,
            target=row.target,
            outcome=row.outcome,
            correlation_id=row.correlation_id,
            vendor_request_id=row.vendor_request_id,
            before=before,
            after=after,
            readable=readable,
            place=Place(row.at, row.id),
        )

    def _contents(self, row: AuditRow) -> tuple[Any, Any, bool]:
        """Open what a line holds; one that is lost must not hide that something was done, nor all other lines."""
        try:
            before = self._open("before", row.before, row.hotel_id, row.id)
            return before, self._open("after", row.after, row.hotel_id, row.id), True
        except DecryptionFailed:
            return None, None, False


def _about_reservation(ref: str) -> ColumnElement[bool]:
    of_reservations = or_(*(AuditRow.operation.startswith(family) for family in _OF_RESERVATIONS))
    return (AuditRow.target == ref) & of_reservations


def _older_than(place: Place) -> ColumnElement[bool]:
    # By itself the comparison of pairs lets Postgres leave no partition out.
    older: ColumnElement[bool] = tuple_(AuditRow.at, AuditRow.id) < (place.at, place.id)
    return (AuditRow.at <= place.at) & older
