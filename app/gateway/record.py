"""What is written down when a write ends: outcome, store copy, audit, event and invalidation, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.domain.capability import Capability
from app.domain.errors import StorageUnavailable
from app.domain.event import EventType
from app.domain.hotel import Hotel
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.bookkeeper import Bookkeeper
from app.gateway.invalidation import moved_by
from app.gateway.operation import DurableOperation
from app.gateway.patience import within
from app.gateway.reads import Fetched, Notice
from app.store.audit import AuditEntry
from app.store.cache import Cache
from app.store.database import Database, UnitOfWork
from app.store.operations import OperationStatus, Result
from app.store.subjects import Subject
from app.telemetry import metrics

T = TypeVar("T")

CONFIRM_SECONDS = 0.5

EVENTS = {
    Capability.RESERVATION_CREATE: EventType.RESERVATION_CREATED,
    Capability.RESERVATION_MODIFY: EventType.RESERVATION_MODIFIED,
    Capability.RESERVATION_CANCEL: EventType.RESERVATION_CANCELLED,
    Capability.RESERVATION_NOTE: EventType.RESERVATION_NOTE_ADDED,
    Capability.RESERVATION_CHECKOUT_TIME: EventType.RESERVATION_MODIFIED,
    Capability.RESERVATION_CHECK_IN: EventType.RESERVATION_CHECKED_IN,
    Capability.RESERVATION_CHECK_OUT: EventType.RESERVATION_CHECKED_OUT,
    Capability.GUEST_UPSERT: EventType.GUEST_UPDATED,
    Capability.GUEST_PREFERENCES: EventType.GUEST_UPDATED,
    Capability.CHARGE_POST: EventType.CHARGE_POSTED,
    Capability.ROOM_STATUS_SET: EventType.ROOM_STATUS_CHANGED,
}
"""What subscribers are told of each write."""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """A write that the PMS has done: the answer, and all that follows from it."""

    value: T
    """A domain model."""
    status: int = 200
    target: str | None = None
    """The vendor's id of what it was about, where it is only known now."""
    touched: Sequence[Reservation | Stay] = ()
    """The stays before and after it, whose months' availability has changed."""
    before: Any = None
    """What it was before, JSON-like, for the audit."""
    people: Sequence[Subject] = ()
    """Whose data the answer holds."""
    warnings: tuple[Notice, ...] = ()
    keep: Callable[[UnitOfWork, T, Fetched], Awaitable[object]] | None = None
    """Writes the answer through to the store."""

    def json(self) -> Any:
        """Give the answer JSON-like."""
        return self.value.model_dump(mode="json") if isinstance(self.value, BaseModel) else self.value


class Recorder:
    """Writes down how operations ended, and makes outdated what was read before them."""

    def __init__(self, database: Database, cache: Cache, bookkeeper: Bookkeeper) -> None:
        self._database = database
        self._cache = cache
        self._bookkeeper = bookkeeper

    async def record(self, hotel: Hotel, operation: DurableOperation, done: Done[T], now: datetime) -> bool:
        """Write a success down, then move the cache; gives whether it is written by now, or will be later."""
        resources = moved_by(operation.record.kind, done.touched)

        async def work() -> None:
            if await self._write_success(hotel, operation, done, now, resources):
                _count(hotel, operation.record.kind, done, now)

        written = await self._bookkeeper.write("success", work)
        if await self._cache.move(hotel.id, resources) and written:
            await self._confirm(operation)
        return written

    async def note_failure(self, operation: DurableOperation, result: Result, *, outcome: str) -> None:
        """Write down that an operation did not succeed, or that nobody knows yet."""

        async def work() -> None:
            async with self._database.unit_of_work() as unit:
                if await unit.operations.finish(operation.record.id, owner=operation.owner, result=result):
                    await self._audit(unit, operation, outcome, None, operation.record.subjects)

        await self._bookkeeper.write(outcome, work)
        await self.show_pending(operation)

    async def forget(self, operation: DurableOperation) -> None:
        """Drop an operation of which nothing was sent, so that its key is free for any request."""

        async def work() -> None:
            async with self._database.unit_of_work() as unit:
                await unit.operations.forget(operation.record.id, owner=operation.owner)

        await self._bookkeeper.write("forgotten", work)

    async def show_pending(self, operation: DurableOperation) -> None:
        """Let the next read say that an operation is pending, and not trust what it may have changed."""
        if operation.record.target is not None or operation.touched:
            await self._cache.move(operation.record.hotel_id, moved_by(operation.record.kind, operation.touched))

    async def _write_success(
        self,
        hotel: Hotel,
        operation: DurableOperation,
        done: Done[T],
        now: datetime,
        resources: Sequence[str],
    ) -> bool:
        """Write outcome, copy, audit, event and invalidation in one transaction; once, however often it is tried.

        The write takes its read number now that the vendor has answered, so that no earlier read replaces it.
        """
        read_no = await self._database.next_read_no()
        async with self._database.unit_of_work() as work:
            subjects = sorted({*operation.record.subjects, *work.subjects_of(hotel, done.people)})
            if not await self._finish(work, operation, done, subjects, now):
                return False
            if done.keep is not None:
                await done.keep(work, done.value, Fetched(read_no, now))
            await self._audit(work, operation, "succeeded", done, subjects)
            target = done.target or operation.record.target
            event = EVENTS[operation.record.kind]
            await work.outbox.append(hotel.id, event, {"target": target}, subjects=subjects)
            operation.invalidation = (await work.invalidations.add(hotel.id, resources)).id
        return True

    async def _confirm(self, operation: DurableOperation) -> None:
        """Note that the cache was moved; where that fails it is moved once more, which does no harm."""
        if operation.invalidation is None:
            return
        with suppress(StorageUnavailable):
            await within(CONFIRM_SECONDS, self._confirmed(operation.invalidation))

    async def _confirmed(self, invalidation: int) -> None:
        async with self._database.unit_of_work() as work:
            await work.invalidations.confirm([invalidation])

    async def _finish(
        self, work: UnitOfWork, operation: DurableOperation, done: Done[T], subjects: Sequence[bytes], now: datetime
    ) -> bool:
        warnings = [{"code": one.code, "detail": one.detail, "fields": one.fields} for one in done.warnings]
        return await work.operations.finish(
            operation.record.id,
            owner=operation.owner,
            result=Result(
                status=OperationStatus.SUCCEEDED,
                answer_status=done.status,
                answer={"data": done.json(), "warnings": warnings, "as_of": now.isoformat()},
                target=done.target,
                subjects=subjects,
            ),
        )

    async def _audit(
        self,
        work: UnitOfWork,
        operation: DurableOperation,
        outcome: str,
        done: Done[T] | None,
        subjects: Sequence[bytes],
    ) -> None:
        record = operation.record
        await work.audit.append(
            AuditEntry(
                actor=record.client,
                hotel_id=record.hotel_id,
                operation=record.kind,
                target=(done.target if done else None) or record.target,
                outcome=outcome,
                correlation_id=record.correlation_id,
                vendor_request_id=operation.receipts[-1] if operation.receipts else None,
                before=done.before if done else None,
                after=done.json() if done else None,
            ),
            subjects=subjects,
        )


def _count(hotel: Hotel, capability: Capability, done: Done[T], now: datetime) -> None:
    """Count an operation once, when it first succeeds."""
    metrics.OPERATIONS.labels(hotel.vendor, capability, "succeeded").inc()
    if capability.startswith("reservation."):
        metrics.RESERVATIONS.labels(hotel.vendor, EVENTS[capability]).inc()
    if capability is Capability.RESERVATION_CREATE and isinstance(done.value, Reservation):
        metrics.LEAD_TIME.observe(max(0, (done.value.arrival - hotel.civil_date(now)).days))
        if done.value.total is not None:
            metrics.REVENUE.labels(done.value.total.currency).inc(float(done.value.total.amount))
