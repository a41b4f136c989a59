"""Alerts about parked writes: each change told once, by log and by a signed post, whoever sees it first."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from structlog.testing import capture_logs

from app.domain.capability import Capability
from app.domain.hotel import Hotel
from app.gateway.alerts import Alerts
from app.main import alerts, lay_ground
from app.store.database import Database
from app.store.dead_letters import Letter
from app.store.operation_records import OperationStatus
from tests.core.vendor import ScriptedVendor, Seen, answer, hang_up, scripted_vendor
from tests.fixtures.gateway import settings_for
from tests.fixtures.letters import AWAY, Parked, park

SECRET = b"a secret of the operator, 32 b.."
WRITTEN_SECRET = f"whsec_{base64.b64encode(SECRET).decode()}"
MANY, OLD, CHARGE = "dead_letters_many", "dead_letter_old", "charge_not_posted"
NOTICE = Letter(error=AWAY, notice=True)


@dataclass
class Desk:
    """A database with one hotel, a receiver of posts, and workers that look after alerts."""

    database: Database
    receiver: ScriptedVendor
    workers: list[Alerts]
    logged: list[dict[str, Any]]

    async def park(
        self, status: OperationStatus = OperationStatus.DEAD, *, age: timedelta | None = None, **more: Any
    ) -> Parked:
        """Park a write that has waited for so long."""
        letter = await park(self.database, "prime", status=status, **more)
        await self.age(letter, age or timedelta())
        return letter

    async def age(self, letter: Parked, age: timedelta) -> None:
        """Let a letter have waited for so long."""
        async with self.database.unit_of_work() as work:
            waits = text("UPDATE dead_letters SET waiting_since = now() - CAST(:age AS interval) WHERE id = :id")
            await work.session.execute(waits, {"age": age, "id": letter.letter_id})

    async def close(self, *letters: Parked) -> None:
        """Settle letters."""
        async with self.database.unit_of_work() as work:
            for letter in letters:
                await work.dead_letters.close(letter.operation_id)

    async def check(self) -> list[tuple[str, str]]:
        """Have every worker look; gives what was logged by that, as name and event."""
        seen = len(self.logged)
        await asyncio.gather(*(worker.check() for worker in self.workers))
        return sorted((line["name"], line["event"]) for line in self.logged[seen:] if line["event"] != "alert.not_told")

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the receiver was posted."""
        return [json.loads(seen.body) for seen in self.receiver.seen]


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    with capture_logs() as lines:
        yield lines  # type: ignore[misc]


@pytest.fixture
async def desk(database_url: str, redis_url: str, logged: list[dict[str, Any]]) -> AsyncIterator[Desk]:
    """Three workers at one database, each with connections of its own."""
    async with scripted_vendor() as receiver, AsyncExitStack() as stack:
        settings = settings_for(
            database_url,
            redis_url,
            alert_webhook_url=f"{receiver.url}/hook?token=t0ken",
            alert_webhook_secret=WRITTEN_SECRET,
            database_pool_size=3,
        )
        grounds = [lay_ground(settings) for _ in range(3)]
        for ground in grounds:
            stack.push_async_callback(ground.aclose)
        database = grounds[0].stores.database
        hotel = Hotel(
            id="prime", name="Prime", vendor="bridge", timezone="UTC", currency="EUR", base_url="https://pms.example"
        )
        async with database.unit_of_work() as work:
            await work.hotels.put(hotel, credentials={})
        yield Desk(database, receiver, [alerts(settings, ground) for ground in grounds], logged)


async def test_more_than_ten_open_letters_are_told_once_and_once_more_when_it_is_over(desk: Desk) -> None:
    letters = [await desk.park() for _ in range(10)]
    assert await desk.check() == []
    letters.append(await desk.park())
    assert await desk.check() == [(MANY, "alert.firing")]
    assert await desk.check() == []
    await desk.close(letters[0])
    assert await desk.check() == [(MANY, "alert.resolved")]
    assert await desk.check() == []
    fired, resolved = desk.told
    assert (fired["name"], fired["severity"], fired["state"], fired["value"]) == (MANY, "warning", "firing", 11)
    assert fired["summary"] == "11 dead letters wait for somebody"
    assert (resolved["state"], resolved["value"]) == ("resolved", 10)
    assert datetime.fromisoformat(fired["at"]) < datetime.fromisoformat(resolved["at"])
    assert set(fired) == set(resolved) == {"name", "severity", "state", "summary", "value", "at"}


async def test_a_letter_of_more_than_four_hours_is_told(desk: Desk) -> None:
    letter = await desk.park(OperationStatus.UNKNOWN, age=timedelta(hours=3, minutes=59))
    assert await desk.check() == []
    await desk.age(letter, timedelta(hours=4, seconds=1))
    assert await desk.check() == [(OLD, "alert.firing")]
    [told] = desk.told
    assert (told["severity"], 4 * 3600 < told["value"] < 4 * 3600 + 60) == ("high", True)


async def test_what_is_queued_for_more_than_four_hours_is_old_too(desk: Desk) -> None:
    await desk.park(OperationStatus.QUEUED, age=timedelta(hours=5))
    assert await desk.check() == [(OLD, "alert.firing")]


@pytest.mark.parametrize("status", [OperationStatus.DEAD, OperationStatus.UNKNOWN])
async def test_a_charge_that_only_a_person_goes_on_with_is_critical_at_once(
    desk: Desk, status: OperationStatus
) -> None:
    letter = await desk.park(status, kind=Capability.CHARGE_POST)
    assert await desk.check() == [(CHARGE, "alert.firing")]
    assert desk.told[0]["severity"] == "critical"
    await desk.close(letter)
    assert await desk.check() == [(CHARGE, "alert.resolved")]


async def test_a_blip_of_forty_seconds_pages_nobody(desk: Desk) -> None:
    blip = timedelta(seconds=40)
    kinds = [Capability.CHARGE_POST, Capability.RESERVATION_NOTE]
    letters = [await desk.park(OperationStatus.QUEUED, age=blip, kind=kinds[number % 2]) for number in range(30)]
    assert await desk.check() == []
    await desk.close(*letters)
    assert await desk.check() == []
    assert (desk.told, desk.logged) == ([], [])


async def test_what_is_queued_for_more_than_five_minutes_counts(desk: Desk) -> None:
    long, short = timedelta(minutes=5, seconds=5), timedelta(minutes=4, seconds=50)
    for _ in range(10):
        await desk.park(OperationStatus.QUEUED, age=long)
    charge = await desk.park(OperationStatus.QUEUED, age=short, kind=Capability.CHARGE_POST)
    assert await desk.check() == []
    await desk.age(charge, long)
    assert await desk.check() == [(CHARGE, "alert.firing"), (MANY, "alert.firing")]


async def test_notices_and_closed_letters_count_for_nothing(desk: Desk) -> None:
    age = timedelta(hours=9)
    for _ in range(12):
        await desk.park(OperationStatus.REJECTED, letter=NOTICE, age=age, kind=Capability.RESERVATION_CREATE)
        await desk.close(await desk.park(age=age, kind=Capability.CHARGE_POST))
    assert await desk.check() == []


async def test_a_post_is_signed_so_that_its_receiver_can_trust_it(desk: Desk) -> None:
    await desk.park(kind=Capability.CHARGE_POST)
    await desk.check()
    [seen] = desk.receiver.seen
    assert (seen.method, seen.target, seen.headers["content-type"]) == ("POST", "/hook?token=t0ken", "application/json")
    assert seen.headers["webhook-signature"] == signed(seen)
    async with desk.database.unit_of_work() as work:
        now: datetime = (await work.session.execute(text("SELECT now()"))).scalar_one()
    assert abs(int(seen.headers["webhook-timestamp"]) - now.timestamp()) < 60


def signed(seen: Seen) -> str:
    """Sign what was seen, as the receiver does."""
    content = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode() + seen.body
    return "v1," + base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize("failure", [answer(500), hang_up, answer(302, location="/elsewhere"), answer(404)])
async def test_what_could_not_be_told_is_told_again_under_the_same_id(desk: Desk, failure: Any) -> None:
    desk.receiver.will(failure, answer(204))
    await desk.park(kind=Capability.CHARGE_POST)
    await desk.workers[0].check()
    first = list(desk.receiver.seen)
    assert len(first) == 1
    assert [line["event"] for line in desk.logged] == ["alert.firing", "alert.not_told"]
    assert "t0ken" not in repr(desk.logged)
    assert await desk.check() == []
    again = desk.receiver.seen[1:]
    assert len(again) == 1
    assert again[0].headers["webhook-id"] == first[0].headers["webhook-id"]
    assert (again[0].target, again[0].body) == (first[0].target, first[0].body)
    await desk.check()
    assert len(desk.receiver.seen) == 2


async def test_what_was_over_before_it_could_be_told_is_not_told(desk: Desk) -> None:
    desk.receiver.will(answer(503), answer(204))
    letter = await desk.park(kind=Capability.CHARGE_POST)
    await desk.workers[0].check()
    await desk.close(letter)
    assert await desk.check() == [(CHARGE, "alert.resolved")]
    assert len(desk.receiver.seen) == 1


async def test_who_dies_while_telling_is_relieved(desk: Desk) -> None:
    desk.receiver.will(answer(500), answer(204))
    await desk.park(kind=Capability.CHARGE_POST)
    await desk.workers[0].check()
    desk.receiver.seen.clear()
    async with desk.database.unit_of_work() as work:
        await work.session.execute(text("UPDATE alerts SET telling_until = now() + interval '30 s'"))
    await desk.check()
    assert desk.told == [], "somebody is at it"
    async with desk.database.unit_of_work() as work:
        await work.session.execute(text("UPDATE alerts SET telling_until = now() - interval '1 s'"))
    await desk.check()
    assert [told["state"] for told in desk.told] == ["firing"]


async def test_a_post_leads_to_no_private_address(database_url: str, redis_url: str) -> None:
    async with scripted_vendor() as receiver:
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        settings = settings_for(database_url, redis_url, alert_webhook_url=url, allow_loopback_pms=False)
        ground = lay_ground(settings)
        try:
            await ground.stores.database.is_current()
            async with ground.stores.database.unit_of_work() as work:
                await work.session.execute(text("INSERT INTO alerts (name, told) VALUES ('dead_letter_old', true)"))
            with capture_logs() as lines:
                await alerts(settings, ground).check()
        finally:
            await ground.aclose()
        assert [(line["event"], line["reason"]) for line in lines] == [("alert.not_told", "ConnectError")]
        assert receiver._connections == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"alert_webhook_url": "http://hooks.example/x"},
        {"alert_webhook_url": "http://127.0.0.1/x", "allow_loopback_pms": False},
        {"alert_webhook_url": "ftp://hooks.example/x"},
        {"alert_webhook_url": "hooks.example"},
        {"alert_webhook_secret": "no base64!"},
        {"alert_webhook_secret": base64.b64encode(b"short").decode()},
    ],
)
def test_a_webhook_that_cannot_be_trusted_is_refused_at_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        settings_for("postgresql://nobody@127.0.0.1/nothing", "redis://127.0.0.1", **wrong)
    assert str(next(iter(wrong.values()))) not in str(refused.value)
