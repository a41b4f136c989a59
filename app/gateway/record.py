"""What is written down when a write ends: outcome, store copy, audit, event and invalidation, in one transaction."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.domain.capability import Capability
from app.domain.event import EventType
from app.domain.hotel import Hotel
from app.domain.ids import OperationId
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.bookkeeper import Bookkeeper
from app.gateway.flights import Fetched
from app.gateway.invalidation import moved_by
from app.gateway.invalidation_repeats import InvalidationRepeats
from app.gateway.operation import DurableOperation
from app.gateway.reads import Notice
from app.store.audit import AuditEntry
from app.store.cache import Cache
from app.store.database import Database, UnitOfWork
from app.store.dead_letters import Letter
from app.store.milestones import Success
from app.store.operation_records import LIVE, OperationStatus, Result
from app.store.subjects import Subject
from app.telemetry import metrics

T = TypeVar("T")

JOB = "operation"
"""The worker's job of going on with an operation; it carries the operation's id."""

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

    @cached_property
    def json(self) -> Any:
        """The answer, JSON-like."""
        return self.value.model_dump(mode="json") if isinstance(self.value, BaseModel) else self.value


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt that did not succeed ended: the outcome for the audit, and the dead letter that tells staff.

    `clears_steps`: it was seen that what may have been sent never landed.
    """

    outcome: str
    letter: Letter | None = None
    clears_steps: bool = False


class Recorder:
    """Writes down how operations ended, and makes outdated what was read before them."""

    def __init__(
        self, database: Database, cache: Cache, bookkeeper: Bookkeeper, invalidations: InvalidationRepeats
    ) -> None:
        self._database = database
        self._cache = cache
        self._bookkeeper = bookkeeper
        self._invalidations = invalidations

    async def record(self, hotel: Hotel, operation: DurableOperation, done: Done[T], now: datetime) -> bool:
        """Write a success down, then move the cache; gives whether it is written by now, or will be later."""
        resources = moved_by(operation.record.kind, done.touched)

        async def work() -> None:
            if await self._write_success(hotel, operation, done, now, resources):
                _count(hotel, operation.record.kind, done, now)

        written = await self._bookkeeper.write("success", work)
        if await self._cache.move(hotel.id, resources) and written and operation.invalidation is not None:
            self._invalidations.note_moved(operation.invalidation)
        return written

    async def note_failure(self, operation: DurableOperation, result: Result, ending: Ending) -> bool:
        """Write down that an operation did not succeed, or that nobody knows yet.

        Gives whether it is written by now, or will be as soon as Postgres is back.
        """
        written = await self._bookkeeper.write(ending.outcome, lambda: self._write_failure(operation, result, ending))
        await self.show_pending(operation)
        return written

    async def _write_failure(self, operation: DurableOperation, result: Result, ending: Ending) -> None:
        """Write status, dead letter, audit and the next job in one transaction; once, however often it is tried."""
        record = operation.record
        async with self._database.unit_of_work() as work:
            await operation.write_steps(work)
            if not await work.operations.finish(record.id, owner=operation.owner, result=result):
                operation.lost = not await work.operations.is_so(record.id, owner=operation.owner, status=result.status)
                return
            if ending.clears_steps:
                await work.steps.clear(record.id)
            if ending.clears_steps or not operation.is_resumed:
                await work.steps.forget_readings(record.id)
            await self._park(work, operation, result, ending.letter)
            if result.status is not OperationStatus.UNKNOWN:
                await work.locks.release(record.id)
            if result.next_in is not None:
                await work.enqueue(JOB, about=record.id, delay=result.next_in)
            if result.status is not record.status or not operation.is_resumed:
                await self._audit(work, operation, ending.outcome)

    async def _park(self, work: UnitOfWork, operation: DurableOperation, result: Result, letter: Letter | None) -> None:
        """Say in a dead letter why an operation waits, or close the one that did."""
        record = operation.record
        if letter is None:
            if record.dead_letter_id is not None and result.status not in LIVE and not result.runs_again:
                await work.dead_letters.close(record.id)
            return
        is_queued_now = letter.auto_retry and not operation.was_queued
        if is_queued_now and record.kind is Capability.RESERVATION_MODIFY and record.target:
            stored = await work.reservations.find(record.hotel_id, record.target)
            letter = replace(letter, base=stored and stored.value.model_dump(mode="json"))
        letter_id = await work.dead_letters.put(record, letter)
        await work.operations.link(record.id, dead_letter_id=letter_id)

    async def forget(self, operation_id: OperationId, *, owner: str) -> None:
        """Drop an operation of which nothing was sent, so that its key is free for any request."""

        async def work() -> None:
            async with self._database.unit_of_work() as unit:
                await unit.operations.forget(operation_id, owner=owner)

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
        """Write outcome, copy, audit, event and invalidation in one transaction; once, however often it is tried."""
        subjects = {*operation.record.subjects, *self._database.subjects_of(hotel, done.people)}
        success = _success(operation, done, now, resources, subjects)
        if _is_all(operation, done):
            operation.invalidation = await self._database.milestones.succeed(success)
        else:
            operation.invalidation = await self._write_more(operation, done, now, success)
        return operation.invalidation is not None

    async def _write_more(
        self, operation: DurableOperation, done: Done[T], now: datetime, success: Success
    ) -> int | None:
        """Write a success in one transaction with all that hangs on it.

        The write takes its read number now that the vendor has answered, so that no earlier read replaces it.
        """
        read_no = await self._database.next_read_no() if done.keep is not None else None
        async with self._database.unit_of_work() as work:
            invalidation = await work.milestones.succeed(success)
            if invalidation is None:
                return None
            if done.keep is not None:
                await done.keep(work, done.value, Fetched(read_no, now))
            if operation.locked or operation.is_taken_over:
                await work.locks.release(operation.record.id)
            if operation.record.dead_letter_id is not None:
                await work.dead_letters.close(operation.record.id)
        return invalidation

    async def _audit(self, work: UnitOfWork, operation: DurableOperation, outcome: str) -> None:
        await work.audit.append(_line(operation, outcome, None), subjects=operation.record.subjects)


def _success(
    operation: DurableOperation, done: Done[T], now: datetime, resources: Sequence[str], subjects: Collection[bytes]
) -> Success:
    record = operation.record
    warnings = [{"code": one.code, "detail": one.detail, "fields": one.fields} for one in done.warnings]
    return Success(
        operation=record,
        owner=operation.owner,
        answer_status=done.status,
        answer={"data": done.json, "warnings": warnings, "as_of": now.isoformat()},
        target=done.target,
        steps=operation.unwritten_steps,
        line=_line(operation, "succeeded", done),
        event=EVENTS[record.kind],
        payload={"target": done.target or record.target},
        resources=resources,
        subjects=subjects,
    )


def _is_all(operation: DurableOperation, done: Done[T]) -> bool:
    """Tell whether nothing but the success itself is to be written: no copy, lock or dead letter hangs on it."""
    is_linked = operation.locked or operation.is_taken_over or operation.record.dead_letter_id is not None
    return done.keep is None and not is_linked


def _line(operation: DurableOperation, outcome: str, done: Done[T] | None) -> AuditEntry:
    record = operation.record
    return AuditEntry(
        actor=record.client,
        hotel_id=record.hotel_id,
        operation=record.kind.value,
        target=(done.target if done else None) or record.target,
        outcome=outcome,
        correlation_id=record.correlation_id,
        vendor_request_id=operation.receipts[-1] if operation.receipts else None,
        before=done.before if done else None,
        after=done.json if done else None,
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
