"""Writes whose caller's time ends while the gateway waits to try again: nothing was sent, and that is remembered."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.clock import SystemClock
from app.settings import Settings
from tests.fixtures.gateway import HotelUnderTest, running_gateway
from tests.fixtures.own_worker import FastHotel, Hands
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import booked, code_of, draft, eventually, fault, seeded

REFUSED = {"status": 503, "body": '{"code": "unavailable"}', "headers": {"Content-Type": "application/problem+json"}}
HURRY = {"X-Request-Timeout": "1.5"}


class StandingClock(SystemClock):
    """The machine's own clock, except that no wait for the next try ever ends."""

    async def sleep(self, seconds: float) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()


@pytest.fixture
async def hotel(
    fast_settings: Settings, simulators: SimulatorServer, fresh_site: FreshSite
) -> AsyncIterator[HotelUnderTest]:
    """A hotel whose gateway is still waiting for its second try when the caller's time ends."""
    async with running_gateway(fast_settings, simulators, clock=StandingClock()) as gateway:
        site = fresh_site("bridge")
        hotel_id = await gateway.register(site)
        yield HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway)


async def test_the_same_key_makes_the_booking_that_was_given_up(hotel: HotelUnderTest) -> None:
    hotel.site.faults.add(fault("status", method="POST", path="reservations$", **REFUSED))
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="a", headers=HURRY)
    assert code_of(refused) == (503, "pms_unavailable")
    hotel.site.faults.clear()
    made = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (made.status_code, len(booked(hotel.site))) == (201, 1), made.text


async def test_a_note_that_was_given_up_is_sent_from_the_queue_as_a_fresh_one(
    hotel: HotelUnderTest, hands: Hands
) -> None:
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(fault("status", method="POST", path="notes$", **REFUSED))
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "V"}, key="n", headers=HURRY)
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued")
    hotel.site.faults.clear()
    seen = []

    async def status() -> str:
        path = f"/v1/operations/{answer.json()['data']['id']}"
        seen.append((await hotel.client.get(path)).json()["data"]["status"])
        return str(seen[-1])

    async with hands.working():
        await eventually(status, lambda one: one == "succeeded", within=20)
    assert "unknown" not in seen
    assert [remark.text for remark in booking.remarks].count("V") == 1


async def test_a_note_before_which_nothing_can_be_read_is_queued(fast_hotel: FastHotel) -> None:
    hotel = await fast_hotel("qloapps")
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(fault("status", status=503))
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued"), answer.text
