"""Writing to the core resources of the simulated shop: customers, states, check-in, rooms, and the right to."""

from typing import Any

import httpx
import pytest

from app.core.xml import build, parse
from app.simulators.records import StayStatus
from app.simulators.site import Site
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.qloapps.caller import GRACE, Shop, booking, stay, told

ADA = {
    "firstname": "Ada",
    "lastname": "Byron",
    "email": "ada@example.test",
    "passwd": "Secret12345",
    "phone": "+1 555",
    "active": "1",
}


async def post_customer(shop: Shop, **changes: str | None) -> httpx.Response:
    fields = {name: value for name, value in {**ADA, **changes}.items() if value is not None}
    return await shop.call("POST", "customers", build("qloapps", {"customer": fields}))


async def test_a_customer_is_inactive_unless_told_otherwise_and_emails_are_not_unique_100(empty_shop: Shop) -> None:
    for active in ("1", None):
        assert (await post_customer(empty_shop, active=active)).status_code == 201
    found = await empty_shop.rows("customers", **{"filter[email]": "[ada@example.test]"})
    assert [(row["id"], row["active"], len(row["passwd"]), len(row["secure_key"])) for row in found] == [
        (2, 1, 32, 32),
        (3, 0, 32, 32),
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lastname": None}, (41, 'parameter "lastname" required')),
        ({"passwd": None}, (41, 'parameter "passwd" required')),
        ({"phone": None}, (85, 'Validation error: "Phone is required field."')),
        ({"lastname": "B" * 33}, (85, 'Validation error: "Property Customer->lastname is not valid"')),
        ({"firstname": "Ada2"}, (85, 'Validation error: "Property Customer->firstname is not valid"')),
        ({"email": "nope"}, (85, 'Validation error: "Property Customer->email is not valid"')),
        ({"phone": "call me"}, (85, 'Validation error: "Property Customer->phone is not valid"')),
    ],
)
async def test_a_customer_is_validated_065_102(
    empty_shop: Shop, changes: dict[str, str | None], error: tuple[int, str]
) -> None:
    reply = await post_customer(empty_shop, **changes)
    assert (reply.status_code, told(reply)) == (400, [error])
    assert len(await empty_shop.rows("customers")) == 1


async def test_a_customer_is_replaced_whole(empty_shop: Shop) -> None:
    await post_customer(empty_shop, note="vegan", newsletter="1")
    before = await empty_shop.row("customers", 2)
    assert (before["note"], before["newsletter"]) == ("vegan", 1)
    kept = await empty_shop.write_whole("customers", 2, lastname="King", note="[diet] vegan")
    assert kept.status_code == 200
    after = await empty_shop.row("customers", 2)
    assert after == {**before, "lastname": "King", "note": "[diet] vegan", "date_upd": after["date_upd"]}
    fields = {**ADA, "id": "2", "passwd": "Other12345"}
    del fields["active"]
    await empty_shop.call("PUT", "customers/2", build("qloapps", {"customer": fields}))
    bare = await empty_shop.row("customers", 2)
    assert (bare["note"], bare["newsletter"], bare["active"], bare["lastname"]) == (None, 0, 0, "Byron")
    assert bare["passwd"] not in {before["passwd"], "Other12345"}


async def test_a_booking_takes_and_renames_the_oldest_account_of_its_email_423_424(empty_shop: Shop) -> None:
    first = await empty_shop.book()
    guest = {**GRACE, "firstname": "Renamed", "lastname": "Person", "phone": "9"}
    await empty_shop.book(guest=guest)
    (row,) = await empty_shop.rows("customers", **{"filter[email]": "[grace@example.test]"})
    assert (row["firstname"], row["lastname"], row["phone"]) == ("Renamed", "Person", "9")
    detail = (await empty_shop.row("bookings", first["id"]))["associations"]["customer_detail"]
    assert detail["lastname"] == "Person"


async def test_an_order_is_cancelled_by_its_history_and_not_brought_back_360_364(empty_shop: Shop) -> None:
    made = await empty_shop.book(room_types=[stay(number_of_rooms=5)])
    for state, current in ((4, 4), (4, 4), (1, 1)):
        fields = {"id_order": str(made["id"]), "id_order_state": str(state)}
        reply = await empty_shop.call("POST", "order_histories", build("qloapps", {"order_history": fields}))
        assert reply.status_code == 201
        assert (await empty_shop.row("orders", made["id"]))["current_state"] == current
        rows = await empty_shop.rows("room_bookings")
        assert {(row["is_cancelled"], row["is_refunded"]) for row in rows} == {(1, 1)}
    written = await empty_shop.rows("order_histories")
    assert [row["id_order_state"] for row in written] == [1, 4, 4, 1]
    assert (await empty_shop.book(room_types=[stay(number_of_rooms=5)]))["id"] == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"id_order_state": "4"}, 41),
        ({"id_order": "9", "id_order_state": "4"}, 85),
        ({"id_order": "1", "id_order_state": "99"}, 85),
    ],
)
async def test_a_history_without_order_or_state_is_refused(empty_shop: Shop, fields: dict[str, str], code: int) -> None:
    await empty_shop.book()
    reply = await empty_shop.call("POST", "order_histories", build("qloapps", {"order_history": fields}))
    assert (reply.status_code, told(reply)[0][0]) == (400, code)


async def test_each_room_of_an_order_is_checked_in_and_out_by_its_own_row_371_374(empty_shop: Shop) -> None:
    await empty_shop.book(room_types=[stay(3, number_of_rooms=2)])
    hotel = empty_shop.site.hotel
    steps = [
        (1, {"id_status": "2", "check_in": "2027-05-10 14:05:00"}, StayStatus.IN_HOUSE, [2, 1]),
        (2, {"id_status": "2", "check_in": "2027-05-10 15:00:00"}, StayStatus.IN_HOUSE, [2, 2]),
        (1, {"id_status": "3", "check_out": "2027-05-12 09:00:00"}, StayStatus.IN_HOUSE, [3, 2]),
        (2, {"id_status": "3", "check_out": "2027-05-12 10:00:00"}, StayStatus.CHECKED_OUT, [3, 3]),
    ]
    for number, changes, status, states in steps:
        assert (await empty_shop.write_whole("room_bookings", number, **changes)).status_code == 200
        assert hotel.bookings["1"].status is status
        rows = await empty_shop.rows("room_bookings")
        assert [row["id_status"] for row in rows] == states
        assert [room.occupied_by for room in hotel.rooms.values() if room.number in {"ER-101", "ER-102"}] == [
            "1" if state == 2 else None for state in states
        ]
    assert [row["check_in"] for row in rows] == ["2027-05-10 14:05:00", "2027-05-10 15:00:00"]
    assert [row["check_out"] for row in rows] == ["2027-05-12 09:00:00", "2027-05-12 10:00:00"]


async def test_a_comment_changes_nothing_but_the_comment_and_is_in_the_books(empty_shop: Shop) -> None:
    await empty_shop.book()
    before = await empty_shop.row("room_bookings", 1)
    reply = await empty_shop.write_whole("room_bookings", 1, comment="late arrival")
    assert reply.json()["booking"]["comment"] == "late arrival"
    after = await empty_shop.row("room_bookings", 1)
    assert after == {**before, "comment": "late arrival", "date_upd": after["date_upd"]}
    assert [room.comment for room in empty_shop.site.hotel.books.rooms] == ["late arrival"]


async def test_a_room_is_taken_off_sale_without_naming_its_hotel_381_383(empty_shop: Shop) -> None:
    refused = await empty_shop.write_whole("hotel_rooms", 20, id_status="2")
    assert (refused.status_code, told(refused)[0][0]) == (400, 93)
    for status, sellable in (("2", 4), ("3", 4), ("1", 5)):
        assert (await empty_shop.write_whole("hotel_rooms", 20, id_status=status, id_hotel=None)).status_code == 200
        assert (await empty_shop.row("hotel_rooms", 20))["id_status"] == int(status)
        assert empty_shop.site.hotel.sellable("4") == sellable


async def test_an_order_that_is_put_vanishes_from_the_lists_366_390(empty_shop: Shop) -> None:
    await empty_shop.book(source="kept")
    await empty_shop.book()
    reply = await empty_shop.write_whole("orders", 1)
    assert (reply.status_code, reply.json()["order"]["source"]) == (200, "kept")
    assert [row["id"] for row in await empty_shop.rows("orders")] == [2]
    assert await empty_shop.rows("orders", **{"filter[source]": "[kept]"}) == []
    assert (await empty_shop.row("orders", 1))["source"] == "kept"


@pytest.mark.parametrize("resource", ["customers", "orders", "room_bookings"])
async def test_an_object_that_is_put_needs_an_id_that_is_there(empty_shop: Shop, resource: str) -> None:
    await empty_shop.book()
    nameless = await empty_shop.write_whole(resource, 1, id=None)
    assert (nameless.status_code, told(nameless)[0][0]) == (400, 90)
    unknown = await empty_shop.write_whole(resource, 1, id="9999")
    assert (unknown.status_code, told(unknown)[0][0]) == (404, 92)


@pytest.mark.parametrize(
    "document", ["{}", "<a", '<!DOCTYPE a [<!ENTITY e "x">]><qloapps><customer><note>&e;</note></customer></qloapps>']
)
async def test_what_is_no_plain_xml_is_not_read_064_074(empty_shop: Shop, document: str) -> None:
    reply = await empty_shop.call("POST", "customers", document)
    assert (reply.status_code, told(reply)[-1][0]) == (500, 127)


async def test_a_key_that_may_only_read_is_told_so_and_shows_it_086(
    fresh_site: FreshSite, simulators: SimulatorServer
) -> None:
    rights: dict[str, Any] = {}
    for mode in ("all", "read_only"):
        site: Site = fresh_site("qloapps", modes={"rights": mode})
        url = f"{simulators.base_url(site)}/api/"
        async with httpx.AsyncClient(base_url=url, auth=(site.api_key, "")) as http:
            root = parse((await http.get("")).content)
            rights[mode] = {str(node.tag): {*node.attrib} & {"post", "put"} for node in root[0]}
            refused = await Shop(site, http).call("POST", "bookings", booking())
        assert refused.status_code == (200 if mode == "all" else 405)
    assert told(refused) == [(25, "Method POST is not allowed for the resource bookings with this authentication key")]
    assert rights["all"]["bookings"] == rights["all"]["customers"] == {"post", "put"}
    assert rights["all"]["order_histories"] == {"post"}
    assert rights["all"]["room_bookings"] == {"put"}
    assert {name for name, methods in rights["read_only"].items() if methods} == {"hotel_ari"}
