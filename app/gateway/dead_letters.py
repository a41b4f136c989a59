"""The desk at which people look at parked writes and say what becomes of them.

Each act is one unit of work that holds the letter and its operation: of two people at once one is served, and
the other is told how it stands now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain.capability import Capability
from app.domain.errors import ConflictRefused, UnknownResource
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.callers import Caller, Scope
from app.gateway.hotels import HotelDirectory
from app.gateway.invalidation import moved_by
from app.gateway.record import JOB
from app.gateway.waits import Waits
from app.gateway.write import SHORT_LIVED
from app.store.audit import AuditEntry
from app.store.cache import Cache
from app.store.database import Database, UnitOfWork
from app.store.dead_letters import OPEN, DeadLetter, LetterStatus
from app.store.operation_records import OperationRecord, OperationStatus
from app.telemetry import context

_RUNNING = "the write is running just now; look again in a moment"
_ENDED = frozenset({OperationStatus.DEAD, OperationStatus.EXPIRED, OperationStatus.REJECTED})
"""Of which it is known that nothing of it is in the PMS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterQuestion:
    """Which letters are wanted; all that is given must match."""

    hotel_id: str | None = None
    status: LetterStatus | None = None
    operation: Capability | None = None


@dataclass(frozen=True, slots=True)
class _Act:
    """What somebody does to a parked write."""

    name: str
    caller: Caller
    reason: str | None = None


class DeadLetterDesk:
    """Lists parked writes, sends them again, gives them up, and takes down what people found out."""

    def __init__(self, database: Database, hotels: HotelDirectory, cache: Cache, waits: Waits) -> None:
        self._database = database
        self._hotels = hotels
        self._cache = cache
        self._waits = waits

    async def entries(
        self,
        question: LetterQuestion,
        caller: Caller,
        *,
        older_than: tuple[datetime, UUID] | None = None,
        limit: int,
        until: float = float("inf"),
    ) -> list[DeadLetter]:
        """Give the newest letters of the hotels that the caller sees, newest first, by `until` (monotonic seconds).

        `older_than` is the place of the letter behind which the list goes on.

        Raises:
            UnknownResource: there is no such hotel for the caller.
        """
        if question.hotel_id is not None:
            await self._hotels.require(question.hotel_id, caller, until=until)
        async with self._database.unit_of_work() as work:
            return await work.dead_letters.entries(
                hotel_ids=caller.hotels if question.hotel_id is None else [question.hotel_id],
                status=question.status,
                operation=question.operation,
                after=older_than,
                limit=limit,
            )

    async def get(self, letter_id: str, caller: Caller) -> DeadLetter:
        """Give one letter.

        Raises:
            UnknownResource: there is none, or its hotel is not the caller's; the two are told alike.
        """
        async with self._database.unit_of_work() as work:
            letter = await work.dead_letters.find(letter_id)
        if letter is None or not caller.may_see(letter.hotel_id):
            raise _no_letter()
        return letter

    async def retry(self, letter_id: str, caller: Caller, *, until: float = float("inf")) -> DeadLetter:
        """Have a write sent again, with its tries and its time anew; one that is queued is only made due now.

        Raises:
            UnknownResource: there is no such letter for the caller.
            ConflictRefused: it must not be sent again as it stands.
        """
        found = await self.get(letter_id, caller)
        hotel = (await self._hotels.get(found.hotel_id, caller, until=until)).hotel
        seconds = hotel.options.queue_expiry if found.operation in SHORT_LIVED else self._waits.queue_life
        async with self._database.unit_of_work() as work:
            letter, operation = await self._held(work, found)
            _require_replayable(letter, operation)
            await work.operations.end(operation.id, of=[operation.status], status=OperationStatus.QUEUED)
            if operation.status is not OperationStatus.QUEUED:
                await work.operations.renew(operation.id, expires_in=timedelta(seconds=seconds))
                await work.steps.clear(operation.id)
                await work.dead_letters.send_again(operation.id, by=caller.client)
            await work.enqueue(JOB, about=operation.id)
            after = await self._written(work, _Act("dead_letter.retry", caller), operation, letter)
        return await self._told(after, operation)

    async def abandon(self, letter_id: str, caller: Caller, *, reason: str) -> DeadLetter:
        """Give a write up: what is queued is never sent, what is unknown is taken for not done.

        Raises:
            UnknownResource: there is no such letter for the caller.
            ConflictRefused: it is closed already, or the write runs just now.
        """
        found = await self.get(letter_id, caller)
        async with self._database.unit_of_work() as work:
            letter, operation = await self._held(work, found)
            _require_open(letter)
            await self._require_still(work, letter, operation)
            if operation.is_live:
                queued = operation.status is OperationStatus.QUEUED
                left = OperationStatus.WITHDRAWN if queued else OperationStatus.DEAD
                await work.operations.end(operation.id, of=[operation.status], status=left)
            closed, by = LetterStatus.ABANDONED, caller.client
            await work.dead_letters.close(operation.id, status=closed, by=by, notes=reason)
            await work.locks.release(operation.id)
            after = await self._written(work, _Act("dead_letter.abandon", caller, reason), operation, letter)
        return await self._told(after, operation)

    async def _require_still(self, work: UnitOfWork, letter: DeadLetter, operation: OperationRecord) -> None:
        """Refuse to decide over a write that a worker has in its hands."""
        fence = await work.now() - timedelta(seconds=self._waits.takeover_after)
        in_hand = operation.next_attempt_at is None and not operation.handed_over and operation.deadline_at > fence
        if operation.status is OperationStatus.RUNNING or (operation.status is OperationStatus.UNKNOWN and in_hand):
            raise _refusal(letter, _RUNNING)

    async def resolve(self, letter_id: str, caller: Caller, *, happened: bool, reason: str) -> DeadLetter:
        """Take down what a person found in the PMS of a write of which nobody knew.

        What happened is done with; what did not may be sent again from now on.

        Raises:
            UnknownResource: there is no such letter for the caller.
            ConflictRefused: the write is not unknown.
        """
        found = await self.get(letter_id, caller)
        async with self._database.unit_of_work() as work:
            letter, operation = await self._held(work, found)
            _require_open(letter)
            if operation.status is not OperationStatus.UNKNOWN:
                raise _refusal(letter, f"the write is {operation.status}; only what is unknown can be resolved")
            await self._require_still(work, letter, operation)
            left = OperationStatus.SUCCEEDED if happened else OperationStatus.DEAD
            await work.operations.end(operation.id, of=[OperationStatus.UNKNOWN], status=left)
            if happened:
                await work.dead_letters.close(operation.id, by=caller.client, notes=reason)
            else:
                await work.steps.clear(operation.id)
                await work.dead_letters.found_out(operation.id, notes=reason)
            await work.locks.release(operation.id)
            after = await self._written(work, _Act("dead_letter.resolve", caller, reason), operation, letter)
        return await self._told(after, operation)

    async def withdraw(self, operation_id: str, caller: Caller) -> None:
        """Take a queued write back: it will never be sent. For its own client, and for operators.

        Raises:
            UnknownResource: there is no such operation for the caller.
            ConflictRefused: it is not queued.
        """
        client = None if Scope.OPS.value in caller.scopes else caller.client
        queued, withdrawn = OperationStatus.QUEUED, OperationStatus.WITHDRAWN
        async with self._database.unit_of_work() as work:
            operation = await work.operations.find(operation_id, client=client)
            if operation is None or not caller.may_see(operation.hotel_id):
                raise UnknownResource("there is no such operation")
            if await work.operations.end(operation.id, of=[queued], status=withdrawn) is None:
                now = await work.operations.find(operation_id) or operation
                raise ConflictRefused(
                    f"it is {now.status}; only what is queued can be withdrawn", extra={"operation_id": now.id}
                )
            by, notes = caller.client, "withdrawn"
            await work.dead_letters.close(operation.id, status=LetterStatus.ABANDONED, by=by, notes=notes)
            await work.locks.release(operation.id)
            await self._audit(
                work, _Act("operation.withdraw", caller), operation, operation.id, {"operation_status": queued}
            )
            resources = await _outdate(work, operation)
        await self._cache.move(operation.hotel_id, resources)

    async def _held(self, work: UnitOfWork, found: DeadLetter) -> tuple[DeadLetter, OperationRecord]:
        letter = await work.dead_letters.hold(found.id, found.operation_id)
        operation = await work.operations.find(found.operation_id)
        if letter is None or operation is None:
            raise _no_letter()
        return letter, operation

    async def _written(
        self, work: UnitOfWork, act: _Act, operation: OperationRecord, letter: DeadLetter
    ) -> tuple[DeadLetter, list[str]]:
        """Write down who did what, and what is outdated by it; gives the letter as it is now and those resources."""
        before = {"status": letter.status, "operation_status": operation.status}
        await self._audit(work, act, operation, str(letter.id), before)
        resources = await _outdate(work, operation)
        return await work.dead_letters.find(str(letter.id)) or letter, resources

    async def _told(self, after: tuple[DeadLetter, list[str]], operation: OperationRecord) -> DeadLetter:
        letter, resources = after
        await self._cache.move(operation.hotel_id, resources)
        return letter

    async def _audit(
        self, work: UnitOfWork, act: _Act, operation: OperationRecord, target: str, before: dict[str, Any]
    ) -> None:
        now = await work.operations.find(operation.id) or operation
        letter = await work.dead_letters.of(operation.id)
        after = {
            "operation_id": operation.id,
            "operation": operation.kind,
            "operation_status": now.status,
            "status": letter and letter.status,
            "reason": act.reason,
        }
        entry = AuditEntry(
            actor=act.caller.client,
            hotel_id=operation.hotel_id,
            operation=act.name,
            target=target,
            outcome="succeeded",
            correlation_id=context.current("correlation_id"),
            before=before,
            after=after,
        )
        await work.audit.append(entry, subjects=operation.subjects)


def _no_letter() -> UnknownResource:
    return UnknownResource("there is no such dead letter")


def _refusal(letter: DeadLetter, why: str) -> ConflictRefused:
    return ConflictRefused(why, extra={"dead_letter_id": str(letter.id), "operation_id": letter.operation_id})


def _require_open(letter: DeadLetter) -> None:
    if letter.status not in OPEN:
        raise _refusal(letter, f"the dead letter is {letter.status} already")


def _require_replayable(letter: DeadLetter, operation: OperationRecord) -> None:
    """Refuse to send again what may have happened, what happens anyway, and what nobody was promised."""
    _require_open(letter)
    if operation.status is OperationStatus.RUNNING:
        raise _refusal(letter, _RUNNING)
    if letter.notice:
        raise _refusal(letter, "it only tells of a write that was refused; its client may send it again")
    if letter.status is LetterStatus.RETRYING:
        raise _refusal(letter, "it is being sent again already")
    if operation.status is OperationStatus.UNKNOWN:
        raise _refusal(letter, "nobody knows whether it happened; look in the PMS and resolve it first")
    queued = operation.status is OperationStatus.QUEUED and letter.auto_retry
    if not queued and not (letter.replayable and operation.status in _ENDED):
        raise _refusal(letter, "it cannot be sent again")


async def _outdate(work: UnitOfWork, operation: OperationRecord) -> list[str]:
    """Have what was read about the things of a write read anew: it is pending no longer, or again, or done."""
    resources = moved_by(operation.kind, await _stays(work, operation))
    await work.invalidations.add(operation.hotel_id, resources)
    return resources


async def _stays(work: UnitOfWork, operation: OperationRecord) -> Sequence[Reservation | Stay]:
    """Give the stays that a write may have changed, as far as our copy and its request tell."""
    stored = operation.target and await work.reservations.find(operation.hotel_id, operation.target)
    known = stored.value if stored else None
    body = (operation.payload or {}).get("body") or {}
    arrival = _date(body.get("arrival")) or (known and known.arrival)
    departure = _date(body.get("departure")) or (known and known.departure)
    stays: list[Reservation | Stay] = [known] if known else []
    if arrival and departure and arrival < departure:
        stays.append(Stay(arrival, departure))
    return stays


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
