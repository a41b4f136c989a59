"""How every write is done: intent, durable steps, outcome, answer (writes.md).

The vendor's calls belong to the process, not to the request: a caller who hangs up or whose deadline passes
changes nothing about them.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

from app.core.clock import Clock
from app.core.connectors import Registration, profile_of
from app.domain.errors import (
    DeadlineExceeded,
    IdempotencyKeyReused,
    OperationInProgress,
    StorageUnavailable,
    Told,
    UnknownResource,
)
from app.domain.hotel import Hotel
from app.domain.ids import OperationId
from app.gateway.attempts import Attempts
from app.gateway.operation import DurableOperation, OperationFactory
from app.gateway.reads import Notice, Reads
from app.gateway.record import Ending, Recorder
from app.gateway.write import QUEUED_KINDS, Accepted, Order, Settled, Write
from app.store.crypto import IdempotencyHasher
from app.store.database import Database
from app.store.operation_records import Intent, OperationRecord, OperationStatus, Result
from app.store.subjects import Subject
from app.telemetry import context

T = TypeVar("T")

RETRY_AFTER_RUNNING = 1.0


class Writes:
    """Does writes, once in effect."""

    def __init__(
        self,
        *,
        reads: Reads,
        database: Database,
        attempts: Attempts,
        recorder: Recorder,
        operations: OperationFactory,
        hasher: IdempotencyHasher,
        clock: Clock,
    ) -> None:
        self._reads = reads
        self._database = database
        self._attempts = attempts
        self._recorder = recorder
        self._operations = operations
        self._hasher = hasher
        self._clock = clock
        self._running: set[asyncio.Task[Settled | Accepted]] = set()
        self._dropping: set[asyncio.Task[None]] = set()

    async def do(self, registration: Registration, write: Write[T], order: Order) -> Settled | Accepted:
        """Do a write, or say what became of it when its key was seen before.

        Raises:
            GatewayError: it was not done; the error's outcome is never UNKNOWN.
        """
        self._reads.require(registration, write.capability)
        own = self._operations.budget(profile_of(registration.hotel)).total_seconds()
        now = self._clock.monotonic()  # before the commit: no send is opened after the deadline that is stored
        budget = max(own, order.until - now)
        record, fresh = await self._begin(registration, write, order, budget)
        if not fresh:
            return self._as_preferred(await self._told_before(record), order)
        operation = self._operations.make(record, not_after=now + budget)
        operation.has_caller = True
        operation.touched = write.touched
        with context.about(operation=write.capability, hotel_id=registration.hotel.id, operation_id=record.id):
            task = asyncio.create_task(self._attempts.run(registration, write, operation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return self._as_preferred(await self._wait(task, operation, order), order)

    @staticmethod
    def _as_preferred(outcome: Settled | Accepted, order: Order) -> Settled | Accepted:
        return replace(outcome, preference=order.preference) if isinstance(outcome, Accepted) else outcome

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
        intent = self._intent(registration.hotel, write, order, timedelta(seconds=budget))
        task = asyncio.create_task(self._begun(intent))
        done, _ = await asyncio.wait({task}, timeout=left)
        failure = task.exception() if done else StorageUnavailable("the gateway's database does not answer in time")
        if not isinstance(failure, StorageUnavailable):
            return task.result()
        # It may still be committed, or have been; nobody was told of it then, and its key has to stay free.
        if done:
            self._drop(intent, task)
        else:
            task.add_done_callback(partial(self._drop, intent))
        raise failure

    async def _begun(self, intent: Intent) -> tuple[OperationRecord, bool]:
        fresh = await self._database.milestones.begin(intent)
        if fresh is not None:
            return fresh, True
        async with self._database.unit_of_work() as work:
            begun = await work.operations.begin(intent)
            if begun.created:
                return begun.operation, True
            if begun.operation.fingerprint != intent.fingerprint:
                raise IdempotencyKeyReused("this Idempotency-Key was used for another request")
            if not begun.operation.runs_again:
                return begun.operation, False
            again = await work.operations.run_again(begun.operation.id, intent)
        return (again, True) if again else (await self.find(begun.operation.id), False)

    def _intent(self, hotel: Hotel, write: Write[T], order: Order, budget: timedelta) -> Intent:
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
            owner=self._operations.new_owner(),
            budget=budget,
            queueable=order.preference is not None or write.capability in QUEUED_KINDS,
            payload={"target": write.target, "if_match": order.if_match, "body": order.body},
            subjects=self._database.subjects_of(hotel, [*write.people, *_reservation_of(write)]),
            correlation_id=context.current("correlation_id"),
        )

    def _drop(self, intent: Intent, begun: asyncio.Task[tuple[OperationRecord, bool]]) -> None:
        """Forget an intent that was, or may have been, committed after its caller had been told that it was not."""
        if begun.cancelled():
            return
        known = None if begun.exception() else begun.result()
        if known is not None and known[1] and known[0].id != intent.id:
            work = self._leave_as_it_was(known[0])
        else:
            work = self._recorder.forget(intent.id, owner=intent.owner)
        task = asyncio.create_task(work)
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _leave_as_it_was(self, again: OperationRecord) -> None:
        """Let an operation that was taken up again, for nobody, wait for its key once more."""
        error = StorageUnavailable("the gateway's database did not answer in time").as_told()
        result = Result(status=OperationStatus.REJECTED, error=error, runs_again=True)
        operation = self._operations.make(again, not_after=float("-inf"))
        await self._recorder.note_failure(operation, result, Ending("not_sent"))

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
        until = min(order.until, order.patient_until)
        done, _ = await asyncio.wait({task}, timeout=max(0.0, until - self._clock.monotonic()))
        if done or operation.give_up_waiting():
            return await task  # what was not sent yet cannot be sent any more, and ends now
        operation.accepted = True  # before anything is waited for: from now on it may not be forgotten
        await self._recorder.show_pending(operation)
        accepted = await self._attempts.accepted(operation)
        return await task if accepted is None else Accepted(accepted)

    async def _told_before(self, record: OperationRecord) -> Settled | Accepted:
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
                return Accepted(await self._attempts.repeated(record))


def _reservation_of(write: Write[T]) -> list[Subject]:
    """Give the reservation that a write is about: a note or a charge is about its guest, whoever that is."""
    if write.target is None or not write.capability.startswith(("reservation.", "charge.")):
        return []
    return [Subject(reservation_id=write.target)]
