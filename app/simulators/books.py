"""A hotel's books as an auditor reads them: what is there, under which reference, and nothing else."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Self

from app.simulators.records import Booking, LineType


@dataclass(frozen=True, slots=True)
class BookedStay:
    """A reservation."""

    id: str
    status: str
    arrival: str
    departure: str
    last_name: str
    external_reference: str | None
    total: str
    checkout_time: str | None


@dataclass(frozen=True, slots=True)
class PostedCharge:
    """A charge that somebody posted; nights and payments are none."""

    reservation_id: str
    id: str
    description: str
    total: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note on a reservation."""

    reservation_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TakenRoom:
    """A room that a reservation keeps from sale; `room_number` is None while none was given."""

    reservation_id: str
    room_number: str | None
    arrival: str
    departure: str
    comment: str


@dataclass(frozen=True, slots=True)
class Books:
    """All reservations, charges and notes of a hotel, in the order in which they were made."""

    reservations: tuple[BookedStay, ...]
    charges: tuple[PostedCharge, ...]
    notes: tuple[WrittenNote, ...]
    rooms: tuple[TakenRoom, ...] = ()
    """What is taken now; rooms given back or cancelled are not among them."""

    @classmethod
    def of(cls, bookings: Iterable[Booking]) -> Self:
        """Copy the books out of the hotel."""
        listed = list(bookings)
        return cls(
            tuple(_stay(booking) for booking in listed),
            tuple(
                PostedCharge(booking.id, line.id, line.description, str(line.total), line.reference)
                for booking in listed
                for line in booking.lines
                if line.type is LineType.CHARGE
            ),
            tuple(WrittenNote(booking.id, remark.text) for booking in listed for remark in booking.remarks),
            tuple(
                TakenRoom(booking.id, room.room_number, f"{room.arrival}", f"{room.departure}", room.comment)
                for booking in listed
                if booking.holds_room
                for room in booking.rooms
                if not room.released
            ),
        )

    def clashes(self) -> list[tuple[TakenRoom, TakenRoom]]:
        """Give the pairs that have one room for one night: what may never be in a hotel's books."""
        numbered = [room for room in self.rooms if room.room_number is not None]
        return [
            (one, other)
            for one, other in combinations(numbered, 2)
            if one.room_number == other.room_number and one.arrival < other.departure and other.arrival < one.departure
        ]

    def as_json(self) -> dict[str, Any]:
        """Give the books as JSON-like values."""
        return asdict(self)


def _stay(booking: Booking) -> BookedStay:
    return BookedStay(
        id=booking.id,
        status=booking.status.value,
        arrival=booking.arrival.isoformat(),
        departure=booking.departure.isoformat(),
        last_name=booking.contact.last_name,
        external_reference=booking.external_reference,
        total=str(booking.total),
        checkout_time=booking.checkout_time,
    )
