"""Four gateways at one PMS that must not be overrun: it counts what arrives, whatever becomes of Redis."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.core import priority
from app.core.clock import SystemClock
from tests.fixtures.gateway import Client, HotelUnderTest, RunningGateway
from tests.fixtures.own_gateway import OpenGateway, OpenHotel
from tests.fixtures.simulators import FreshSite
from tests.fixtures.stays import code_of, fault
from tests.fixtures.windows import most_within
from tests.fixtures.wire import Wire, wire_to

TWENTY_A_SECOND = {"rate_limit": {"requests": 20, "window_seconds": 1}}


@dataclass
class House:
    """One hotel at four gateways, each with a wire to Redis and a caller of its own."""

    hotel: HotelUnderTest
    gateways: list[RunningGateway]
    callers: list[Client]
    wires: list[Wire]

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    async def ask(self, caller: Client, *, seconds: float = 30) -> httpx.Response:
        """Ask for a reservation that nobody has asked for before, as there is none; one request to the PMS."""
        path = f"/v1/hotels/{self.hotel.id}/reservations/none-{next(self._numbers)}"
        return await caller("GET", path, headers={"X-Request-Timeout": str(seconds)})

    @contextlib.asynccontextmanager
    async def hammered(self) -> AsyncIterator[list[httpx.Response]]:
        """Have all gateways asked without a pause while the block runs; gives the answers."""
        answers: list[httpx.Response] = []

        async def hammer(caller: Client) -> None:
            while True:
                answers.append(await self.ask(caller))

        tasks = [asyncio.create_task(hammer(caller)) for caller in self.callers for _ in range(3)]
        try:
            yield answers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert {code_of(answer)[0] for answer in answers} <= {404, 503}

    def most(self) -> int:
        """Give the largest number of requests that the PMS got within a second."""
        return most_within(1, [request.arrived for request in self.hotel.site.requests])

    async def left(self, at: int) -> object:
        """Give what one of the gateways says is left."""
        answer = await self.callers[at].get(f"/v1/hotels/{self.hotel.id}/capabilities")
        return answer.json()["meta"]["quota"]


@pytest.fixture
def clock() -> SystemClock:
    """The machine's own clock: what the PMS counts cannot be hurried."""
    return SystemClock()


OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def open_house(open_gateway: OpenGateway, fresh_site: FreshSite, clean_redis: str) -> AsyncIterator[OpenHouse]:
    """Opens a hotel at four gateways."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(**changes: Any) -> House:
            wires = [await stack.enter_async_context(wire_to(clean_redis)) for _ in range(4)]
            gateways = [
                await open_gateway(redis_url=wire.instead_of(clean_redis), expected_processes=4) for wire in wires
            ]
            site = fresh_site("bridge")
            hotel_id = await gateways[0].register(site, **changes)
            callers = [await gateway.client(hotels=[hotel_id]) for gateway in gateways]
            return House(HotelUnderTest(hotel_id, site, callers[0], gateways[0]), gateways, callers, wires)

        yield open_one


async def test_four_gateways_never_send_more_than_the_hotel_may_be_asked(open_house: OpenHouse) -> None:
    house = await open_house(options=TWENTY_A_SECOND)
    async with house.hammered() as answers:
        await asyncio.sleep(3)
    assert 15 <= house.most() <= 20
    assert [answer.status_code for answer in answers].count(404) >= 30


async def test_they_never_do_while_redis_goes_and_comes(open_house: OpenHouse) -> None:
    house = await open_house(options=TWENTY_A_SECOND)
    async with house.hammered():
        await asyncio.sleep(0.5)
        for wire in house.wires:
            await wire.cut()
        await asyncio.sleep(2)
        for wire in house.wires:
            await wire.mend()
        await asyncio.sleep(3)
    assert 15 <= house.most() <= 20


async def test_they_never_do_when_redis_loses_its_memory(
    open_house: OpenHouse, flush_redis: Callable[[], Awaitable[object]]
) -> None:
    house = await open_house(options=TWENTY_A_SECOND)
    async with house.hammered():
        for _ in range(3):
            await asyncio.sleep(0.6)
            await flush_redis()
        await asyncio.sleep(1.6)
    assert 15 <= house.most() <= 20


async def test_a_pms_that_wants_a_pause_gets_it_from_all(open_house: OpenHouse, open_hotel: OpenHotel) -> None:
    house = await open_house()
    other = await open_hotel(house.gateways[1])
    house.hotel.site.faults.add(fault("status", status=429, headers={"Retry-After": "170"}, times=1))
    first, *others = [await house.ask(caller) for caller in house.callers]
    assert [code_of(answer) for answer in (first, *others)] == [(503, "pms_rate_limited")] * 4
    assert all(160 <= int(answer.headers["Retry-After"]) <= 170 for answer in others)
    assert len(house.hotel.site.requests) == 1
    assert (await other.get("/rooms")).status_code == 200


async def test_a_pause_without_a_word_how_long_is_a_short_one(open_house: OpenHouse) -> None:
    house = await open_house()
    house.hotel.site.faults.add(fault("status", status=429, times=1))
    answers = [await house.ask(caller) for caller in house.callers]
    assert {answer.status_code for answer in answers} == {404}
    refused, then, *_ = house.hotel.site.requests
    assert 0.9 <= then.arrived - refused.arrived < 3


async def test_what_is_left_is_shown_the_same_by_all(open_house: OpenHouse) -> None:
    limit = {"requests": 100, "window_seconds": 60}
    house = await open_house(options={"rate_limit": limit})
    full = {"limit": 100, "window_seconds": 60, "remaining": 100}
    async with asyncio.timeout(3):
        while await house.left(3) != full:  # noqa: ASYNC110 - of an empty Redis nothing is taken before all could tell
            await asyncio.sleep(0.1)
    for caller in house.callers:
        assert (await house.ask(caller)).status_code == 404
    sent = len(house.hotel.site.requests)
    assert sent >= 4
    assert [await house.left(at) for at in range(4)] == [full | {"remaining": 100 - sent}] * 4


async def test_what_nobody_waits_for_leaves_half_to_those_who_wait(open_house: OpenHouse) -> None:
    house = await open_house(options={"rate_limit": {"requests": 100, "window_seconds": 60}})
    with priority.background():
        behind = [asyncio.create_task(house.ask(caller)) for caller in house.callers for _ in range(25)]
    answers = [code_of(await one) for one in behind]
    sent = len(house.hotel.site.requests)
    assert answers.count((404, "not_found")) == sent
    assert 0 < sent <= 100 // 2
    assert {(await house.ask(caller)).status_code for caller in house.callers} == {404}


async def test_those_who_wait_go_before_what_everybody_has_left(open_house: OpenHouse) -> None:
    house = await open_house(options={"rate_limit": {"requests": 4, "window_seconds": 2}})
    caller = house.callers[0]
    used_up = await asyncio.gather(*(house.ask(caller) for _ in range(4)))
    left = await asyncio.gather(*(house.ask(caller, seconds=0.3) for _ in range(12)))
    assert [code_of(answer)[0] for answer in (*used_up, *left)] == [404] * 4 + [504] * 12
    assert (await house.ask(caller, seconds=4)).status_code == 404  # three windows later if it went behind them
    assert house.most() <= 4


@pytest.mark.parametrize(
    "limit",
    [
        {"requests": 0, "window_seconds": 1},
        {"requests": 5, "window_seconds": 0},
        {"requests": 5, "window_seconds": 90_000},
        {"requests": 5},
        {"requests": 5, "window_seconds": 1, "per": "day"},
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(own_hotel: HotelUnderTest, limit: dict[str, object]) -> None:
    body = own_hotel.gateway.simulators.registration(own_hotel.site).body
    answer = await own_hotel.gateway.admin(
        "PUT", f"/v1/hotels/{own_hotel.id}", json={**body, "options": {"rate_limit": limit}}
    )
    assert code_of(answer) == (422, "validation_failed")


async def test_hotels_with_the_same_credentials_are_counted_together(
    open_gateway: OpenGateway, fresh_site: FreshSite
) -> None:
    gateway, site = await open_gateway(), fresh_site("bridge")
    limit = {"rate_limit": {"requests": 50, "window_seconds": 60}}
    names = [await gateway.register(site, options=limit) for _ in range(2)]
    caller = await gateway.client(hotels=names)
    for name in names:
        assert (await caller.get(f"/v1/hotels/{name}/rooms")).status_code == 200
    told = [(await caller.get(f"/v1/hotels/{name}/capabilities")).json()["meta"]["quota"] for name in names]
    assert [one["remaining"] for one in told] == [50 - len(site.requests)] * 2
