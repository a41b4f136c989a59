"""How many writes are parked and for how long, as metrics: read from Postgres, so that all processes say the same."""

from app.gateway.invalidation import MOVED_BY
from app.gateway.measuring import count_every
from app.store.database import Database
from app.store.dead_letters import OPEN
from app.telemetry import metrics

EVERY_SECONDS = 15.0


class LetterGauges:
    """Looks after the metrics of dead letters. While Postgres is away they stay as they were."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self) -> None:
        """Read again and again, until cancelled."""
        await count_every(EVERY_SECONDS, "dead_letters", self.refresh)

    async def refresh(self) -> None:
        """Set the metrics to what there is now, in one query; what is not there any more is 0.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            tallies = await work.dead_letters.tally()
        counts = {(one.operation, one.status, one.auto_retry): one.count for one in tallies}
        # Every series is written by every process: the newest says what is so, whoever wrote another value before.
        for operation in MOVED_BY:
            for auto_retry in (False, True):
                alike = [one.oldest for one in tallies if (one.operation, one.auto_retry) == (operation, auto_retry)]
                oldest = max((age.total_seconds() for age in alike), default=0.0)
                flag = str(auto_retry).lower()
                metrics.DEAD_LETTER_AGE.labels(operation.value, flag).set(oldest)
                for status in OPEN:
                    count = counts.get((operation, status, auto_retry), 0)
                    metrics.DEAD_LETTERS.labels(operation.value, status.value, flag).set(count)
