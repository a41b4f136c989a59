"""One attempt at an operation: runs it, and writes down how it left the operation.

The outcome is that of all attempts. Where nothing was sent a write is queued or refused; where something may have
landed it is unknown, until it is seen.
"""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TypeVar

import structlog

from app.core import deadline
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.domain.capability import Capability
from app.domain.errors import (
    CapabilityNotSupported,
    ConflictRefused,
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
    Outcome,
    OutcomeUnknown,
    PreconditionFailed,
    StorageUnavailable,
    VendorAuthFailed,
    VendorLacks,
    VendorRejected,
    VendorUnavailable,
    VersionMoved,
)
from app.domain.hotel import Hotel
from app.domain.ids import OperationId
from app.domain.reservation import Reservation
from app.gateway.doubt import after_doubt
from app.gateway.mapping_faults import contract_kept
from app.gateway.operation import DurableOperation
from app.gateway.patience import within
from app.gateway.reads import STORE_SECONDS, Notice
from app.gateway.record import Done, Ending, Recorder
from app.gateway.waits import MOST_TRIES, Waits
from app.gateway.write import SHORT_LIVED, Accepted, Settled, Write
from app.store.database import Database
from app.store.dead_letters import Letter
from app.store.operation_records import OperationRecord, OperationStatus, Result
from app.telemetry import metrics

T = TypeVar("T")

log = structlog.get_logger()


class Attempts:
    """Runs operations, for callers that wait and for the worker."""

    def __init__(
        self, *, database: Database, recorder: Recorder, connectors: ConnectorCache, clock: Clock, waits: Waits
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._connectors = connectors
        self._clock = clock
        self._waits = waits

    async def run(self, registration: Registration, write: Write[T], operation: DurableOperation) -> Settled | Accepted:
        """Run an operation that is owned, from its first step that is not done.

        Raises:
            GatewayError: it was not done; the error's outcome is never UNKNOWN.
        """
        try:
            if operation.record.attempts > 1 and not operation.is_loaded:
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
        return await self._succeeded(registration, operation, done)

    async def interrupted(self, registration: Registration, operation: DurableOperation) -> None:
        """End an operation whose process died before anything was sent; a repeat of its key runs it again."""
        error = VendorUnavailable("the gateway was interrupted before this was sent", vendor=registration.hotel.vendor)
        await self._refuse(registration, operation, error, runs_again=True)

    async def expire(self, operation: DurableOperation) -> None:
        """End an operation that waited in the queue past its time."""
        error = VendorUnavailable("it could not be sent in time")
        promised = operation.record.kind in SHORT_LIVED
        status = OperationStatus.EXPIRED if promised else OperationStatus.DEAD
        result = Result(status=status, error=operation.record.error or error.as_told())
        letter = Letter(error=result.error, replayable=True)
        await self._recorder.note_failure(operation, result, Ending(status.value, letter))

    async def overtaken(self, operation: DurableOperation) -> None:
        """Leave to a person what waited in the queue while a newer write of its kind was done."""
        told = ConflictRefused("a newer write to the same thing was done while this one waited").as_told()
        result = Result(status=OperationStatus.DEAD, error=told)
        await self._recorder.note_failure(operation, result, Ending("overtaken", Letter(error=told, replayable=True)))

    async def hand_over(self, operation: DurableOperation) -> None:
        """Leave to a person what this version of the gateway can't go on with."""
        told = GatewayError("the gateway cannot go on with this write").as_told()
        result = Result(status=OperationStatus.UNKNOWN, error=told, handed_over=True)
        await self._recorder.note_failure(operation, result, Ending("unknown", Letter(error=told)))

    async def accepted(self, operation: DurableOperation) -> OperationRecord | None:
        """Note that the caller is told 202, and give the operation as it is now; without Postgres as it began.

        None where it is gone: it was refused for what it asks at this very moment.
        """
        operation.accepted = True
        try:
            return await within(STORE_SECONDS, self._accept(operation.record.id))
        except StorageUnavailable:
            return operation.record

    async def repeated(self, record: OperationRecord) -> OperationRecord:
        """Note that a repeat is told 202 of an operation that is under way."""
        if not record.is_live or record.accepted_at is not None:
            return record
        try:
            return await within(STORE_SECONDS, self._accept(record.id)) or record
        except StorageUnavailable:
            return record

    async def _accept(self, operation_id: OperationId) -> OperationRecord | None:
        async with self._database.unit_of_work() as work:
            return await work.operations.accept(operation_id)

    async def _succeeded(self, registration: Registration, operation: DurableOperation, done: Done[T]) -> Settled:
        warnings, now = done.warnings, self._clock.now()
        if not await self._recorder.record(registration.hotel, operation, done, now):
            log.warning("operation.recording_delayed", operation_id=operation.record.id)
            warnings = (*warnings, Notice("recording_delayed", "done in the PMS; our own record of it follows"))
        return Settled(operation.record.id, done.status, done.json, now, warnings)

    async def _failed(
        self, registration: Registration, write: Write[T], operation: DurableOperation, error: GatewayError
    ) -> Settled | Accepted:
        """Tell a failed write by the outcome of all its sends, not of the last one."""
        if operation.lost:
            return await self._told_later(operation)
        if not await self._nothing_happened(operation, error):
            if error.outcome is Outcome.REJECTED and not operation.doubtful and write.as_far_as is not None:
                return await self._settle_as_far(registration, write, operation, error)
            return await self._leave_unknown(registration, write, operation, error)
        return await self._not_done(registration, write, operation, _as_never_sent(error))

    async def _not_done(
        self, registration: Registration, write: Write[T], operation: DurableOperation, error: GatewayError
    ) -> Accepted:
        """Queue what never happened, or tell the caller why it did not."""
        if _may_wait(operation, error):
            return await self._queue(registration.hotel, write, operation, error)
        about_request = isinstance(error, InvalidRequest | CapabilityNotSupported | VendorLacks)
        if about_request and not operation.accepted and operation.record.attempts == 1:
            await self._recorder.forget(operation.record.id, owner=operation.owner)  # for another body, too
            raise error
        runs_again = not operation.was_queued and not _is_final(error)
        recorded = await self._refuse(registration, operation, error, runs_again=runs_again)
        if operation.lost or (operation.has_started and not recorded):  # nobody would know that it is not to be sent
            return await self._told_later(operation)
        error.extra["operation_id"] = operation.record.id
        raise error

    async def _told_later(self, operation: DurableOperation) -> Accepted:
        """Tell no more than that it is being seen to: the worker has it, or will."""
        found = await self.accepted(operation) if operation.has_caller else None
        return Accepted(found or operation.record)

    async def _nothing_happened(self, operation: DurableOperation, error: GatewayError) -> bool:
        """Tell whether the PMS is as it was before: refused and taken back, or never sent."""
        if operation.doubtful:
            return False
        if error.outcome is Outcome.REJECTED:
            return await operation.undo() and not operation.stands
        return not operation.sends and not operation.stands

    async def _settle_as_far(
        self, registration: Registration, write: Write[T], operation: DurableOperation, error: GatewayError
    ) -> Settled | Accepted:
        """Tell what really stands after a change that was refused half-way and could not be taken back."""
        try:
            async with self._connectors.lease(registration) as connector:
                with deadline.until(operation.not_after), contract_kept(registration.hotel.vendor):
                    done = await write.as_far_as(connector, error) if write.as_far_as else None
        except GatewayError:
            done = None
        if done is None:
            return await self._leave_unknown(registration, write, operation, error)
        return await self._succeeded(registration, operation, done)

    async def _refuse(
        self, registration: Registration, operation: DurableOperation, error: GatewayError, *, runs_again: bool
    ) -> bool:
        """Write down that it was not done; tells whether that is written by now."""
        told, letter = error.as_told(), None
        if operation.was_queued:  # the guest has been told that it will be done
            letter = Letter(error=told, replayable=True, theirs=_theirs(operation, error))
        elif operation.record.kind is Capability.RESERVATION_CREATE and error.outcome is Outcome.NOT_SENT:
            letter = Letter(error=told, notice=True)
        conflict = letter is not None and letter.theirs is not None
        status = OperationStatus.DEAD if conflict else OperationStatus.REJECTED
        result = Result(status=status, error=told, runs_again=runs_again)
        metrics.OPERATIONS.labels(registration.hotel.vendor, operation.record.kind, status.value).inc()
        return await self._recorder.note_failure(operation, result, Ending(error.outcome.value, letter))

    async def _queue(self, hotel: Hotel, write: Write[T], operation: DurableOperation, error: GatewayError) -> Accepted:
        """Keep a write that can't be sent now, to be sent later; after enough tries a person is asked."""
        told, record = error.as_told(), operation.record
        if record.replays >= MOST_TRIES:
            letter = Letter(error=told, replayable=True)
            result = Result(status=OperationStatus.DEAD, error=told)
        else:
            left = record.expires_at - operation.now if record.expires_at else self._life_in_queue(hotel, write)
            letter = Letter(error=told, auto_retry=True, replayable=True)
            result = Result(
                status=OperationStatus.QUEUED,
                error=told,
                next_in=min(self._pause(record.replays + 1, error), max(left, timedelta())),
                expires_in=None if record.expires_at else left,
            )
        # Where Postgres is away it is written as soon as it is back: 202 is told, so that it may not be dropped.
        await self._recorder.note_failure(operation, result, Ending(result.status.value, letter))
        return await self._told_later(operation)

    def _pause(self, attempts: int, error: GatewayError) -> timedelta:
        """Give when to try again: not before the vendor wants to hear of us."""
        own = self._waits.until_replay(attempts)
        return own if error.retry_after is None else max(own, self._waits.of_vendor(error.retry_after))

    def _life_in_queue(self, hotel: Hotel, write: Write[T]) -> timedelta:
        """Give how long a write may wait: what was promised at a price not long, and never past its own day."""
        if write.capability not in SHORT_LIVED:
            return timedelta(seconds=self._waits.queue_life)
        life = timedelta(seconds=hotel.options.queue_expiry * self._waits.factor)
        if write.last_day is None:
            return life
        ends = hotel.instant(datetime.combine(write.last_day + timedelta(days=1), time()))
        return max(timedelta(), min(life, (ends or self._clock.now()) - self._clock.now()))

    async def _leave_unknown(
        self, registration: Registration, write: Write[T], operation: DurableOperation, error: GatewayError
    ) -> Accepted:
        result, letter = after_doubt(
            operation.record,
            error,
            counts=operation.absence_counts,
            has_key=operation.may_repeat,
            age=operation.age_of_doubt,
            waits=self._waits,
        )
        never_done = result.status is not OperationStatus.UNKNOWN
        if result.status is OperationStatus.QUEUED and not operation.record.expires_at:
            result = replace(result, expires_in=self._life_in_queue(registration.hotel, write))
        if never_done:
            log.info("operation.seen_absent", operation_id=operation.record.id)
        ending = Ending("not_sent" if never_done else "unknown", letter, clears_steps=never_done)
        await self._recorder.note_failure(operation, result, ending)
        return await self._told_later(operation)


def _as_never_sent(error: GatewayError) -> GatewayError:
    """Tell an error of which nothing came as what it is to the caller: the PMS was away."""
    if isinstance(error, DeadlineExceeded):
        return VendorUnavailable("the PMS could not be reached in time, nothing was sent", vendor=error.vendor)
    if error.outcome is Outcome.UNKNOWN:  # it was lost in reading, before the send
        return VendorUnavailable(f"nothing was sent: {error.detail}", vendor=error.vendor)
    return error


def _may_wait(operation: DurableOperation, error: GatewayError) -> bool:
    """Tell whether a write of which nothing was sent is kept to be sent later."""
    if operation.was_queued and isinstance(error, VendorAuthFailed):
        return True  # the hotel's credentials will be put right; the write is not to blame
    is_awaited = operation.record.queueable or operation.was_queued or operation.accepted
    return error.outcome is Outcome.NOT_SENT and is_awaited


def _is_final(error: GatewayError) -> bool:
    """Tell whether an error is the PMS's answer to the request itself, which a repeat is told again.

    A refusal of our own, of our credentials, or of a version that moved meanwhile may turn out otherwise.
    """
    return isinstance(error, VendorRejected) and not isinstance(error, VersionMoved)


def _theirs(operation: DurableOperation, error: GatewayError) -> object:
    """Give what stands in the PMS where a change was made for something else."""
    if not isinstance(error, PreconditionFailed | VersionMoved):
        return None
    found = [one for one in operation.touched if isinstance(one, Reservation)]
    return found[-1].model_dump(mode="json") if found else None
