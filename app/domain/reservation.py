"""Reservations: what they are, how they are made, found and changed."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, computed_field, model_validator

from app.domain.guest import GuestContact
from app.domain.ids import CallerRef, HotelIdText, Ref, VendorRef
from app.domain.model import Adults, ChildAge, Day, Fact, Request, fingerprint
from app.domain.money import Money
from app.domain.stay import Occupancy, Stay
from app.domain.text import (
    Code,
    CountryCode,
    EmailAddress,
    Line,
    PersonalLine,
    PersonalProse,
    PersonalText,
    TimeOfDay,
    fold,
    is_same_text,
)


class ReservationStatus(StrEnum):
    """Where a reservation stands; a vendor's status that we do not know is `unknown`, never a guess."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    IN_HOUSE = "in_house"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    WAITLISTED = "waitlisted"
    UNKNOWN = "unknown"


_T = TypeVar("_T")

ARRIVING = frozenset({ReservationStatus.TENTATIVE, ReservationStatus.CONFIRMED, ReservationStatus.IN_HOUSE})
DEPARTING = frozenset({ReservationStatus.IN_HOUSE, ReservationStatus.CHECKED_OUT})
STAYING = frozenset({ReservationStatus.IN_HOUSE})


class ReservedRoom(Fact):
    """One room of a stay."""

    room_type: str | None = None
    rate_code: str | None = None
    room_number: str | None = None
    arrival: date
    departure: date
    adults: int | None = None
    child_ages: tuple[int, ...] | None = None
    status: ReservationStatus


class Note(Fact):
    """A remark on a reservation."""

    text: PersonalText
    created_at: datetime | None = None


_CHANGEABLE = ("arrival", "departure", "room_type", "rate_code", "adults", "child_ages", "guest")
ROOM_FIELDS = frozenset({"arrival", "departure", "room_type", "rate_code", "adults", "child_ages"})


class Reservation(Fact):
    """A stay at one hotel, as its PMS has it.

    Of several rooms each stands in `rooms`; the flat room fields are null where the rooms differ,
    `arrival` and `departure` are then the first and the last day of all rooms.
    """

    id: Ref
    hotel_id: HotelIdText
    confirmation_number: str | None = None
    booking_id: str | None = Field(None, description="The vendor's id of the booking that groups several reservations.")
    status: ReservationStatus
    arrival: date
    departure: date
    room_type: str | None = None
    rate_code: str | None = None
    room_number: str | None = None
    adults: int | None = None
    child_ages: tuple[int, ...] | None = None
    rooms: tuple[ReservedRoom, ...]
    guest: GuestContact
    total: Money | None = None
    balance: Money | None = None
    checkout_time: TimeOfDay | None = None
    notes: tuple[Note, ...] = ()
    external_reference: str | None = None
    vendor_status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    pending_operations: tuple[str, ...] = Field(
        (), description="Ids of writes to this reservation that are not settled yet."
    )
    vendor_version: str | None = Field(
        None, exclude=True, repr=False, description="The vendor's own version, for its If-Match."
    )

    @computed_field(description="Opaque; changes whenever anything that PATCH can change has changed.")  # type: ignore[prop-decorator]
    @property
    def version(self) -> str:
        """Opaque version over what PATCH can change."""
        values = self.model_dump(mode="json", include={*_CHANGEABLE, "rooms"})
        del values["guest"]["id"]
        for room in values["rooms"]:
            del room["status"], room["room_number"]
        return fingerprint(values)

    @property
    def sort_key(self) -> tuple[str, str]:
        """By last name, then id, as every list with guests is sorted."""
        return fold(self.guest.last_name or ""), self.id

    @classmethod
    def of_rooms(cls, rooms: Sequence[ReservedRoom], **fields: Any) -> Self:
        """Make a reservation of its rooms (at least one); the flat room fields come from them."""
        return cls(
            rooms=tuple(rooms),
            arrival=min(room.arrival for room in rooms),
            departure=max(room.departure for room in rooms),
            room_type=_agreed([room.room_type for room in rooms]),
            rate_code=_agreed([room.rate_code for room in rooms]),
            room_number=_agreed([room.room_number for room in rooms]),
            adults=_agreed([room.adults for room in rooms]),
            child_ages=_agreed([room.child_ages for room in rooms]),
            **fields,
        )


def _agreed(values: Sequence[_T]) -> _T | None:
    return values[0] if all(value == values[0] for value in values) else None


class DraftGuest(Request):
    """The guest of a new reservation; `id` names an existing profile."""

    id: CallerRef | None = None
    first_name: PersonalLine | None = None
    last_name: PersonalLine
    email: EmailAddress | None = None
    phone: PersonalLine | None = None
    country: CountryCode | None = None


class ReservationDraft(Request):
    """A reservation to be made: one room, nights from arrival up to but not including departure."""

    arrival: Day
    departure: Day
    room_type: Code
    rate_code: Code
    adults: Adults
    child_ages: Annotated[tuple[ChildAge, ...], Field(max_length=20)] = ()
    guest: DraftGuest
    notes: Annotated[tuple[PersonalProse, ...], Field(max_length=20)] = ()
    external_reference: Line | None = None
    expected_total: Money | None = Field(None, description="The total promised to the guest; another one is refused.")

    @model_validator(mode="after")
    def _nights(self) -> Self:
        _check_nights(self.arrival, self.departure)
        return self

    @property
    def stay(self) -> Stay:
        """The dates."""
        return Stay(self.arrival, self.departure)

    @property
    def occupancy(self) -> Occupancy:
        """Who stays."""
        return Occupancy(self.adults, self.child_ages)


class GuestChange(Request):
    """Guest fields of a reservation to change; absent keeps, null clears."""

    first_name: PersonalLine | None = None
    last_name: PersonalLine | None = None
    email: EmailAddress | None = None
    phone: PersonalLine | None = None
    country: CountryCode | None = None


class ReservationPatch(Request):
    """What to change of a reservation; absent keeps, null clears where the vendor can.

    `model_fields_set` tells absent from null.
    """

    arrival: Day | None = None
    departure: Day | None = None
    room_type: Code | None = None
    rate_code: Code | None = None
    adults: Adults | None = None
    child_ages: Annotated[tuple[ChildAge, ...], Field(max_length=20)] | None = None
    guest: GuestChange | None = None
    expected_total: Money | None = None

    @model_validator(mode="after")
    def _nights(self) -> Self:
        if self.arrival and self.departure:
            _check_nights(self.arrival, self.departure)
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were given, `expected_total` left out."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "expected_total"}

    @property
    def touches_room(self) -> bool:
        """Whether it changes anything of a room rather than of the guest."""
        return bool(self.changes.keys() & ROOM_FIELDS)


def _check_nights(arrival: date, departure: date) -> None:
    if not 1 <= (departure - arrival).days <= 366:
        raise ValueError("departure must be 1 to 366 days after arrival")


class NoteDraft(Request):
    """A note to be added to a reservation."""

    text: PersonalProse


class CancelRequest(Request):
    """Why a reservation is cancelled."""

    reason: PersonalProse | None = None


class CheckoutTimeChange(Request):
    """A late or early check-out, hotel-local time of day."""

    checkout_time: TimeOfDay


class ReservationQuery(Fact):
    """Which reservations to look for; all that is given must match.

    `arrival` and `departure` are hotel-local dates. An adapter may answer more than was asked for
    (the gateway filters), never less.
    """

    confirmation_number: str | None = None
    guest_id: VendorRef | None = None
    last_name: PersonalText | None = None
    arrival: date | None = None
    departure: date | None = None
    statuses: frozenset[ReservationStatus] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it asks for everything, `statuses` aside."""
        return not any((self.confirmation_number, self.guest_id, self.last_name, self.arrival, self.departure))

    def matches(self, reservation: Reservation) -> bool:
        """Tell whether `reservation` is one that was asked for."""
        wanted = (
            (self.confirmation_number, reservation.confirmation_number),
            (self.guest_id, reservation.guest.id),
            (self.arrival, reservation.arrival),
            (self.departure, reservation.departure),
        )
        return (
            all(want is None or want == have for want, have in wanted)
            and (self.statuses is None or reservation.status in self.statuses)
            and (self.last_name is None or is_same_text(self.last_name, reservation.guest.last_name))
        )
