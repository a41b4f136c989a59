"""Every reading capability against the simulated shop, over real HTTP, whether it shows prices with tax or not."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from app.adapters.qloapps.adapter import QloAppsAdapter
from app.core.adapter import PropertyFound
from app.domain.errors import NotFound
from app.domain.folio import LineKind
from app.domain.guest import GuestQuery
from app.domain.hotel import RoomOccupancy
from app.domain.ids import VendorRef
from app.domain.reservation import ARRIVING, DEPARTING, STAYING, Reservation, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.simulators.house import RoomWish
from app.simulators.records import Booking, Contact, StayStatus
from app.simulators.site import Site
from tests.adapters.qloapps.shop import SHOP_WIDE, connected
from tests.fixtures.simulators import FreshSite, SimulatorServer

TOLD = {
    StayStatus.TENTATIVE: ReservationStatus.CONFIRMED,
    StayStatus.NO_SHOW: ReservationStatus.CONFIRMED,
}
"""What QloApps has no word for."""


@pytest.fixture(params=["tax_included", "tax_excluded"])
def site(request: pytest.FixtureRequest, fresh_site: FreshSite) -> Site:
    return fresh_site("qloapps", modes={"price_display": request.param})


@pytest.fixture
async def hotel(site: Site, simulators: SimulatorServer) -> AsyncIterator[QloAppsAdapter]:
    async with connected(simulators.base_url(site), key=site.api_key) as connector:
        yield connector


def bookings_of(site: Site, last_name: str) -> list[Booking]:
    return [booking for booking in site.hotel.bookings.values() if booking.contact.last_name == last_name]


def agrees(found: Reservation, booking: Booking, site: Site) -> bool:
    return (
        found.id == booking.id
        and found.status == TOLD.get(booking.status, ReservationStatus(booking.status.value))
        and (found.arrival, found.departure) == (booking.arrival, booking.departure)
        and found.total is not None
        and found.total.amount == booking.total + sum(line.total for line in booking.lines if line.total > 0)
        and found.guest.last_name == booking.contact.last_name
        and found.created_at == booking.created_at.replace(microsecond=0)
    )


async def test_room_types(hotel: QloAppsAdapter, site: Site) -> None:
    found = await hotel.list_room_types()
    assert [(kind.room_type, kind.name) for kind in found] == [
        (kind.code, kind.name) for kind in site.hotel.kinds.values()
    ]
    assert {kind.total for kind in found} == {5}


async def test_availability(hotel: QloAppsAdapter, site: Site) -> None:
    today = site.hotel.business_date
    grid = await hotel.get_availability(Stay(today, today + timedelta(days=7)))
    assert [(kind.room_type, night.date, night.available) for kind in grid.room_types for night in kind.nights] == [
        (code, night, len(site.hotel.free_rooms(code, night, night + timedelta(days=1))))
        for code in site.hotel.kinds
        for night in Stay(today, today + timedelta(days=7))
    ]
    assert all(night.min_price is not None for kind in grid.room_types for night in kind.nights)


async def test_availability_of_one_type_for_some_guests(hotel: QloAppsAdapter, site: Site) -> None:
    today = site.hotel.business_date
    nights = Stay(today, today + timedelta(days=1))
    one = await hotel.get_availability(nights, room_type="2", occupancy=Occupancy(2))
    none = await hotel.get_availability(nights, room_type="2", occupancy=Occupancy(4))
    unknown = await hotel.get_availability(nights, room_type="999")
    assert [kind.room_type for kind in one.room_types] == ["2"]
    assert none.room_types == unknown.room_types == ()


async def test_quotes(hotel: QloAppsAdapter, site: Site) -> None:
    today = site.hotel.business_date
    nights = Stay(today + timedelta(days=30), today + timedelta(days=33))
    quotes = await hotel.quote_rates(nights, Occupancy(2), room_type="1", rate_code="BAR")
    (quote,) = quotes
    assert quote.indicative
    assert quote.available
    grid = await hotel.get_availability(nights, room_type="1")
    prices = [night.min_price for night in grid.room_types[0].nights]
    assert quote.total.amount == sum(price.amount for price in prices if price)
    assert await hotel.quote_rates(nights, Occupancy(2), rate_code="SAVER") == []


async def test_each_reservation_by_id(hotel: QloAppsAdapter, site: Site) -> None:
    for booking in site.hotel.bookings.values():
        assert agrees(await hotel.get_reservation(VendorRef(booking.id)), booking, site)


async def test_notes_are_remarks_or_else_the_comments_of_the_rooms(hotel: QloAppsAdapter, site: Site) -> None:
    (booking,) = bookings_of(site, "Noether")
    booking.rooms[0].comment = "next to the lift"
    found = await hotel.get_reservation(VendorRef(booking.id))
    remarks = [remark.text for remark in booking.remarks] if site.modes["price_display"] == "tax_included" else []
    assert [note.text for note in found.notes] == [*remarks, "next to the lift"]
    assert len(found.rooms) == 2


@pytest.mark.parametrize("last_name", ["lovelace", "DU CHATELET", "Noether", "Nobody"])
async def test_reservations_by_last_name(hotel: QloAppsAdapter, site: Site, last_name: str) -> None:
    query = ReservationQuery(last_name=last_name)
    found = [one for one in await hotel.search_reservations(query) if query.matches(one)]
    names = {"lovelace": "Lovelace", "DU CHATELET": "du Châtelet", "Noether": "Noether"}
    assert [one.id for one in found] == [booking.id for booking in bookings_of(site, names.get(last_name, "-"))]


async def test_arrivals_departures_and_who_is_in_house(hotel: QloAppsAdapter, site: Site) -> None:
    today = site.hotel.business_date
    for query in (
        ReservationQuery(arrival=today, statuses=ARRIVING),
        ReservationQuery(departure=today, statuses=DEPARTING),
        ReservationQuery(statuses=STAYING),
        ReservationQuery(arrival=today + timedelta(days=3)),
    ):
        found = {one.id for one in await hotel.search_reservations(query) if query.matches(one)}
        everyone = [await hotel.get_reservation(VendorRef(number)) for number in site.hotel.bookings]
        assert found == {one.id for one in everyone if query.matches(one)} != set()


async def test_reservations_by_confirmation_number_and_guest(hotel: QloAppsAdapter, site: Site) -> None:
    (booking,) = bookings_of(site, "Hopper")
    read = await hotel.get_reservation(VendorRef(booking.id))
    by_number = await hotel.search_reservations(ReservationQuery(confirmation_number=read.confirmation_number))
    by_guest = await hotel.search_reservations(ReservationQuery(guest_id=read.guest.id))
    assert by_number == by_guest == [read]


async def test_a_reservation_of_the_shops_other_hotel_is_not_found(hotel: QloAppsAdapter, site: Site) -> None:
    others = list(site.hotels["2"].bookings)
    for ref in (others[0], "999999", "no number"):
        with pytest.raises(NotFound):
            await hotel.get_reservation(VendorRef(ref))
        with pytest.raises(NotFound):
            await hotel.get_balance(VendorRef(ref))
    found = await hotel.search_reservations(ReservationQuery(arrival=site.hotel.business_date))
    assert {one.id for one in found}.isdisjoint(others)


async def test_guests(hotel: QloAppsAdapter, site: Site) -> None:
    ada = next(guest for guest in site.hotel.guests.values() if guest.last_name == "Lovelace")
    read = await hotel.get_guest(VendorRef(ada.id))
    assert (read.first_name, read.email, read.phone) == (ada.first_name, ada.email, ada.phone)
    for query in (GuestQuery(email=str(ada.email).upper()), GuestQuery(last_name="lovelace")):
        assert read in await hotel.search_guests(query)


async def test_a_guest_is_found_by_phone_with_an_address_and_without(site: Site, simulators: SimulatorServer) -> None:
    homeless = site.hotel.register(last_name="Doe", phone="(202) 555-0123")
    at_home = site.hotel.register(last_name="Roe", phone="+12025550188", country="US")
    async with connected(simulators.base_url(site), key=site.api_key, options=SHOP_WIDE) as hotel:
        assert [guest.id for guest in await hotel.search_guests(GuestQuery(phone="+1 202 555 0123"))] == [homeless.id]
        assert [guest.id for guest in await hotel.search_guests(GuestQuery(phone="202-555-0188"))] == [at_home.id]
        assert await hotel.search_guests(GuestQuery(phone="+43 1 000000")) == []


@pytest.mark.parametrize("phone", ["anonymous", "+", "withheld"])
async def test_a_phone_number_without_digits_is_not_even_asked_for(
    hotel: QloAppsAdapter, site: Site, phone: str
) -> None:
    assert await hotel.search_guests(GuestQuery(phone=phone)) == []
    assert not site.requests


async def test_folio_and_balance(hotel: QloAppsAdapter, site: Site) -> None:
    (booking,) = bookings_of(site, "Hopper")
    lines = await hotel.list_charges(VendorRef(booking.id))
    balance = await hotel.get_balance(VendorRef(booking.id))
    assert [line.kind for line in lines] == [LineKind.CHARGE, LineKind.CHARGE, LineKind.PAYMENT]
    assert sum(line.amount.amount for line in lines) == balance.balance.amount == site.hotel.balance(booking)
    assert balance.payments is not None
    assert balance.payments.amount == Decimal("-200.00")


async def test_rooms(hotel: QloAppsAdapter, site: Site) -> None:
    rooms = {room.room_number: room for room in await hotel.list_room_statuses()}
    assert rooms.keys() == site.hotel.rooms.keys()
    for number, room in site.hotel.rooms.items():
        assert (rooms[number].occupancy is RoomOccupancy.OCCUPIED) is (room.occupied_by is not None)
        assert rooms[number].out_of_order is room.out_of_order
    assert await hotel.get_room_status("GR-101") == rooms["GR-101"]


async def test_the_hotels_of_the_shop_are_found_with_its_zone_and_currency(hotel: QloAppsAdapter, site: Site) -> None:
    assert await hotel.find_properties() == [
        PropertyFound(one.setup.property_id, one.setup.name, one.setup.timezone, one.setup.currency)
        for one in site.hotels.values()
    ]


async def test_what_the_key_may_not_read_of_the_shop_is_not_known(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps", modes={"rights": "hotels_only"})
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        found = await hotel.find_properties()
    assert {(one.timezone, one.currency) for one in found} == {(None, None)}
    assert [one.name for one in found] == [one.setup.name for one in site.hotels.values()]


async def test_health(hotel: QloAppsAdapter, site: Site) -> None:
    findings = {finding.name: finding for finding in await hotel.check_health()}
    assert all(finding.ok for finding in findings.values())
    readable = site.modes["price_display"] == "tax_included"
    assert (findings["bookings"].detail == "/bookings can be read") is readable


async def test_lists_are_read_to_their_last_page(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", seeded=False)
    expected = [site.hotel.register(last_name="Smith", email=f"{number}@example.test").id for number in range(450)]
    async with connected(simulators.base_url(site), key=site.api_key, options=SHOP_WIDE) as hotel:
        found = await hotel.search_guests(GuestQuery(last_name="Smith"))
    assert [guest.id for guest in found] == expected
    assert len(site.requests) == 3


async def test_each_reservation_of_a_list_has_its_own_notes(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", seeded=False)
    day = site.hotel.business_date
    for number in range(18):
        kind = list(site.hotel.kinds)[number % 4]
        wish = RoomWish(kind=kind, plan="BAR", arrival=day, departure=day + timedelta(days=1), adults=1)
        site.hotel.book([wish], Contact(last_name=f"Guest {number}"), notes=[f"note {number}"] if number % 3 else [])
    async with connected(simulators.base_url(site), key=site.api_key) as hotel:
        found = await hotel.search_reservations(ReservationQuery(arrival=day))
    assert {one.guest.last_name: [note.text for note in one.notes] for one in found} == {
        f"Guest {number}": [f"note {number}"] if number % 3 else [] for number in range(18)
    }
