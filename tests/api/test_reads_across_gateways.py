"""Reads at two gateways over one Redis and Postgres: of all who ask the same, wherever, one is sent to the PMS."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.gateway.flights import PART_SECONDS
from app.store.leases import LEASE_SECONDS, Question
from tests.api.process import running_process
from tests.fixtures.caches import RedisSide
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import Client, HotelUnderTest, settings_for
from tests.fixtures.own_gateway import Gate, OpenGateway, Wired
from tests.fixtures.simulators import FreshSite
from tests.fixtures.stays import RESERVATION, asked, code_of, eventually, fault, seeded

ONE = "/reservations/{reservation_id}"
FRESH = {"headers": {"Cache-Control": "no-cache"}}


@dataclass(frozen=True)
class TwoDoors:
    """One hotel, at two gateways."""

    ours: HotelUnderTest
    theirs: HotelUnderTest

    @property
    def site(self) -> Any:
        """The hotel's PMS."""
        return self.ours.site

    def path(self, name: str = "Lovelace") -> str:
        """Give the path of somebody's reservation."""
        return f"/reservations/{seeded(self.ours, name).id}"

    async def both(self, path: str, times: int, **options: Any) -> list[httpx.Response]:
        """Read the same thing so many times at each gateway, all at once."""
        doors = [door for door in (self.ours, self.theirs) for _ in range(times)]
        return await asyncio.gather(*(door.send("GET", path, **options) for door in doors))


OpenDoors = Callable[..., Awaitable[TwoDoors]]


@pytest.fixture
def open_doors(open_gateway: OpenGateway, fresh_site: FreshSite) -> OpenDoors:
    """Opens two gateways and registers a hotel of a vendor."""

    async def opened(vendor: str = "bridge", **settings: Any) -> TwoDoors:
        ours, theirs = await open_gateway(**settings), await open_gateway(**settings)
        site = fresh_site(vendor)
        hotel_id = await ours.register(site)
        client = await ours.client(hotels=[hotel_id])
        return TwoDoors(
            HotelUnderTest(hotel_id, site, client, ours),
            HotelUnderTest(hotel_id, site, Client(theirs.http, client.token), theirs),
        )

    return opened


@pytest.fixture
async def doors(open_doors: OpenDoors) -> TwoDoors:
    return await open_doors()


async def test_five_hundred_cold_reads_are_one_call_to_the_pms(doors: TwoDoors, gate: Gate) -> None:
    gate.stop(doors.site, **RESERVATION)
    reads = asyncio.create_task(doors.both(doors.path(), 250))
    await gate.arrived.wait()
    gate.open()
    answers = await reads
    assert {one.status_code for one in answers} == {200}
    assert len({one.content.partition(b'"meta"')[0] for one in answers}) == 1
    assert asked(doors.site, ONE) == 1


@pytest.mark.parametrize("vendor", ["bridge", "qloapps"])
async def test_a_list_is_asked_for_once_at_either_vendor(open_doors: OpenDoors, vendor: str) -> None:
    doors = await open_doors(vendor)
    await doors.ours.get("/arrivals")
    calls_of_one = len(doors.site.requests)
    await doors.ours.send("DELETE", "/cache")
    doors.site.requests.clear()
    answers = await doors.both("/arrivals", 20)
    assert {one.status_code for one in answers} == {200}
    assert len(doors.site.requests) <= calls_of_one


async def test_what_one_gateway_read_is_a_hit_at_the_other(doors: TwoDoors) -> None:
    assert (await doors.ours.get(doors.path())).headers["X-Cache"] == "MISS"
    assert (await doors.theirs.get(doors.path())).headers["X-Cache"] == "HIT"


async def test_a_caller_who_hangs_up_takes_nobody_at_the_other_gateway_with_it(doors: TwoDoors, gate: Gate) -> None:
    gate.stop(doors.site, **RESERVATION)
    first = asyncio.create_task(doors.ours.get(doors.path()))
    await gate.arrived.wait()
    others = [asyncio.create_task(doors.theirs.get(doors.path())) for _ in range(3)]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.open()
    assert {one.status_code for one in await asyncio.gather(*others)} == {200}
    assert asked(doors.site, ONE) == 1


async def test_all_are_told_of_one_failure(doors: TwoDoors, gate: Gate) -> None:
    gate.stop(doors.site, **RESERVATION)
    doors.site.faults.add(fault("status", status=404, body='{"code": "not_found"}', **RESERVATION))
    reads = asyncio.create_task(doors.both(doors.path(), 50))
    await gate.arrived.wait()
    gate.open()
    assert {code_of(one) for one in await reads} == {(404, "not_found")}
    assert asked(doors.site, ONE) == 1


@pytest.mark.parametrize("vendor", ["bridge", "qloapps"])
async def test_a_write_at_one_gateway_is_seen_at_the_other_at_once(open_doors: OpenDoors, vendor: str) -> None:
    doors = await open_doors(vendor)
    path = doors.path()
    for door in (doors.ours, doors.theirs):
        await door.get(path)
    assert (await doors.theirs.get(path)).headers["X-Cache"] == "HIT"
    note = await doors.ours.send("POST", f"{path}/notes", {"text": "late arrival"}, key="late")
    assert note.status_code == 201
    seen = await doors.theirs.get(path)
    assert seen.headers["X-Cache"] == "MISS"
    assert "late arrival" in str(seen.json()["data"]["notes"])


async def test_a_read_at_one_gateway_that_overlaps_a_write_at_the_other_brings_nothing_old_back(
    doors: TwoDoors, gate: Gate
) -> None:
    path = doors.path()
    doors.site.faults.add(fault("slow_body", seconds=1, times=1, **RESERVATION))
    doors.site.wait = gate.wait
    slow = asyncio.create_task(doors.theirs.get(path))
    await gate.arrived.wait()
    assert (await doors.ours.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"})).status_code == 200
    seen = [(await door.get(path)).json()["data"]["checkout_time"] for door in (doors.theirs, doors.ours)]
    gate.open()
    assert (await slow).json()["data"]["checkout_time"] is None
    later = [await door.get(path) for door in (doors.theirs, doors.ours)]
    assert seen == ["13:00", "13:00"]
    assert [one.json()["data"]["checkout_time"] for one in later] == ["13:00", "13:00"]
    assert {one.headers["X-Cache"] for one in later} == {"HIT"}


async def test_a_forced_read_at_one_gateway_is_not_undone_by_a_slow_one_at_the_other(
    doors: TwoDoors, gate: Gate
) -> None:
    path, booking = doors.path(), seeded(doors.ours, "Lovelace")
    doors.site.faults.add(fault("slow_body", seconds=1, times=1, **RESERVATION))
    doors.site.wait = gate.wait
    slow = asyncio.create_task(doors.theirs.get(path))
    await gate.arrived.wait()
    doors.site.hotel.set_checkout_time(booking, "13:30")  # at the front desk: nothing tells us
    assert (await doors.ours.send("GET", path, **FRESH)).json()["data"]["checkout_time"] == "13:30"
    gate.open()
    await slow
    after = await doors.theirs.get(path)
    assert (after.headers["X-Cache"], after.json()["data"]["checkout_time"]) == ("HIT", "13:30")


async def test_who_insists_on_a_fresh_answer_joins_only_what_leaves_from_now_on(doors: TwoDoors, gate: Gate) -> None:
    path = doors.path()
    gate.stop(doors.site, times=1, **RESERVATION)
    first = asyncio.create_task(doors.ours.send("GET", path, **FRESH))
    await gate.arrived.wait()
    doors.site.hotel.set_checkout_time(seeded(doors.ours, "Lovelace"), "13:30")
    late = [asyncio.create_task(doors.ours.send("GET", path, **FRESH)) for _ in range(40)]
    gate.open()
    assert (await first).status_code == 200
    assert {one.json()["data"]["checkout_time"] for one in await asyncio.gather(*late)} == {"13:30"}
    assert asked(doors.site, ONE) == 2


async def test_a_failed_first_attempt_is_enough_where_there_is_a_copy(
    doors: TwoDoors, clock: ManualClock, gate: Gate
) -> None:
    path = doors.path()
    await doors.ours.get(path)
    clock.advance(1000)
    doors.site.faults.add(fault("status", status=500, times=1, **RESERVATION))
    doors.site.wait = gate.wait
    doors.site.faults.add(fault("latency", seconds=1, nth=2, **RESERVATION))  # the second attempt hangs
    answer = await doors.ours.get(path)
    assert (answer.status_code, answer.headers["X-Cache"], answer.json()["meta"]["stale"]) == (200, "STALE", True)
    await gate.arrived.wait()
    gate.open()
    await eventually(lambda: doors.theirs.get(path), lambda one: one.headers["X-Cache"] == "HIT")


async def test_a_hit_is_one_round_trip_to_redis(doors: TwoDoors) -> None:
    path = doors.path()
    await doors.ours.get(path)
    redis = doors.ours.gateway.app.state.gateway.cache

    async def calls() -> int:
        stats = await redis._link.client.info("commandstats")
        return sum(
            one["calls"]
            for name, one in stats.items()
            if name not in {"cmdstat_info", "cmdstat_ping", "cmdstat_client"}
        )

    before = await calls()
    for _ in range(20):
        assert (await doors.ours.get(path)).headers["X-Cache"] == "HIT"
    assert await calls() - before <= 20 + 2


@pytest.mark.parametrize("ahead", [True, False])
async def test_what_is_often_asked_for_is_read_anew_before_its_time_is_over_where_that_is_wanted(
    open_doors: OpenDoors, clock: ManualClock, *, ahead: bool
) -> None:
    doors = await open_doors(refresh_ahead=ahead)
    path = doors.path()
    await doors.ours.get(path)
    for _ in range(3):
        assert (await doors.ours.get(path)).headers["X-Cache"] == "HIT"
    doors.site.hotel.set_checkout_time(seeded(doors.ours, "Lovelace"), "13:30")
    clock.advance(0.9 * 300)
    hit = await doors.ours.get(path)
    assert (hit.headers["X-Cache"], hit.json()["data"]["checkout_time"]) == ("HIT", None)
    if ahead:
        await eventually(lambda: doors.theirs.get(path), lambda one: one.json()["data"]["checkout_time"] == "13:30")
        assert asked(doors.site, ONE) == 2
    clock.advance(0.2 * 300)
    assert (await doors.theirs.get(path)).headers["X-Cache"] == ("HIT" if ahead else "MISS")
    assert asked(doors.site, ONE) == 2


async def test_what_nobody_asks_for_any_more_is_not_read_ahead(open_doors: OpenDoors, clock: ManualClock) -> None:
    doors = await open_doors(refresh_ahead=True)
    await doors.ours.get(doors.path())
    clock.advance(0.9 * 300)
    await doors.ours.get(doors.path())
    await doors.ours.gateway.app.state.gateway.reads.aclose()  # what was begun has ended
    assert asked(doors.site, ONE) == 1


async def test_a_process_that_is_killed_while_it_asks_is_replaced_by_one_that_waits(
    own_hotel: HotelUnderTest, session_database_url: str, redis_url: str, gate: Gate, tmp_path: Path
) -> None:
    survivor, site = own_hotel, own_hotel.site
    settings = settings_for(session_database_url, redis_url)
    async with running_process(settings, tmp_path / "holder.log") as process:
        victim = replace(survivor, client=Client(process.http, survivor.client.token))
        gate.stop(site, **RESERVATION)
        path = f"/reservations/{seeded(survivor, 'Lovelace').id}"
        lost = asyncio.create_task(victim.get(path))
        await gate.arrived.wait()
        waiting = [asyncio.create_task(survivor.get(path)) for _ in range(20)]
        process.kill()
        with pytest.raises(httpx.TransportError):
            await lost
        await eventually(lambda: _count(survivor), lambda calls: calls == 2, within=LEASE_SECONDS + 5)
        gate.open()
        assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
        assert asked(site, ONE) == 2


async def _count(hotel: HotelUnderTest) -> int:
    return asked(hotel.site, ONE)


@pytest.mark.parametrize("how", ["cut", "hold"])
async def test_redis_lost_in_mid_flight_costs_no_answer(wired: Wired, gate: Gate, how: str) -> None:
    hotel, path = wired.hotel, f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    gate.stop(hotel.site, **RESERVATION)
    reads = [asyncio.create_task(hotel.get(path)) for _ in range(10)]
    await gate.arrived.wait()
    if how == "cut":
        await wired.redis.cut()
    else:
        wired.redis.hold()
    reads += [asyncio.create_task(hotel.get(path)) for _ in range(10)]
    gate.open()
    assert {one.status_code for one in await asyncio.gather(*reads)} == {200}
    assert asked(hotel.site, ONE) <= 2
    wired.redis.release()


async def test_a_shared_list_is_never_part_of_one(doors: TwoDoors) -> None:
    doors.site.faults.add(fault("cut_body"))
    answers = await doors.both("/arrivals", 5)
    assert {code_of(one) for one in answers} == {(503, "pms_unavailable")}


async def test_a_flight_that_left_while_redis_was_away_is_not_joined_after_a_write_elsewhere(
    wired: Wired, open_gateway: OpenGateway, gate: Gate
) -> None:
    other, path = await open_gateway(), f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    theirs = replace(wired.hotel, client=Client(other.http, wired.hotel.client.token))
    assert (await theirs.get("/room-types")).status_code == 200
    await wired.redis.cut()
    wired.hotel.site.wait = gate.wait
    wired.hotel.site.faults.add(fault("slow_body", seconds=1, times=1, **RESERVATION))
    early = asyncio.create_task(wired.hotel.get(path))
    await gate.arrived.wait()
    await wired.redis.mend()
    await eventually(lambda: wired.hotel.get("/rooms"), lambda one: one.headers["X-Cache"] == "HIT")  # Redis is back
    assert (await theirs.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"})).status_code == 200
    late = await wired.hotel.get(path)
    gate.open()
    assert (await early).json()["data"]["checkout_time"] is None
    assert late.json()["data"]["checkout_time"] == "13:00"


async def test_a_quote_of_a_change_does_not_join_one_from_before_a_write(own_hotel: HotelUnderTest, gate: Gate) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    own_hotel.site.wait = gate.wait
    own_hotel.site.faults.add(fault("slow_body", seconds=1, times=1, path="quote"))
    early = asyncio.create_task(own_hotel.send("POST", f"{path}/quote", {"adults": 1}))
    await gate.arrived.wait()
    departure = str(seeded(own_hotel, "Lovelace").rooms[0].departure + timedelta(days=1))
    assert (await own_hotel.send("PATCH", path, {"departure": departure})).status_code == 200
    late = await own_hotel.send("POST", f"{path}/quote", {"adults": 1})
    gate.open()
    assert (await early).json()["data"]["departure"] != departure
    assert late.json()["data"]["departure"] == departure


async def test_what_the_store_was_not_there_to_add_is_added_soon(wired: Wired, clock: ManualClock) -> None:
    path = f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    await wired.pms.cut()
    queued = await wired.hotel.send("POST", f"{path}/notes", {"text": "late"}, key="queued")
    assert queued.status_code == 202
    await wired.pms.mend()
    wired.postgres.hold()
    answer = await wired.hotel.send("GET", path, headers={"X-Request-Timeout": "0.5", **FRESH["headers"]})
    assert (answer.status_code, answer.json()["data"]["pending_operations"]) == (200, [])
    wired.postgres.release()
    clock.advance(PART_SECONDS)
    found = await eventually(lambda: wired.hotel.get(path), lambda one: bool(one.json()["data"]["pending_operations"]))
    assert found.json()["data"]["pending_operations"] == [queued.json()["data"]["id"]]


async def test_a_stale_list_knows_what_was_written_since(own_hotel: HotelUnderTest) -> None:
    first, *_ = (await own_hotel.get("/arrivals")).json()["data"]
    assert (await own_hotel.send("POST", f"/reservations/{first['id']}/cancel", {})).status_code == 200
    own_hotel.site.faults.add(fault("status", status=500))
    stale = await own_hotel.get("/arrivals")
    assert (stale.headers["X-Cache"], stale.json()["meta"]["complete"]) == ("STALE", True)
    assert first["id"] not in [one["id"] for one in stale.json()["data"]]


async def test_a_burst_of_cold_questions_is_no_reason_to_take_redis_for_away(
    sides: tuple[RedisSide, RedisSide],
) -> None:
    ours, _ = sides
    keys = [ours.cache.key(f"hotel-{secrets.token_hex(4)}", "rooms", None, ["rooms"]) for _ in range(500)]
    looks = await asyncio.gather(*(ours.look(key) for key in keys))
    assert all(look.tokens for look in looks)
    questions = [Question(key, look.tokens) for key, look in zip(keys, looks, strict=True) if look.tokens]
    turns = await asyncio.gather(*(ours.leases.claim(question) for question in questions))
    assert all(turn and turn.lease for turn in turns)
    assert not ours.link.is_away
