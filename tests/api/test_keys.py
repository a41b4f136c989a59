"""Keys as gateways meet them: a roll of new ones, a rotation beside writes, and one that is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.hotel import HotelOptions
from app.gateway.key_watch import KeyWatch
from app.gateway.rotation import Rotated, Rotation
from app.main import create_app, key_watch, store_keys, working
from app.settings import Settings, generate_key, generate_secret
from app.store.crypto import IndexKind
from app.store.key_register import KeysRefused
from app.store.subjects import indexes_of
from tests.fixtures.gateway import Client, HotelUnderTest, RunningGateway, running_gateway, settings_for
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import code_of, draft, eventually, fault, seeded, today
from tests.fixtures.wire import wire_to

K0, K1, I0, I1 = generate_key("k0"), generate_key("k1"), generate_key("i0"), generate_key("i1")
BEFORE = {"encryption_keys": K0, "index_keys": I0}
BEHIND = {"encryption_keys": f"{K0},{K1}", "index_keys": f"{I0},{I1}"}
IN_FRONT = {"encryption_keys": f"{K1},{K0}", "index_keys": f"{I1},{I0}"}
AFTER = {"encryption_keys": K1, "index_keys": I1}
SAME_NAME = {"encryption_keys": generate_key("k0"), "index_keys": I0}

Open = Callable[[dict[str, str]], AbstractAsyncContextManager[RunningGateway]]


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Callable[[dict[str, str]], Settings]:
    """Makes settings with these keys, over the test's own database."""
    return lambda keys: settings_for(database_url, redis_url, pms_timeout=5, **keys)


@pytest.fixture
def opened(settings: Callable[[dict[str, str]], Settings], simulators: SimulatorServer) -> Open:
    """Runs a gateway with these keys while the block lasts."""

    @asynccontextmanager
    async def run(keys: dict[str, str]) -> AsyncIterator[RunningGateway]:
        async with running_gateway(settings(keys), simulators) as gateway:
            yield gateway

    return run


async def hotel_at(gateway: RunningGateway, fresh_site: FreshSite) -> HotelUnderTest:
    site = fresh_site("bridge")
    hotel_id = await gateway.register(site)
    return HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway)


def at(gateway: RunningGateway, hotel: HotelUnderTest) -> HotelUnderTest:
    """Give the same hotel as the same caller has it at another gateway."""
    return HotelUnderTest(hotel.id, hotel.site, Client(gateway.http, hotel.client.token), gateway)


async def rotated(gateway: RunningGateway, settings: Settings) -> Rotated:
    """Rotate as the command does, when every process with other keys has been silent for long enough."""
    database = gateway.app.state.gateway.database
    async with database.unit_of_work() as work:
        await work.session.execute(text("UPDATE key_register SET active_at = active_at - interval '1 hour'"))
    watch = key_watch(settings, database)
    await watch.check()
    return await Rotation(database, store_keys(settings), watch.declared).run(
        actor="cli:me", batch=2, tell=lambda _: None
    )


def names_left(done: Rotated) -> set[str]:
    return {state.key.key_id for state in done.states if state.key.is_needed and state.key.key_id}


async def booked(hotel: HotelUnderTest, number: int) -> dict[str, Any]:
    guest = {"first_name": "Mary", "last_name": f"Shelley {number}", "email": f"mary{number}@example.test"}
    arrival = today(hotel) + timedelta(days=30 + 2 * number)  # a room of the kind is free each time
    stay = {"arrival": str(arrival), "departure": str(arrival + timedelta(days=2)), "guest": guest}
    answer = await hotel.send("POST", "/reservations", draft(hotel, **stay), key=f"booking-{number}")
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_a_roll_of_new_keys_and_a_rotation_beside_writes_lose_nothing(
    opened: Open, settings: Callable[[dict[str, str]], Settings], fresh_site: FreshSite
) -> None:
    async with opened(BEFORE) as gateway:
        hotel = await hotel_at(gateway, fresh_site)
        first = await booked(hotel, 0)
        note = {"text": "Vegan"}
        hotel.site.faults.add(fault("status", method="POST", status=503, body='{"code": "unavailable"}'))
        parked = await hotel.send("POST", f"/reservations/{first['id']}/notes", note, key="n")
        assert parked.status_code == 202, parked.text
        hotel.site.faults.clear()
    async with opened(BEHIND) as one, opened(IN_FRONT) as two:
        hotels, made = (at(one, hotel), at(two, hotel)), [first]
        made += [await booked(one_of, number) for number, one_of in enumerate(hotels, 1)]
        for one_of in hotels:  # each reads what the other wrote
            for booking in made:
                assert (await one_of.get(f"/reservations/{booking['id']}")).json()["data"]["id"] == booking["id"]
    async with opened(IN_FRONT) as gateway:
        hotel = at(gateway, hotel)

        async def keep_booking() -> list[dict[str, Any]]:
            return [await booked(hotel, number) for number in range(3, 12)]

        more, done = await asyncio.gather(keep_booking(), rotated(gateway, settings(IN_FRONT)))
        made += more
        assert names_left(await rotated(gateway, settings(IN_FRONT))) == {"k1", "i1"}
        assert done.renewed > 0
    async with opened(AFTER) as gateway:
        hotel = at(gateway, hotel)
        assert (await hotel.get(f"/reservations/{first['id']}")).status_code == 200
        again = await hotel.send("POST", f"/reservations/{first['id']}/notes", note, key="n")
        assert again.json()["data"]["id"] == parked.json()["data"]["id"], "the key still stands for its operation"
        await _everything_is_there(gateway, hotel, made)


async def _everything_is_there(gateway: RunningGateway, hotel: HotelUnderTest, made: list[dict[str, Any]]) -> None:
    lines = (await hotel.client.get("/v1/audit", hotel_id=hotel.id, operation="reservation.create", limit=100)).json()
    assert lines["meta"]["warnings"] == []
    assert {line["after"]["id"] for line in lines["data"]} == {booking["id"] for booking in made}
    letters = (await hotel.client.get("/v1/dead-letters", hotel_id=hotel.id)).json()
    assert [letter["payload"]["body"] for letter in letters["data"]] == [{"text": "Vegan"}]
    index = store_keys(settings_for("postgresql://x", "redis://x", **AFTER)).index
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        stored = await work.hotels.find(hotel.id)
        assert stored is not None
        record = stored.as_hotel(HotelOptions())
        for number, booking in enumerate(made):
            for kind, value in (
                (IndexKind.LAST_NAME, f"Shelley {number}"),
                (IndexKind.EMAIL, f"mary{number}@example.test"),
            ):
                found = indexes_of(index, record, kind, value)
                query = text("SELECT id FROM reservations WHERE last_name_index = ANY(:found) OR subjects && :found")
                assert list(await work.session.scalars(query, {"found": found})) == [booking["id"]]


LOST = {
    "a key that is missing": (AFTER, "key k0 of ENCRYPTION_KEYS is missing, and data may be stored under it"),
    "other bytes": (SAME_NAME, "key k0 of ENCRYPTION_KEYS is not the key of that name"),
    "another secret": ({**BEFORE, "idempotency_secret": generate_secret()}, "IDEMPOTENCY_SECRET is not the one"),
}


@pytest.mark.parametrize("lost", LOST)
async def test_a_process_without_the_keys_of_the_data_does_not_start(
    opened: Open, settings: Callable[[dict[str, str]], Settings], lost: str
) -> None:
    async with opened(BEFORE):
        pass
    keys, told = LOST[lost]
    with pytest.raises(KeysRefused, match=told):
        async with opened(keys):
            pass
    with pytest.raises(KeysRefused, match=told):
        async with working(settings(keys)):
            pass
    async with opened(BEFORE) as gateway:
        assert (await gateway.http.get("/health/ready")).status_code == 200


async def test_a_key_that_only_waits_may_be_taken_away_again(opened: Open) -> None:
    for keys in (BEFORE, BEHIND, BEFORE):
        async with opened(keys) as gateway:
            assert (await gateway.http.get("/health/ready")).status_code == 200


async def test_without_postgres_nothing_is_guessed_and_the_keys_are_compared_as_soon_as_it_answers(
    opened: Open, database_url: str, redis_url: str
) -> None:
    async with opened(BEFORE):
        pass
    async with wire_to(database_url) as wire:
        await wire.cut()
        values = settings_for(wire.instead_of(database_url), redis_url, **AFTER)
        app = create_app(values)
        async with app.router.lifespan_context(app):
            await wire.mend()
            await app.state.readiness.check()
            status, told = app.state.readiness.state()
            assert (status, told.status) == (503, "unavailable")
            assert "key k0 of ENCRYPTION_KEYS is missing" in told.checks["keys"].detail


@pytest.mark.parametrize("keys", [AFTER, SAME_NAME])
async def test_who_could_not_compare_its_keys_when_it_began_serves_nobody_before_it_has(
    opened: Open, database_url: str, redis_url: str, keys: dict[str, str], fresh_site: FreshSite
) -> None:
    async with opened(BEFORE) as gateway:
        token, body = gateway.admin.token, gateway.simulators.registration(fresh_site("bridge")).body
    async with wire_to(database_url) as wire:
        await wire.cut()
        values = settings_for(wire.instead_of(database_url), redis_url, **keys)
        app = create_app(values)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
        ):
            await wire.mend()
            caller, answers = Client(http, token), []

            async def put() -> str:
                answers.append(await caller("PUT", "/v1/hotels/late", json=body))
                return str(answers[-1].json().get("detail"))

            await eventually(put, lambda told: "are not those" in told)
    assert {code_of(answer) for answer in answers} == {(503, "storage_unavailable")}


async def test_a_worker_that_could_not_compare_its_keys_when_it_began_does_nothing_before_it_has(
    opened: Open, database_url: str, redis_url: str
) -> None:
    async with opened(BEFORE):
        pass
    stop = asyncio.Event()
    async with wire_to(database_url) as wire:
        for keys in (AFTER, BEFORE):
            await wire.cut()
            async with working(settings_for(wire.instead_of(database_url), redis_url, **keys)) as worker:
                await wire.mend()
                if keys is AFTER:
                    with pytest.raises(KeysRefused, match="key k0 of ENCRYPTION_KEYS is missing"):
                        await asyncio.wait_for(worker.run(stop), 10)
                else:
                    running = asyncio.create_task(worker.run(stop))
                    await eventually(lambda: passed(worker.keys), bool)
                    stop.set()
                    await running


async def passed(keys: KeyWatch) -> bool:
    return keys.has_passed


async def test_a_process_that_has_started_is_told_of_a_key_that_it_lacks_and_goes_on(opened: Open) -> None:
    async with opened(BEFORE) as behind:
        async with opened(IN_FRONT):  # without having been behind first
            pass
        await behind.app.state.readiness.keys.repeat()
        answer = await behind.http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert "key k1 of ENCRYPTION_KEYS is missing" in answer.json()["checks"]["keys"]["detail"]


async def test_a_key_is_not_retired_while_a_process_writes_under_it(
    opened: Open, settings: Callable[[dict[str, str]], Settings]
) -> None:
    async with opened(BEHIND), opened(IN_FRONT) as gateway:
        database = gateway.app.state.gateway.database
        values = settings(IN_FRONT)
        rotation = Rotation(database, store_keys(values), key_watch(values, database).declared)
        done = await rotation.run(actor="cli:me", batch=100, tell=lambda _: None)
        assert names_left(done) >= {"k0", "i0"}
        assert {state.count for state in done.states if state.key.key_id in {"k0", "i0"}} == {0}


async def test_a_retired_key_that_somebody_writes_under_again_is_needed_again(
    opened: Open, settings: Callable[[dict[str, str]], Settings]
) -> None:
    async with opened(BEFORE):
        pass
    async with opened(IN_FRONT) as gateway:
        assert names_left(await rotated(gateway, settings(IN_FRONT))) == {"k1", "i1"}
    async with opened(BEHIND):
        pass
    with pytest.raises(KeysRefused, match="key k0 of ENCRYPTION_KEYS is missing"):
        async with opened(AFTER):
            pass


async def test_seeded_reads_survive_the_change_of_the_cache_key(opened: Open, fresh_site: FreshSite) -> None:
    async with opened(BEFORE) as gateway:
        hotel = await hotel_at(gateway, fresh_site)
        path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
        told = (await hotel.get(path)).json()["data"]
    async with opened(IN_FRONT) as gateway:
        answer = await at(gateway, hotel).get(path)
        assert (answer.json()["data"], answer.headers["X-Cache"]) == (told, "MISS")
    assert code_of(answer) == (200, None)


async def test_it_is_said_again_and_again_who_writes_under_which_key(opened: Open) -> None:
    async with opened(BEFORE) as gateway:
        database = gateway.app.state.gateway.database

        async def is_silent() -> bool:
            async with database.unit_of_work() as work:
                [key] = [key for key in await work.key_register.all() if key.key_id == "k0"]
                return bool(key.is_silent)

        async with database.unit_of_work() as work:
            await work.session.execute(text("UPDATE key_register SET active_at = now() - interval '1 hour'"))
        assert await is_silent()
        await gateway.app.state.readiness.keys.repeat()
        assert not await eventually(is_silent, lambda silent: not silent)
