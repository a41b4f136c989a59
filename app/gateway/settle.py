"""Goes on with operations that no caller waits for: queued ones, unknown ones, and those whose process died.

Whoever goes on with an operation owns it first, by one conditional update; what two workers are told to do, one does.
"""

from datetime import timedelta

import structlog

from app.core import deadline
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration, profile_of
from app.core.profile import VendorProfile
from app.domain.capability import Capability
from app.domain.errors import GatewayError, StorageUnavailable
from app.domain.ids import OperationId
from app.gateway.attempts import Attempts
from app.gateway.hotels import HotelDirectory
from app.gateway.operation import DurableOperation, OperationFactory
from app.gateway.rebuild import made_again
from app.gateway.record import JOB
from app.gateway.waits import Waits
from app.gateway.write import LAST_ONE_COUNTS, Write
from app.store.database import Database
from app.store.dead_letters import LetterStatus
from app.store.operation_records import OperationRecord, TakenOver
from app.telemetry import context

log = structlog.get_logger()


class Settling:
    """Settles what is not known, sends what is queued, and ends what was left behind."""

    def __init__(
        self,
        *,
        database: Database,
        hotels: HotelDirectory,
        connectors: ConnectorCache,
        operations: OperationFactory,
        attempts: Attempts,
        clock: Clock,
        waits: Waits,
    ) -> None:
        self._database = database
        self._hotels = hotels
        self._connectors = connectors
        self._operations = operations
        self._attempts = attempts
        self._clock = clock
        self._waits = waits

    async def sweep(self) -> int:
        """Put a job for every operation that is due, whether it had one or not; gives how many.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            due = await work.operations.due(takeover_after=timedelta(seconds=self._waits.takeover_after))
            for operation_id in due:
                await work.enqueue(JOB, about=operation_id, dedupe_key=f"sweep {operation_id}")
        return len(due)

    async def attend(self, operation_id: OperationId) -> None:
        """Go on with an operation that is due; do nothing where it is not, or another worker is at it.

        Raises:
            StorageUnavailable: Postgres cannot be reached, or what is stored of the hotel cannot be used.
        """
        async with self._database.unit_of_work() as work:
            found = await work.operations.find(operation_id)
        if found is None or not found.is_live:
            return
        registration = await self._hotels.of_operation(found.hotel_id)
        budget = self._operations.budget(profile_of(registration.hotel))
        not_after = self._clock.monotonic() + budget.total_seconds()
        async with self._database.unit_of_work() as work:
            taken = await work.operations.take_over(
                operation_id,
                owner=self._operations.new_owner(),
                budget=budget,
                takeover_after=timedelta(seconds=self._waits.takeover_after),
            )
        if taken is None:
            await self._come_back(found)
            return
        operation = self._operations.make(taken.operation, not_after=not_after, now=taken.now)
        with context.about(operation=found.kind, hotel_id=found.hotel_id, operation_id=found.id):
            await self._go_on(registration, taken, operation)

    async def _come_back(self, found: OperationRecord) -> None:
        """Put a job for the moment at which an operation may be taken over, if its owner is silent until then."""
        fence = found.deadline_at + timedelta(seconds=self._waits.takeover_after)
        if found.handed_over or found.next_attempt_at is not None:
            return
        async with self._database.unit_of_work() as work:
            pause = max(timedelta(), fence - await work.now())
            await work.enqueue(JOB, about=found.id, delay=pause, dedupe_key=f"fence {found.id} {fence.timestamp()}")

    async def _go_on(self, registration: Registration, taken: TakenOver, operation: DurableOperation) -> None:
        await operation.load()
        operation.was_queued = taken.was_queued
        if operation.is_resumed:
            operation.may_repeat = _keys_are_known(profile_of(registration.hotel), taken, operation)
            operation.absence_counts = await self._absence_counts(registration, taken, operation)
        elif await self._ended(registration, taken, operation):
            return
        try:
            write = await self._write_of(registration, operation)
            operation.touched = write.touched
            await self._attempts.run(registration, write, operation)
        except StorageUnavailable:
            raise
        except GatewayError as error:
            log.info("operation.refused_later", code=error.code, outcome=error.outcome.value)
        except Exception:
            log.exception("operation.beyond_us", operation_id=operation.record.id)
            await self._attempts.hand_over(operation)

    async def _ended(self, registration: Registration, taken: TakenOver, operation: DurableOperation) -> bool:
        """End an operation of which nothing was sent, where it is too late for it, or nobody counts on it."""
        if not operation.accepted and not taken.was_queued:
            await self._attempts.interrupted(registration, operation)
        elif taken.is_expired:
            await self._attempts.expire(operation)
        elif await self._is_overtaken(operation):
            await self._attempts.overtaken(operation)
        else:
            return False
        return True

    async def _is_overtaken(self, operation: DurableOperation) -> bool:
        """Tell whether sending it now would undo what was done later; a person who sends it again knows that."""
        record = operation.record
        if record.kind not in LAST_ONE_COUNTS:
            return False
        async with self._database.unit_of_work() as work:
            letter = await work.dead_letters.of(record.id)
            by_a_person = letter is not None and letter.status is LetterStatus.RETRYING
            return not by_a_person and await work.operations.is_overtaken(record)

    async def _absence_counts(self, registration: Registration, taken: TakenOver, operation: DurableOperation) -> bool:
        """Tell whether not seeing a send would mean anything: late enough, and in lists that show something newer.

        The newest record is asked for before the send is looked for: what is newer was there when it was not.
        """
        sent, profile = taken.operation.last_sent_at, profile_of(registration.hotel)
        if not operation.doubtful or operation.may_repeat or sent is None:
            return False
        if taken.now - sent < self._waits.of_vendor(profile.settle_after):
            return False
        try:
            async with self._connectors.lease(registration) as connector:
                with deadline.until(operation.not_after):
                    newest = await connector.find_newest_record()
        except GatewayError:
            return False
        return newest is not None and newest > sent + timedelta(seconds=self._waits.clock_skew)

    async def _write_of(self, registration: Registration, operation: DurableOperation) -> Write[object]:
        """Make the write again; a queued change is meant for what the reservation was when it was queued."""
        record, base, theirs = operation.record, None, None
        if operation.was_queued and record.kind is Capability.RESERVATION_MODIFY:
            async with self._database.unit_of_work() as work:
                letter = await work.dead_letters.of(record.id)
            base, theirs = (letter.base, letter.theirs) if letter else (None, None)
        return made_again(
            registration.hotel,
            record.kind,
            record.payload,
            base=base and base["version"],
            theirs=theirs and theirs["version"],
        )


def _keys_are_known(profile: VendorProfile, taken: TakenOver, operation: DurableOperation) -> bool:
    """Tell whether the vendor still honours the keys under which something may have landed."""
    key = profile.idempotency_key
    if key is None or not key.is_honoured or operation.doubt_since is None:
        return False
    return taken.now - operation.doubt_since < timedelta(seconds=key.lifetime_seconds)
