"""The guests and reservations that a hotel starts with, relative to its business date today."""

from datetime import timedelta
from decimal import Decimal

from app.simulators.hotel import RoomWish, SimulatedHotel
from app.simulators.records import Booking, Contact, Housekeeping, Liking, StayStatus


def seed(hotel: SimulatedHotel) -> None:
    """Fill a hotel with arrivals, stays, departures, a cancellation, a no-show and a stay of two rooms."""
    if hotel.bookings:
        raise ValueError("the hotel has guests already")
    _staying(hotel)
    _arriving(hotel)
    _gone(hotel)
    _housekeeping(hotel)


def _staying(hotel: SimulatedHotel) -> None:
    ada = _arrived(hotel, _book(hotel, "STD", -2, 1, ("Ada", "Lovelace", "ada@example.test", "+43 1 5550101", "GB")))
    guest = hotel.guest(str(ada.contact.guest_id))
    hotel.change_guest(guest, language="en", loyalty_tier="Gold", vip=True)
    hotel.set_likings(guest, [Liking(category="room", value="quiet", note="away from the lift")])
    hotel.charge(ada, description="Minibar", amount=Decimal("12.50"), category="minibar")
    hotel.remark(ada, "Extra pillows, please")
    leaving = _book(hotel, "DLX", -3, 0, ("Grace", "Hopper", "grace@example.test", "+1 202 555 0111", "US"))
    _arrived(hotel, leaving)
    hotel.charge(leaving, description="Restaurant", amount=Decimal("41.00"), quantity=2, category="restaurant")
    hotel.pay(leaving, Decimal("200.00"))
    _arrived(hotel, _book(hotel, "STE", -1, 3, ("Alan", "Turing", "alan@example.test", None, "GB"), plan="SAVER"))


def _arriving(hotel: SimulatedHotel) -> None:
    today = _book(hotel, "DLX", 0, 3, ("Émilie", "du Châtelet", "emilie@example.test", "+33 1 55 50 10 20", "FR"))
    hotel.remark(today, "Arrives late, about 23:00")
    _book(hotel, "STD", 0, 1, ("Katherine", "Johnson", "katherine@example.test", None, "US"), plan="SAVER")
    _book(hotel, "STD", 1, 4, ("Hedy", "Lamarr", "hedy@example.test", "+43 1 5550199", "AT"))
    _book(hotel, "DLX", 1, 2, ("Niels", "Bohr", "niels@example.test", None, "DK"), status=StayStatus.TENTATIVE)
    noether = Contact(first_name="Emmy", last_name="Noether", email="emmy@example.test", country="DE")
    hotel.book([_wish(hotel, "STD", 2, 5), _wish(hotel, "DLX", 2, 5)], noether, notes=["Two rooms next to each other"])


def _gone(hotel: SimulatedHotel) -> None:
    hotel.cancel(_book(hotel, "STE", 3, 6, ("Isaac", "Newton", "isaac@example.test", None, "GB")), "Change of plans")
    absent = _book(hotel, "STD", -1, 1, ("Rosalind", "Franklin", "rosalind@example.test", None, "GB"))
    absent.status = StayStatus.NO_SHOW
    hotel.touch(absent)


def _housekeeping(hotel: SimulatedHotel) -> None:
    vacant = [room for room in hotel.rooms.values() if room.occupied_by is None]
    hotel.clean(vacant[0], Housekeeping.DIRTY)
    hotel.clean(vacant[1], Housekeeping.INSPECTED)
    hotel.take_out_of_order(vacant[2])


def _book(
    hotel: SimulatedHotel,
    kind: str,
    arrival: int,
    departure: int,
    who: tuple[str, str, str, str | None, str],
    *,
    plan: str = "FLEX",
    status: StayStatus = StayStatus.CONFIRMED,
) -> Booking:
    first_name, last_name, email, phone, country = who
    contact = Contact(first_name=first_name, last_name=last_name, email=email, phone=phone, country=country)
    return hotel.book([_wish(hotel, kind, arrival, departure, plan=plan)], contact, status=status)


def _wish(hotel: SimulatedHotel, kind: str, arrival: int, departure: int, *, plan: str = "FLEX") -> RoomWish:
    today = hotel.business_date
    first, last = today + timedelta(days=arrival), today + timedelta(days=departure)
    return RoomWish(kind=_kind(hotel, kind), plan=_plan(hotel, plan), arrival=first, departure=last, adults=2)


def _kind(hotel: SimulatedHotel, code: str) -> str:
    """Give the room type of that code, or the one at its place in a hotel with codes of its own."""
    return code if code in hotel.kinds else list(hotel.kinds)[{"STD": 0, "DLX": 1, "STE": 2}[code]]


def _plan(hotel: SimulatedHotel, code: str) -> str:
    return code if code in hotel.plans else next(iter(hotel.plans))


def _arrived(hotel: SimulatedHotel, booking: Booking) -> Booking:
    """Check guests in on the day on which they came."""
    kept, hotel.business_date_is = hotel.business_date_is, booking.arrival
    hotel.check_in(booking)
    hotel.business_date_is = kept
    return booking
