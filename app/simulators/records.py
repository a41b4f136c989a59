"""What a simulated hotel keeps in its books: plain records that the hotel alone changes."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Refusal(StrEnum):
    """Why a hotel says no."""

    NOT_FOUND = "not_found"
    INVALID = "invalid"
    NO_AVAILABILITY = "no_availability"
    CONFLICT = "conflict"
    VERSION_MISMATCH = "version_mismatch"


class HotelRefused(Exception):
    """The hotel's rules do not allow it; each simulator says so in its vendor's own words."""

    def __init__(self, refusal: Refusal, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message
        self.field = field


class StayStatus(StrEnum):
    """Where a reservation stands."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    IN_HOUSE = "in_house"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


HOLDING = frozenset({StayStatus.TENTATIVE, StayStatus.CONFIRMED, StayStatus.IN_HOUSE})
"""Statuses under which a reservation takes a room away from sale."""


class Housekeeping(StrEnum):
    """Cleaning state of a room."""

    CLEAN = "clean"
    DIRTY = "dirty"
    INSPECTED = "inspected"
    PICKUP = "pickup"


class LineType(StrEnum):
    """What a folio line is."""

    ROOM = "room"
    CHARGE = "charge"
    PAYMENT = "payment"


@dataclass(kw_only=True)
class Versioned:
    """A record that can tell that it was changed: `version` grows by one with every change."""

    version: int = 1
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class RoomKind:
    """A room type; `price` is for one night midweek, for up to two adults, taxes included."""

    code: str
    name: str
    description: str
    max_occupancy: int
    price: Decimal


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rate plan; `factor` is applied to the price of the room type."""

    code: str
    name: str
    description: str
    factor: Decimal
    refundable: bool


@dataclass(kw_only=True)
class Room(Versioned):
    """A room; somebody stays in it while `occupied_by` names a reservation."""

    number: str
    kind: str
    floor: str
    cleaning: Housekeeping = Housekeeping.CLEAN
    out_of_order: bool = False
    occupied_by: str | None = None


@dataclass(kw_only=True)
class Liking:
    """One preference of a guest."""

    category: str
    value: str
    note: str | None = None


@dataclass(kw_only=True)
class Guest(Versioned):
    """A guest's profile."""

    id: str
    first_name: str | None = None
    last_name: str
    email: str | None = None
    phone: str | None = None
    country: str | None = None
    language: str | None = None
    loyalty_tier: str | None = None
    vip: bool = False
    likings: list[Liking] = field(default_factory=list)
    created_at: datetime


@dataclass(kw_only=True)
class Contact:
    """The guest as one reservation names them; the profile may say otherwise."""

    guest_id: str | None = None
    first_name: str | None = None
    last_name: str
    email: str | None = None
    phone: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Night:
    """One night and its price, taxes included."""

    date: date
    price: Decimal


@dataclass(kw_only=True)
class StayRoom:
    """One room of a reservation, nights from arrival up to but not including departure."""

    id: str
    kind: str
    plan: str
    arrival: date
    departure: date
    adults: int
    child_ages: tuple[int, ...] = ()
    nights: tuple[Night, ...] = ()
    room_number: str | None = None
    released: bool = False
    """Given back while the reservation goes on: the room is for sale again."""
    comment: str = ""

    @property
    def total(self) -> Decimal:
        """Price of all nights."""
        return sum((night.price for night in self.nights), Decimal())

    def covers(self, night: date) -> bool:
        """Tell whether somebody sleeps here in that night."""
        return self.arrival <= night < self.departure

    def overlaps(self, arrival: date, departure: date) -> bool:
        """Tell whether it shares a night with another stay."""
        return self.arrival < departure and arrival < self.departure


@dataclass(kw_only=True)
class Remark:
    """A note on a reservation."""

    id: str
    text: str
    created_at: datetime


@dataclass(kw_only=True)
class Line:
    """One line of a folio; `amount` is the price of one unit, payments are negative."""

    id: str
    type: LineType
    description: str
    amount: Decimal
    quantity: int = 1
    category: str | None = None
    reference: str | None = None
    posted_at: datetime

    @property
    def total(self) -> Decimal:
        """Price of all units."""
        return self.amount * self.quantity


@dataclass(kw_only=True)
class Booking(Versioned):
    """A reservation of one or more rooms, with its folio. `lines` hold what was posted by hand, not the nights."""

    id: str
    confirmation_number: str
    status: StayStatus
    rooms: list[StayRoom]
    contact: Contact
    remarks: list[Remark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    external_reference: str | None = None
    checkout_time: str | None = None
    cancel_reason: str | None = None
    created_at: datetime
    cancelled_at: datetime | None = None
    checked_in_at: datetime | None = None
    checked_out_at: datetime | None = None

    @property
    def arrival(self) -> date:
        """The first day of all rooms."""
        return min(room.arrival for room in self.rooms)

    @property
    def departure(self) -> date:
        """The last day of all rooms."""
        return max(room.departure for room in self.rooms)

    @property
    def total(self) -> Decimal:
        """Price of all nights of all rooms; charges are not part of it."""
        return sum((room.total for room in self.rooms), Decimal())

    @property
    def holds_room(self) -> bool:
        """Whether it takes rooms away from sale."""
        return self.status in HOLDING


def nights_of(arrival: date, departure: date) -> list[date]:
    """Give the nights of a stay; the departure is none."""
    return [arrival + timedelta(days=offset) for offset in range((departure - arrival).days)]
