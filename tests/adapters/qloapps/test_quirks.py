"""Each numbered quirk of the README, proved."""

from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from pydantic import ValidationError

from app.adapters.qloapps import mapping, wire
from app.adapters.qloapps.profile import QLOAPPS
from app.core.faults import error_from_answer
from app.core.matrix import Ledger
from app.core.profile import VendorAnswer
from app.core.xml import parse
from app.domain.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorRejected,
)
from app.domain.guest import GuestQuery
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef
from app.domain.model import type_adapter
from app.domain.reservation import ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.simulators.house import RoomWish
from app.simulators.records import Contact
from tests.adapters.qloapps.replay import Replay, Verbatim, sample
from tests.adapters.qloapps.shop import SHOP_WIDE, connected, shop
from tests.fixtures.simulators import FreshSite, SimulatorServer

NIGHTS = Stay(date(2026, 12, 1), date(2026, 12, 4))
HOTEL = Hotel(
    id="prime",
    name="Prime",
    vendor="qloapps",
    timezone="America/New_York",
    currency="USD",
    base_url="http://x",
    property_id="1",
)
LEGEND = mapping.Legend({"1": "Awaiting payment"}, {"1": "USD"})


async def test_q1_an_empty_list_has_no_name() -> None:
    page = wire.Page.of(wire.CustomerRow)
    assert type_adapter(page).validate_json(sample("062").body).rows == ()
    async with shop(Verbatim("062")) as hotel:
        assert await hotel.search_guests(GuestQuery(email="nobody@example.test")) == []
    async with shop(Verbatim("121")) as hotel:
        with pytest.raises(VendorContractBroken):
            await hotel.search_guests(GuestQuery(email="nobody@example.test"))


def test_q2_numbers_come_as_strings_too_and_dates_may_be_zero() -> None:
    echoed = wire.RoomBookingRow.model_validate(sample("372").json["booking"])
    listed = wire.RoomBookingRow.model_validate(sample("213").json["bookings"][0])
    assert (echoed.id, echoed.is_cancelled, echoed.date_from) == ("8", False, date(2026, 11, 20))
    assert (listed.id, listed.is_cancelled, listed.id_status) == ("1", False, "1")
    state = {"id": "1", "name": [{"id": "1", "value": ""}, {"id": "2", "value": "Storniert"}]}
    assert wire.OrderStateRow.model_validate(state).name == "Storniert"
    customer = {**sample("071").json["customer"], "date_upd": "0000-00-00 00:00:00"}
    assert wire.CustomerRow.model_validate(customer).date_upd is None


def test_q3_free_rooms_are_counted_whether_they_come_as_an_object_or_a_list() -> None:
    some = wire.AriAnswer.model_validate(sample("040").json).aris[0].room_types[0]
    none = wire.AriAnswer.model_validate(sample("441").json).aris[0].room_types[0]
    assert (len(some.free), len(none.free)) == (5, 0)
    for unknown in ("050", "051"):
        assert wire.AriAnswer.model_validate(sample(unknown).json).aris[0].room_types == ()


@pytest.mark.parametrize(
    ("adults", "ages", "fits"), [(2, (), 4), (2, (3, 5), 4), (3, (), 0), (9, (), 0), (1, (1, 2, 3), 0)]
)
async def test_q4_who_fits_into_a_room_is_decided_here(adults: int, ages: tuple[int, ...], fits: int) -> None:
    async with shop(Replay("fresh")) as hotel:
        quotes = await hotel.quote_rates(NIGHTS, Occupancy(adults, ages))
    assert len(quotes) == fits


async def test_q5_a_quote_is_indicative_as_a_booking_is_made_at_another_price() -> None:
    async with shop(Replay("fresh")) as hotel:
        quote = (await hotel.quote_rates(NIGHTS, Occupancy(2), room_type="1"))[0]
    booked = sample("200").json["booking"]["associations"]["price_details"]
    assert quote.indicative
    assert quote.total.amount / len(NIGHTS) != (booked["total_price_without_tax"] + booked["total_tax"]) / 2


async def test_q6_a_service_that_answers_as_a_room_type_is_dropped() -> None:
    replay = Replay("fresh")
    assert replay.tables["room_types"]["9"]["id_hotel"] is False
    async with shop(replay) as hotel:
        assert [kind.room_type for kind in await hotel.list_room_types()] == ["1", "2", "3", "4"]


async def test_q7_bookings_are_asked_once_where_they_answer_500_and_nothing_fails() -> None:
    replay = Replay("without_tax")
    async with shop(replay) as hotel:
        found = await hotel.search_reservations(ReservationQuery(guest_id=VendorRef("5")))
        again = await hotel.search_reservations(ReservationQuery(guest_id=VendorRef("5")))
    assert len(found) == 5
    assert found == again
    assert sum("/api/bookings/" in asked for asked in replay.asked) == 2


async def test_q8_a_cancellation_that_was_taken_back_leaves_the_rooms_free() -> None:
    async with shop(Replay("changed", until=318)) as hotel:
        found = await hotel.get_reservation(VendorRef("1"))
    assert found.vendor_status == "Awaiting payment"
    assert found.status is ReservationStatus.CANCELLED


@pytest.mark.parametrize(
    ("rooms", "state", "status"),
    [
        ([{"id_status": 9}], "1", ReservationStatus.UNKNOWN),
        ([{"id_status": 1}], "77", ReservationStatus.UNKNOWN),
        ([{"id_status": 1}], "4", ReservationStatus.CANCELLED),
        ([{"id_status": 2}, {"id_status": 1}], "1", ReservationStatus.IN_HOUSE),
        ([{"id_status": 3}, {"id_status": 3}], "2", ReservationStatus.CHECKED_OUT),
        ([{"id_status": 3}, {"id_status": 1}], "2", ReservationStatus.CONFIRMED),
        ([{"id_status": 1}, {"is_cancelled": 1}], "1", ReservationStatus.CONFIRMED),
        ([{"is_cancelled": 1}, {"is_refunded": 1}], "11", ReservationStatus.CANCELLED),
    ],
)
def test_q8_the_rooms_decide_where_an_order_stands(
    rooms: list[dict[str, int]], state: str, status: ReservationStatus
) -> None:
    template = sample("120").json["bookings"][0]
    rows = [wire.RoomBookingRow.model_validate({**template, **room}) for room in rooms]
    order = wire.OrderRow.model_validate({**sample("121").json["orders"][0], "current_state": state})
    states = {str(row["id"]): row["name"] for row in sample("019").json["order_states"]}
    found = mapping.reservation(
        HOTEL, mapping.Legend(states, LEGEND.currencies), order, rows, customer=None, remarks=()
    )
    assert found.status is status
    assert found.vendor_status == states.get(state, state)
    assert len(found.rooms) == len(rooms)


def test_q8_the_dates_are_those_of_the_rooms_that_are_not_cancelled() -> None:
    template = sample("120").json["bookings"][0]
    gone = {**template, "date_from": "2026-12-01 00:00:00", "is_cancelled": 1}
    rows = [wire.RoomBookingRow.model_validate(row) for row in (gone, template)]
    order = wire.OrderRow.model_validate(sample("121").json["orders"][0])
    found = mapping.reservation(HOTEL, LEGEND, order, rows, customer=None, remarks=())
    assert (found.arrival, found.rooms[0].arrival) == (date(2026, 12, 10), date(2026, 12, 1))
    assert (found.guest.id, found.guest.last_name) == ("5", None)


async def test_q9_an_order_that_lists_leave_out_is_still_found() -> None:
    replay = Replay("changed", until=392)
    listed = replay._listing
    replay._listing = lambda resource, query: listed(  # type: ignore[method-assign]
        resource, {**query, "filter[reference]": "[none]"} if resource == "orders" else query
    )
    async with shop(replay) as hotel:
        (found,) = await hotel.search_reservations(ReservationQuery(arrival=date(2027, 1, 5)))
    assert (found.id, found.confirmation_number) == ("3", sample("390").json["order"]["reference"])


async def test_q10_secrets_of_guests_are_never_asked_for() -> None:
    replay = Replay("without_tax")
    async with shop(replay) as hotel:
        await hotel.get_guest(VendorRef("5"))
        await hotel.search_reservations(ReservationQuery(guest_id=VendorRef("5")))
    asked = [one for one in replay.asked if "/customers" in one or "/orders?" in one]
    assert len(asked) == 3
    assert not any("full" in one or "passwd" in one or "secure_key" in one for one in asked)
    known = {name for row in (wire.CustomerRow, wire.OrderRow) for name in row.model_fields}
    assert not {"passwd", "secure_key"} & known


@pytest.mark.parametrize("text", ["%", "a|b", "a]b", "[a", "1,2"])
async def test_q11_a_text_that_a_filter_would_take_for_a_command_is_refused(text: str) -> None:
    replay = Replay("fresh")
    async with shop(replay) as hotel:
        for refused in (
            hotel.search_guests(GuestQuery(last_name=text)),
            hotel.search_guests(GuestQuery(email=f"{text}@x")),
            hotel.search_guests(GuestQuery(phone=text)),
            hotel.search_reservations(ReservationQuery(confirmation_number=text)),
            hotel.search_reservations(ReservationQuery(last_name=text)),
        ):
            with pytest.raises(InvalidRequest):
                await refused
        assert await hotel.search_reservations(ReservationQuery(guest_id=VendorRef(text))) == []
        for missing in (hotel.get_guest(VendorRef(text)), hotel.get_reservation(VendorRef(text))):
            with pytest.raises(NotFound):
                await missing
    assert replay.asked == []


async def test_q12_the_shops_times_are_those_of_its_zone() -> None:
    async with shop(Replay("with_tax")) as hotel:
        found = await hotel.get_reservation(VendorRef("1"))
    assert found.created_at == parsedate_to_datetime(sample("200").headers["date"]).astimezone(UTC)
    async with shop(Replay("with_tax"), timezone="Europe/Vienna") as hotel:
        elsewhere = await hotel.get_reservation(VendorRef("1"))
    assert elsewhere.created_at == datetime(2026, 11, 20, 4, 11, 39, tzinfo=UTC)
    assert elsewhere.arrival == found.arrival


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("080", "401", "did not arrive"),
        ("081", "18", "not 32 characters"),
        ("082", "20", "unknown or disabled"),
        ("083", "20", "unknown or disabled"),
        ("084", "20", "unknown or disabled"),
        ("085", "26", "the resource customers; give it the right"),
        ("086", "25", "the resource hotels; give it the right"),
    ],
)
async def test_q13_a_key_that_is_refused_is_told_what_is_wrong(name: str, code: str, words: str) -> None:
    async with shop(Verbatim(name)) as hotel:
        for refused in (hotel.check_health(), hotel.list_room_types(), hotel.get_availability(NIGHTS)):
            with pytest.raises(VendorAuthFailed, match=words) as caught:
                await refused
            assert caught.value.vendor_code == code


async def test_q13_rights_that_are_missing_are_named(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", modes={"rights": "hotels_only"})
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        (finding,) = await hotel.check_health()
    assert not finding.ok
    assert "GET orders" in finding.detail
    assert "POST hotel_ari" in finding.detail
    assert "GET hotels" not in finding.detail


async def test_q13_a_webservice_that_is_switched_off_says_where_it_is_switched_on(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps", modes={"webservice": "off"})
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        with pytest.raises(OutcomeUnknown, match="switched off; enable it under Advanced Parameters"):
            await hotel.list_room_types()


async def test_a_refusal_never_repeats_the_request_with_its_guest() -> None:
    assert "json@example.test" in sample("064").body
    async with shop(Verbatim("064")) as hotel:
        with pytest.raises(VendorRejected, match="String could not be parsed as XML") as caught:
            await hotel.list_room_types()
    assert caught.value.vendor_code == "127"
    assert "example.test" not in caught.value.detail


async def test_q14_a_shop_that_redirects_is_not_followed() -> None:
    async with shop(Verbatim("260")) as hotel:
        with pytest.raises(VendorContractBroken, match="base_url must be the very domain"):
            await hotel.list_room_types()


@pytest.mark.parametrize(("name", "kind"), [("236", VendorContractBroken), ("237", OutcomeUnknown)])
async def test_q15_a_php_fatal_error_is_no_success(name: str, kind: type[GatewayError]) -> None:
    async with shop(Verbatim(name)) as hotel:
        with pytest.raises(kind):
            await hotel.list_room_types()


async def test_q16_a_line_that_outlived_its_service_is_made_up_for() -> None:
    async with shop(Replay("changed", until=355)) as hotel:
        lines = {str(line.id): line.amount.amount for line in await hotel.list_charges(VendorRef("5"))}
    assert lines["charge-10"] == -lines["rest-5"] == 52


def test_q16_payments_are_listed_and_what_is_paid_otherwise_is_a_line() -> None:
    order = wire.OrderRow.model_validate(
        {**sample("121").json["orders"][0], "total_paid_tax_incl": "2080", "total_paid_real": "2180"}
    )
    payment = wire.OrderPaymentRow.model_validate(sample("212").json["order_payments"][0])
    lines = mapping.folio(HOTEL, LEGEND, order, details=(), payments=[payment])
    assert [(str(line.id), int(line.amount.amount)) for line in lines] == [
        ("rest-1", 2080),
        ("payment-1", -2080),
        ("paid-1", -100),
    ]
    assert (lines[1].description, lines[1].reference) == ("Card", "tx-0001")
    assert lines[1].posted_at == datetime(2026, 11, 20, 10, 11, 40, tzinfo=UTC)


async def test_q17_an_order_without_a_room_in_this_hotel_is_not_found() -> None:
    async with shop(Replay("without_tax"), property_id="2") as hotel:
        with pytest.raises(NotFound):
            await hotel.get_reservation(VendorRef("1"))
        assert await hotel.search_reservations(ReservationQuery(guest_id=VendorRef("5"))) == []
        assert await hotel.list_room_types() == []
        assert await hotel.list_room_statuses() == []


async def test_q18_an_address_with_two_profiles_gives_the_active_one_first() -> None:
    async with shop(Replay("fresh"), options=SHOP_WIDE) as hotel:
        found = await hotel.search_guests(GuestQuery(email="ada.byron@example.test"))
    assert [guest.id for guest in found] == ["2", "3"]
    deleted = {"customers": {"2": {"deleted": 1}}}
    async with shop(Replay("fresh", fill=deleted), options=SHOP_WIDE) as hotel:
        found = await hotel.search_guests(GuestQuery(email="ada.byron@example.test"))
        with pytest.raises(NotFound):
            await hotel.get_guest(VendorRef("2"))
    assert [guest.id for guest in found] == ["3"]


async def test_q19_availability_is_asked_for_in_xml(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        await hotel.get_availability(NIGHTS, room_type="2")
    asked = site.requests[-1]
    question = parse(asked.body).find("hotel_ari")
    assert (asked.headers["content-type"], asked.query) == ("text/xml", "output_format=JSON")
    assert question is not None
    assert {str(node.tag): node.text for node in question} == {
        "id_hotel": "1",
        "date_from": "2026-12-01",
        "date_to": "2026-12-04",
        "id_room_type": "2",
        "date_wise_breakdown": "1",
    }


async def test_q20_a_phone_number_has_no_filter_of_its_own(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", seeded=False)
    guest = site.hotel.register(last_name="Doe", phone="+1 (202) 555-0123")
    async with connected(simulators.base_url(site), key=site.api_key, options=SHOP_WIDE) as hotel:
        found = await hotel.search_guests(GuestQuery(phone="12025550123"))
    assert [one.id for one in found] == [guest.id]
    assert not any("/customers" in one.path and "filter%5Bphone" in one.query for one in site.requests)
    assert "phone" in str(Ledger.load().of(QLOAPPS.vendor).capabilities["guest.search"].reason)  # type: ignore[index]


@pytest.mark.parametrize(("number", "ages"), [("2", ()), ("3", (5,)), ("1", None)])
async def test_q21_ages_of_children_are_given_only_where_they_were_kept(
    number: str, ages: tuple[int, ...] | None
) -> None:
    async with shop(Replay("without_tax")) as hotel:
        found = await hotel.get_reservation(VendorRef(number))
    assert found.child_ages == ages


async def test_q22_a_guest_of_another_hotel_of_the_shop_is_not_shown(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    here, there = site.hotels["1"], site.hotels["2"]
    both, elsewhere, nowhere = (
        next(iter(here.bookings.values())).contact.guest_id,
        there.register(last_name="Elsewhere", email="else@example.test", phone="+1 202 555 0142").id,
        here.register(last_name="Nowhere", email="nowhere@example.test").id,
    )
    arrival = there.business_date
    wish = RoomWish(
        kind=next(iter(there.kinds)), plan="BAR", arrival=arrival, departure=arrival + timedelta(days=1), adults=1
    )
    there.book([wish], Contact(guest_id=elsewhere, last_name="Elsewhere"))
    queries = {
        elsewhere: [GuestQuery(email="else@example.test"), GuestQuery(phone="+12025550142")],
        nowhere: [GuestQuery(last_name="Nowhere")],
    }
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        assert (await hotel.get_guest(VendorRef(str(both)))).id == both
        for ref, asked in queries.items():
            with pytest.raises(NotFound):
                await hotel.get_guest(VendorRef(ref))
            assert [await hotel.search_guests(query) for query in asked] == [[] for _ in asked]
    async with connected(simulators.base_url(site), key=site.api_key, property_id="2") as hotel:
        assert (await hotel.get_guest(VendorRef(elsewhere))).id == elsewhere
    async with connected(simulators.base_url(site), key=site.api_key, options=SHOP_WIDE) as hotel:
        for ref, asked in queries.items():
            assert (await hotel.get_guest(VendorRef(ref))).id == ref
            for query in asked:
                assert [guest.id for guest in await hotel.search_guests(query)] == [ref]


def test_an_amount_of_a_currency_that_the_shop_does_not_list_is_not_guessed() -> None:
    order = wire.OrderRow.model_validate({**sample("121").json["orders"][0], "id_currency": "7"})
    with pytest.raises(VendorContractBroken, match="currency"):
        mapping.balance(HOTEL, LEGEND, order)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *(
            (wire.Page.of(wire.OrderRow), body)
            for body in ("", "null", "5", '"orders"', "{}", '["x"]', '{"orders": 5}')
        ),
        (wire.AriAnswer, '{"hotel_ari": {"date_from": null, "currency": "USD"}}'),
        (wire.AriAnswer, '{"hotel_ari": null}'),
        (wire.AriAnswer, '{"hotel_ari": {"date_from": "2026-12-01", "currency": "dollars"}}'),
        (wire.BookingAnswer, '{"booking": null}'),
        (wire.Page.of(wire.CustomerRow), '{"customers": [{"id": "x", "firstname": "A", "lastname": "B"}]}'),
        (wire.Page.of(wire.OrderStateRow), '{"order_states": [{"id": null, "name": "x"}]}'),
    ],
)
async def test_an_answer_that_is_none_of_its_own_is_a_broken_contract(kind: type, body: str) -> None:
    with pytest.raises(ValidationError):
        type_adapter(kind).validate_json(body or "null")


@pytest.mark.parametrize(
    "changed",
    [{"date_from": None}, {"date_to": 5}, {"id_order": None}, {"child_ages": [5]}, {"child_ages": 5}],
)
def test_a_room_of_an_order_that_makes_no_sense_is_a_broken_contract(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        wire.RoomBookingRow.model_validate({**sample("213").json["bookings"][0], **changed})


@pytest.mark.parametrize("name", [[None], ["x"], [{"id": 1}], [{"value": None}], [], None])
def test_a_text_in_no_language_is_empty_or_itself(name: object) -> None:
    read = wire.OrderStateRow.model_validate({"id": 1, "name": name})
    assert read.name in {"", "x"}


@pytest.mark.parametrize(
    "body",
    ['{"errors": null}', '{"errors": ["x"]}', '{"errors": [{"message": "no"}]}', '{"errors": 5}', "5", "null", "", "["],
)
def test_an_error_of_any_form_is_an_error(body: str) -> None:
    answer = VendorAnswer(500, {"content-type": "application/json"}, body.encode())
    error = error_from_answer(QLOAPPS, answer, datetime.now(UTC))
    assert isinstance(error, OutcomeUnknown)
    assert error.vendor_code == "500"


async def test_a_window_of_three_months_is_one_call(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        grid = await hotel.get_availability(Stay(NIGHTS.arrival, NIGHTS.arrival + timedelta(days=92)))
    assert {len(kind.nights) for kind in grid.room_types} == {92}
    assert len(site.requests) == 3
