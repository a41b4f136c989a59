"""Whether the worker does its part, as metrics: measured by the gateway, as who is away tells nothing."""

from app.gateway.housekeeping import MONTHS_AHEAD
from app.gateway.measuring import count_every
from app.store.database import Database
from app.telemetry import metrics

EVERY_SECONDS = 15.0


class UpkeepGauges:
    """Looks after the metrics of jobs and of the audit's partitions. While Postgres is away they stay as they were."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self) -> None:
        """Read again and again, until cancelled."""
        await count_every(EVERY_SECONDS, "upkeep", self.refresh)

    async def refresh(self) -> None:
        """Set the metrics to what is so now.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            waiting = await work.longest_wait_of_a_job()
            missing = await work.audit.missing_partitions(months_ahead=MONTHS_AHEAD)
        metrics.JOB_AGE.set(waiting.total_seconds())
        metrics.AUDIT_PARTITIONS_MISSING.set(missing)
