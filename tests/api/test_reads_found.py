"""What reads give: the day's lists, filters, folding of names and phones, statuses, rooms, prices, pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.simulators.house import RoomWish
from app.simulators.records import Contact, StayStatus
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest, MakeHotel
from tests.fixtures.own_gateway import OpenHotel
from tests.fixtures.stays import code_of, fault, seeded, today


async def _data(hotel: HotelUnderTest, path: str) -> Any:
    answer = await hotel.send("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def _names(hotel: HotelUnderTest, path: str) -> list[str]:
    return [(one.get("guest") or one)["last_name"] for one in await _data(hotel, path)]


def _book(hotel: HotelUnderTest, last_name: str, **contact: str | None) -> str:
    wish = RoomWish(
        kind="DLX",
        plan="FLEX",
        arrival=today(hotel) + timedelta(days=40),
        departure=today(hotel) + timedelta(days=42),
        adults=1,
    )
    return hotel.site.hotel.book([wish], Contact(last_name=last_name, **contact)).id


async def test_the_days_lists_hold_who_they_should(hotel: HotelUnderTest) -> None:
    day = today(hotel)
    tomorrow = day + timedelta(days=1)
    assert await _names(hotel, f"/arrivals?date={day}") == ["du Châtelet", "Johnson"]
    assert await _names(hotel, f"/arrivals?date={tomorrow}") == ["Bohr", "Lamarr"]
    assert await _names(hotel, f"/arrivals?date={day + timedelta(days=3)}") == []  # the one who comes has cancelled
    assert await _names(hotel, f"/departures?date={day}") == ["Hopper"]
    assert await _names(hotel, f"/departures?date={tomorrow}") == ["Lovelace"]  # Franklin never came
    assert await _names(hotel, "/in-house") == ["Hopper", "Lovelace", "Turing"]


async def test_a_guest_who_is_in_house_already_still_stands_among_the_arrivals(hotel: HotelUnderTest) -> None:
    hotel.site.hotel.check_in(seeded(hotel, "Johnson"))
    found = await _data(hotel, f"/arrivals?date={today(hotel)}")
    assert {one["guest"]["last_name"]: one["status"] for one in found} == {
        "du Châtelet": "confirmed",
        "Johnson": "in_house",
    }


async def test_today_is_the_business_date_of_the_pms(hotel: HotelUnderTest) -> None:
    hotel.site.hotel.business_date_is = today(hotel) + timedelta(days=1)
    for path in ("/arrivals", "/departures", "/in-house"):
        answer = (await hotel.get(path)).json()
        assert answer["meta"]["date"] == str(today(hotel)), path
    assert await _names(hotel, "/arrivals") == ["Bohr", "Lamarr"]


@pytest.mark.parametrize(("hour", "days_ago"), [(2, 1), (3, 0)])  # 03:59 and 04:00 in Vienna
async def test_without_a_business_date_the_hotels_day_begins_when_it_says(
    open_hotel: OpenHotel, clock: ManualClock, hour: int, days_ago: int
) -> None:
    hotel = await open_hotel(modes={"business_date": "off"})
    moment = datetime(2026, 11, 21, hour, 59 if hour == 2 else 0, tzinfo=UTC)
    clock.advance((moment - clock.now()).total_seconds())
    answer = (await hotel.get("/arrivals")).json()
    assert answer["meta"]["date"] == str(moment.date() - timedelta(days=days_ago))


async def test_today_is_known_while_the_pms_is_away(own_hotel: HotelUnderTest) -> None:
    for path in ("/arrivals", "/in-house"):
        await own_hotel.get(path)
    own_hotel.site.faults.add(fault("status", status=500))
    for path in ("/arrivals", "/in-house"):
        assert (await own_hotel.get(path)).headers["X-Cache"] == "HIT", path


async def test_the_business_date_that_was_known_is_nearer_than_the_clocks(
    own_hotel: HotelUnderTest, clock: ManualClock
) -> None:
    own_hotel.site.hotel.business_date_is = known = today(own_hotel) + timedelta(days=5)
    await own_hotel.get("/in-house")
    own_hotel.site.faults.add(fault("status", status=500))
    clock.advance(3 * 3600)
    assert (await own_hotel.get("/in-house")).json()["meta"]["date"] == str(known)
    clock.advance(22 * 3600)
    assert code_of(await own_hotel.get("/arrivals", date=str(known))) == (503, "pms_unavailable")
    beyond = (await own_hotel.get("/in-house")).json()  # the list itself is still in the store
    assert beyond["meta"]["date"] == str(clock.now().date())


async def test_filters_combine_with_and(hotel: HotelUnderTest) -> None:
    ada = seeded(hotel, "Lovelace")
    of_ada = f"guest_id={ada.contact.guest_id}&arrival={ada.arrival}"
    for matching in (
        f"confirmation_number={ada.confirmation_number}",
        "last_name=Lovelace",
        f"departure={ada.departure}&status=in_house&last_name=Lovelace",
        of_ada,
        f"{of_ada}&departure={ada.departure}&last_name=lovelace&confirmation_number={ada.confirmation_number}",
    ):
        assert [one["id"] for one in await _data(hotel, f"/reservations?{matching}")] == [ada.id], matching
    for contradicting in (f"{of_ada}&last_name=Turing", f"{of_ada}&status=cancelled", f"{of_ada}&departure=2020-01-01"):
        assert await _data(hotel, f"/reservations?{contradicting}") == [], contradicting


async def test_a_search_needs_more_than_a_status(hotel: HotelUnderTest) -> None:
    for query in ("", "?status=confirmed"):
        assert code_of(await hotel.send("GET", f"/reservations{query}")) == (422, "validation_failed")
    assert code_of(await hotel.send("GET", "/guests")) == (422, "validation_failed")
    assert code_of(await hotel.get("/reservations", last_name="Lovelace", status="asleep")) == (
        422,
        "validation_failed",
    )


@pytest.mark.parametrize("name", ["du Châtelet", "DU CHATELET", "  du   chatelet ", "du Cha\u0302telet"])
async def test_names_are_found_however_they_are_written(hotel: HotelUnderTest, name: str) -> None:
    for path in ("/reservations", "/guests"):
        found = (await hotel.get(path, last_name=name)).json()["data"]
        assert len(found) == 1, path
    assert [one["last_name"] for one in found] == ["du Châtelet"]


async def test_a_name_is_compared_whole(hotel: HotelUnderTest) -> None:
    for name in ("Châtelet", "du", "Love", "%", "*"):
        assert (await hotel.get("/reservations", last_name=name)).json()["data"] == [], name


@pytest.mark.parametrize("phone", ["+43 1 5550101", "0043 1 555 0101", "+4315550101", "01 5550101", "(01) 555-0101"])
async def test_phones_are_found_however_they_are_written(hotel: HotelUnderTest, phone: str) -> None:
    found = (await hotel.get("/guests", phone=phone)).json()["data"]
    assert [one["last_name"] for one in found] == ["Lovelace"]
    in_body = await hotel.send("POST", "/guests/search", {"phone": phone, "last_name": "lovelace"})
    assert in_body.json()["data"] == found
    assert (await hotel.send("POST", "/guests/search", {"phone": phone, "last_name": "Turing"})).json()["data"] == []


async def test_a_phone_that_is_none_is_compared_by_its_digits(hotel: HotelUnderTest) -> None:
    _book(hotel, "Meitner", phone="ext. 12-34")
    assert await _names(hotel, "/guests?phone=1234") == ["Meitner"]


@pytest.mark.parametrize("phone", ["anonymous", "%2B", "withheld"])
async def test_a_phone_without_digits_is_nobodys_even_where_the_pms_ignores_the_filter(
    hotel: HotelUnderTest, phone: str
) -> None:
    everybody = '{"items": [{"id": "1", "last_name": "Doe"}, {"id": "2", "last_name": "Roe", "phone": ""}]}'
    hotel.site.faults.add(fault("garbage_undone", path="/guests/search", body=everybody))
    assert await _names(hotel, f"/guests?phone={phone}") == []


async def test_emails_are_found_whatever_their_case(hotel: HotelUnderTest) -> None:
    assert await _names(hotel, "/guests?email=ADA@Example.test") == ["Lovelace"]
    assert await _names(hotel, "/guests?email=ada@example.test&last_name=Turing") == []


async def test_lists_come_by_last_name_then_id(hotel: HotelUnderTest) -> None:
    for name in ("Zuse", "Ångström", "de Broglie", "zuse"):
        _book(hotel, name)
    day = today(hotel) + timedelta(days=40)
    found = await _data(hotel, f"/arrivals?date={day}")
    assert [one["guest"]["last_name"] for one in found] == ["Ångström", "de Broglie", "Zuse", "zuse"]
    assert found[2]["id"] < found[3]["id"]


async def test_every_status_has_its_word(hotel: HotelUnderTest) -> None:
    told = {}
    for booking in hotel.site.hotel.bookings.values():
        one = await _data(hotel, f"/reservations/{booking.id}")
        told[booking.contact.last_name] = (one["status"], one["vendor_status"])
    assert {name: told[name][0] for name in ("Lovelace", "Bohr", "Newton", "Franklin", "Lamarr")} == {
        "Lovelace": "in_house",
        "Bohr": "tentative",
        "Newton": "cancelled",
        "Franklin": "no_show",
        "Lamarr": "confirmed",
    }
    assert all(word == vendors for word, vendors in told.values())
    hotel.site.hotel.check_out(seeded(hotel, "Hopper"))
    left = await hotel.send("GET", f"/reservations/{seeded(hotel, 'Hopper').id}", headers={"Cache-Control": "no-cache"})
    assert left.json()["data"]["status"] == "checked_out"


async def test_a_status_that_nobody_knows_is_unknown_and_keeps_its_word(make_hotel: MakeHotel) -> None:
    hotel = await make_hotel("bridge", modes={"extra_status": "on"})
    assert seeded(hotel, "Bohr").status is StayStatus.TENTATIVE
    one = await _data(hotel, f"/reservations/{seeded(hotel, 'Bohr').id}")
    assert (one["status"], one["vendor_status"]) == ("unknown", "option")
    assert one["rooms"][0]["status"] == "unknown"
    by_status = await _data(hotel, "/reservations?last_name=Bohr&status=unknown")
    assert [one["guest"]["last_name"] for one in by_status] == ["Bohr"]
    assert await _data(hotel, "/reservations?last_name=Bohr&status=tentative") == []
    assert await _names(hotel, f"/arrivals?date={today(hotel) + timedelta(days=1)}") == ["Lamarr"]


async def test_a_stay_of_several_rooms_lists_them_all(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Noether")
    one = await _data(hotel, f"/reservations/{booking.id}")
    assert [(room["room_type"], room["rate_code"], room["adults"]) for room in one["rooms"]] == [
        ("STD", "FLEX", 2),
        ("DLX", "FLEX", 2),
    ]
    assert (one["room_type"], one["rate_code"], one["adults"]) == (None, "FLEX", 2)
    assert (one["arrival"], one["departure"]) == (str(booking.arrival), str(booking.departure))
    assert one["total"] == {"amount": str(booking.total), "currency": "EUR"}


async def test_a_reservation_says_all_that_the_pms_says(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lovelace")
    one = await _data(hotel, f"/reservations/{booking.id}")
    assert one["guest"] == {
        "id": booking.contact.guest_id,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.test",
        "phone": "+43 1 5550101",
        "country": "GB",
    }
    assert [note["text"] for note in one["notes"]] == ["Extra pillows, please"]
    assert one["balance"]["amount"] == str(hotel.site.hotel.balance(booking))
    assert one["room_number"] == booking.rooms[0].room_number
    assert one["confirmation_number"] == booking.confirmation_number
    assert (one["hotel_id"], one["pending_operations"], "vendor_version" in one) == (hotel.id, [], False)


async def test_a_reservation_is_found_by_its_confirmation_number(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lovelace")
    by_id = await _data(hotel, f"/reservations/{booking.id}")
    named = f"/reservations/confirmation:{booking.confirmation_number}"
    assert await _data(hotel, named) == by_id
    assert (await _data(hotel, f"{named}/balance"))["reservation_id"] == booking.id
    assert len(await _data(hotel, f"{named}/charges")) == 4  # three nights and the minibar


async def test_a_confirmation_number_of_several_reservations_names_none_of_them(hotel: HotelUnderTest) -> None:
    one, other = seeded(hotel, "Lamarr"), seeded(hotel, "Lovelace")
    other.confirmation_number = one.confirmation_number
    named = f"/reservations/confirmation:{one.confirmation_number}"
    for path in (named, f"{named}/balance", f"{named}/charges"):
        assert code_of(await hotel.get(path)) == (409, "conflict"), path
    for path, body in (("cancel", {}), ("notes", {"text": "Late"}), ("quote", {"adults": 1})):
        assert code_of(await hotel.send("POST", f"{named}/{path}", body, key=path)) == (409, "conflict"), path
    listed = await _data(hotel, f"/reservations?confirmation_number={one.confirmation_number}")
    assert {found["id"] for found in listed} == {one.id, other.id}


async def test_availability_is_what_the_house_can_sell(hotel: HotelUnderTest) -> None:
    day = today(hotel) + timedelta(days=30)
    hotel.site.hotel.book(
        [RoomWish(kind="STE", plan="FLEX", arrival=day, departure=day + timedelta(days=1), adults=2)] * 2,
        Contact(last_name="Full"),
    )
    grid = await _data(hotel, f"/availability?start={day}&end={day + timedelta(days=2)}&adults=2")
    suites = next(kind for kind in grid["room_types"] if kind["room_type"] == "STE")
    assert [(night["date"], night["available"], night["total"]) for night in suites["nights"]] == [
        (str(day), 0, 2),
        (str(day + timedelta(days=1)), 2, 2),
    ]
    assert suites["nights"][0]["min_price"]["currency"] == "EUR"
    only = await _data(hotel, f"/availability?start={day}&end={day + timedelta(days=1)}&room_type=DLX")
    assert [kind["room_type"] for kind in only["room_types"]] == ["DLX"]
    for end in (day, day - timedelta(days=1), day + timedelta(days=93)):
        assert code_of(await hotel.get("/availability", start=str(day), end=str(end))) == (422, "validation_failed")


async def test_quotes_come_cheapest_first_and_add_up(hotel: HotelUnderTest) -> None:
    day = today(hotel) + timedelta(days=30)
    quotes = await _data(hotel, f"/rates?arrival={day}&departure={day + timedelta(days=3)}&adults=2&child_ages=5")
    totals = [float(quote["total"]["amount"]) for quote in quotes]
    assert totals == sorted(totals)
    assert {(quote["room_type"], quote["rate_code"]) for quote in quotes} == {
        (kind, plan) for kind in ("DLX", "STE") for plan in ("FLEX", "SAVER")
    }
    for quote in quotes:
        assert len(quote["nightly"]) == 3
        cents = sum(round(float(night["amount"]["amount"]) * 100) for night in quote["nightly"])
        assert cents == round(float(quote["total"]["amount"]) * 100)
    wanted = f"/rates?arrival={day}&departure={day + timedelta(days=1)}&adults=1&room_type=STD&rate_code=FLEX"
    assert [(one["room_type"], one["rate_code"]) for one in await _data(hotel, wanted)] == [("STD", "FLEX")]


async def test_pages_are_cut_out_of_one_snapshot(hotel: HotelUnderTest) -> None:
    day = today(hotel) + timedelta(days=40)
    for name in ("Bell", "Curie", "Dirac"):
        _book(hotel, name)
    path = f"/arrivals?date={day}&limit=2"
    first = (await hotel.send("GET", path)).json()
    _book(hotel, "Abel")
    cursor = first["meta"]["next_cursor"]
    second = (await hotel.send("GET", f"{path}&cursor={cursor}")).json()
    assert [one["guest"]["last_name"] for one in first["data"] + second["data"]] == ["Bell", "Curie", "Dirac"]
    assert (second["meta"]["next_cursor"], second["meta"]["date"]) == (None, str(day))
    stranger = await hotel.gateway.client(hotels=[hotel.id])
    foreign = await stranger("GET", f"/v1/hotels/{hotel.id}{path}&cursor={cursor}")
    other_list = await hotel.send("GET", f"/departures?date={day}&cursor={cursor}")
    assert code_of(foreign) == code_of(other_list) == (422, "validation_failed")


async def test_rooms_tell_housekeeping_and_occupancy(hotel: HotelUnderTest) -> None:
    rooms = {room["room_number"]: room for room in await _data(hotel, "/rooms")}
    assert list(rooms) == sorted(hotel.site.hotel.rooms)
    for number, room in hotel.site.hotel.rooms.items():
        told = rooms[number]
        assert (told["cleaning"], told["out_of_order"]) == (room.cleaning.value, room.out_of_order)
        assert told["occupancy"] == ("occupied" if room.occupied_by else "vacant")
    assert await _data(hotel, "/rooms/101") == rooms["101"]
