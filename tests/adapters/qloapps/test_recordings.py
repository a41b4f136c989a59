"""Every reading capability against recorded calls of a real shop: our answers say what the recordings say."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app.domain.errors import NotFound
from app.domain.folio import LineKind
from app.domain.guest import GuestQuery
from app.domain.hotel import Cleaning, RoomOccupancy
from app.domain.ids import VendorRef
from app.domain.money import Money
from app.domain.reservation import ARRIVING, STAYING, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from tests.adapters.qloapps.replay import Replay, sample
from tests.adapters.qloapps.shop import SHOP_WIDE, shop

DECEMBER = Stay(date(2026, 12, 1), date(2026, 12, 4))
HELD = Stay(date(2026, 12, 10), date(2026, 12, 12))


def usd(amount: object) -> Money:
    return Money.rounded(Decimal(str(amount)), "USD")


async def test_room_types_are_those_of_the_hotel() -> None:
    limits = {row["id_product"]: row for row in sample("013").json["hotel_room_types"]}
    async with shop(Replay("fresh")) as hotel:
        found = await hotel.list_room_types()
    assert [(kind.room_type, kind.name, kind.description) for kind in found] == [
        (str(row["id"]), row["name"], row["description"]) for row in sample("010").json["room_types"]
    ]
    assert [(kind.max_occupancy, kind.total) for kind in found] == [
        (limits[number]["max_guests"], len(limits[number]["associations"]["hotel_rooms"])) for number in (1, 2, 3, 4)
    ]


async def test_there_is_one_rate_plan_in_the_hotels_currency() -> None:
    async with shop(Replay("fresh")) as hotel:
        (plan,) = await hotel.list_rate_plans()
    assert (plan.rate_code, plan.currency) == ("BAR", "USD")


async def test_availability_counts_free_rooms_night_by_night() -> None:
    async with shop(Replay("fresh")) as hotel:
        grid = await hotel.get_availability(DECEMBER, room_type="1")
    (kind,) = grid.room_types
    recorded = [(night["date_from"], night["room_types"][0]) for night in sample("043").json["hotel_aris"]]
    assert (kind.room_type, kind.name) == ("1", "General Rooms")
    assert [(str(night.date), night.available, night.min_price) for night in kind.nights] == [
        (day, len(answer["rooms"]["available"]), usd(answer["base_price_with_tax"])) for day, answer in recorded
    ]
    assert {night.total for night in kind.nights} == {5}


async def test_quotes_are_the_totals_of_the_stay() -> None:
    async with shop(Replay("fresh")) as hotel:
        quotes = await hotel.quote_rates(DECEMBER, Occupancy(2, (5,)))
    recorded = sample("040").json["hotel_ari"]["room_types"]
    assert [(quote.room_type, quote.total) for quote in quotes] == [
        (str(answer["id_room_type"]), usd(answer["total_price_with_tax"])) for answer in recorded
    ]
    assert all(quote.available and quote.taxes_included for quote in quotes)
    assert {(quote.rate_code, quote.adults, quote.child_ages) for quote in quotes} == {("BAR", 2, (5,))}


async def test_a_quote_of_a_sold_out_type_says_so() -> None:
    async with shop(Replay("sold_out")) as hotel:
        (quote,) = await hotel.quote_rates(HELD, Occupancy(2), room_type="1")
    assert (quote.total, quote.available) == (
        usd(sample("441").json["hotel_ari"]["room_types"][0]["total_price_with_tax"]),
        False,
    )


async def test_a_reservation_is_read_with_its_remarks() -> None:
    order, room = sample("211").json["orders"][0], sample("213").json["bookings"][0]
    async with shop(Replay("with_tax")) as hotel:
        found = await hotel.get_reservation(VendorRef("1"))
    assert (found.id, found.confirmation_number, found.external_reference) == ("1", order["reference"], order["source"])
    assert (str(found.arrival), str(found.departure)) == (room["date_from"][:10], room["date_to"][:10])
    assert (found.room_type, found.room_number, found.adults) == ("1", room["room_num"], room["adults"])
    assert (found.status, found.vendor_status) == (ReservationStatus.CONFIRMED, "Awaiting payment")
    assert (found.total, found.balance) == (usd(order["total_paid"]), usd(order["total_paid"]))
    assert [note.text for note in found.notes] == sample("201").json["booking"]["associations"]["remarks"]
    detail = sample("201").json["booking"]["associations"]["customer_detail"]
    assert (found.guest.first_name, found.guest.last_name) == (detail["firstname"], detail["lastname"])
    assert (found.guest.id, found.guest.email, found.guest.phone) == ("2", detail["email"], detail["phone"])
    assert found.checkout_time == "11:00"


async def test_a_reservation_is_read_where_bookings_cannot_be() -> None:
    order, room = sample("121").json["orders"][2], sample("120").json["bookings"][2]
    async with shop(Replay("without_tax")) as hotel:
        found = await hotel.get_reservation(VendorRef("3"))
    assert (found.confirmation_number, found.room_number) == (order["reference"], room["room_num"])
    assert (found.child_ages, found.adults, found.total) == ((5,), 2, usd(order["total_paid_tax_incl"]))
    assert (found.guest.id, found.guest.last_name) == (str(order["id_customer"]), "Hopper")
    assert (found.created_at, found.notes) == (datetime(2026, 11, 20, 10, 10, 14, tzinfo=UTC), ())


async def test_a_stay_of_several_rooms_lists_them_all() -> None:
    async with shop(Replay("changed")) as hotel:
        found = await hotel.get_reservation(VendorRef("4"))
    assert [(room.room_type, room.room_number) for room in found.rooms] == [("1", "GR-104"), ("2", "DR-101")]
    assert (found.room_type, found.room_number) == (None, None)


@pytest.mark.parametrize(
    ("number", "until", "status", "state"),
    [
        ("1", 313, ReservationStatus.CANCELLED, "Canceled"),
        ("1", 318, ReservationStatus.CANCELLED, "Awaiting payment"),
        ("2", 325, ReservationStatus.CANCELLED, "Refunded"),
        ("4", 362, ReservationStatus.CANCELLED, "Canceled"),
        ("5", 355, ReservationStatus.CONFIRMED, "Awaiting payment"),
    ],
)
async def test_the_status_is_that_of_the_rooms(number: str, until: int, status: ReservationStatus, state: str) -> None:
    async with shop(Replay("changed", until=until)) as hotel:
        found = await hotel.get_reservation(VendorRef(number))
    assert (found.status, found.vendor_status) == (status, state)


async def test_a_guest_who_was_checked_in_is_in_house() -> None:
    never_recorded = {"orders": {"6": {"reference": "NEVERSEEN", "current_state": 1}}}
    async with shop(Replay("changed", fill=never_recorded)) as hotel:
        staying = await hotel.search_reservations(ReservationQuery(statuses=STAYING))
        arriving = await hotel.search_reservations(ReservationQuery(arrival=date(2026, 11, 20), statuses=ARRIVING))
    recorded = sample("375").json["bookings"][0]
    (found,) = staying
    assert (found.id, found.room_number) == (str(recorded["id_order"]), recorded["room_num"])
    assert (found.status, found.departure) == (ReservationStatus.IN_HOUSE, date(2026, 11, 22))
    assert arriving == staying


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (ReservationQuery(arrival=HELD.arrival), "12345"),
        (ReservationQuery(arrival=HELD.arrival, statuses=ARRIVING), "12345"),
        (ReservationQuery(departure=HELD.departure), "12345"),
        (ReservationQuery(departure=HELD.arrival), ""),
        (ReservationQuery(confirmation_number="XFYOKVESK"), "2"),
        (ReservationQuery(confirmation_number="XXXXXXXXX"), ""),
        (ReservationQuery(guest_id=VendorRef("5")), "12345"),
        (ReservationQuery(guest_id=VendorRef("2")), ""),
        (ReservationQuery(last_name="hopper"), "12345"),
        (ReservationQuery(last_name="Byron"), ""),
        (ReservationQuery(statuses=STAYING), ""),
    ],
)
async def test_reservations_are_found_by_each_filter(query: ReservationQuery, numbers: str) -> None:
    async with shop(Replay("without_tax")) as hotel:
        found = await hotel.search_reservations(query)
    assert [reservation.id for reservation in found] == list(numbers)
    recorded = {str(order["id"]): order for order in sample("121").json["orders"]}
    assert all(one.confirmation_number == recorded[one.id]["reference"] for one in found)
    assert all(query.matches(one) for one in found)


async def test_a_search_lists_cancelled_ones_unless_they_are_left_out() -> None:
    async with shop(Replay("changed", until=368)) as hotel:
        cancelled = await hotel.search_reservations(ReservationQuery(confirmation_number="OAZUNJECC"))
        by_date = await hotel.search_reservations(ReservationQuery(arrival=HELD.arrival))
        arriving = await hotel.search_reservations(ReservationQuery(arrival=HELD.arrival, statuses=ARRIVING))
    assert [one.status for one in cancelled] == [ReservationStatus.CANCELLED]
    assert [one.id for one in by_date] == ["1", "2", "4", "5"]
    assert [one.id for one in arriving if one.status in ARRIVING] == ["5"]


async def test_a_guest_is_read_by_id() -> None:
    recorded = sample("071").json["customer"]
    async with shop(Replay("fresh", until=99), options=SHOP_WIDE) as hotel:
        found = await hotel.get_guest(VendorRef("2"))
    assert (found.first_name, found.last_name) == (recorded["firstname"], recorded["lastname"])
    assert (found.email, found.phone) == (recorded["email"], recorded["phone"])
    assert found.updated_at == datetime(2026, 11, 20, 10, 9, 53, tzinfo=UTC)


@pytest.mark.parametrize("ref", ["9999", "no-number", "1|2"])
async def test_a_guest_who_is_not_there_is_not_found(ref: str) -> None:
    async with shop(Replay("fresh")) as hotel:
        with pytest.raises(NotFound):
            await hotel.get_guest(VendorRef(ref))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (GuestQuery(email="pub@qloapps.com"), ["1"]),
        (GuestQuery(email="nobody@example.test"), []),
        (GuestQuery(last_name="O'Brien-Łukasz"), ["4"]),
        (GuestQuery(last_name="Doe"), ["1"]),
    ],
)
async def test_guests_are_found(query: GuestQuery, numbers: list[str]) -> None:
    async with shop(Replay("fresh"), options=SHOP_WIDE) as hotel:
        assert [guest.id for guest in await hotel.search_guests(query)] == numbers


async def test_the_folio_sums_to_the_balance() -> None:
    details = sample("355").json["order_details"]
    async with shop(Replay("changed", until=355)) as hotel:
        lines = await hotel.list_charges(VendorRef("5"))
        balance = await hotel.get_balance(VendorRef("5"))
    assert [(line.id, line.amount) for line in lines if line.kind is LineKind.CHARGE] == [
        (f"charge-{row['id']}", usd(row["total_price_tax_incl"])) for row in details
    ]
    assert sum(line.amount.amount for line in lines) == balance.balance.amount == Decimal(2105)


async def test_the_balance_is_what_the_totals_leave_to_be_paid() -> None:
    recorded = sample("335").json["orders"][0]
    async with shop(Replay("changed", until=362)) as hotel:
        found = await hotel.get_balance(VendorRef("4"))
    assert found.charges == usd(recorded["total_paid"])
    assert found.payments == usd(-Decimal(recorded["total_paid_real"]))
    assert found.balance == usd(4200)


async def test_rooms_are_occupied_or_out_of_order_and_never_clean_or_dirty() -> None:
    async with shop(Replay("changed")) as hotel:
        rooms = {room.room_number: room for room in await hotel.list_room_statuses()}
        one = await hotel.get_room_status("ER-101")
        with pytest.raises(NotFound):
            await hotel.get_room_status("ER-999")
    recorded = {row["room_num"]: row for row in sample("014").json["rooms"]}
    assert {number: (room.room_type, room.floor) for number, room in rooms.items()} == {
        number: (str(row["id_product"]), row["floor"]) for number, row in recorded.items()
    }
    staying = {row["room_num"] for row in sample("375").json["bookings"]}
    assert {number for number, room in rooms.items() if room.occupancy is RoomOccupancy.OCCUPIED} == staying
    assert {number for number, room in rooms.items() if room.out_of_order} == {sample("383").json["room"]["room_num"]}
    assert {room.cleaning for room in rooms.values()} == {Cleaning.UNKNOWN}
    assert one == rooms["ER-101"]


@pytest.mark.parametrize(("state", "readable"), [("with_tax", True), ("without_tax", False)])
async def test_a_healthy_shop_is_told_from_one_that_cannot_show_its_bookings(state: str, readable: bool) -> None:
    async with shop(Replay(state, until=213)) as hotel:
        findings = {finding.name: finding for finding in await hotel.check_health()}
    assert all(finding.ok for finding in findings.values())
    assert ("/bookings can be read" in findings["bookings"].detail) is readable
    assert "The Hotel Prime" in findings["hotel"].detail
    assert findings["currency"].detail == "the shop counts in USD"
