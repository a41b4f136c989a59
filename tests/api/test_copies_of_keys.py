"""Keys and hotels from copies: what one gateway revokes or changes, the others know of within five seconds."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from app.domain.errors import StorageUnavailable
from app.gateway.copies import Copies
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import Client, HotelUnderTest, RunningGateway
from tests.fixtures.own_gateway import OpenGateway, OpenHotel, Wired
from tests.fixtures.stays import code_of, eventually

BOUND = 5.0
"""Seconds after which nobody may be served by what was revoked, while Postgres answers."""

SLACK = 1.3
"""Seconds of real time that a busy machine may add."""


@dataclass(frozen=True)
class Pair:
    """Two gateways over one Postgres, a hotel, and its caller at each of them."""

    first: RunningGateway
    second: RunningGateway
    hotel: HotelUnderTest
    there: Client
    """The hotel's caller, speaking to the second gateway."""

    async def read(self) -> tuple[int, str | None]:
        """Read from the hotel by way of the second gateway."""
        return code_of(await self.there.get(f"/v1/hotels/{self.hotel.id}/rooms"))


@pytest.fixture
async def pair(open_gateway: OpenGateway, open_hotel: OpenHotel) -> Pair:
    first, second = await open_gateway(), await open_gateway()
    hotel = await open_hotel(first)
    made = Pair(first, second, hotel, Client(second.http, hotel.client.token))
    assert await made.read() == (200, None)
    return made


async def _revoke(gateway: RunningGateway, token: str) -> None:
    """Revoke a key as the command line does."""
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        assert await work.api_keys.revoke(token.split("_")[1])


async def test_a_key_that_was_revoked_elsewhere_is_refused_within_the_bound(pair: Pair, clock: ManualClock) -> None:
    await _revoke(pair.first, pair.there.token)
    clock.advance(0.9)
    assert await pair.read() == (200, None)  # from the copy, which is what makes the bound worth a test
    clock.advance(BOUND - 0.9)
    assert await pair.read() == (401, "unauthorized")


async def test_a_copy_that_is_in_use_is_renewed_before_anybody_has_to_wait_for_it(
    pair: Pair, clock: ManualClock
) -> None:
    await _revoke(pair.first, pair.there.token)
    clock.advance(1.5)  # so young that no request would renew it
    await eventually(pair.read, lambda told: told == (401, "unauthorized"))


async def test_a_key_that_was_revoked_is_refused_by_a_gateway_that_slept_for_long(
    pair: Pair, clock: ManualClock
) -> None:
    await _revoke(pair.first, pair.there.token)
    clock.advance(800)
    assert await pair.read() == (401, "unauthorized")


async def test_a_key_that_was_made_elsewhere_is_known_at_once(pair: Pair) -> None:
    made = await pair.first.client(hotels=[pair.hotel.id])
    answer = await Client(pair.second.http, made.token).get(f"/v1/hotels/{pair.hotel.id}/rooms")
    assert answer.status_code == 200


async def test_a_hotel_that_was_deleted_elsewhere_is_gone_within_the_bound(pair: Pair, clock: ManualClock) -> None:
    assert (await pair.first.admin("DELETE", f"/v1/hotels/{pair.hotel.id}")).status_code == 204
    clock.advance(BOUND)
    assert await pair.read() == (404, "not_found")


async def test_a_hotel_that_was_given_other_credentials_elsewhere_uses_them_within_the_bound(
    pair: Pair, clock: ManualClock
) -> None:
    pair.hotel.site.api_key = "another-key-of-the-pms"
    body = dict(pair.first.simulators.registration(pair.hotel.site).body)
    assert (await pair.first.admin("PUT", f"/v1/hotels/{pair.hotel.id}", json=body)).status_code == 200
    clock.advance(BOUND)
    answer = await pair.there.get(f"/v1/hotels/{pair.hotel.id}/room-types")
    assert answer.status_code == 200, answer.text
    assert body["credentials"] == {"api_key": "another-key-of-the-pms"}


async def test_a_key_that_was_revoked_while_postgres_was_away_is_refused_soon_after_it_is_back(
    wired: Wired, open_gateway: OpenGateway, clock: ManualClock
) -> None:
    other = await open_gateway()
    assert (await wired.hotel.get("/rooms")).status_code == 200
    await wired.postgres.cut()
    clock.advance(60)
    assert (await wired.hotel.get("/rooms")).status_code == 200
    await _revoke(other, wired.hotel.client.token)
    await wired.postgres.mend()
    clock.advance(BOUND)
    assert code_of(await wired.hotel.get("/rooms")) == (401, "unauthorized")


async def test_a_key_that_was_revoked_while_postgres_hung_is_refused_soon_after_it_answers(
    wired: Wired, open_gateway: OpenGateway, clock: ManualClock
) -> None:
    other = await open_gateway()
    assert (await wired.hotel.get("/rooms")).status_code == 200
    wired.postgres.hold()
    clock.advance(60)
    for _ in range(3):
        assert (await wired.hotel.get("/rooms")).status_code == 200
    await _revoke(other, wired.hotel.client.token)
    wired.postgres.strand()
    wired.postgres.release()

    async def told() -> tuple[int, str | None]:
        clock.advance(0.01)  # about as fast as real time, by which what hangs is given up
        return code_of(await wired.hotel.get("/rooms"))

    refused = (401, "unauthorized")
    assert await eventually(told, lambda seen: seen == refused, within=BOUND + SLACK) == refused


# --- copies by themselves ---


class Table:
    """A table that is read as fast as the test lets it."""

    def __init__(self) -> None:
        self.value = 1
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()
        """Somebody waits at the gate."""
        self.error: Exception | None = None

    async def load(self) -> int:
        """Give what it held when the load began."""
        self.loads += 1
        value, error = self.value, self.error
        if not self.gate.is_set():
            self.began.set()
        await self.gate.wait()
        if error is not None:
            raise error
        return value


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def look(clock: ManualClock, table: Table) -> Callable[..., Coroutine[Any, Any, int]]:
    """Looks into one process's copy of the table."""
    copies = Copies(clock)

    async def one(*, budget: float = 30.0, newest: bool = False, forget: bool = False) -> int:
        if forget:
            copies.forget("table")
        return await copies.get("table", table.load, newest=newest, until=clock.monotonic() + budget)

    return one


Look = Callable[..., Coroutine[Any, Any, int]]


async def test_callers_in_a_hurry_do_not_keep_a_copy_old(look: Look, table: Table, clock: ManualClock) -> None:
    await look()
    clock.advance(3)
    table.value = 2
    table.gate.clear()
    assert await look(budget=0.1) == 1  # it does not wait for long, and the load goes on without it
    table.gate.set()
    assert await look(budget=0.1) == 2
    assert table.loads == 2


async def test_a_slow_load_is_waited_for_once_and_then_by_nobody(look: Look, table: Table, clock: ManualClock) -> None:
    await look()
    clock.advance(3)
    table.gate.clear()
    assert await look() == 1
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert {await look() for _ in range(50)} == {1}
    assert loop.time() - began < 0.2
    table.gate.set()


async def test_a_change_of_ones_own_is_seen_though_an_older_load_is_under_way(
    look: Look, table: Table, clock: ManualClock
) -> None:
    await look()
    clock.advance(3)
    table.gate.clear()
    before = asyncio.create_task(look())
    await table.began.wait()
    table.value = 2
    after = asyncio.create_task(look(forget=True))
    table.gate.set()
    assert await after == 2
    assert await before in {1, 2}


async def test_who_looked_in_vain_is_told_of_a_load_that_began_afterwards(
    look: Look, table: Table, clock: ManualClock
) -> None:
    await look()
    clock.advance(3)
    table.gate.clear()
    slow = asyncio.create_task(look())
    await table.began.wait()
    table.value = 2
    newest = asyncio.create_task(look(newest=True))
    await asyncio.sleep(0)
    table.gate.set()
    assert await newest == 2
    await slow


async def test_an_error_of_the_table_is_no_end_of_reading_and_no_reason_to_believe_that_there_is_nothing(
    look: Look, table: Table, clock: ManualClock
) -> None:
    await look()
    table.error = LookupError("a column is gone")
    clock.advance(3)
    assert await look() == 1
    with pytest.raises(StorageUnavailable):
        await look(newest=True)
    clock.advance(900)
    with pytest.raises(StorageUnavailable):
        await look()
    table.error, table.value = None, 2
    assert await look() == 2


async def test_a_burst_of_callers_who_look_in_vain_holds_nothing_up(look: Look, table: Table) -> None:
    """One that began just when a load ended had waited for that load again and again, without giving others a turn."""
    await look()
    looks = []
    for _ in range(300):  # in each turn of the loop another one begins, so that some begin just when a load ends
        looks.append(asyncio.create_task(look(newest=True)))
        await asyncio.sleep(0)
    assert await asyncio.gather(*looks) == [1] * 300
