"""An operation whose steps are committed to Postgres: what an adapter's write method is handed."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import structlog

from app.core.clock import Clock
from app.core.operation import Operation
from app.core.profile import VendorProfile
from app.domain.errors import Outcome, OutcomeUnknown, StorageUnavailable, VendorUnavailable
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.locks import Locks
from app.gateway.patience import within
from app.gateway.waits import Waits
from app.store.database import Database, UnitOfWork
from app.store.operation_records import OperationRecord
from app.store.steps import StepEnd, StepStatus

T = TypeVar("T")

STEP_SECONDS = 1.0
"""How long the next step, or the answer, waits for a step to be recorded."""

_IN_DOUBT = frozenset({StepStatus.RUNNING, StepStatus.UNKNOWN})
"""Steps that may have landed: a running one belongs to a process that is gone."""

log = structlog.get_logger()


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


@dataclass(kw_only=True)
class DurableOperation(Operation):
    """The steps of a stored operation, run by `owner` until another process takes over."""

    record: OperationRecord
    database: Database = field(repr=False)
    locks: Locks = field(repr=False)
    owner: str
    was_queued: bool = False
    """Whether it came out of the queue, where it goes again if it can't be sent."""
    absence_counts: bool = False
    """Whether not seeing a send now means anything (writes.md, Settling)."""
    now: datetime
    """When this attempt began, by the database's clock: no process's own decides about ages."""
    doubt_since: datetime | None = None
    """When the first of the sends that may have landed was begun, by the database's clock."""
    accepted: bool = False
    """Whether a caller was told 202."""
    has_caller: bool = False
    """Whether somebody waits for it, who is told 202 where it is not known."""
    is_loaded: bool = False
    """Whether what earlier attempts did is known."""
    has_started: bool = False
    """Whether it is on record that something may have been sent."""
    lost: bool = False
    """Whether another process has taken it over; what this one knows of it is nobody's answer any more."""
    touched: Sequence[Reservation | Stay] = ()
    """The stays that it may have changed when it fails."""
    invalidation: int | None = None
    """The row that says which cache generations it moves, once it is written."""
    locked: bool = False
    """Whether it keeps others out of something."""
    _unwritten: dict[str, tuple[StepStatus, bytes | None]] = field(default_factory=dict, repr=False)
    _gave_up: asyncio.Future[None] = field(default_factory=_future, repr=False)

    def __post_init__(self) -> None:
        """Take over what the record says."""
        self.accepted = self.accepted or self.record.accepted_at is not None

    @property
    def is_taken_over(self) -> bool:
        """Whether an earlier attempt was somebody else's, or another time's, and may have left things behind."""
        return self.record.attempts > 1 or self.record.looks > 0

    @property
    def age_of_doubt(self) -> timedelta:
        """For how long nobody has known: since a send that may have landed, else since it was left half done."""
        if self.has_caller:
            return timedelta()  # an attempt that is only ending now
        return self.now - (self.doubt_since or self.record.accepted_at or self.record.created_at)

    async def run(self, act: Coroutine[Any, Any, T]) -> T:
        """Run the adapter's part, so that giving up waiting can end it while nothing was sent.

        Raises:
            VendorUnavailable: it was given up.
        """
        call = asyncio.create_task(act)
        either: set[asyncio.Future[Any]] = {call, self._gave_up}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            call.cancel()  # it may take its time to end, for nobody
            await self._note_nothing_sent()
            raise VendorUnavailable("the PMS could not be reached in time, nothing was sent")
        return call.result()

    def give_up_waiting(self) -> bool:
        """Let nothing be sent any more, if nothing was sent yet, and end what still waits to be."""
        in_time = super().give_up_waiting()
        if in_time and not self._gave_up.done():
            self._gave_up.set_result(None)
        return in_time

    async def _note_nothing_sent(self) -> None:
        """Note that the step that was to be sent was not, or the next attempt would take its answer for lost."""
        try:
            await within(STEP_SECONDS, self._clear_steps())
        except StorageUnavailable:
            log.warning("operation.step.not_recorded", operation_id=self.record.id, outcome=Outcome.NOT_SENT.value)

    async def _clear_steps(self) -> None:
        async with self.database.unit_of_work() as work:
            await work.steps.clear(self.record.id, owner=self.owner)

    async def load(self) -> None:
        """Read what earlier attempts did: what stands, and what may have landed.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self.database.unit_of_work() as work:
            steps = await work.steps.all(self.record.hotel_id, self.record.id)
        self._results = {step.name: step.result for step in steps if step.status is StepStatus.DONE and step.result}
        self.doubtful = {step.name for step in steps if step.status in _IN_DOUBT}
        self.sends = len(self.doubtful)
        sent_at = [step.started_at for step in steps if step.name in self.doubtful]
        self.doubt_since = min(sent_at, default=None)
        self.is_loaded = True

    @asynccontextmanager
    async def alone(self, name: str, *, until_settled: bool = False) -> AsyncIterator[None]:
        """Keep other operations of this hotel out; see the base."""
        record, self.locked = self.record, True
        async with self.locks.held(
            record.hotel_id, name, record.id, until_settled=until_settled, not_after=self.not_after
        ):
            yield

    async def _started(self, name: str) -> None:
        if not await self._note_sending(name, self.reference(name)):
            self.lost = True
            raise OutcomeUnknown("another process has taken this operation over")
        self.has_started = True

    async def _note_sending(self, name: str, reference: str) -> bool:
        if not self._unwritten:
            return await self.database.milestones.send(self.record.id, owner=self.owner, name=name, reference=reference)
        async with self.database.unit_of_work() as work:
            await self.write_steps(work)
            mine = await work.steps.start(self.record.id, owner=self.owner, name=name, reference=reference)
        self._unwritten.clear()
        return mine

    async def _finished(self, name: str, result: bytes) -> None:
        await super()._finished(name, result)
        self._unwritten[name] = (StepStatus.DONE, result)

    async def _failed(self, name: str, outcome: Outcome) -> None:
        self._unwritten[name] = (StepStatus(outcome.value), None)

    async def _undone(self, name: str) -> None:
        await super()._undone(name)
        self._unwritten[name] = (StepStatus.UNDONE, None)

    @property
    def unwritten_steps(self) -> list[StepEnd]:
        """How steps ended since that was last written down."""
        return [StepEnd(name, self.reference(name), *ended) for name, ended in self._unwritten.items()]

    async def write_steps(self, work: UnitOfWork) -> None:
        """Write down how steps ended, in the transaction of whatever is written next: before anything more is sent."""
        for step in self.unwritten_steps:
            await work.steps.finish(
                self.record.id,
                hotel_id=self.record.hotel_id,
                owner=self.owner,
                name=step.name,
                reference=step.reference,
                status=step.status,
                result=step.result,
            )


class OperationFactory:
    """Makes operations that belong to this process."""

    def __init__(self, database: Database, clock: Clock, waits: Waits) -> None:
        self._database = database
        self._clock = clock
        self._waits = waits
        self._locks = Locks(database, clock, waits)

    @staticmethod
    def new_owner() -> str:
        """Give the name of one attempt: what an earlier one of this very process still has to say is not its word."""
        return f"{os.getpid()}-{uuid4().hex[:12]}"

    def budget(self, profile: VendorProfile) -> timedelta:
        """Give the time that one attempt at a write has of its own."""
        return self._waits.of_vendor(profile.write_budget)

    def make(self, record: OperationRecord, *, not_after: float, now: datetime | None = None) -> DurableOperation:
        """Make the operation of an attempt that owns what is stored; no send is opened after `not_after`.

        `not_after` are monotonic seconds, reckoned from before the attempt was committed. `now` is the database's
        instant; None stands for that of the last change.
        """
        return DurableOperation(
            id=record.id,
            not_after=not_after,
            record=record,
            database=self._database,
            locks=self._locks,
            owner=record.owner or "",
            now=now or record.updated_at,
        )
