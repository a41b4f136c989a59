"""What a caller's booking does to the simulated shop: the page's rules that no single recording shows."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from app.core.xml import build, parse
from app.simulators.faults import Fault, FaultKind
from app.simulators.records import StayStatus
from tests.simulators.qloapps.caller import GRACE, Shop, booking, stay, told

ROOM = {"adults": 2, "child": 0, "total_tax": 9}
MINIBAR = {"name": "Minibar", "quantity": 1, "price_mode": 1, "total_price_without_tax": 25}


async def live_rows(shop: Shop) -> list[dict[str, Any]]:
    return [row for row in await shop.rows("room_bookings") if not row["is_cancelled"]]


async def test_what_is_booked_shows_in_every_resource_and_in_the_books(empty_shop: Shop) -> None:
    room = {**ROOM, "child_ages": [5, 9], "unit_price_without_tax": 100, "services": [MINIBAR]}
    made = await empty_shop.book(room_types=[stay(rooms=[room])], remark="late arrival", source="op-1")
    (order,) = await empty_shop.rows("orders", **{"filter[source]": "[op-1]"})
    assert (order["id"], order["current_state"], order["total_paid"]) == (made["id"], 1, "234.000000")
    assert order["total_paid_tax_excl"] == "225.000000"
    (row,) = await empty_shop.rows("room_bookings", **{"filter[id_order]": f"[{made['id']}]"})
    assert (row["adults"], row["children"], row["child_ages"], row["room_num"]) == (2, 2, "[5,9]", "GR-101")
    details = await empty_shop.rows("order_details")
    assert [(one["product_name"], one["total_price_tax_incl"]) for one in details] == [
        ("General Rooms", "209.000000"),
        ("Minibar", "25.000000"),
    ]
    assert (await empty_shop.row("services", 11))["name"] == "Minibar"
    assert (await empty_shop.row("room_types", 11))["id_hotel"] is False
    (customer,) = await empty_shop.rows("customers", **{"filter[email]": "[grace@example.test]"})
    assert (customer["id"], customer["active"], customer["phone"]) == (order["id_customer"], 1, "+15550111")
    books = empty_shop.site.hotel.books
    assert [(one.external_reference, one.total) for one in books.reservations] == [("op-1", "209.00")]
    assert [(one.description, one.total) for one in books.charges] == [("Minibar", "25.00")]
    assert [one.text for one in books.notes] == ["late arrival"]
    assert [(one.room_number, one.arrival) for one in books.rooms] == [("GR-101", "2027-05-10")]


async def test_ids_and_moments_follow_the_shops_clock_for_both_hotels(empty_shop: Shop) -> None:
    first = await empty_shop.book()
    second = await empty_shop.book(id_property=2, room_types=[stay(1001)])
    third = await empty_shop.book()
    assert [first["id"], second["id"], third["id"]] == [1, 2, 3]
    reply = await empty_shop.call("GET", "orders", sort="[id_DESC]", limit="1", display="[id,date_add]")
    (newest,) = reply.json()["orders"]
    assert newest == {"id": 3, "date_add": third["booking_date"]}


async def test_after_the_seed_new_records_have_the_highest_ids_of_the_shop(seeded_shop: Shop) -> None:
    before = {name: max(row["id"] for row in await seeded_shop.rows(name)) for name in ("orders", "customers")}
    made = await seeded_shop.book()
    assert made["id"] == before["orders"] + 1
    assert made["associations"]["customer_detail"]["id_customer"] > 0
    assert (await seeded_shop.rows("orders"))[-1]["id"] == made["id"]


async def test_a_voucher_makes_up_what_the_caller_does_not_want_to_pay_210_211(empty_shop: Shop) -> None:
    prices = {
        "price_details": {"total_paid": 80, "total_price_with_tax": 80},
        "payment_detail": {"payment_type": "online"},
    }
    made = await empty_shop.book(about=prices, booking_status=2, room_types=[stay(first="2027-05-11")])
    (rule,) = made["associations"]["cart_rules"]
    order = await empty_shop.row("orders", made["id"])
    assert (order["current_state"], order["total_paid"], order["total_paid_real"]) == (8, "80.000000", "80.000000")
    assert Decimal(order["total_discounts"]) == Decimal(str(rule["value"])) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"currency": None}, "Please provide valid currency."),
        ({"id_property": 9}, "Please provide a valid id_property."),
        ({"guest": None}, "Customer details not found."),
        ({"guest": {**GRACE, "firstname": ""}}, "Please provide a valid first name."),
        ({"guest": {**GRACE, "email": ""}}, "Please provide a valid email."),
        ({"guest": {**GRACE, "phone": "call me"}}, "Please provide a valid phone number."),
        ({"guest": {**GRACE, "city": "Paris"}}, "Address is required."),
        ({"booking_status": 9}, "Invalid booking status."),
        ({"room_types": [stay(999)]}, "Invalid room type in the request"),
        ({"room_types": [stay(first="2027-05-10T15:00:00Z")]}, "Invalid check in date in the request"),
        ({"room_types": [stay(first="2027-05-13")]}, "Invalid check in and check out dates in the request"),
        ({"room_types": [stay(first="2027-05-12")]}, "Requested room(s) not available."),
        ({"room_types": [stay(number_of_rooms=6)]}, "Requested room(s) not available."),
        (
            {"about": {"price_details": {"total_paid": 1}, "payment_detail": {"payment_type": "barter"}}},
            "Invalid payment type.",
        ),
    ],
)
async def test_a_refusal_is_400_with_code_404_and_makes_nothing(
    empty_shop: Shop, changes: dict[str, Any], message: str
) -> None:
    reply = await empty_shop.call("POST", "bookings", booking(**changes))
    assert (reply.status_code, told(reply)) == (400, [(404, message)])
    assert empty_shop.site.hotel.bookings == {}


@pytest.mark.parametrize(
    ("guest", "status", "text"),
    [({"firstname": "Agent 47"}, 500, ""), ({"lastname": "B" * 33}, 500, ""), ({"email": "nope"}, 200, "Fatal error")],
)
async def test_a_guest_who_cannot_be_saved_kills_the_shop_and_makes_nothing_236_237_418(
    empty_shop: Shop, guest: dict[str, str], status: int, text: str
) -> None:
    reply = await empty_shop.call("POST", "bookings", booking(guest={**GRACE, **guest}))
    assert (reply.status_code, reply.text, reply.headers["content-type"]) == (status, text, "text/html; charset=utf-8")
    assert empty_shop.site.hotel.bookings == {}
    assert len(await empty_shop.rows("customers")) == 1


@pytest.mark.parametrize("mode", ["tax_included", "tax_excluded"])
async def test_a_room_without_its_tax_is_booked_and_answered_500_203_114(empty_shop: Shop, mode: str) -> None:
    empty_shop.site.set_modes({"price_display": mode})
    reply = await empty_shop.call("POST", "bookings", booking(stay(rooms=[{"adults": 1}]), source="op-2"))
    assert reply.status_code == 500
    assert {code for code, _ in told(reply)} == {3}
    assert len(told(reply)) == (1 if mode == "tax_included" else 3)
    assert [row["current_state"] for row in await empty_shop.rows("orders", **{"filter[source]": "[op-2]"})] == [1]


async def test_a_change_of_dates_makes_a_new_row_330(empty_shop: Shop) -> None:
    await empty_shop.book()
    second = await empty_shop.book()
    reply = await empty_shop.put(second["id"], room_types=[stay(last="2027-05-13")])
    (kind,) = reply.json()["booking"]["associations"]["room_types"]
    (before,) = second["associations"]["room_types"][0]["rooms"]
    assert kind["rooms"][0]["id_hotel_booking"] > before["id_hotel_booking"]
    assert [row["id_order"] for row in await live_rows(empty_shop)] == [1, 2]
    assert empty_shop.site.hotel.books.clashes() == []


async def test_a_change_that_finds_no_room_changes_nothing_332(empty_shop: Shop) -> None:
    made = await empty_shop.book(room_types=[stay(rooms=[{**ROOM, "services": [MINIBAR]}])])
    reply = await empty_shop.put(made["id"], room_types=[stay(number_of_rooms=9)])
    assert told(reply) == [(404, "Requested room(s) not available")]
    assert (await empty_shop.row("bookings", made["id"]))["associations"]["room_types"][0]["rooms"][0]["services"]


async def test_services_are_what_was_sent_last_and_a_wrong_room_is_passed_over_336_350(empty_shop: Shop) -> None:
    made = await empty_shop.book()
    room = made["associations"]["room_types"][0]["rooms"][0]["id_room"]

    async def sent(room: int, *services: dict[str, Any]) -> list[tuple[str, int]]:
        reply = await empty_shop.put(
            made["id"], room_types=[stay(rooms=[{**ROOM, "id_room": room, "services": services}])]
        )
        assert reply.status_code == 200
        rooms = reply.json()["booking"]["associations"]["room_types"][0]["rooms"]
        return [(one["name"], one["quantity"]) for one in rooms[0].get("services", [])]

    assert await sent(room + 1, MINIBAR) == []
    shuttle = {"id_service": 7, "quantity": 3}
    assert await sent(room, shuttle, {**MINIBAR, "quantity": 2}) == [("Airport Shuttle", 1), ("Minibar", 2)]
    assert await sent(room, {"id_service": 11, "quantity": 1, "total_price_without_tax": 30}) == [("Minibar", 1)]
    assert await sent(room, {"id_service": 999}, {"quantity": 1}) == []
    assert empty_shop.site.hotel.books.charges == ()
    await sent(room, MINIBAR)
    zero = await empty_shop.put(made["id"], room_types=[stay(number_of_rooms=0)])
    assert "services" not in zero.json()["booking"]["associations"]["room_types"][0]["rooms"][0]


async def test_a_remark_is_added_once_and_the_bodys_id_wins_339_341(empty_shop: Shop) -> None:
    made, other = await empty_shop.book(), await empty_shop.book()
    for _ in range(2):
        await empty_shop.call("PUT", f"bookings/{other['id']}", booking(id=made["id"], remark="VIP guest"))
    assert (await empty_shop.row("bookings", made["id"]))["associations"]["remarks"] == ["VIP guest"]
    assert (await empty_shop.row("bookings", other["id"]))["associations"]["remarks"] == []


@pytest.mark.parametrize("mode", ["tax_included", "tax_excluded"])
async def test_a_cancelled_booking_gives_its_room_back_for_good_309_316_432(empty_shop: Shop, mode: str) -> None:
    empty_shop.site.set_modes({"price_display": mode})
    await empty_shop.call("POST", "bookings", booking(stay(number_of_rooms=5)))
    body = stay(number_of_rooms=5)
    for status, state in ((3, 4), (3, 4), (1, 1)):
        reply = await empty_shop.put(1, room_types=[body], booking_status=status)
        assert reply.status_code == (200 if mode == "tax_included" else 500)
        assert (await empty_shop.row("orders", 1))["current_state"] == state
        assert await live_rows(empty_shop) == []
    assert empty_shop.site.hotel.books.rooms == ()
    await empty_shop.call("POST", "bookings", booking(body, source="again"))
    assert len(await live_rows(empty_shop)) == 5


async def test_an_xml_booking_is_the_same_booking_208(empty_shop: Shop) -> None:
    xml = (
        "<qloapps><booking><id_property>1</id_property><currency>USD</currency><associations>"
        "<customer_detail><firstname>A</firstname><lastname>B</lastname><email>a@example.test</email><phone>1</phone>"
        "</customer_detail><room_types><room_type><id_room_type>2</id_room_type><checkin_date>2027-05-10</checkin_date>"
        "<checkout_date>2027-05-12</checkout_date><number_of_rooms>1</number_of_rooms><rooms><room><adults>1</adults>"
        "<child_ages><child_age>4</child_age></child_ages><total_tax>5</total_tax></room></rooms></room_type></room_types>"
        "</associations></booking></qloapps>"
    )
    reply = await empty_shop.http.post("bookings", content=xml)
    room = parse(reply.content).find("booking/associations/room_types/room_type/rooms/room")
    assert room is not None
    assert (room.findtext("adults"), room.findtext("child"), room.findtext("total_tax")) == ("1", "1", "5")


async def race(shop: Shop, callers: int) -> list[int]:
    await shop.book(room_types=[stay(4, number_of_rooms=4)], source="race-pre")
    guests = [{**GRACE, "email": f"race{number}@example.test"} for number in range(callers)]
    bodies = [booking(stay(4), guest=guest, source=f"race-{place}") for place, guest in enumerate(guests)]
    all_have_looked = asyncio.Barrier(callers)
    shop.site.wait = lambda _: all_have_looked.wait()
    replies = await asyncio.gather(*(shop.call("POST", "bookings", body) for body in bodies))
    return [reply.status_code for reply in replies]


@pytest.mark.parametrize(("mode", "shared"), [("on", 3), ("one_live", 1)])
async def test_the_last_room_is_sold_to_all_who_race_for_it_400_402(empty_shop: Shop, mode: str, shared: int) -> None:
    empty_shop.site.set_modes({"race": mode})
    assert await race(empty_shop, 5) == [200] * 5
    rows = [row for row in await empty_shop.rows("room_bookings") if row["id_room"] == 20]
    flags = [(row["is_back_order"], row["is_cancelled"], row["is_refunded"]) for row in rows]
    assert flags == [(0, 0, 0)] * shared + [(1, 1, 1)] * (5 - shared)
    assert {order["current_state"] for order in await empty_shop.rows("orders")} == {1}
    books = empty_shop.site.hotel.books
    assert len(books.clashes()) == shared * (shared - 1) // 2
    assert [one.status for one in books.reservations].count(StayStatus.CANCELLED) == 5 - shared
    latest = rows[-1]["id_order"]
    assert await cancel(empty_shop, latest) == 201
    assert (await empty_shop.row("orders", latest))["current_state"] == 4
    sold_out = await empty_shop.call("POST", "bookings", booking(stay(4)))
    assert told(sold_out) == [(404, "Requested room(s) not available.")]


async def test_without_a_race_the_last_room_is_sold_once(empty_shop: Shop) -> None:
    assert sorted(await race(empty_shop, 4)) == [200, 400, 400, 400]
    assert empty_shop.site.hotel.books.clashes() == []


async def cancel(shop: Shop, order: object) -> int:
    fields = {"id_order": str(order), "id_order_state": "4"}
    return (await shop.call("POST", "order_histories", build("qloapps", {"order_history": fields}))).status_code


@pytest.mark.parametrize("race_mode", ["off", "on"])
@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.STATUS_AFTER, 500), (FaultKind.GARBAGE, 200), (FaultKind.LATE_COMMIT, 500)]
)
async def test_a_booking_stands_whatever_its_answer_was(
    empty_shop: Shop, kind: FaultKind, status: int, race_mode: str
) -> None:
    site = empty_shop.site
    site.set_modes({"race": race_mode})
    site.faults.add(Fault(kind=kind, method="POST", path="bookings", times=1))
    reply = await empty_shop.call("POST", "bookings", booking(source="op-3"))
    assert (reply.status_code, reply.text) == (status, "Fatal error")
    await site.settled()
    assert len(await empty_shop.rows("orders", **{"filter[source]": "[op-3]"})) == 1
    assert len(site.hotel.books.rooms) == 1
