"""Lists by pages: one snapshot, for one caller and one question, for a quarter of an hour."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.simulators.hotel import RoomWish
from app.simulators.records import Contact
from tests.fixtures.gateway import HotelUnderTest, MakeHotel, RunningGateway
from tests.fixtures.own_gateway import Wired
from tests.fixtures.stays import eventually

MEIERS = 60


@pytest.fixture
async def meiers(hotel: HotelUnderTest) -> HotelUnderTest:
    """A hotel with sixty guests of one name."""
    for number in range(MEIERS):
        hotel.site.hotel.register(last_name="Meier", first_name=f"Guest {number}")
    return hotel


def arrive(hotel: HotelUnderTest, last_name: str) -> None:
    """Let somebody arrive today; the house is never full."""
    house = hotel.site.hotel
    house.rules = replace(house.rules, oversell=True)
    today = house.business_date
    wish = RoomWish(kind="STD", plan="FLEX", arrival=today, departure=today + timedelta(days=1), adults=1)
    house.book([wish], Contact(last_name=last_name))


def data(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def cursor(answer: httpx.Response) -> str | None:
    found: str | None = answer.json()["meta"]["next_cursor"]
    return found


async def pages(hotel: HotelUnderTest, path: str, **params: Any) -> AsyncIterator[httpx.Response]:
    answer = await hotel.get(path, **params)
    yield answer
    while following := cursor(answer):
        answer = await hotel.get(path, **params, cursor=following)
        yield answer


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 422, answer.text
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["cursor"]]


async def test_pages_together_are_the_list(meiers: HotelUnderTest) -> None:
    whole = data(await meiers.get("/guests", last_name="Meier", limit=200))
    assert len(whole) == MEIERS
    met = [answer async for answer in pages(meiers, "/guests", last_name="Meier", limit=25)]
    assert [len(data(answer)) for answer in met] == [25, 25, 10]
    assert [one for answer in met for one in data(answer)] == whole
    assert cursor(met[-1]) is None
    assert all(answer.json()["meta"]["complete"] for answer in met)


async def test_without_a_limit_a_page_holds_fifty(meiers: HotelUnderTest) -> None:
    first = await meiers.get("/guests", last_name="Meier")
    assert len(data(first)) == 50
    assert len(data(await meiers.get("/guests", last_name="Meier", cursor=cursor(first)))) == 10


async def test_a_list_that_fits_has_no_next_page(meiers: HotelUnderTest) -> None:
    for limit in (MEIERS, MEIERS + 1, 200):
        assert cursor(await meiers.get("/guests", last_name="Meier", limit=limit)) is None


async def test_a_search_in_the_body_is_paged_too(meiers: HotelUnderTest) -> None:
    path = f"/v1/hotels/{meiers.id}/guests/search"
    first = await meiers.client("POST", path, json={"last_name": "Meier"}, params={"limit": 40})
    rest = {"limit": 40, "cursor": cursor(first)}
    second = await meiers.client("POST", path, json={"last_name": "Meier"}, params=rest)
    assert len({one["id"] for one in data(first) + data(second)}) == MEIERS
    refused(await meiers.client("POST", path, json={"last_name": "Lovelace"}, params=rest))


async def test_what_happens_between_pages_does_not_show(hotel: HotelUnderTest) -> None:
    for name in ("Bach", "Cage", "Dowland"):
        arrive(hotel, name)
    before = [one["id"] for one in data(await hotel.get("/arrivals", limit=200))]
    first = await hotel.get("/arrivals", limit=2)
    arrive(hotel, "Abel")
    hotel.site.hotel.cancel(hotel.site.hotel.booking(before[-1]))
    await hotel.send("DELETE", "/cache")
    asked = len(hotel.site.requests)
    met = data(first)
    answer = first
    while following := cursor(answer):
        answer = await hotel.get("/arrivals", limit=2, cursor=following)
        met += data(answer)
        assert answer.json()["meta"]["date"] == first.json()["meta"]["date"]
        assert answer.json()["meta"]["as_of"] == first.json()["meta"]["as_of"]
    assert [one["id"] for one in met] == before
    assert len(hotel.site.requests) == asked
    assert "Abel" in [one["guest"]["last_name"] for one in data(await hotel.get("/arrivals", limit=200))]


async def test_lists_of_people_go_by_last_name_then_id(hotel: HotelUnderTest) -> None:
    for name in ("zimmer", "Ärzte", "Bach", "bach", "Zimmer", "bäch"):
        arrive(hotel, name)
    shown = [(one["guest"]["last_name"], one["id"]) for one in data(await hotel.get("/arrivals", limit=200))]
    names = [name for name, _ in shown]
    assert names.index("Ärzte") < names.index("Bach") < names.index("Johnson") < names.index("Zimmer")
    bachs = [ref for name, ref in shown if name.lower() in {"bach", "bäch"}]
    assert len(bachs) == 3
    assert bachs == sorted(bachs)
    assert {name for name, _ in shown[1:4]} == {"Bach", "bach", "bäch"}


async def test_rooms_go_by_number_and_hotels_by_id(hotel: HotelUnderTest, gateway: RunningGateway) -> None:
    rooms = [one["room_number"] for one in data(await hotel.get("/rooms", limit=200))]
    assert rooms == sorted(rooms)
    hotels = [one["id"] for one in data(await gateway.admin.get("/v1/hotels", limit=200))]
    assert hotels == sorted(hotels)


async def test_hotels_and_vendors_are_paged_like_every_list(gateway: RunningGateway, make_hotel: MakeHotel) -> None:
    mine = sorted([(await make_hotel("bridge")).id for _ in range(3)])
    client = await gateway.client(hotels=mine)
    first = await client.get("/v1/hotels", limit=2)
    second = await client.get("/v1/hotels", limit=2, cursor=cursor(first))
    assert [one["id"] for one in data(first) + data(second)] == mine
    assert cursor(second) is None
    vendors = await gateway.admin.get("/v1/vendors", limit=1)
    assert len(data(vendors)) == 1
    assert cursor(vendors)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1.5", "all", ""])
async def test_a_limit_outside_its_bounds_is_refused(hotel: HotelUnderTest, limit: str) -> None:
    answer = await hotel.get("/rooms", limit=limit)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["limit"]


@pytest.mark.parametrize("limit", [1, 200])
async def test_a_limit_at_its_bounds_is_taken(meiers: HotelUnderTest, limit: int) -> None:
    assert len(data(await meiers.get("/guests", last_name="Meier", limit=limit))) == min(limit, MEIERS)


async def test_the_limit_may_change_from_page_to_page(meiers: HotelUnderTest) -> None:
    first = await meiers.get("/guests", last_name="Meier", limit=5)
    second = await meiers.get("/guests", last_name="Meier", limit=200, cursor=cursor(first))
    assert len({one["id"] for one in data(first) + data(second)}) == MEIERS


@pytest.mark.parametrize(
    "wrong", ["x", "0" * 32, "0" * 32 + "-5", "-5", "a" * 64, "../../entry", "snapshot:x-1", "0" * 32 + "-99999999"]
)
async def test_a_cursor_of_nobody_is_refused(hotel: HotelUnderTest, wrong: str) -> None:
    refused(await hotel.get("/rooms", cursor=wrong))


@pytest.mark.parametrize("wrong", ["", "x" * 65])
async def test_a_cursor_of_another_form_is_refused(hotel: HotelUnderTest, wrong: str) -> None:
    refused(await hotel.get("/rooms", cursor=wrong))


async def test_a_cursor_that_was_moved_beyond_the_end_is_refused(hotel: HotelUnderTest) -> None:
    following = cursor(await hotel.get("/rooms", limit=1))
    assert following
    refused(await hotel.get("/rooms", limit=1, cursor=f"{following.partition('-')[0]}-9999"))


async def test_a_cursor_is_good_for_one_question_of_one_client(
    meiers: HotelUnderTest, gateway: RunningGateway, make_hotel: MakeHotel
) -> None:
    following = cursor(await meiers.get("/guests", last_name="Meier", limit=5))
    refused(await meiers.get("/guests", last_name="Meyer", limit=5, cursor=following))
    refused(await meiers.get("/guests", last_name="Meier", email="a@b", limit=5, cursor=following))
    refused(await meiers.get("/rooms", limit=5, cursor=following))
    other = await make_hotel("bridge")
    both = await gateway.client(hotels=[meiers.id, other.id])
    refused(await both.get(f"/v1/hotels/{meiers.id}/guests", last_name="Meier", limit=5, cursor=following))
    mine = cursor(await both.get(f"/v1/hotels/{meiers.id}/guests", last_name="Meier", limit=5))
    refused(await both.get(f"/v1/hotels/{other.id}/guests", last_name="Meier", limit=5, cursor=mine))
    assert len(data(await meiers.get("/guests", last_name="Meier", limit=5, cursor=following))) == 5


async def test_a_cursor_outlives_the_rotation_of_its_clients_key(
    meiers: HotelUnderTest, gateway: RunningGateway
) -> None:
    name = f"rotating-{meiers.id}"
    path = f"/v1/hotels/{meiers.id}/guests"
    old = await gateway.client(name=name, hotels=[meiers.id])
    following = cursor(await old.get(path, last_name="Meier", limit=5))
    new = await gateway.client(name=name, hotels=[meiers.id])
    assert len(data(await new.get(path, last_name="Meier", limit=5, cursor=following))) == 5


async def test_a_cursor_ends_with_the_registration_that_it_began_under(
    hotel: HotelUnderTest, gateway: RunningGateway
) -> None:
    following = cursor(await hotel.get("/rooms", limit=5))
    await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")
    await gateway.register(hotel.site, hotel.id)
    refused(await hotel.get("/rooms", limit=5, cursor=following))


async def test_a_cursor_lives_for_a_quarter_of_an_hour(hotel: HotelUnderTest, redis_url: str) -> None:
    following = cursor(await hotel.get("/rooms", limit=5))
    assert following
    name = f"snapshot:{hotel.id}:{following.partition('-')[0]}"
    async with Redis.from_url(redis_url) as redis:
        assert 890 <= await redis.ttl(name) <= 900
        await redis.delete(name)
    refused(await hotel.get("/rooms", limit=5, cursor=following))


async def test_with_redis_away_a_long_list_is_cut_and_says_so(wired: Wired) -> None:
    await wired.redis.cut()
    answer = await wired.hotel.get("/rooms", limit=5)
    assert len(data(answer)) == 5
    meta = answer.json()["meta"]
    assert (meta["complete"], meta["next_cursor"]) == (False, None)
    assert [warning["code"] for warning in meta["warnings"]] == ["paging_unavailable"]
    whole = await wired.hotel.get("/rooms", limit=200)
    assert whole.json()["meta"]["complete"]
    assert whole.json()["meta"]["warnings"] == []


async def test_the_next_page_while_redis_is_away_is_for_later_and_not_gone(wired: Wired) -> None:
    first = await wired.hotel.get("/rooms", limit=5)
    await wired.redis.cut()
    for _ in range(2):
        answer = await wired.hotel.get("/rooms", limit=5, cursor=cursor(first))
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    await wired.redis.mend()
    found = await eventually(
        lambda: wired.hotel.get("/rooms", limit=5, cursor=cursor(first)), lambda answer: answer.is_success
    )
    assert len(data(found)) == 5


async def test_a_cursor_of_the_hotels_ends_when_the_key_sees_others(
    gateway: RunningGateway, hotel: HotelUnderTest
) -> None:
    name = f"narrowed-{hotel.id}"
    wide = await gateway.client(name=name)
    await gateway.register(hotel.site)
    following = cursor(await wide.get("/v1/hotels", limit=1))
    narrow = await gateway.client(name=name, hotels=[hotel.id])
    refused(await narrow.get("/v1/hotels", limit=1, cursor=following))
    assert len(data(await wide.get("/v1/hotels", limit=1, cursor=following))) == 1
