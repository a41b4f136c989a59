"""Reads while the PMS, Postgres or Redis is away: what may be served instead, and what must be said of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, Wired
from tests.fixtures.stays import RESERVATION, code_of, draft, eventually, fault, seeded, today

HURRY = {"X-Request-Timeout": "0.2"}
SLACK = 1.3
"""Seconds of real time that a busy machine may add to an answer."""

Flush = Callable[[], Awaitable[object]]


async def _asked(hotel: HotelUnderTest, path: str, **headers: str) -> httpx.Response:
    return await hotel.send("GET", path, headers=headers)


FAULTS: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "500": ({"kind": "status", "status": 500}, (503, "pms_unavailable")),
    "503 of a maintenance page": ({"kind": "status", "status": 503}, (503, "pms_unavailable")),
    "dropped": ({"kind": "drop_before"}, (503, "pms_unavailable")),
    "cut in the middle": ({"kind": "cut_body"}, (503, "pms_unavailable")),
    "garbage": ({"kind": "garbage", "body": "<html>Welcome</html>"}, (502, "pms_bad_response")),
    "an empty object": ({"kind": "garbage", "body": "{}"}, (502, "pms_bad_response")),
    "a reservation without a room": (
        {"kind": "garbage", "body": '{"id": "x", "status": "confirmed", "rooms": [], "guest": {}}'},
        (502, "pms_bad_response"),
    ),
    "429": ({"kind": "status", "status": 429, "headers": {"Retry-After": "17"}}, (503, "pms_rate_limited")),
}


@pytest.mark.parametrize("wrong", FAULTS)
async def test_without_a_copy_the_failure_is_told(own_hotel: HotelUnderTest, wrong: str) -> None:
    values, told = FAULTS[wrong]
    own_hotel.site.faults.add(fault(**values))
    answer = await own_hotel.get(f"/reservations/{seeded(own_hotel, 'Lovelace').id}")
    assert code_of(answer) == told
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["vendor"] == "bridge"
    if told[0] == 503:
        assert int(answer.headers["Retry-After"]) == answer.json()["retry_after"] > 0


@pytest.mark.parametrize("wrong", FAULTS)
async def test_with_a_copy_it_is_served_and_says_that_it_is_stale(
    own_hotel: HotelUnderTest, clock: ManualClock, wrong: str
) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    fresh = (await own_hotel.get(path)).json()
    clock.advance(1000)
    own_hotel.site.faults.add(fault(**FAULTS[wrong][0]))
    answer = await own_hotel.get(path)
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "STALE")
    assert int(answer.headers["Age"]) >= 1000
    assert answer.json()["data"] == fresh["data"]
    assert answer.json()["meta"] | {"as_of": fresh["meta"]["as_of"]} == answer.json()["meta"]
    assert (answer.json()["meta"]["stale"], answer.json()["meta"]["source"]) == (True, "cache")


async def test_the_time_that_the_pms_asks_for_is_passed_on(own_hotel: HotelUnderTest) -> None:
    own_hotel.site.faults.add(fault("status", status=429, headers={"Retry-After": "170"}))
    answer = await own_hotel.get("/arrivals", date=str(today(own_hotel)))
    assert code_of(answer) == (503, "pms_rate_limited")
    assert (answer.headers["Retry-After"], answer.json()["retry_after"]) == ("170", 170)
    assert len(own_hotel.site.requests) == 1


async def test_a_pms_that_refuses_connections_is_no_end_of_reading(wired: Wired, clock: ManualClock) -> None:
    path = f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    await wired.hotel.get(path)
    clock.advance(1000)
    await wired.pms.cut()
    assert (await wired.hotel.get(path)).headers["X-Cache"] == "STALE"
    assert code_of(await wired.hotel.get("/rooms")) == (503, "pms_unavailable")
    await wired.pms.mend()
    clock.advance(60)
    # For a quarter of a second the failure is told to whoever had waited for the answer, in any process.
    await eventually(lambda: wired.hotel.get(path), lambda answer: answer.headers["X-Cache"] == "MISS")


async def test_who_forces_a_read_in_vain_gets_the_copy_too(own_hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    await own_hotel.get(path)
    own_hotel.site.faults.add(fault("status", status=500))
    answer = await _asked(own_hotel, path, **{"Cache-Control": "no-cache"})
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "STALE")


@pytest.mark.parametrize(
    ("status", "told"), [(404, (404, "not_found")), (401, (502, "pms_auth_failed")), (403, (502, "pms_auth_failed"))]
)
async def test_a_no_of_the_pms_is_told_even_where_there_is_a_copy(
    own_hotel: HotelUnderTest, clock: ManualClock, status: int, told: tuple[int, str]
) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    await own_hotel.get(path)
    clock.advance(1000)
    own_hotel.site.faults.add(fault("status", status=status))
    answer = await own_hotel.get(path)
    assert code_of(answer) == told
    assert own_hotel.site.api_key not in answer.text


async def test_what_the_pms_does_not_have_is_not_found(own_hotel: HotelUnderTest) -> None:
    for path in ("/reservations/R99999", "/guests/G99999", "/rooms/999", "/reservations/confirmation:HLH-999999"):
        assert code_of(await own_hotel.get(path)) == (404, "not_found"), path


async def test_things_by_id_come_from_the_store_when_redis_has_forgotten_them(
    own_hotel: HotelUnderTest, flush_redis: Flush
) -> None:
    booking = seeded(own_hotel, "Lovelace")
    paths = [f"/reservations/{booking.id}", f"/guests/{booking.contact.guest_id}", "/rooms/101"]
    fresh = [(await own_hotel.get(path)).json() for path in paths]
    await flush_redis()
    own_hotel.site.faults.add(fault("status", status=500))
    for path, before in zip(paths, fresh, strict=True):
        answer = await own_hotel.get(path)
        meta = answer.json()["meta"]
        assert (answer.status_code, answer.headers["X-Cache"], meta["source"]) == (200, "STALE", "store"), path
        assert (meta["stale"], meta["as_of"]) == (True, before["meta"]["as_of"])
        assert answer.json()["data"] == before["data"]


async def test_what_the_store_does_not_have_is_503_and_never_404(own_hotel: HotelUnderTest) -> None:
    own_hotel.site.faults.add(fault("status", status=500))
    booking = seeded(own_hotel, "Hopper")
    for path in (f"/reservations/{booking.id}", f"/guests/{booking.contact.guest_id}", "/rooms/101"):
        assert code_of(await own_hotel.get(path)) == (503, "pms_unavailable"), path


async def test_a_list_comes_from_the_store_only_after_a_full_pass_over_that_very_day(
    own_hotel: HotelUnderTest, flush_redis: Flush
) -> None:
    day = today(own_hotel)
    full = (await own_hotel.get("/arrivals", date=str(day))).json()
    assert len(full["data"]) == 2
    await flush_redis()
    own_hotel.site.faults.add(fault("status", status=500))
    answer = await own_hotel.get("/arrivals", date=str(day))
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "STALE")
    assert answer.json()["data"] == full["data"]
    meta = answer.json()["meta"]
    assert (meta["source"], meta["complete"], meta["as_of"]) == ("store", True, full["meta"]["as_of"])
    assert meta["date"] == str(day)
    for path in (f"/arrivals?date={day + timedelta(days=1)}", f"/departures?date={day}", "/in-house", "/rooms"):
        assert code_of(await own_hotel.send("GET", path)) == (503, "pms_unavailable"), path


@pytest.mark.parametrize("path", ["/in-house", "/rooms"])
async def test_lists_without_a_day_come_from_the_store_too(
    own_hotel: HotelUnderTest, flush_redis: Flush, path: str
) -> None:
    full = (await own_hotel.get(path)).json()["data"]
    assert len(full) >= 3
    await flush_redis()
    own_hotel.site.faults.add(fault("status", status=500))
    answer = await own_hotel.get(path)
    assert (answer.json()["data"], answer.json()["meta"]["source"]) == (full, "store")


async def test_a_search_is_never_answered_from_the_store(own_hotel: HotelUnderTest, flush_redis: Flush) -> None:
    for path in ("/reservations?last_name=Lovelace", "/guests?last_name=Lovelace"):
        assert len((await own_hotel.send("GET", path)).json()["data"]) == 1
    await flush_redis()
    own_hotel.site.faults.add(fault("status", status=500))
    for path in ("/reservations?last_name=Lovelace", "/guests?last_name=Lovelace"):
        assert code_of(await own_hotel.send("GET", path)) == (503, "pms_unavailable"), path


async def test_a_list_that_broke_off_half_way_is_no_list(own_hotel: HotelUnderTest) -> None:
    own_hotel.site.set_modes({"page_size": "1"})
    own_hotel.site.faults.add(fault("status", status=500, path="/reservations/search", nth=2))
    day = {"date": str(today(own_hotel))}
    assert code_of(await own_hotel.get("/arrivals", **day)) == (503, "pms_unavailable")
    assert code_of(await own_hotel.get("/arrivals", **day)) == (503, "pms_unavailable")


async def test_the_stored_list_knows_what_was_written_since(own_hotel: HotelUnderTest, flush_redis: Flush) -> None:
    day = today(own_hotel) + timedelta(days=30)
    assert (await own_hotel.get("/arrivals", date=str(day))).json()["data"] == []
    made = [
        (await own_hotel.send("POST", "/reservations", draft(own_hotel), key=key)).json()["data"]["id"] for key in "ab"
    ]
    cancelled = await own_hotel.send("POST", f"/reservations/{made[0]}/cancel", {})
    assert cancelled.status_code == 200
    await flush_redis()
    own_hotel.site.faults.add(fault("status", status=500))
    answer = (await own_hotel.get("/arrivals", date=str(day))).json()
    assert [one["id"] for one in answer["data"]] == [made[1]]


async def test_a_silent_pms_costs_no_more_than_the_caller_can_wait(own_hotel: HotelUnderTest, gate: Gate) -> None:
    gate.stop(own_hotel.site)
    began = time.monotonic()
    answer = await _asked(own_hotel, f"/reservations/{seeded(own_hotel, 'Lovelace').id}", **HURRY)
    assert code_of(answer) == (504, "deadline_exceeded")
    assert 0.15 <= time.monotonic() - began < 0.2 + SLACK


async def test_a_silent_pms_costs_little_where_there_is_a_copy(
    own_hotel: HotelUnderTest, clock: ManualClock, gate: Gate
) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    await own_hotel.get(path)
    clock.advance(1000)
    own_hotel.site.hotel.set_checkout_time(seeded(own_hotel, "Lovelace"), "13:30")
    gate.stop(own_hotel.site, **RESERVATION)
    began = time.monotonic()
    answer = await _asked(own_hotel, path, **HURRY)
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "STALE")
    patient = await own_hotel.get(path)
    assert patient.headers["X-Cache"] == "STALE"
    assert 1.6 <= time.monotonic() - began < 1.7 + SLACK
    gate.open()  # the question went on all the while, and its answer is kept
    late = await own_hotel.get(path)
    assert late.json()["data"]["checkout_time"] == "13:30"
    assert len([one for one in own_hotel.site.requests if one.path.endswith(seeded(own_hotel, "Lovelace").id)]) == 2


@pytest.mark.parametrize("value", ["0.05", "61", "soon", "nan", "-1", "inf"])
async def test_a_budget_out_of_bounds_is_refused(hotel: HotelUnderTest, value: str) -> None:
    answer = await _asked(hotel, "/arrivals", **{"X-Request-Timeout": value})
    assert code_of(answer) == (422, "validation_failed")
    assert "x-request-timeout" in answer.json()["detail"].lower()


async def test_postgres_away_stops_writes_and_no_read(wired: Wired, clock: ManualClock) -> None:
    hotel = wired.hotel
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    await hotel.get("/rooms")
    await wired.postgres.cut()
    clock.advance(600)  # the copies of keys and hotels are old by now
    fresh = await hotel.get(path)
    assert (fresh.status_code, fresh.headers["X-Cache"]) == (200, "MISS")
    assert (await hotel.get(path)).headers["X-Cache"] == "HIT"
    sent = len(hotel.site.requests)
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert code_of(refused) == (503, "storage_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert len(hotel.site.requests) == sent
    await wired.postgres.mend()
    assert (await hotel.send("POST", "/reservations", draft(hotel), key="k")).status_code == 201


async def test_keys_and_hotels_are_not_believed_for_ever_without_postgres(wired: Wired, clock: ManualClock) -> None:
    await wired.hotel.get("/rooms")
    await wired.postgres.cut()
    clock.advance(901)
    assert code_of(await wired.hotel.get("/rooms")) == (503, "storage_unavailable")


async def test_a_postgres_that_hangs_costs_a_read_a_moment_and_the_next_one_nothing(
    wired: Wired, clock: ManualClock
) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")
    clock.advance(3)
    wired.postgres.hold()
    took = []
    for name in ("Lovelace", "Hopper"):
        began = time.monotonic()
        answer = await hotel.get(f"/reservations/{seeded(hotel, name).id}")
        took.append(time.monotonic() - began)
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
    assert took[0] < 0.75 + SLACK  # the first one finds out, for keys, hotels and numbers each
    assert took[1] < 0.5
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="k", headers={"X-Request-Timeout": "1"})
    assert code_of(refused) == (503, "storage_unavailable")
    assert not [one for one in hotel.site.requests if one.template.endswith("/reservations")]
    wired.postgres.release()


async def test_who_is_in_a_hurry_is_answered_in_time_while_postgres_or_redis_hangs(
    wired: Wired, clock: ManualClock
) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")
    for wire, name in ((wired.postgres, "Lovelace"), (wired.redis, "Hopper")):
        clock.advance(3)
        wire.hold()
        answer = await _asked(hotel, f"/reservations/{seeded(hotel, name).id}", **{"X-Request-Timeout": "0.5"})
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
        wire.release()


async def test_what_is_answered_while_postgres_hangs_in_the_writing_through_is_not_held_up(
    wired: Wired, clock: ManualClock
) -> None:
    hotel = wired.hotel

    async def hold(_: float) -> None:
        wired.postgres.hold()

    await hotel.get("/rooms")
    hotel.site.wait = hold
    hotel.site.faults.add(fault("latency", seconds=1, **RESERVATION))
    began = time.monotonic()
    answer = await hotel.get(f"/reservations/{seeded(hotel, 'Lovelace').id}")
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
    assert time.monotonic() - began < 0.5 + SLACK
    wired.postgres.release()


async def test_an_answer_that_cannot_be_written_through_is_an_answer_all_the_same(own_hotel: HotelUnderTest) -> None:
    database = own_hotel.gateway.app.state.gateway.database
    async with database.unit_of_work() as work:
        await work.session.execute(
            text(f"ALTER TABLE rooms ADD CONSTRAINT nothing CHECK (hotel_id <> '{own_hotel.id}') NOT VALID")
        )
    try:
        answer = await own_hotel.get("/rooms")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
    finally:
        async with database.unit_of_work() as work:
            await work.session.execute(text("ALTER TABLE rooms DROP CONSTRAINT nothing"))


async def test_a_change_of_a_hotel_throws_no_copy_away_that_bad_times_need(wired: Wired) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")
    body = hotel.gateway.simulators.registration(hotel.site).body
    assert (await hotel.gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=dict(body))).status_code == 200
    await wired.postgres.cut()
    assert (await hotel.get("/rooms")).status_code == 200


async def test_redis_that_hangs_costs_reads_no_more_than_a_moment(wired: Wired) -> None:
    wired.redis.hold()
    began = time.monotonic()
    answers = [await wired.hotel.get("/rooms") for _ in range(3)]
    assert {one.status_code for one in answers} == {200}
    assert time.monotonic() - began < 0.05 + SLACK
    wired.redis.release()


async def test_a_write_that_redis_was_not_told_of_is_seen_all_the_same(wired: Wired) -> None:
    hotel = wired.hotel
    paths = {name: f"/reservations/{seeded(hotel, name).id}" for name in ("Lamarr", "Bohr")}
    for path in paths.values():
        await hotel.get(path)
    await wired.redis.cut()
    assert (await hotel.send("POST", f"{paths['Lamarr']}/cancel", {}, key="away")).status_code == 200
    assert (await hotel.get(paths["Lamarr"])).json()["data"]["status"] == "cancelled"
    await wired.redis.mend()
    # Redis may be back for writes alone, until the next probe.
    assert (await hotel.send("POST", f"{paths['Bohr']}/cancel", {}, key="paused")).status_code == 200
    for path in paths.values():
        answer = await hotel.get(path)
        assert (answer.headers["X-Cache"], answer.json()["data"]["status"]) == ("MISS", "cancelled")


async def test_without_redis_forty_reads_are_still_one_call(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    await wired.redis.cut()
    gate.stop(hotel.site, **RESERVATION)
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    reads = [asyncio.create_task(hotel.get(path)) for _ in range(40)]
    await gate.arrived.wait()
    gate.open()
    assert {one.status_code for one in await asyncio.gather(*reads)} == {200}
    assert len([one for one in hotel.site.requests if one.path.endswith(path)]) == 1
