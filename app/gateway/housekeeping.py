"""Keeps our own tables in shape: the audit's next months, and a job log that does not grow for ever."""

from datetime import timedelta

from app.store.database import Database

MONTHS_AHEAD = 3
JOB_LOG_KEPT = timedelta(days=7)


class Housekeeping:
    """What has to be done from time to time; doing it twice changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tidy(self) -> None:
        """Do all of it.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            await work.audit.ensure_partitions(months_ahead=MONTHS_AHEAD)
        async with self._database.unit_of_work() as work:
            await work.forget_job_log(older_than=JOB_LOG_KEPT)
