"""The simulated hotel keeps the rules that a real one keeps."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.simulators.hotel import RoomWish, SimulatedHotel
from app.simulators.records import Booking, Contact, HotelRefused, Housekeeping, Refusal, StayStatus
from app.simulators.rules import RoomPlan, Rules, Setup
from app.simulators.seed import seed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MARY = Contact(first_name="Mary", last_name="Shelley", email="mary@example.test")


def make(setup: Setup | None = None) -> SimulatedHotel:
    return SimulatedHotel(setup or Setup(), lambda: NOON)


def wish(hotel: SimulatedHotel, kind: str = "STE", first: int = 0, nights: int = 2, *, adults: int = 2) -> RoomWish:
    arrival = hotel.business_date + timedelta(days=first)
    return RoomWish(kind=kind, plan="FLEX", arrival=arrival, departure=arrival + timedelta(days=nights), adults=adults)


def book(hotel: SimulatedHotel, *wishes: RoomWish) -> Booking:
    return hotel.book(list(wishes) or [wish(hotel)], MARY)


def test_the_last_room_is_sold_once() -> None:
    hotel = make()
    book(hotel)
    book(hotel)
    with pytest.raises(HotelRefused) as refused:
        book(hotel)
    assert refused.value.refusal is Refusal.NO_AVAILABILITY
    assert hotel.available("STE", hotel.business_date) == 0
    assert hotel.available("STE", hotel.business_date + timedelta(days=2)) == 2


def test_a_hotel_that_does_not_count_sells_the_last_room_twice() -> None:
    hotel = make(Setup(rules=Rules(oversell=True)))
    for _ in range(3):
        book(hotel)
    assert hotel.available("STE", hotel.business_date) == -1


def test_a_cancelled_stay_gives_its_room_back() -> None:
    hotel = make()
    booking = book(hotel)
    hotel.cancel(booking)
    assert hotel.available("STE", hotel.business_date) == 2


def test_a_room_out_of_order_is_not_for_sale() -> None:
    hotel = make()
    hotel.take_out_of_order(hotel.rooms["401"])
    assert hotel.available("STE", hotel.business_date) == 1


def test_rooms_of_one_stay_are_sold_together_or_not_at_all() -> None:
    hotel = make()
    book(hotel)
    with pytest.raises(HotelRefused):
        book(hotel, wish(hotel), wish(hotel))
    assert len(hotel.bookings) == 1


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (lambda hotel, booking: hotel.check_in(booking), StayStatus.CANCELLED),
        (lambda hotel, booking: hotel.check_in(booking), StayStatus.NO_SHOW),
        (lambda hotel, booking: hotel.cancel(booking), StayStatus.CHECKED_OUT),
        (lambda hotel, booking: hotel.cancel(booking), StayStatus.IN_HOUSE),
        (lambda hotel, booking: hotel.check_out(booking), StayStatus.CONFIRMED),
        (lambda hotel, booking: hotel.set_checkout_time(booking, "13:00"), StayStatus.CANCELLED),
        (lambda hotel, booking: hotel.rebook(booking, [wish(hotel)]), StayStatus.CHECKED_OUT),
        (
            lambda hotel, booking: hotel.charge(booking, description="Bar", amount=Decimal(1)),
            StayStatus.CANCELLED,
        ),
    ],
)
def test_an_act_that_a_status_forbids_is_refused(
    act: Callable[[SimulatedHotel, Booking], object], status: StayStatus
) -> None:
    hotel = make()
    booking = book(hotel)
    booking.status = status
    with pytest.raises(HotelRefused) as refused:
        act(hotel, booking)
    assert refused.value.refusal is Refusal.CONFLICT


def test_cancelling_twice_is_no_change_or_refused_as_the_house_has_it() -> None:
    kind, strict = make(), make(Setup(rules=Rules(refuse_second_cancel=True)))
    booking = book(kind)
    kind.cancel(booking)
    version = booking.version
    assert kind.cancel(booking).version == version
    booking = book(strict)
    strict.cancel(booking)
    with pytest.raises(HotelRefused):
        strict.cancel(booking)


def test_check_in_gives_a_vacant_room_and_check_out_leaves_it_dirty() -> None:
    hotel = make()
    booking = hotel.check_in(book(hotel))
    room = hotel.room(str(booking.rooms[0].room_number))
    assert (room.kind, room.occupied_by) == ("STE", booking.id)
    hotel.check_out(booking)
    assert (room.occupied_by, room.cleaning) == (None, Housekeeping.DIRTY)


def test_a_room_whose_guests_have_not_left_is_not_given_again() -> None:
    hotel = make()
    late = hotel.check_in(book(hotel, wish(hotel, nights=1)))
    hotel.business_date_is = hotel.business_date + timedelta(days=1)
    next_guest = hotel.check_in(book(hotel, wish(hotel)))
    assert next_guest.rooms[0].room_number != late.rooms[0].room_number


def test_guests_are_not_checked_in_before_their_arrival() -> None:
    hotel = make()
    with pytest.raises(HotelRefused):
        hotel.check_in(book(hotel, wish(hotel, first=1)))


def test_a_house_that_assigns_when_booked_finds_no_room_for_a_stay_that_fits_only_in_two_halves() -> None:
    setup = replace(
        Setup(rules=Rules(assign_when_booked=True)),
        rooms=(RoomPlan(number="401", kind="STE", floor="4"), RoomPlan(number="402", kind="STE", floor="4")),
    )
    hotel = make(setup)
    book(hotel, wish(hotel, first=0, nights=1), wish(hotel, first=0, nights=1))
    first, second = book(hotel, wish(hotel, first=2, nights=1)), book(hotel, wish(hotel, first=4, nights=1))
    second.rooms[0].room_number = "402"
    assert first.rooms[0].room_number == "401"
    assert hotel.available("STE", hotel.business_date + timedelta(days=2)) == 1
    with pytest.raises(HotelRefused) as refused:
        book(hotel, wish(hotel, first=2, nights=3))
    assert refused.value.refusal is Refusal.NO_AVAILABILITY
    assert len(hotel.bookings) == 3


def test_a_refused_change_changes_nothing() -> None:
    hotel = make()
    booking = book(hotel)
    before = (booking.version, booking.rooms[0].departure, booking.total)
    with pytest.raises(HotelRefused):
        hotel.rebook(booking, [wish(hotel, adults=9)])
    assert (booking.version, booking.rooms[0].departure, booking.total) == before


def test_a_stay_may_be_extended_into_nights_that_only_it_holds() -> None:
    hotel = make()
    booking, _ = book(hotel), book(hotel)
    hotel.rebook(booking, [wish(hotel, nights=3)])
    assert len(booking.rooms[0].nights) == 3


def test_the_folio_adds_up_to_the_balance() -> None:
    hotel = make()
    booking = book(hotel)
    hotel.charge(booking, description="Minibar", amount=Decimal("4.50"), quantity=3)
    hotel.pay(booking, Decimal("100.00"))
    assert hotel.balance(booking) == booking.total + Decimal("13.50") - Decimal("100.00")
    assert sum(line.total for line in hotel.folio(booking)) == hotel.balance(booking)


def test_a_refundable_stay_that_is_cancelled_owes_nothing_and_another_one_its_nights() -> None:
    hotel = make()
    flexible, saver = book(hotel), hotel.book([replace(wish(hotel), plan="SAVER")], MARY)
    assert hotel.balance(hotel.cancel(flexible)) == 0
    assert hotel.balance(hotel.cancel(saver)) == saver.total


def test_prices_vary_by_weekday_and_are_the_same_for_the_same_question() -> None:
    hotel = make()
    asked = wish(hotel, "DLX", nights=7)
    assert hotel.price(asked) == hotel.price(asked)
    assert len({night.price for night in hotel.price(asked)}) > 2
    assert all(night.price == night.price.quantize(Decimal("0.01")) for night in hotel.price(asked))


def test_a_known_guest_is_linked_and_keeps_their_name() -> None:
    hotel = make()
    known = hotel.register(first_name="Mary", last_name="Shelley", email="MARY@example.test")
    booking = hotel.book([wish(hotel)], replace(MARY, first_name="M."))
    assert booking.contact.guest_id == known.id
    assert (booking.contact.first_name, known.first_name) == ("M.", "Mary")


def test_a_namesake_with_another_address_gets_a_profile_of_their_own() -> None:
    hotel = make()
    known = hotel.register(first_name="Mary", last_name="Shelley", email="other@example.test")
    assert book(hotel).contact.guest_id != known.id


def test_every_change_raises_the_version() -> None:
    hotel = make()
    booking = book(hotel)
    versions = [booking.version]
    for act in (
        lambda: hotel.remark(booking, "Late"),
        lambda: hotel.charge(booking, description="Bar", amount=Decimal(1)),
        lambda: hotel.set_checkout_time(booking, "13:00"),
        lambda: hotel.check_in(booking),
        lambda: hotel.check_out(booking),
    ):
        act()
        versions.append(booking.version)
    assert versions == sorted(set(versions))


def test_the_business_date_follows_the_hotels_zone_unless_it_is_held() -> None:
    hotel = SimulatedHotel(Setup(timezone="Pacific/Auckland"), lambda: NOON)
    assert hotel.business_date.isoformat() == "2026-11-21"
    hotel.business_date_is = NOON.date()
    assert hotel.business_date == NOON.date()


@pytest.mark.parametrize("day", range(7))
def test_a_seeded_hotel_has_every_kind_of_stay_on_every_weekday(day: int) -> None:
    hotel = SimulatedHotel(Setup(), lambda: NOON + timedelta(days=day))
    seed(hotel)
    today, bookings = hotel.business_date, list(hotel.bookings.values())
    assert {booking.status for booking in bookings} == set(StayStatus) - {StayStatus.CHECKED_OUT}
    assert any(booking.arrival == today and booking.holds_room for booking in bookings)
    assert any(booking.arrival == today + timedelta(days=1) for booking in bookings)
    assert any(booking.departure == today and booking.status is StayStatus.IN_HOUSE for booking in bookings)
    assert any(len(booking.rooms) == 2 for booking in bookings)
    nights = (today + timedelta(days=offset) for offset in range(30))
    assert all(hotel.available(kind, night) >= 0 for night in nights for kind in hotel.kinds)
    with pytest.raises(ValueError, match="guests already"):
        seed(hotel)


def test_the_books_tell_what_was_booked_charged_and_noted() -> None:
    hotel = make()
    booking = hotel.book([wish(hotel)], MARY, notes=["Late"], external_reference="V-1")
    hotel.charge(booking, description="Bar", amount=Decimal("4.00"), quantity=2, reference="C-1")
    hotel.pay(booking, Decimal(5))
    books = hotel.books
    assert [(stay.id, stay.external_reference, stay.status) for stay in books.reservations] == [
        (booking.id, "V-1", "confirmed")
    ]
    assert [(charge.total, charge.reference) for charge in books.charges] == [("8.00", "C-1")]
    assert [note.text for note in books.notes] == ["Late"]
    assert books.as_json()["charges"][0]["reservation_id"] == booking.id
