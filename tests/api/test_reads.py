"""Reads through the API: what the cache gives, for how long, and what makes it outdated."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal

import httpx
import pytest

from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, OpenHotel, Wired
from tests.fixtures.stays import RESERVATION, asked, draft, fault, seeded, today

FRESH = {"Cache-Control": "no-cache"}
ONE = "/reservations/{reservation_id}"


async def _reading(hotel: HotelUnderTest, path: str, **headers: str) -> httpx.Response:
    return await hotel.send("GET", path, headers=headers)


async def test_a_second_read_comes_from_the_cache_with_its_age(own_hotel: HotelUnderTest, clock: ManualClock) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    first = await own_hotel.get(path)
    clock.advance(42)
    second = await own_hotel.get(path)
    assert [(one.headers["X-Cache"], one.headers["Age"]) for one in (first, second)] == [("MISS", "0"), ("HIT", "42")]
    assert [one.json()["meta"]["source"] for one in (first, second)] == ["pms", "cache"]
    assert first.json()["data"] == second.json()["data"]
    assert first.json()["meta"]["as_of"] == second.json()["meta"]["as_of"]
    assert asked(own_hotel.site, ONE) == 1


async def test_no_cache_forces_a_fresh_read(own_hotel: HotelUnderTest) -> None:
    booking = seeded(own_hotel, "Lovelace")
    path = f"/reservations/{booking.id}"
    await own_hotel.get(path)
    own_hotel.site.hotel.set_checkout_time(booking, "13:30")
    assert (await own_hotel.get(path)).json()["data"]["checkout_time"] is None
    forced = await _reading(own_hotel, path, **FRESH)
    assert (forced.headers["X-Cache"], forced.json()["data"]["checkout_time"]) == ("MISS", "13:30")
    assert (await own_hotel.get(path)).json()["data"]["checkout_time"] == "13:30"


async def test_a_slow_read_does_not_replace_what_a_forced_one_has_read_since(
    own_hotel: HotelUnderTest, gate: Gate
) -> None:
    booking = seeded(own_hotel, "Lovelace")
    path = f"/reservations/{booking.id}"
    own_hotel.site.faults.add(fault("slow_body", seconds=1, times=1, **RESERVATION))
    own_hotel.site.wait = gate.wait
    slow = asyncio.create_task(own_hotel.get(path))
    await gate.arrived.wait()
    own_hotel.site.hotel.set_checkout_time(booking, "13:30")
    assert (await _reading(own_hotel, path, **FRESH)).json()["data"]["checkout_time"] == "13:30"
    gate.open()
    assert (await slow).json()["data"]["checkout_time"] is None
    after = await own_hotel.get(path)
    assert (after.headers["X-Cache"], after.json()["data"]["checkout_time"]) == ("HIT", "13:30")


@pytest.mark.parametrize(
    ("path", "policy", "seconds"),
    [
        ("/reservations/{reservation}", "reservation_ttl", 300),
        ("/guests/{guest}", "guest_ttl", 3600),
        ("/rooms", "room_status_ttl", 60),
        ("/rooms/101", "room_status_ttl", 60),
        ("/availability?start={day}&end={end}", "availability_ttl", 300),
    ],
)
async def test_each_hotel_says_how_long_an_answer_is_fresh(
    open_hotel: OpenHotel, clock: ManualClock, path: str, policy: str, seconds: int
) -> None:
    usual = await open_hotel()
    quick = await open_hotel(usual.gateway, changes={"cache": {policy: 10}})
    for hotel, ttl in ((usual, seconds), (quick, 10)):
        booking = seeded(hotel, "Lovelace")
        day = today(hotel)
        named = path.format(
            reservation=booking.id, guest=booking.contact.guest_id, day=day, end=day + timedelta(days=2)
        )
        told = []
        for wait in (0, ttl - 1, 2):
            clock.advance(wait)
            answer = await hotel.send("GET", named)
            told.append(answer.headers["X-Cache"])
        assert told == ["MISS", "HIT", "MISS"], named


@pytest.mark.parametrize(
    "path", ["/arrivals", "/departures", "/in-house", "/reservations?last_name=Lovelace", "/guests?last_name=Lovelace"]
)
async def test_lists_of_guests_are_fresh_for_a_minute(own_hotel: HotelUnderTest, clock: ManualClock, path: str) -> None:
    told = []
    for wait in (0, 58, 4):
        clock.advance(wait)
        told.append((await own_hotel.send("GET", path)).headers["X-Cache"])
    assert told == ["MISS", "HIT", "MISS"]


async def test_a_ttl_of_nothing_switches_the_cache_off(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel(changes={"cache": {"reservation_ttl": 0}})
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    assert [(await hotel.get(path)).headers["X-Cache"] for _ in range(2)] == ["MISS", "MISS"]


async def test_a_balance_is_never_cached(own_hotel: HotelUnderTest) -> None:
    booking = seeded(own_hotel, "Lovelace")
    path = f"/reservations/{booking.id}/balance"
    before = (await own_hotel.get(path)).json()["data"]
    own_hotel.site.hotel.pay(booking, own_hotel.site.hotel.balance(booking))
    after = await own_hotel.get(path)
    assert after.headers["X-Cache"] == "MISS"
    assert (before["balance"]["amount"] > "0", after.json()["data"]["balance"]["amount"]) == (True, "0.00")
    own_hotel.site.faults.add(fault("status", status=500))
    assert (await own_hotel.get(path)).status_code == 503


async def test_who_has_the_answer_already_gets_304(own_hotel: HotelUnderTest, clock: ManualClock) -> None:
    booking = seeded(own_hotel, "Lovelace")
    path = f"/reservations/{booking.id}"
    tag = (await own_hotel.get(path)).headers["ETag"]
    clock.advance(7)
    held = await _reading(own_hotel, path, **{"If-None-Match": f'"other", {tag}'})
    assert (held.status_code, held.content) == (304, b"")
    assert (held.headers["X-Cache"], held.headers["Age"], held.headers["ETag"]) == ("HIT", "7", tag)
    assert (await _reading(own_hotel, path, **{"If-None-Match": '"other"'})).status_code == 200

    forced = await _reading(own_hotel, path, **{"If-None-Match": tag, **FRESH})
    assert (forced.status_code, forced.headers["X-Cache"]) == (304, "MISS")
    own_hotel.site.hotel.set_checkout_time(booking, "13:30")
    changed = await _reading(own_hotel, path, **{"If-None-Match": tag, **FRESH})
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)


async def test_a_stale_answer_is_never_304(own_hotel: HotelUnderTest, clock: ManualClock) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    tag = (await own_hotel.get(path)).headers["ETag"]
    clock.advance(1000)
    own_hotel.site.faults.add(fault("status", status=500))
    stale = await _reading(own_hotel, path, **{"If-None-Match": tag})
    assert (stale.status_code, stale.headers["X-Cache"], stale.headers["ETag"]) == (200, "STALE", tag)
    assert stale.json()["meta"]["stale"] is True


async def test_a_star_stands_for_every_answer(own_hotel: HotelUnderTest) -> None:
    answer = await _reading(own_hotel, f"/reservations/{seeded(own_hotel, 'Lovelace').id}", **{"If-None-Match": "*"})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_what_the_etag_does_not_tell_is_never_304(own_hotel: HotelUnderTest) -> None:
    day = today(own_hotel)
    for path, status in (
        ("/arrivals", 200),  # `meta.date` says which day it is
        ("/in-house", 200),
        (f"/arrivals?date={day}", 304),
        ("/rooms?limit=2", 200),  # the way to the next page is in `meta`
        ("/rooms?limit=200", 304),
    ):
        tag = (await own_hotel.send("GET", path)).headers["ETag"]
        for named in (tag, "*"):
            assert (await _reading(own_hotel, path, **{"If-None-Match": named})).status_code == status, path


async def test_a_list_that_is_cut_is_never_304(wired: Wired) -> None:
    await wired.redis.cut()
    for _ in range(2):
        assert (await _reading(wired.hotel, "/rooms?limit=2", **{"If-None-Match": "*"})).status_code == 200


async def test_forty_cold_reads_are_one_call_to_the_pms(own_hotel: HotelUnderTest, gate: Gate) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    gate.stop(own_hotel.site, **RESERVATION)
    reads = [asyncio.create_task(own_hotel.get(path)) for _ in range(40)]
    await gate.arrived.wait()
    gate.open()
    answers = await asyncio.gather(*reads)
    assert {one.status_code for one in answers} == {200}
    assert asked(own_hotel.site, ONE) == 1


async def test_a_caller_who_hangs_up_takes_nobody_with_it(own_hotel: HotelUnderTest, gate: Gate) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    gate.stop(own_hotel.site, **RESERVATION)
    first = asyncio.create_task(own_hotel.get(path))
    await gate.arrived.wait()
    others = [asyncio.create_task(own_hotel.get(path)) for _ in range(3)]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.open()
    assert [one.status_code for one in await asyncio.gather(*others)] == [200, 200, 200]
    assert asked(own_hotel.site, ONE) == 1


async def test_a_read_that_overlaps_a_write_is_dead_on_arrival(own_hotel: HotelUnderTest, gate: Gate) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    own_hotel.site.faults.add(fault("slow_body", seconds=1, times=1, **RESERVATION))
    own_hotel.site.wait = gate.wait
    slow = asyncio.create_task(own_hotel.get(path))
    await gate.arrived.wait()
    written = await own_hotel.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"})
    assert written.status_code == 200
    after = await own_hotel.get(path)
    assert (after.headers["X-Cache"], after.json()["data"]["checkout_time"]) == ("MISS", "13:00")
    gate.open()
    assert (await slow).json()["data"]["checkout_time"] is None
    later = await own_hotel.get(path)
    assert (later.headers["X-Cache"], later.json()["data"]["checkout_time"]) == ("HIT", "13:00")


async def test_a_balance_read_after_a_charge_does_not_join_one_from_before_it(
    own_hotel: HotelUnderTest, gate: Gate
) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    before = (await own_hotel.get(f"{path}/balance")).json()["data"]["balance"]["amount"]
    own_hotel.site.faults.add(fault("slow_body", seconds=1, times=1, path="/balance$"))
    own_hotel.site.wait = gate.wait
    slow = asyncio.create_task(own_hotel.get(f"{path}/balance"))
    await gate.arrived.wait()
    tea = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}
    assert (await own_hotel.send("POST", f"{path}/charges", tea, key="tea")).status_code == 201
    after = (await own_hotel.get(f"{path}/balance")).json()["data"]["balance"]["amount"]
    gate.open()
    assert (await slow).json()["data"]["balance"]["amount"] == before
    assert Decimal(after) == Decimal(before) + 3


async def _caches(hotel: HotelUnderTest, paths: list[str]) -> list[str]:
    return [(await hotel.send("GET", path)).headers["X-Cache"] for path in paths]


def _months(hotel: HotelUnderTest) -> tuple[date, date]:
    """Give the first day of the month after next, and of the one after that."""
    first = (today(hotel).replace(day=1) + timedelta(days=70)).replace(day=1)
    return first, (first + timedelta(days=40)).replace(day=1)


async def test_a_booking_makes_outdated_what_it_changes_and_nothing_else(hotel: HotelUnderTest) -> None:
    month, next_month = _months(hotel)
    stay = {"arrival": str(month), "departure": str(month + timedelta(days=2))}
    nights = "/availability?start={0}&end={1}"
    quotes = "/rates?arrival={0}&departure={1}&adults=2"
    touched = [
        nights.format(month, month + timedelta(days=3)),
        quotes.format(month, month + timedelta(days=3)),
        nights.format(next_month - timedelta(days=1), next_month + timedelta(days=1)),
        "/arrivals",
        f"/reservations/{seeded(hotel, 'Lovelace').id}",
        f"/guests/{seeded(hotel, 'Lovelace').contact.guest_id}",
    ]
    untouched = [
        nights.format(next_month, next_month + timedelta(days=3)),
        quotes.format(next_month, next_month + timedelta(days=3)),
        "/rooms",
        "/room-types",
        "/rate-plans",
    ]
    await _caches(hotel, touched + untouched)
    assert set(await _caches(hotel, touched + untouched)) == {"HIT"}
    made = await hotel.send("POST", "/reservations", draft(hotel, **stay), key="k")
    assert made.status_code == 201
    assert await _caches(hotel, touched) == ["MISS"] * len(touched)
    assert await _caches(hotel, untouched) == ["HIT"] * len(untouched)


async def test_a_change_of_dates_makes_both_months_outdated(hotel: HotelUnderTest) -> None:
    month, next_month = _months(hotel)
    stay = {"arrival": str(month), "departure": str(month + timedelta(days=2))}
    made = (await hotel.send("POST", "/reservations", draft(hotel, **stay), key="k")).json()["data"]
    paths = [f"/availability?start={day}&end={day + timedelta(days=2)}" for day in (month, next_month)]
    await _caches(hotel, paths)
    moved = {"arrival": str(next_month), "departure": str(next_month + timedelta(days=2))}
    assert (await hotel.send("PATCH", f"/reservations/{made['id']}", moved)).status_code == 200
    assert await _caches(hotel, paths) == ["MISS", "MISS"]


@pytest.mark.parametrize(
    ("method", "path", "body", "outdated"),
    [
        ("POST", "/reservations/{id}/notes", {"text": "Feather allergy"}, {"reservation", "arrivals", "charges"}),
        ("PUT", "/reservations/{id}/checkout-time", {"checkout_time": "12:00"}, {"reservation", "arrivals", "charges"}),
        (
            "POST",
            "/reservations/{id}/charges",
            {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"},
            {"reservation", "arrivals", "charges"},
        ),
        ("PUT", "/guests/{guest}/preferences", {"preferences": []}, {"guest"}),
        ("PUT", "/rooms/102/status", {"cleaning": "clean"}, {"rooms"}),
        (
            "POST",
            "/reservations/{id}/check-out",
            None,
            {"reservation", "arrivals", "charges", "rooms", "availability"},
        ),
    ],
)
async def test_other_writes_make_outdated_what_the_table_says(
    hotel: HotelUnderTest, method: str, path: str, body: object, outdated: set[str]
) -> None:
    booking = seeded(hotel, "Lovelace")
    names = {"id": booking.id, "guest": booking.contact.guest_id}
    paths = {
        "reservation": f"/reservations/{booking.id}",
        "arrivals": "/arrivals",
        "charges": f"/reservations/{booking.id}/charges",
        "guest": f"/guests/{booking.contact.guest_id}",
        "rooms": "/rooms",
        "availability": f"/availability?start={today(hotel)}&end={today(hotel) + timedelta(days=1)}",
    }
    await _caches(hotel, list(paths.values()))
    assert (await hotel.send(method, path.format(**names), body, key="k")).status_code < 300
    told = dict(zip(paths, await _caches(hotel, list(paths.values())), strict=True))
    assert {name for name, cache in told.items() if cache == "MISS"} == outdated


async def test_the_manual_refresh_forgets_one_hotel_and_no_other(open_hotel: OpenHotel) -> None:
    first = await open_hotel()
    second = await open_hotel(first.gateway)
    for hotel in (first, second):
        await hotel.get("/arrivals")
    assert (await first.send("DELETE", "/cache")).status_code == 204
    assert [(await hotel.get("/arrivals")).headers["X-Cache"] for hotel in (first, second)] == ["MISS", "HIT"]


async def test_redis_away_costs_the_cache_and_no_answer(wired: Wired) -> None:
    hotel = wired.hotel
    await wired.redis.cut()
    answers = [await hotel.get("/arrivals") for _ in range(3)]
    assert [(one.status_code, one.headers["X-Cache"]) for one in answers] == [(200, "MISS")] * 3
    written = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert written.status_code == 201


async def test_a_restart_of_redis_is_no_error(
    own_hotel: HotelUnderTest, flush_redis: Callable[[], Awaitable[object]]
) -> None:
    await own_hotel.get("/arrivals")
    await flush_redis()
    assert [(await own_hotel.get("/arrivals")).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
