"""What the Connector API tells of the house: rooms, rates, prices, and what is free day by day."""

from datetime import date, timedelta

import pytest

from app.simulators.hotel import RoomWish
from app.simulators.mews.service import own_token
from app.simulators.records import Contact, Housekeeping
from tests.simulators.mews.caller import Connector
from tests.simulators.mews.conftest import MakeConnector

SUMMER_TIME = date(2027, 3, 28)
"""The clocks go forward in Amsterdam: the day has 23 hours."""


def days(call: Connector, first: date, last: date) -> dict[str, str]:
    """Name the days from the first to the last."""
    return {"FirstTimeUnitStartUtc": call.midnight(first), "LastTimeUnitStartUtc": call.midnight(last)}


async def test_rooms_are_resources_of_one_type_each(call: Connector) -> None:
    house = call.place.hotel
    listed = (await call("resources/getAll", Extent={"Resources": True, "Inactive": False}, **call.here))["Resources"]
    rooms = {one["Id"]: one for one in listed if one["Data"]["Discriminator"] == "Space"}
    assert {one["Name"] for one in rooms.values()} == set(house.rooms)
    assert len(listed) == len(rooms) + 1
    kinds = list(house.kinds)
    given = await call("resourceCategoryAssignments/getAll", ResourceCategoryIds=kinds, **call.here)
    told = {rooms[one["ResourceId"]]["Name"]: one["CategoryId"] for one in given["ResourceCategoryAssignments"]}
    assert told == {room.number: room.kind for room in house.rooms.values()}


async def test_the_state_of_a_room_is_told_and_set(call: Connector) -> None:
    room = call.place.hotel.rooms["203"]

    async def state() -> str:
        [told] = (await call("resources/getAll", Names=["203"], Extent={}, **call.here))["Resources"]
        return str(told["State"])

    for wanted in ("Dirty", "Clean", "Inspected"):
        update = {"ResourceId": call.place.resource_id("203"), "State": {"Value": wanted}}
        assert await call("resources/update", ResourceUpdates=[update]) == {}
        assert (await state(), room.cleaning.value) == (wanted, wanted.lower())
    call.place.hotel.take_out_of_order(room)
    assert await state() == "OutOfOrder"
    await call("resources/update", 403, ResourceUpdates=[update])
    await call("resources/update", 400, ResourceUpdates=[update | {"State": {"Value": "OutOfOrder"}}])
    await call("resources/update", 400, ResourceUpdates=[update | {"ResourceId": "another"}])
    assert room.cleaning is Housekeeping.INSPECTED


async def test_rates_that_nobody_may_book_are_listed_as_such(call: Connector) -> None:
    listed = (await call("rates/getAll", ServiceIds=[call.stay], **call.here))["Rates"]
    sold = {one["Id"] for one in listed if one["IsActive"] and one["IsEnabled"] and one["IsPublic"]}
    assert sold == set(call.place.hotel.plans)
    assert len(listed) == len(sold) + 2


async def test_services_are_told_apart(connect: MakeConnector) -> None:
    for modes, periods in (({}, {"Day"}), ({"meeting_rooms": "on"}, {"Day", "Hour"})):
        call = connect(**modes)
        listed = (await call("services/getAll", ServiceType="Bookable", **call.here))["Services"]
        assert {one["Data"]["Value"]["TimeUnitPeriod"] for one in listed} == periods
        [orders] = (await call("services/getAll", ServiceType="Additional", **call.here))["Services"]
        assert orders["Id"] == call.place.facts.order_service


async def test_availability_is_what_the_house_has_left(call: Connector) -> None:
    first = call.place.hotel.business_date
    last = first + timedelta(days=6)
    told = await call("services/getAvailability", ServiceId=call.stay, **days(call, first, last))
    nights = [first + timedelta(days=offset) for offset in range(7)]
    assert told["TimeUnitStartsUtc"] == [call.midnight(night) for night in nights]
    assert {one["CategoryId"]: one["Availabilities"] for one in told["CategoryAvailabilities"]} == {
        kind: [call.place.hotel.available(kind, night) for night in nights] for kind in call.place.hotel.kinds
    }


async def test_days_begin_at_the_enterprises_midnight_when_the_clocks_change_too(call: Connector) -> None:
    units = days(call, SUMMER_TIME - timedelta(days=1), SUMMER_TIME + timedelta(days=1))
    told = await call("services/getAvailability", ServiceId=call.stay, **units)
    assert told["TimeUnitStartsUtc"] == ["2027-03-26T23:00:00Z", "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"]


@pytest.mark.parametrize("operation", ["services/getAvailability", "rates/getPricing"])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2027-03-01T00:00:00Z", "2027-03-02T23:00:00Z"),
        ("2027-03-01T23:00:00Z", "2027-03-02T22:00:00Z"),
        ("2027-03-27T23:00:00Z", "2027-03-28T23:00:00Z"),
        ("2027-03-02T23:00:00Z", "2027-03-01T23:00:00Z"),
        ("2026-03-01T23:00:00Z", "2027-03-03T23:00:00Z"),
    ],
)
async def test_what_is_no_midnight_or_too_long_is_refused(
    call: Connector, operation: str, first: str, last: str
) -> None:
    units = {"FirstTimeUnitStartUtc": first, "LastTimeUnitStartUtc": last}
    [plan, *_] = call.place.hotel.plans
    await call(operation, 400, ServiceId=call.stay, RateId=plan, **units)


async def test_prices_of_days_add_up_to_the_price_of_the_stay(call: Connector) -> None:
    wish = call.wish(SUMMER_TIME - timedelta(days=2), 4, Identifier="one")
    told = await call("reservations/price", ServiceId=call.stay, Reservations=[wish])
    [total] = told["ReservationPrices"]
    units = days(call, SUMMER_TIME - timedelta(days=2), SUMMER_TIME + timedelta(days=1))
    prices = await call("rates/getPricing", RateId=wish["RateId"], **units)
    [nights] = [one for one in prices["CategoryPrices"] if one["CategoryId"] == wish["RequestedCategoryId"]]
    assert total["Identifier"] == "one"
    assert len(nights["AmountPrices"]) == 4
    summed = sum(one["GrossValue"] for one in nights["AmountPrices"])
    assert round(summed, 2) == total["TotalAmount"]["GrossValue"] > total["TotalAmount"]["NetValue"]


async def test_children_are_counted_by_the_categories_of_their_ages(call: Connector) -> None:
    listed = (await call("ageCategories/getAll", ServiceIds=[call.stay], **call.here))["AgeCategories"]
    assert [one["Classification"] for one in listed] == ["Adult", "Child", "Child"]
    family = list(call.place.hotel.kinds)[1]
    party = [{"AgeCategoryId": one["Id"], "Count": 1} for one in listed]
    booked = await call.book(PersonCounts=party, RequestedCategoryId=family)
    [room] = call.place.hotel.bookings[booked["Id"]].rooms
    assert (room.adults, room.child_ages) == (1, (3, 0))
    assert (await call.reservation(booked["Id"]))["PersonCounts"] == party
    stranger = [{"AgeCategoryId": "another", "Count": 1}]
    await call.book(status=400, PersonCounts=stranger)


async def test_a_crowd_is_told_a_price_and_is_not_let_in(call: Connector) -> None:
    crowd = [{"AgeCategoryId": call.place.age_category("adult"), "Count": 9}]
    wishes = [call.wish(), call.wish(PersonCounts=crowd)]
    told = await call("reservations/price", ServiceId=call.stay, Reservations=wishes)
    for_two, for_nine = (one["TotalAmount"]["GrossValue"] for one in told["ReservationPrices"])
    assert for_nine > for_two
    assert "guests at most" in (await call.book(status=403, PersonCounts=crowd))["Message"]


@pytest.mark.parametrize("unknown", ["RateId", "RequestedCategoryId"])
async def test_prices_of_what_is_not_there_are_refused(call: Connector, unknown: str) -> None:
    wish = call.wish(**{unknown: "another"})
    assert unknown in (await call("reservations/price", 400, ServiceId=call.stay, Reservations=[wish]))["Message"]


async def test_the_second_enterprise_counts_before_tax_in_its_own_money_and_zone(call: Connector) -> None:
    own = own_token(call.site.api_key, 2)
    told = (await call("configuration/get", AccessToken=own))["Enterprise"]
    assert (told["Pricing"], told["Currencies"][0]["Currency"]) == ("Net", "USD")
    other = list(call.site.hotels.values())[1]
    [kind, *_], [plan, *_] = other.kinds, other.plans
    units = {"FirstTimeUnitStartUtc": "2027-03-14T05:00:00Z", "LastTimeUnitStartUtc": "2027-03-15T04:00:00Z"}
    prices = await call("rates/getPricing", AccessToken=own, RateId=plan, **units)
    first, last = date(2027, 3, 14), date(2027, 3, 16)
    nights = other.price(RoomWish(kind=kind, plan=plan, arrival=first, departure=last, adults=2))
    told_prices = prices["CategoryPrices"][0]["AmountPrices"]
    assert [one["GrossValue"] for one in told_prices] == [float(night.price) for night in nights]
    assert all(
        one["NetValue"] + one["TaxValues"][0]["Value"] == pytest.approx(one["GrossValue"]) for one in told_prices
    )


async def test_a_reservation_of_two_rooms_is_a_group_of_two(call: Connector) -> None:
    house = call.place.hotel
    arrival = call.month_ahead()
    wishes = [
        RoomWish(kind=kind, plan=next(iter(house.plans)), arrival=arrival, departure=arrival + timedelta(1), adults=1)
        for kind in list(house.kinds)[:2]
    ]
    house.book(wishes, Contact(last_name="Curie", email="curie@example.test"))
    customer = call.seeded("Curie").contact.guest_id
    told = await call("reservations/getAll/2023-06-06", AccountIds=[customer], **call.here)
    assert len({one["Id"] for one in told["Reservations"]}) == 2
    assert len({one["GroupId"] for one in told["Reservations"]}) == 1
    assert {one["RequestedResourceCategoryId"] for one in told["Reservations"]} == set(list(house.kinds)[:2])
