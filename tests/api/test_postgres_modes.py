"""Postgres in every bad way that it has: reads go on in time, writes refuse before the PMS is touched, all is told."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest, running_gateway, settings_for
from tests.fixtures.own_gateway import PMS_TIMEOUT, Gate, OpenGateway
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded
from tests.fixtures.wire import Wire, wire_to

SLACK = 1.3
"""Seconds of real time that a busy machine may add to an answer."""
POOL = 4
HURRY = {"X-Request-Timeout": "0.5"}
BUDGET = {"X-Request-Timeout": "3"}


@dataclass(frozen=True)
class Footing:
    """A hotel whose gateway has a database of its own, and the ways to that database."""

    hotel: HotelUnderTest
    postgres: Wire
    database_url: str

    async def execute(self, *statements: str) -> None:
        """Send statements to the database, past the gateway."""
        connection = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.database_url.rpartition("/")[2]


@pytest.fixture
async def footing(
    fresh_site: FreshSite, database_url: str, redis_url: str, simulators: SimulatorServer, clock: ManualClock
) -> AsyncIterator[Footing]:
    """The way to the database is mended before the gateway ends, which would wait for it."""
    async with wire_to(database_url) as postgres:
        values = settings_for(
            postgres.instead_of(database_url), redis_url, pms_timeout=PMS_TIMEOUT, database_pool_size=POOL
        )
        async with running_gateway(values, simulators, clock=clock) as gateway:
            site = fresh_site("bridge")
            hotel_id = await gateway.register(site)
            hotel = HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway)
            yield Footing(hotel, postgres, database_url)
            postgres.release()
            await postgres.mend()


@asynccontextmanager
async def away(footing: Footing) -> AsyncIterator[None]:
    await footing.postgres.cut()
    yield
    await footing.postgres.mend()


@asynccontextmanager
async def hanging(footing: Footing) -> AsyncIterator[None]:
    footing.postgres.hold()
    yield
    footing.postgres.release()


@asynccontextmanager
async def exhausted(footing: Footing) -> AsyncIterator[None]:
    """Let somebody hold every connection of the pool."""
    database = footing.hotel.gateway.app.state.gateway.database
    async with AsyncExitStack() as stack:
        for _ in range(POOL):
            work = await stack.enter_async_context(database.unit_of_work())
            await work.now()
        yield


KILL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # noqa: E501


@asynccontextmanager
async def read_only(footing: Footing) -> AsyncIterator[None]:
    """Fail over to a replica, as far as a client can tell."""
    await footing.execute(f'ALTER DATABASE "{footing.name}" SET default_transaction_read_only = on', KILL)
    yield
    # Connections of meanwhile stay read-only, as those to a primary that became a replica.
    await footing.execute(
        "SET default_transaction_read_only = off",
        f'ALTER DATABASE "{footing.name}" RESET default_transaction_read_only',
    )


@asynccontextmanager
async def full(footing: Footing) -> AsyncIterator[None]:
    """Let no table grow or change: the disk is full."""
    tables = "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    each = f"DO $$ DECLARE one regclass; BEGIN FOR one IN {tables} LOOP EXECUTE format(%s, one); END LOOP; END $$"
    trigger = "'CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON %s EXECUTE FUNCTION disk_full()'"
    await footing.execute(
        "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$",
        each % trigger,
    )
    yield
    await footing.execute("DROP FUNCTION disk_full CASCADE")


def refusing(sqlstate: str) -> Callable[[Footing], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def mode(footing: Footing) -> AsyncIterator[None]:
        await footing.postgres.refuse(sqlstate)
        yield
        await footing.postgres.cut()
        await footing.postgres.mend()

    return mode


Flush = Callable[[], Awaitable[object]]
Mode = Callable[[Footing], AbstractAsyncContextManager[None]]

SILENT: dict[str, Mode] = {"hanging": hanging, "pool exhausted": exhausted}
LOST: dict[str, Mode] = {"away": away, "out of connections": refusing("53300")}
CLOSED: dict[str, Mode] = LOST | {
    "shutting down": refusing("57P03"),
    "closed for connections": refusing("55000"),
    "a password that was changed": refusing("28P01"),
    "a pooler that fails": refusing("XX000"),
}
READABLE: dict[str, Mode] = {"read-only": read_only, "disk full": full}
MODES = SILENT | CLOSED | READABLE
BARRED = SILENT | LOST | READABLE
"""Fewer, as a gateway with something left to write takes its time to close."""

TOLD = {
    "hanging": "does not answer",
    "pool exhausted": "none of our 4 connections to it is free",
    "read-only": "is read-only: reads are served, writes are refused",
    "disk full": "answers, schema is current",
}


async def _timed(hotel: HotelUnderTest, path: str, **headers: str) -> float:
    """Read something that is in no cache; give the seconds that it took."""
    began = time.monotonic()
    answer = await hotel.send("GET", path, headers=headers)
    assert (answer.status_code, answer.headers.get("X-Cache")) == (200, "MISS"), answer.text
    return time.monotonic() - began


@pytest.mark.parametrize("mode", MODES)
async def test_reads_go_on_in_time_and_the_next_ones_notice_nothing(
    footing: Footing, clock: ManualClock, mode: str
) -> None:
    hotel = footing.hotel
    await hotel.get("/rooms")
    clock.advance(600)  # the copies of keys and hotels are old by now
    async with MODES[mode](footing):
        paths = [f"/reservations/{seeded(hotel, name).id}" for name in ("Lovelace", "Hopper", "Lamarr")]
        assert await _timed(hotel, paths[0], **BUDGET) < 1.5 + SLACK
        assert await _timed(hotel, paths[1]) < 0.2 + SLACK / 4
        assert await _timed(hotel, paths[2], **HURRY) < 0.5
        assert (await hotel.get(paths[0])).headers["X-Cache"] == "HIT"


@pytest.mark.parametrize("mode", MODES)
async def test_those_in_a_hurry_are_answered_in_time_though_nobody_else_finds_out_for_them(
    footing: Footing, clock: ManualClock, mode: str
) -> None:
    hotel = footing.hotel
    await hotel.get("/rooms")
    clock.advance(600)
    async with MODES[mode](footing):
        for name in ("Lovelace", "Hopper", "Lamarr", "Bohr"):
            took = await _timed(hotel, f"/reservations/{seeded(hotel, name).id}", **HURRY)
            assert took < 0.5
        assert took < 0.2


@pytest.mark.parametrize("mode", BARRED)
async def test_writes_refuse_before_the_pms_is_touched_and_go_on_with_the_same_key_afterwards(
    footing: Footing, clock: ManualClock, mode: str
) -> None:
    hotel = footing.hotel
    await hotel.get("/rooms")
    sent = len(hotel.site.requests)
    async with MODES[mode](footing):
        for key in ("one", "two"):
            refused = await hotel.send("POST", "/reservations", draft(hotel), key=key, headers=BUDGET)
            assert code_of(refused) == (503, "storage_unavailable")
            assert int(refused.headers["Retry-After"]) > 0
        assert len(hotel.site.requests) == sent
    clock.advance(3)

    async def again() -> tuple[int, str | None]:
        return code_of(await hotel.send("POST", "/reservations", draft(hotel), key="one"))

    assert await eventually(again, lambda told: told[0] != 503) == (201, None)
    assert len(booked(hotel.site)) == 1


@pytest.mark.parametrize("mode", SILENT | CLOSED)
async def test_copies_of_keys_and_hotels_serve_for_a_quarter_of_an_hour_and_no_longer(
    footing: Footing, clock: ManualClock, mode: str
) -> None:
    hotel = footing.hotel
    await hotel.get("/rooms")
    async with MODES[mode](footing):
        clock.advance(890)
        answer = await hotel.get("/rooms")
        assert answer.status_code == 200, answer.text
        clock.advance(11)
        assert code_of(await hotel.get("/rooms")) == (503, "storage_unavailable")
        stranger = await hotel.gateway.http.get("/v1/vendors", headers={"Authorization": "Bearer pmsgw_a_b"})
        assert code_of(stranger) == (503, "storage_unavailable")
    clock.advance(3)
    assert (await hotel.get("/rooms")).status_code == 200


@pytest.mark.parametrize("mode", READABLE)
async def test_a_postgres_that_can_be_read_tells_who_may_ask_and_what_we_hold(
    footing: Footing, clock: ManualClock, flush_redis: Flush, mode: str
) -> None:
    hotel = footing.hotel
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    await hotel.get(path)
    async with MODES[mode](footing):
        await flush_redis()
        clock.advance(90_000)  # the copies of keys and hotels are too old
        hotel.site.faults.add(fault("status", status=500))
        answer = await hotel.get(path)
        assert (answer.status_code, answer.json()["meta"]["source"]) == (200, "store"), answer.text


@pytest.mark.parametrize("mode", MODES)
async def test_readiness_says_which_way_it_is(footing: Footing, mode: str) -> None:
    readiness = footing.hotel.gateway.app.state.readiness

    async def told() -> tuple[int, str, str]:
        await readiness.check()
        answer = await footing.hotel.gateway.http.get("/health/ready")
        return answer.status_code, answer.json()["status"], answer.json()["checks"]["postgres"]["detail"]

    well = (200, "ok", "answers, schema is current")
    assert await told() == well
    async with MODES[mode](footing):
        detail = TOLD.get(mode, "does not answer")
        assert await told() == (200, "ok" if mode == "disk full" else "degraded", detail)
        assert await told() == (200, "ok" if mode == "disk full" else "degraded", detail)
    assert await eventually(told, lambda seen: seen == well) == well


@pytest.mark.parametrize("mode", BARRED)
async def test_a_write_that_was_sent_already_is_told_as_done_and_recorded_when_postgres_is_back(
    footing: Footing, clock: ManualClock, gate: Gate, mode: str
) -> None:
    hotel = footing.hotel
    gate.stop(hotel.site, **CREATE)
    write = asyncio.create_task(hotel.send("POST", "/reservations", draft(hotel), key="k"))
    await gate.arrived.wait()
    async with MODES[mode](footing):
        gate.open()
        answer = await write
        assert (answer.status_code, len(booked(hotel.site))) == (201, 1), answer.text
        assert "recording_delayed" in [one["code"] for one in answer.json()["meta"]["warnings"]]
    clock.advance(3)
    operation = f"/v1/operations/{answer.json()['meta']['operation_id']}"

    async def status() -> str | None:
        found = (await hotel.client.get(operation)).json()
        return found["data"]["status"] if "data" in found else None

    assert await eventually(status, lambda seen: seen == "succeeded", within=15) == "succeeded"
    again = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert len(booked(hotel.site)) == 1


async def test_connections_that_the_network_swallowed_are_replaced_all_at_once(
    footing: Footing, clock: ManualClock
) -> None:
    hotel = footing.hotel
    await hotel.get("/rooms")
    footing.postgres.strand()
    began = time.monotonic()

    async def written() -> int:
        return (await hotel.send("POST", "/reservations", draft(hotel), key="k", headers=BUDGET)).status_code

    assert await eventually(written, lambda status: status == 201) == 201
    assert time.monotonic() - began < 3.5 + SLACK
    clock.advance(3)
    assert await _timed(hotel, f"/reservations/{seeded(hotel, 'Lovelace').id}") < 0.5 + SLACK


async def test_read_only_and_redis_away_is_degraded_as_reads_are_still_served(
    footing: Footing, open_gateway: OpenGateway
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    gateway = await open_gateway(database_url=footing.database_url, redis_url=nowhere)
    async with read_only(footing):
        await gateway.app.state.readiness.check()
        answer = await gateway.http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        rooms = await gateway.admin.get(f"/v1/hotels/{footing.hotel.id}/rooms")
        assert rooms.status_code == 200
