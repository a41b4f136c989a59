"""Reads beyond what every vendor is asked: the property itself, who owns a stay, and what is odd in the lists."""

from datetime import timedelta
from typing import Any

import pytest

from app.adapters.mews import mapping, wire
from app.domain.causes import Cause
from app.domain.errors import NotFound, VendorAuthFailed, VendorContractBroken, VendorRejected
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationPatch, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.simulators.records import StayStatus
from tests.adapters.mews.desk import Desk, OpenDesk

CUSTOMER = {"LastName": "A", "IsActive": True, "UpdatedUtc": "2027-01-01T00:00:00Z"}


def stay(**changes: Any) -> wire.Reservation:
    """Give a stay as Mews shows it."""
    shown = {
        "Id": "stay",
        "Number": "1",
        "State": "Confirmed",
        "AccountId": "owner",
        "AccountType": "Customer",
        "GroupId": "group",
        "RateId": "rate",
        "RequestedResourceCategoryId": "kind",
        "ScheduledStartUtc": "2027-03-27T14:00:00Z",
        "ScheduledEndUtc": "2027-03-29T09:00:00Z",
        "CreatedUtc": "2027-01-01T00:00:00Z",
        "UpdatedUtc": "2027-01-01T00:00:00Z",
        "PersonCounts": [],
    }
    return wire.Reservation.model_validate({**shown, **changes})


# The property


async def test_a_property_that_is_registered_as_it_is_is_healthy(desk: Desk) -> None:
    found = await desk.hotel.check_health()
    assert [one.name for one in found] == ["property", "timezone", "currency", "services", "rights"]
    assert all(one.ok for one in found)


async def test_what_is_registered_otherwise_is_named_with_the_field_to_change(open_desk: OpenDesk) -> None:
    wrong = {"property_id": "another", "timezone": "Europe/London", "currency": "GBP"}
    async with open_desk(modes={"opens": "one_enterprise"}, **wrong) as desk:
        found = {one.name: one for one in await desk.hotel.check_health()}
    for name, field in (("property", "property_id"), ("timezone", "timezone"), ("currency", "currency")):
        assert not found[name].ok
        assert f"change its {field}" in found[name].detail


async def test_the_property_of_the_token_is_found_before_it_is_registered(open_desk: OpenDesk) -> None:
    async with open_desk(modes={"opens": "one_enterprise"}, property_id=None) as desk:
        (found,) = await desk.hotel.find_properties()
    setup = desk.place.hotel.setup
    assert (found.id, found.name, found.country) == (setup.property_id, setup.name, setup.country)
    assert (found.timezone, found.currency) == (setup.timezone, setup.currency)


async def test_a_portfolio_that_is_not_told_which_property_is_refused_in_mewss_own_words(open_desk: OpenDesk) -> None:
    async with open_desk(property_id=None) as desk:
        with pytest.raises(VendorRejected, match="EnterpriseId"):
            await desk.hotel.find_properties()


@pytest.mark.parametrize("token", ["client_token", "access_token"])
async def test_a_wrong_token_is_a_matter_of_credentials_and_is_told_nowhere(open_desk: OpenDesk, token: str) -> None:
    good = {"client_token": "canary-client", "access_token": "canary-access"}
    async with open_desk(credentials=good) as desk:
        with pytest.raises(VendorAuthFailed) as refused:
            await desk.hotel.find_properties()
    assert refused.value.cause is Cause.CREDENTIALS_REFUSED
    assert good[token] not in repr(refused.value) + refused.value.detail


async def test_rooms_are_those_of_the_service_by_the_day_where_others_are_booked_by_the_hour(
    open_desk: OpenDesk,
) -> None:
    async with open_desk(modes={"meeting_rooms": "on"}) as desk:
        assert {one.room_type for one in await desk.hotel.list_room_types()} == set(desk.place.hotel.kinds)
        assert desk.sent("resourceCategories/getAll")[0]["ServiceIds"] == [desk.place.facts.stay_service]


def test_a_text_that_is_not_in_the_propertys_language_is_told_in_another() -> None:
    assert mapping.text({"fr-FR": "Chambre", "en-US": "Room"}, "en-US") == "Room"
    assert mapping.text({"fr-FR": "Chambre", "en-US": ""}, "en-US") == "Chambre"
    assert mapping.text(None, "en-US") is None


@pytest.mark.parametrize(
    ("written", "hours"),
    [("P0M0DT15H0M0S", 15.0), ("P0Y0M1DT10H30M0S", 34.5), ("PT12H", 12.0)],
)
def test_offsets_are_read_with_days_hours_and_minutes(written: str, hours: float) -> None:
    read = wire.ServiceValue.model_validate({"StartOffset": written, "EndOffset": None})
    assert read.start_offset == timedelta(hours=hours)


# Stays


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        ("Inquired", None, ReservationStatus.TENTATIVE),
        ("Optional", None, ReservationStatus.TENTATIVE),
        ("Requested", None, ReservationStatus.WAITLISTED),
        ("Confirmed", None, ReservationStatus.CONFIRMED),
        ("Started", None, ReservationStatus.IN_HOUSE),
        ("Processed", None, ReservationStatus.CHECKED_OUT),
        ("Canceled", "Other", ReservationStatus.CANCELLED),
        ("Canceled", "NoShow", ReservationStatus.NO_SHOW),
        ("Enquired", None, ReservationStatus.UNKNOWN),
    ],
)
def test_each_state_has_its_status(state: str, reason: str | None, status: ReservationStatus) -> None:
    assert mapping.status(stay(State=state, CancellationReason=reason)) is status


@pytest.mark.parametrize(
    ("wanted", "states"),
    [
        (None, {}),
        (frozenset({ReservationStatus.UNKNOWN, ReservationStatus.CONFIRMED}), {}),
        (frozenset({ReservationStatus.NO_SHOW}), {"States": ["Canceled"]}),
        (frozenset({ReservationStatus.TENTATIVE}), {"States": ["Inquired", "Optional"]}),
    ],
)
def test_statuses_are_asked_for_by_the_states_that_they_come_from(
    wanted: frozenset[ReservationStatus] | None, states: dict[str, list[str]]
) -> None:
    assert mapping.states(wanted) == states


def test_the_guest_of_a_companys_stay_is_who_booked_it() -> None:
    assert stay().guest_id == "owner"
    assert stay(AccountType="Company", BookerId="booker").guest_id == "booker"
    assert stay(AccountType="Company").guest_id is None


async def test_a_guest_who_is_not_shown_leaves_the_stay_readable(desk: Desk) -> None:
    booking = desk.seeded("Lovelace")
    booking.contact.guest_id = "somebody-hidden"
    found = await desk.hotel.get_reservation(VendorRef(booking.id))
    assert (found.guest.id, found.guest.last_name) == ("somebody-hidden", None)


async def test_stays_are_found_by_name_guest_number_and_day(desk: Desk) -> None:
    ada = desk.seeded("Lovelace")
    for query in (
        ReservationQuery(last_name="lovelace"),
        ReservationQuery(guest_id=VendorRef(str(ada.contact.guest_id))),
        ReservationQuery(confirmation_number=ada.confirmation_number),
        ReservationQuery(departure=ada.departure),
    ):
        assert ada.id in {one.id for one in await desk.hotel.search_reservations(query)}
    assert await desk.hotel.search_reservations(ReservationQuery(last_name="Nobody")) == []


async def test_a_no_show_is_told_as_one(desk: Desk) -> None:
    assert desk.seeded("Franklin").status is StayStatus.NO_SHOW
    assert (await desk.hotel.get_reservation(desk.ref("Franklin"))).status is ReservationStatus.NO_SHOW


async def test_a_room_that_was_added_since_is_known_at_the_next_look(desk: Desk) -> None:
    await desk.hotel.get_reservation(desk.ref("Lovelace"))
    await desk.hotel.get_reservation(desk.ref("Lovelace"))
    assert len(desk.sent("resources/getAll")) == 1
    desk.clock.advance(601)
    await desk.hotel.get_reservation(desk.ref("Lovelace"))
    assert len(desk.sent("resources/getAll")) == 2


async def test_what_is_left_of_a_stay_of_several_currencies_has_no_total() -> None:
    item = {"ServiceOrderId": "1", "Type": "SpaceOrder", "ConsumedUtc": "2027-01-01T00:00:00Z"}
    shown = [
        wire.OrderItem.model_validate(
            {**item, "Id": currency, "AccountingState": state, "Amount": {"Currency": currency, "GrossValue": 5}}
        )
        for currency, state in (("EUR", "Open"), ("USD", "Canceled"), ("GBP", "Closed"))
    ]
    assert mapping.total(shown) is None
    total = mapping.total(shown[:2])
    assert total is not None
    assert (str(total.amount), total.currency) == ("5.00", "EUR")


# Prices


async def test_a_room_type_or_rate_that_is_not_sold_has_no_price(desk: Desk) -> None:
    nights = Stay(desk.arrival, desk.arrival + timedelta(days=1))
    assert await desk.hotel.quote_rates(nights, Occupancy(9)) == []
    assert await desk.hotel.quote_rates(nights, Occupancy(1), rate_code="nothing") == []
    assert (await desk.hotel.get_availability(nights, room_type="nothing")).room_types == ()


async def test_a_price_without_an_amount_is_no_price() -> None:
    with pytest.raises(VendorContractBroken):
        mapping.price(wire.Price.model_validate({"Identifier": "0"}))


async def test_a_quote_of_no_change_is_what_the_stay_costs(desk: Desk) -> None:
    current = await desk.hotel.get_reservation(desk.ref("Lamarr"))
    quote = await desk.hotel.quote_change(current, ReservationPatch(adults=current.adults))
    assert (quote.total, quote.available) == (current.total, True)
    assert desk.sent("reservations/price") == desk.sent("services/getAvailability") == []


# Guests


async def test_a_profile_that_was_merged_is_followed(desk: Desk) -> None:
    old, new = (str(desk.seeded(name).contact.guest_id) for name in ("Lovelace", "Turing"))
    desk.place.ledger.accounts[old] = {"IsActive": False, "MergeTargetId": new}
    assert (await desk.hotel.get_guest(VendorRef(old))).last_name == "Turing"
    made = await desk.hotel.create_reservation(desk.draft(guest={"id": old}), desk.operation())
    assert made.guest.id == new
    desk.place.ledger.accounts[old] = {"IsActive": False, "MergeTargetId": old}
    with pytest.raises(NotFound):
        await desk.hotel.get_guest(VendorRef(old))


@pytest.mark.parametrize(
    ("classes", "vip"), [([], False), (["Returning"], False), (["Important"], True), (["VeryImportant"], True)]
)
def test_who_is_important_is_a_vip(desk: Desk, classes: list[str], vip: bool) -> None:
    customer = wire.Customer.model_validate({**CUSTOMER, "Id": "1", "Classifications": classes})
    assert mapping.guest(customer, [], desk.hotel.hotel).vip is vip
