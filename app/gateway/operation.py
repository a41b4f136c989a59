"""An operation whose steps are committed to Postgres: what an adapter's write method is handed."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from app.core.operation import Operation
from app.domain.errors import Outcome, OutcomeUnknown, StorageUnavailable, VendorUnavailable
from app.store.database import Database
from app.store.operations import OperationRecord
from app.store.steps import StepStatus

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(kw_only=True)
class DurableOperation(Operation):
    """The steps of a stored operation, run by `owner` until another process takes over."""

    record: OperationRecord
    database: Database = field(repr=False)
    owner: str
    unrecorded: bool = False
    """Whether something was done that could not be written down; it will be settled by reading."""

    _call: asyncio.Task[Any] | None = None

    async def run(self, act: Coroutine[Any, Any, T]) -> T:
        """Run the adapter's part, so that giving up waiting can end it while nothing was sent.

        Raises:
            VendorUnavailable: it was given up.
        """
        self._call = call = asyncio.create_task(act)
        await asyncio.wait({call})
        if call.cancelled():
            raise VendorUnavailable("the PMS could not be reached in time, nothing was sent")
        return call.result()

    def give_up_waiting(self) -> bool:
        """Let nothing be sent any more, if nothing was sent yet, and end what still waits to be."""
        in_time = super().give_up_waiting()
        if in_time and self._call is not None:
            self._call.cancel()
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
            async with self.database.unit_of_work() as work:
                await work.steps.finish(
                    self.record.id,
                    hotel_id=self.record.hotel_id,
                    owner=self.owner,
                    name=name,
                    status=status,
                    result=result,
                )
        except StorageUnavailable:
            self.unrecorded = True
            log.warning("operation.step.not_recorded", operation_id=self.record.id, step=name, outcome=status.value)
