"""How many writes are parked, and for how long, as a monitoring system sees it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.domain.capability import Capability
from app.store.database import Database
from app.store.dead_letters import Letter
from app.store.operation_records import OperationStatus
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.letters import AWAY, park


def numbers(exposition: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == name
    }


async def test_the_metrics_count_what_is_open_and_forget_what_is_not(hotel: HotelUnderTest) -> None:
    gauges = hotel.gateway.app.state.letter_gauges
    database: Database = hotel.gateway.app.state.gateway.database

    async def count(status: str, auto_retry: str, operation: str = "charge.post") -> float:
        await gauges.refresh()
        labels = {"operation": operation, "status": status, "auto_retry": auto_retry}
        told = numbers((await hotel.gateway.http.get("/metrics")).text, "pms_dead_letters")
        return told[tuple(sorted(labels.items()))]

    async def age(auto_retry: str) -> float:
        labels = {"operation": "charge.post", "auto_retry": auto_retry}
        told = numbers((await hotel.gateway.http.get("/metrics")).text, "pms_dead_letter_oldest_age_seconds")
        return told[tuple(sorted(labels.items()))]

    # Other tests leave letters behind: theirs are settled first, so that the ages are ours.
    async with database.unit_of_work() as work:
        await work.session.execute(text("DELETE FROM dead_letters WHERE operation = 'charge.post'"))
    kinds: dict[str, Any] = {"kind": Capability.CHARGE_POST}
    assert (await count("pending", "false"), await age("false"), await age("true")) == (0, 0, 0)
    dead, queued = (
        await park(database, hotel.id, **kinds),
        await park(database, hotel.id, status=OperationStatus.QUEUED, **kinds),
    )
    await park(database, hotel.id, status=OperationStatus.REJECTED, letter=Letter(error=AWAY, notice=True), **kinds)
    async with database.unit_of_work() as work:
        waits = text("UPDATE dead_letters SET waiting_since = now() - interval '1 hour' WHERE id = :id")
        await work.session.execute(waits, {"id": dead.letter_id})
    assert (await count("pending", "false"), await count("pending", "true")) == (1, 1)
    assert 3600 <= await age("false") < 3660
    assert 0 <= await age("true") < 60
    await hotel.client("POST", f"{dead.at}/retry")
    assert (await count("pending", "false"), await count("retrying", "true")) == (0, 1)
    assert (await age("false"), await age("true") < 60) == (0, True)
    for letter in (dead, queued):
        await hotel.client("POST", f"{letter.at}/abandon", json={"reason": "not needed"})
    assert (await count("pending", "true"), await count("retrying", "true"), await age("true")) == (0, 0, 0)
