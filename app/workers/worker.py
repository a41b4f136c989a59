"""A worker: goes on with operations, and makes its rounds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from app.core import priority
from app.domain.errors import StorageUnavailable, UnknownResource
from app.domain.ids import OperationId
from app.gateway.alerts import CHECK_SECONDS, Alerts
from app.gateway.housekeeping import Housekeeping
from app.gateway.invalidation_repeats import EVERY_SECONDS, InvalidationRepeats
from app.gateway.key_watch import NOTE_EVERY, KeyWatch
from app.gateway.record import JOB
from app.gateway.settle import Settling
from app.gateway.sweeps import SWEEP_JOB, CacheSweeps
from app.store.job_runner import JobRunner

GRACE_SECONDS = 20.0
"""How long a stop waits for what is under way; the rest is taken over by others."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Round:
    """Something that a worker does again and again; doing it in two workers at once does no harm."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]

    async def keep_going(self) -> None:
        """Do it, pause, and do it again, until cancelled."""
        while True:
            try:
                await self.work()
            except StorageUnavailable:
                log.info("round.postponed", kind=self.name)
            except Exception:
                log.exception("round.failed", kind=self.name)
            await asyncio.sleep(self.seconds)


@dataclass(frozen=True)
class Worker:
    """One worker process. Many may run; each operation is taken by one of them."""

    jobs: JobRunner
    settling: Settling
    rounds: tuple[Round, ...]
    sweeps: CacheSweeps
    keys: KeyWatch

    @property
    def handlers(self) -> Mapping[str, Callable[[str], Awaitable[object]]]:
        """Give what is done for each kind of job."""
        return {JOB: self.go_on, SWEEP_JOB: self.sweeps.attend}

    async def go_on(self, about: str) -> None:
        """Go on with an operation; what fails for want of Postgres is found by the next sweep."""
        try:
            with priority.background():
                await self.settling.attend(OperationId(about))
        except (StorageUnavailable, UnknownResource) as error:
            log.info("job.postponed", code=error.code, operation_id=about)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, from when the keys are known to be those of the data.

        Raises:
            KeysRefused: data is under a key that this process does not have.
        """
        if not await self.keys.pass_before(stop):
            return
        rounds = [asyncio.create_task(one.keep_going()) for one in self.rounds]
        log.info("worker.started")
        try:
            await self.jobs.run(self.handlers, stop, grace=GRACE_SECONDS)
        finally:
            for one in rounds:
                one.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
            log.info("worker.stopped")


def rounds(
    settling: Settling,
    housekeeping: Housekeeping,
    repeats: InvalidationRepeats,
    alerts: Alerts,
    keys: KeyWatch,
    *,
    sweep: float,
) -> tuple[Round, ...]:
    """Give the rounds of a worker; `sweep` are the seconds between two sweeps."""
    return (
        Round("sweep", sweep, settling.sweep),
        Round("invalidations", EVERY_SECONDS, repeats.repeat),
        Round("housekeeping", 3_600.0, housekeeping.tidy),
        Round("alerts", CHECK_SECONDS, alerts.check),
        Round("keys", NOTE_EVERY, keys.repeat),
    )
