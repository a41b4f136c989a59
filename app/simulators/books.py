"""A hotel's books as an auditor reads them: what is there, under which reference, and nothing else."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
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
class Books:
    """All reservations, charges and notes of a hotel, in the order in which they were made."""

    reservations: tuple[BookedStay, ...]
    charges: tuple[PostedCharge, ...]
    notes: tuple[WrittenNote, ...]

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
        )

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
