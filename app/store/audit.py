"""The audit: who did what to which guest's things, and how it ended. It is only ever added to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit. `actor` is a client's name; `operation` a capability or an act on a hotel.

    `before` and `after` are JSON and are stored encrypted; `at` is set by the database when it is added.
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
    at: datetime | None = None


class Audit(Repository):
    """The audit of all hotels."""

    table = "audit_log"

    async def append(self, entry: AuditEntry, *, subjects: Sequence[bytes] = ()) -> None:
        """Add a line to this unit of work."""
        line = uuid4()
        await self._session.execute(
            insert(AuditRow).values(
                id=line,
                actor=entry.actor,
                hotel_id=entry.hotel_id,
                operation=entry.operation,
                target=entry.target,
                outcome=entry.outcome,
                correlation_id=entry.correlation_id,
                vendor_request_id=entry.vendor_request_id,
                before=self._seal("before", entry.before, entry.hotel_id, line),
                after=self._seal("after", entry.after, entry.hotel_id, line),
                subjects=sorted(set(subjects)),
            )
        )

    async def entries(
        self,
        *,
        hotel_ids: Collection[str] | None = None,
        target: str | None = None,
        operation: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """Give the newest lines that match, newest first; `since` is inclusive, `before` is not."""
        query = select(AuditRow).order_by(AuditRow.at.desc(), AuditRow.id).limit(limit)
        if hotel_ids is not None:
            query = query.where(AuditRow.hotel_id.in_(hotel_ids))
        if target is not None:
            query = query.where(AuditRow.target == target)
        if operation is not None:
            query = query.where(AuditRow.operation == operation)
        if since is not None:
            query = query.where(AuditRow.at >= since)
        if before is not None:
            query = query.where(AuditRow.at < before)
        return [self._entry(row) for row in await self._session.scalars(query)]

    def _entry(self, row: AuditRow) -> AuditEntry:
        return AuditEntry(
            actor=row.actor,
            hotel_id=row.hotel_id,
            operation=row.operation,
            target=row.target,
            outcome=row.outcome,
            correlation_id=row.correlation_id,
            vendor_request_id=row.vendor_request_id,
            before=self._open("before", row.before, row.hotel_id, row.id),
            after=self._open("after", row.after, row.hotel_id, row.id),
            at=row.at,
        )
