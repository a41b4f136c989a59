"""Between the vendor's words and ours: pure functions both ways; nothing here sends anything."""

from collections.abc import Mapping
from decimal import Decimal

from app.adapters._template import wire
from app.domain.guest import GuestContact
from app.domain.hotel import Hotel
from app.domain.money import Money, minor_units
from app.domain.reservation import Note, Reservation, ReservationStatus, ReservedRoom
from app.domain.text import PersonalText

STATUSES: Mapping[str, ReservationStatus] = {
    "OPTION": ReservationStatus.TENTATIVE,
    "BOOKED": ReservationStatus.CONFIRMED,
    "STAYING": ReservationStatus.IN_HOUSE,
    "LEFT": ReservationStatus.CHECKED_OUT,
    "CANCELLED": ReservationStatus.CANCELLED,
    "NO_SHOW": ReservationStatus.NO_SHOW,
}
"""Every state that the vendor documents. One that is not here is UNKNOWN with the vendor's word kept, never a guess."""


def reservation_from_wire(found: wire.Stay, hotel: Hotel) -> Reservation:
    """Give a reservation."""
    status = STATUSES.get(found.state, ReservationStatus.UNKNOWN)
    return Reservation.of_rooms(
        [_room(room, status) for room in found.rooms],
        id=found.id,
        hotel_id=hotel.id,
        confirmation_number=found.code,
        status=status,
        vendor_status=found.state,
        guest=_guest(found.person),
        total=_money(found.total_cents, found.currency),
        notes=tuple(Note(text=PersonalText(text)) for text in found.remarks),
        created_at=hotel.instant(found.made_at),  # Q1
    )


def _room(room: wire.StayRoom, status: ReservationStatus) -> ReservedRoom:
    return ReservedRoom(
        room_type=room.category,
        rate_code=room.tariff,
        room_number=room.number,
        arrival=room.arrives,
        departure=room.leaves,
        adults=room.adults,
        child_ages=room.ages,
        status=status,
    )


def _guest(person: wire.Person) -> GuestContact:
    values = {
        "id": person.id,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "email": person.mail,
        "phone": person.phone,
        "country": person.country,
    }
    return GuestContact.model_validate(values)


def _money(smallest_units: int, currency: str) -> Money:
    return Money(amount=Decimal(smallest_units).scaleb(-minor_units(currency)), currency=currency)
