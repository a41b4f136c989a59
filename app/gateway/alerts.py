"""Alerts to the operator about parked writes: each change is told once, whichever of the workers sees it first.

The same three as in `deploy/prometheus/alerts.yml`, for who has no Prometheus.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import orjson
import structlog

from app.core.webhooks import SEND_SECONDS, Message, WebhookSender
from app.store.alerts import AlertState, Measured
from app.store.database import Database
from app.store.dead_letters import Backlog

PATIENCE = timedelta(minutes=5)
"""For so long a write may be queued before it is anybody's business: a short blip pages nobody."""
CHECK_SECONDS = 60.0
"""Between two looks."""
MOST_OPEN = 10
OLDEST = timedelta(hours=4)

_LEASE = timedelta(seconds=3 * SEND_SECONDS)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alert fires, and what is said then. `value` measures; more than `limit` is too much."""

    severity: str
    limit: float
    value: Callable[[Backlog], float]
    summary: str
    """`{}` stands for the value."""


RULES: Mapping[str, Rule] = {
    "dead_letters_many": Rule(
        "warning", MOST_OPEN, lambda backlog: backlog.count, "{:.0f} dead letters wait for somebody"
    ),
    "dead_letter_old": Rule(
        "high",
        OLDEST.total_seconds(),
        lambda backlog: backlog.oldest.total_seconds(),
        "the oldest dead letter has waited for {:.0f} seconds",
    ),
    "charge_not_posted": Rule(
        "critical", 0, lambda backlog: backlog.charges, "{:.0f} charges are not posted and wait for somebody"
    ),
}


class Alerts:
    """Compares what is parked with the rules, and tells what has changed."""

    def __init__(self, database: Database, webhook: WebhookSender | None) -> None:
        self._database = database
        self._webhook = webhook

    async def check(self) -> None:
        """Look once; what the webhook could not be told is told at the next look.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._database.unit_of_work() as work:
            backlog = await work.dead_letters.backlog(patience=PATIENCE)
            values = {name: rule.value(backlog) for name, rule in RULES.items()}
            measured = {name: Measured(value > RULES[name].limit, value) for name, value in values.items()}
            changed = await work.alerts.note(measured)
        for state in changed:
            _log(state)
        if self._webhook is not None:
            await self._tell(self._webhook)

    async def _tell(self, webhook: WebhookSender) -> None:
        async with self._database.unit_of_work() as work:
            untold = await work.alerts.claim(names=list(RULES), lease=_LEASE)
        for state in untold:
            failure = await webhook.send(_message(state))
            if failure is not None:
                log.warning("alert.not_told", name=state.name, reason=failure)
            async with self._database.unit_of_work() as work:
                await work.alerts.release(state, told=failure is None)


def _word(state: AlertState) -> str:
    return "firing" if state.firing else "resolved"


def _summary(state: AlertState) -> str:
    summary = RULES[state.name].summary.format(state.value)
    return summary if state.firing else f"over: {summary}"


def _log(state: AlertState) -> None:
    say = log.error if state.firing else log.warning  # who sees that it fires has to see that it is over
    say(f"alert.{_word(state)}", name=state.name, severity=RULES[state.name].severity, reason=_summary(state))


def _message(state: AlertState) -> Message:
    body = {
        "name": state.name,
        "severity": RULES[state.name].severity,
        "state": _word(state),
        "summary": _summary(state),
        "value": state.value,
        "at": state.changed_at.isoformat(),
    }
    changed = int(state.changed_at.timestamp() * 1_000_000)
    return Message(id=f"alert-{state.name}-{changed}", at=state.now, body=orjson.dumps(body))
