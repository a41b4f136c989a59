"""An operation whose steps are committed to Postgres: what an adapter's write method is handed."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from app.core.operation import Operation
from app.domain.errors import Outcome, OutcomeUnknown, StorageUnavailable, VendorUnavailable
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.patience import within
from app.store.database import Database
from app.store.operations import OperationRecord
from app.store.steps import StepStatus

T = TypeVar("T")

STEP_SECONDS = 1.0
"""How long the next step, or the answer, waits for a step to be recorded."""

log = structlog.get_logger()


@dataclass(kw_only=True)
class DurableOperation(Operation):
    """The steps of a stored operation, run by `owner` until another process takes over."""

    record: OperationRecord
    database: Database = field(repr=False)
    owner: str
    unrecorded: bool = False
    """Whether something was done that could not be written down; it will be settled by reading."""

    touched: Sequence[Reservation | Stay] = ()
    """The stays that it may have changed when it fails."""
    invalidation: int | None = None
    """The row that says which cache generations it moves, once it is written."""
    _gave_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, act: Coroutine[Any, Any, T]) -> T:
        """Run the adapter's part, so that giving up waiting can end it while nothing was sent.

        Raises:
            VendorUnavailable: it was given up.
        """
        call = asyncio.create_task(act)
        gave_up = asyncio.create_task(self._gave_up.wait())
        await asyncio.wait({call, gave_up}, return_when=asyncio.FIRST_COMPLETED)
        gave_up.cancel()
        if not call.done():
            call.cancel()  # it may take its time to end, for nobody
            raise VendorUnavailable("the PMS could not be reached in time, nothing was sent")
        return call.result()

    def give_up_waiting(self) -> bool:
        """Let nothing be sent any more, if nothing was sent yet, and end what still waits to be."""
        in_time = super().give_up_waiting()
        if in_time:
            self._gave_up.set()
        return in_time

    async def load(self) -> None:
        """Read the steps that earlier attempts finished.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self.database.unit_of_work() as work:
            steps = await work.steps.all(self.record.hotel_id, self.record.id)
        self._results = {step.name: step.result for step in steps if step.status is StepStatus.DONE and step.result}

    async def _started(self, name: str) -> None:
        if self.unrecorded:
            raise OutcomeUnknown("what was done before could not be recorded, so nothing more is sent")
        async with self.database.unit_of_work() as work:
            mine = await work.steps.start(self.record.id, owner=self.owner, name=name, reference=self.reference(name))
        if not mine:
            raise OutcomeUnknown("another process has taken this operation over")

    async def _finished(self, name: str, result: bytes) -> None:
        await super()._finished(name, result)
        await self._note(name, StepStatus.DONE, result)

    async def _failed(self, name: str, outcome: Outcome) -> None:
        await self._note(name, StepStatus(outcome.value), None)

    async def _undone(self, name: str) -> None:
        await super()._undone(name)
        await self._note(name, StepStatus.UNDONE, None)

    async def _note(self, name: str, status: StepStatus, result: bytes | None) -> None:
        """Write down how a step ended. Failing to must not hide from the caller what the vendor has answered."""
        try:
            self.unrecorded = not await within(STEP_SECONDS, self._finish_step(name, status, result))
        except StorageUnavailable:
            self.unrecorded = True
            log.warning("operation.step.not_recorded", operation_id=self.record.id, step=name, outcome=status.value)

    async def _finish_step(self, name: str, status: StepStatus, result: bytes | None) -> bool:
        async with self.database.unit_of_work() as work:
            return await work.steps.finish(
                self.record.id,
                hotel_id=self.record.hotel_id,
                owner=self.owner,
                name=name,
                status=status,
                result=result,
            )
