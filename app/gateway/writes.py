"""How every write is done: intent, durable steps, outcome, answer (writes.md).

The vendor's calls belong to the process, not to the request: a caller who hangs up or whose deadline passes
changes nothing about them.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import uuid4

import structlog

from app.core import deadline
from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import (
    CapabilityNotSupported,
    DeadlineExceeded,
    GatewayError,
    IdempotencyKeyReused,
    InvalidRequest,
    OperationInProgress,
    Outcome,
    OutcomeUnknown,
    StorageUnavailable,
    Told,
    UnknownResource,
    VendorLacks,
    VendorRejected,
    VendorUnavailable,
    VersionMoved,
)
from app.domain.hotel import Hotel
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.callers import Caller
from app.gateway.mapping_faults import contract_kept
from app.gateway.operation import DurableOperation
from app.gateway.patience import within
from app.gateway.reads import STORE_SECONDS, Notice, Reads
from app.gateway.record import Done, Recorder
from app.store.crypto import IdempotencyHasher
from app.store.database import Database, UnitOfWork
from app.store.operations import Intent, OperationRecord, OperationStatus, Result
from app.store.subjects import Subject
from app.telemetry import context, metrics

T = TypeVar("T")

RETRY_AFTER_RUNNING = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A write as the caller sent it: what its idempotency key stands for, and until when the caller waits."""

    caller: Caller
    method: str
    path: str
    route: str
    body: Any
    """The parsed body, JSON-like, unset members left out."""
    if_match: str | None
    key: str | None
    until: float
    """Monotonic seconds."""


@dataclass(frozen=True, kw_only=True)
class Write(Generic[T]):
    """One change to a hotel's PMS."""

    capability: Capability
    act: Callable[[PMSAdapter, Operation], Coroutine[Any, Any, Done[T]]]
    """Does it, through the adapter; raises what the caller is to be told when it can't be done."""
    target: VendorRef | None = None
    """The reservation, guest or room that it is about, where there is one already."""
    people: Sequence[Subject] = ()
    """Whose data the request holds."""
    touched: Sequence[Reservation | Stay] = ()
    """The stays whose availability it may change, as far as they are known by the time that it fails."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A write that is done in the PMS: the status and body members that the caller is told."""

    operation_id: OperationId
    status: int
    data: Any
    as_of: datetime
    warnings: tuple[Notice, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A write that is not known to be done yet: 202, and the operation to watch."""

    operation: OperationRecord


class Writes:
    """Does writes, once in effect."""

    def __init__(
        self,
        *,
        reads: Reads,
        database: Database,
        recorder: Recorder,
        connectors: ConnectorCache,
        hasher: IdempotencyHasher,
        clock: Clock,
    ) -> None:
        self._reads = reads
        self._database = database
        self._recorder = recorder
        self._connectors = connectors
        self._hasher = hasher
        self._clock = clock
        self._owner = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._running: set[asyncio.Task[Settled | Accepted]] = set()
        self._dropping: set[asyncio.Task[None]] = set()

    async def do(self, registration: Registration, write: Write[T], order: Order) -> Settled | Accepted:
        """Do a write, or say what became of it when its key was seen before.

        Raises:
            GatewayError: it was not done; the error's outcome is never UNKNOWN.
        """
        self._reads.require(registration, write.capability)
        async with self._connectors.lease(registration) as connector:
            budget = max(connector.profile.write_budget, order.until - self._clock.monotonic())
        record, fresh = await self._begin(registration, write, order, budget)
        if not fresh:
            return self._told_before(record)
        operation = self._operation(record, budget)
        operation.touched = write.touched
        with context.about(operation=write.capability, hotel_id=registration.hotel.id, operation_id=record.id):
            task = asyncio.create_task(self._run(registration, write, operation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await self._wait(task, operation, order)

    async def aclose(self) -> None:
        """Let the writes that are under way end."""
        await asyncio.gather(*self._running, *self._dropping, return_exceptions=True)

    async def _begin(
        self, registration: Registration, write: Write[T], order: Order, budget: float
    ) -> tuple[OperationRecord, bool]:
        """Commit the intent before the network, or take up the one that the key stands for.

        Gives the operation and whether it is to be run now.
        """
        left = order.until - self._clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the time for this ended before it could begin")
        task = asyncio.create_task(self._begun(registration.hotel, write, order, timedelta(seconds=budget)))
        done, _ = await asyncio.wait({task}, timeout=left)
        if not done:
            # It may still be committed; nobody was told of it then, and its key has to stay free.
            task.add_done_callback(self._drop)
            raise StorageUnavailable("the gateway's database does not answer in time")
        return task.result()

    async def _begun(
        self, hotel: Hotel, write: Write[T], order: Order, budget: timedelta
    ) -> tuple[OperationRecord, bool]:
        async with self._database.unit_of_work() as work:
            intent = self._intent(work, hotel, write, order, budget)
            begun = await work.operations.begin(intent)
            if begun.created:
                return begun.operation, True
            if begun.operation.fingerprint != intent.fingerprint:
                raise IdempotencyKeyReused("this Idempotency-Key was used for another request")
            if not begun.operation.runs_again:
                return begun.operation, False
            again = await work.operations.run_again(begun.operation.id, owner=self._owner, budget=budget)
        return (again, True) if again else (await self.find(begun.operation.id), False)

    def _intent(self, work: UnitOfWork, hotel: Hotel, write: Write[T], order: Order, budget: timedelta) -> Intent:
        fingerprint = self._hasher.fingerprint(
            method=order.method, path=order.path, if_match=order.if_match, body=order.body
        )
        key_hash = order.key and self._hasher.key_hash(client=order.caller.client, hotel_id=hotel.id, key=order.key)
        return Intent(
            id=OperationId(str(uuid4())),
            hotel_id=hotel.id,
            client=order.caller.client,
            kind=write.capability,
            target=write.target,
            method=order.method,
            route=order.route,
            key_hash=key_hash or None,
            fingerprint=fingerprint,
            owner=self._owner,
            budget=budget,
            payload={"target": write.target, "if_match": order.if_match, "body": order.body},
            subjects=work.subjects_of(hotel, [*write.people, *_reservation_of(write)]),
            correlation_id=context.current("correlation_id"),
        )

    def _drop(self, begun: asyncio.Task[tuple[OperationRecord, bool]]) -> None:
        """Forget an intent that was committed after its caller had been told that it was not."""
        if begun.cancelled() or begun.exception() is not None or not begun.result()[1]:
            return
        task = asyncio.create_task(self._recorder.forget(self._operation(begun.result()[0], 0.0)))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    def _operation(self, record: OperationRecord, budget: float) -> DurableOperation:
        return DurableOperation(
            id=record.id,
            not_after=self._clock.monotonic() + budget,
            record=record,
            database=self._database,
            owner=self._owner,
        )

    async def find(self, operation_id: str, *, client: str | None = None) -> OperationRecord:
        """Give an operation, of one client only where one is named.

        Raises:
            UnknownResource: there is none.
        """
        async with self._database.unit_of_work() as work:
            record = await work.operations.find(operation_id, client=client)
        if record is None:
            raise UnknownResource("there is no such operation")
        return record

    async def _wait(
        self, task: asyncio.Task[Settled | Accepted], operation: DurableOperation, order: Order
    ) -> Settled | Accepted:
        done, _ = await asyncio.wait({task}, timeout=max(0.0, order.until - self._clock.monotonic()))
        if done or operation.give_up_waiting():
            return await task  # what was not sent yet cannot be sent any more, and ends now
        await self._recorder.show_pending(operation)
        return Accepted(await self._accepted(operation))

    async def _run(
        self, registration: Registration, write: Write[T], operation: DurableOperation
    ) -> Settled | Accepted:
        try:
            if operation.record.attempts > 1:
                await operation.load()
            async with self._connectors.lease(registration) as connector:
                with deadline.until(operation.not_after), contract_kept(registration.hotel.vendor):
                    done = await operation.run(write.act(connector, operation))
        except GatewayError as error:
            return await self._failed(registration, write, operation, error)
        except Exception as error:
            log.exception("operation.crashed", operation_id=operation.record.id)
            fault = OutcomeUnknown("the gateway failed while the write was under way")
            if operation.sends:
                return await self._failed(registration, write, operation, fault)
            await self._refuse(registration, operation, GatewayError("the gateway failed"), runs_again=True)
            raise error from None
        return await self._succeeded(registration, write, operation, done)

    async def _succeeded(
        self, registration: Registration, write: Write[T], operation: DurableOperation, done: Done[T]
    ) -> Settled:
        warnings, now = done.warnings, self._clock.now()
        if not await self._recorder.record(registration.hotel, operation, done, now):
            log.warning("operation.recording_delayed", operation_id=operation.record.id)
            warnings = (*warnings, Notice("recording_delayed", "done in the PMS; our own record of it follows"))
        return Settled(operation.record.id, done.status, done.json(), now, warnings)

    async def _failed(
        self, registration: Registration, write: Write[T], operation: DurableOperation, error: GatewayError
    ) -> Accepted:
        """Tell a failed write by the outcome of all its sends, not of the last one."""
        if error.outcome is Outcome.REJECTED:
            nothing_stands = await operation.undo() and not operation.stands
        else:
            nothing_stands = not operation.sends and not operation.stands
        if not nothing_stands:
            return await self._leave_unknown(operation, error)
        if isinstance(error, InvalidRequest | CapabilityNotSupported | VendorLacks):
            await self._recorder.forget(operation)  # for what the request says: its key is free, for another body too
            raise error
        if isinstance(error, DeadlineExceeded):
            error = VendorUnavailable("the PMS could not be reached in time, nothing was sent", vendor=error.vendor)
        await self._refuse(registration, operation, error, runs_again=not _is_final(error))
        error.extra["operation_id"] = operation.record.id
        raise error

    async def _refuse(
        self, registration: Registration, operation: DurableOperation, error: GatewayError, *, runs_again: bool
    ) -> None:
        result = Result(status=OperationStatus.REJECTED, error=error.as_told(), runs_again=runs_again)
        metrics.OPERATIONS.labels(registration.hotel.vendor, operation.record.kind, "rejected").inc()
        await self._recorder.note_failure(operation, result, outcome=error.outcome.value)

    async def _leave_unknown(self, operation: DurableOperation, error: GatewayError) -> Accepted:
        result = Result(status=OperationStatus.UNKNOWN, error=error.as_told())
        await self._recorder.note_failure(operation, result, outcome=Outcome.UNKNOWN.value)
        return Accepted(await self._accepted(operation))

    async def _accepted(self, operation: DurableOperation) -> OperationRecord:
        """Note that the caller is told 202, and give the operation as it is now; without Postgres as it began."""
        try:
            return await within(STORE_SECONDS, self._accept(operation.record.id)) or operation.record
        except StorageUnavailable:
            return operation.record

    async def _accept(self, operation_id: OperationId) -> OperationRecord | None:
        async with self._database.unit_of_work() as work:
            return await work.operations.accept(operation_id)

    def _told_before(self, record: OperationRecord) -> Settled | Accepted:
        """Answer a repeat as the first was, or as the operation stands now."""
        match record.status:
            case OperationStatus.SUCCEEDED if record.answer is not None:
                told = record.answer
                warnings = tuple(Notice(one["code"], one["detail"], tuple(one["fields"])) for one in told["warnings"])
                as_of = datetime.fromisoformat(told["as_of"])
                return Settled(record.id, record.answer_status or 200, told["data"], as_of, warnings, replayed=True)
            case OperationStatus.RUNNING if record.accepted_at is None:
                raise OperationInProgress(
                    "the same request is still running",
                    retry_after=RETRY_AFTER_RUNNING,
                    extra={"operation_id": record.id},
                )
            case OperationStatus.REJECTED if record.error is not None:
                error = Told(record.error)
                error.extra |= {"operation_id": record.id}
                raise error
            case _:
                return Accepted(record)


def _is_final(error: GatewayError) -> bool:
    """Tell whether an error is the PMS's answer to the request itself, which a repeat is told again.

    A refusal of our own, of our credentials, or of a version that moved meanwhile may turn out otherwise.
    """
    return isinstance(error, VendorRejected) and not isinstance(error, VersionMoved)


def _reservation_of(write: Write[T]) -> list[Subject]:
    """Give the reservation that a write is about: a note or a charge is about its guest, whoever that is."""
    if write.target is None or not write.capability.startswith(("reservation.", "charge.")):
        return []
    return [Subject(reservation_id=write.target)]
