"""Events for subscribers, written with the change itself and read in an order without gaps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import Table, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.domain.event import EventType
from app.store.repository import Repository
from app.store.tables import OutboxRow, Xid8

_APPEND = insert(cast("Table", OutboxRow.__table__))  # made once: each write adds an event


@dataclass(frozen=True, slots=True, order=True)
class OutboxPosition:
    """How far a reader has come: the writing transaction, then the row."""

    xid: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event; the payload of an erased guest is gone, the event is not."""

    position: OutboxPosition
    event_id: UUID
    hotel_id: str
    type: EventType
    payload: Any
    created_at: datetime


class Outbox(Repository):
    """The events of all hotels."""

    table = "outbox"

    async def append(self, hotel_id: str, event: EventType, payload: Any, *, subjects: Sequence[bytes]) -> UUID:
        """Add an event to this unit of work and give the id that subscribers see; `payload` is JSON."""
        event_id = uuid4()
        await self._session.execute(
            _APPEND,
            {
                "event_id": event_id,
                "hotel_id": hotel_id,
                "type": event.value,
                "payload": self._seal("payload", payload, hotel_id, event_id),
                "subjects": sorted(set(subjects)),
            },
        )
        return event_id

    async def read_after(
        self, position: OutboxPosition, *, limit: int, hotel_ids: Collection[str] | None = None
    ) -> list[OutboxEvent]:
        """Give the events after `position`, of these hotels or of all.

        Events of transactions that are not older than every running one wait: a reader that has passed a
        position will never be handed an earlier one.
        """
        oldest_running = func.pg_snapshot_xmin(func.pg_current_snapshot(), type_=Xid8)
        query = (
            select(OutboxRow)
            .where(
                OutboxRow.xid < oldest_running,
                tuple_(OutboxRow.xid, OutboxRow.id) > (position.xid, position.id),
            )
            .order_by(OutboxRow.xid, OutboxRow.id)
            .limit(limit)
        )
        if hotel_ids is not None:
            query = query.where(OutboxRow.hotel_id.in_(hotel_ids))
        return [self._event(row) for row in await self._session.scalars(query)]

    def _event(self, row: OutboxRow) -> OutboxEvent:
        return OutboxEvent(
            position=OutboxPosition(row.xid, row.id),
            event_id=row.event_id,
            hotel_id=row.hotel_id,
            type=EventType(row.type),
            payload=self._open("payload", row.payload, row.hotel_id, row.event_id),
            created_at=row.created_at,
        )
