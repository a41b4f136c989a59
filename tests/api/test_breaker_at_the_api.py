"""The breaker as callers meet it: the impatience of some is no fault of the PMS, and one of many finds out."""

import asyncio
import time

import httpx

from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate
from tests.fixtures.stays import RESERVATION, code_of, eventually, fault, seeded

HURRY = {"X-Request-Timeout": "0.2"}
MANY = 20


def _states(hotel: HotelUnderTest) -> set[str]:
    return set(hotel.gateway.app.state.breakers.states().values())


async def _ask_many(hotel: HotelUnderTest, **headers: str) -> list[httpx.Response]:
    """Ask for many things, each a call of its own to the PMS, at the same time."""
    paths = [f"/reservations/R-{number}" for number in range(MANY)]
    return list(await asyncio.gather(*(hotel.send("GET", path, headers=headers) for path in paths)))


async def test_callers_in_a_hurry_never_open_the_circuit_for_others(own_hotel: HotelUnderTest, gate: Gate) -> None:
    gate.stop(own_hotel.site, **RESERVATION)
    for _ in range(2):
        assert {code_of(one) for one in await _ask_many(own_hotel, **HURRY)} == {(504, "deadline_exceeded")}
    assert _states(own_hotel) == {"closed"}
    gate.open()
    patient = await own_hotel.get(f"/reservations/{seeded(own_hotel, 'Lovelace').id}")
    assert (patient.status_code, patient.headers["X-Cache"]) == (200, "MISS")


async def test_an_open_circuit_lets_exactly_one_of_many_through_to_see(
    own_hotel: HotelUnderTest, clock: ManualClock, gate: Gate
) -> None:
    own_hotel.site.faults.add(fault("status", status=500))
    await _ask_many(own_hotel)
    assert _states(own_hotel) == {"open"}
    own_hotel.site.faults.clear()
    clock.advance(31)
    gate.stop(own_hotel.site, **RESERVATION)
    sent = len(own_hotel.site.requests)
    reads = [asyncio.create_task(own_hotel.get(f"/reservations/R-{number}")) for number in range(MANY)]
    await gate.arrived.wait()

    async def answered() -> int:
        return sum(read.done() for read in reads)

    assert await eventually(answered, lambda count: count == MANY - 1) == MANY - 1
    assert len(own_hotel.site.requests) - sent <= 1  # it is noted when it is answered
    gate.open()
    told = [code_of(read) for read in await asyncio.gather(*reads)]
    assert len(own_hotel.site.requests) - sent == 1
    assert sorted(set(told)) == [(404, "not_found"), (503, "pms_unavailable")]
    assert told.count((404, "not_found")) == 1
    assert _states(own_hotel) == {"closed"}, "a refusal is an answer: the PMS is back"


async def test_with_the_circuit_open_nobody_waits(own_hotel: HotelUnderTest) -> None:
    own_hotel.site.faults.add(fault("status", status=500))
    await _ask_many(own_hotel)
    sent, began = len(own_hotel.site.requests), time.monotonic()
    answer = await own_hotel.get("/rooms")
    assert code_of(answer) == (503, "pms_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (len(own_hotel.site.requests), time.monotonic() - began < 0.5) == (sent, True)
