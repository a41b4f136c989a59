"""The building: its rooms, what they cost, and the hotel's own day. It knows nothing of guests."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.simulators.records import (
    HotelRefused,
    Housekeeping,
    Night,
    Plan,
    Refusal,
    Room,
    RoomKind,
    Versioned,
    nights_of,
)
from app.simulators.rules import Setup, night_price

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomWish:
    """One room to be booked: what kind, under which plan, when, for whom."""

    kind: str
    plan: str
    arrival: date
    departure: date
    adults: int
    child_ages: tuple[int, ...] = ()


class House:
    """Rooms, room types, rate plans and prices, as they were set up."""

    def __init__(self, setup: Setup, now: Now) -> None:
        self.setup = setup
        self.rules = setup.rules
        self.now = now
        self.business_date_is: date | None = None
        """Set it to hold the business date; None follows the hotel's own calendar."""
        self.kinds = {kind.code: kind for kind in setup.kinds}
        self.plans = {plan.code: plan for plan in setup.plans}
        self.rooms = {
            room.number: Room(number=room.number, kind=room.kind, floor=room.floor, updated_at=now())
            for room in setup.rooms
        }
        self.numbers: dict[str, itertools.count[int]] = {}

    @property
    def business_date(self) -> date:
        """The hotel's own day."""
        return self.business_date_is or self.now().astimezone(ZoneInfo(self.setup.timezone)).date()

    def new_id(self, record: str) -> str:
        """Give a fresh id: the setup's prefix of that kind of record, then a number."""
        numbers = self.numbers.setdefault(record, itertools.count(self.setup.first_number))
        return f"{self.setup.prefixes.get(record, '')}{next(numbers):0{self.setup.number_width}d}"

    def number_like(self, other: "House") -> None:
        """Take ids out of another house's sequences from here on: one installation counts all its records together."""
        self.numbers = other.numbers

    def touch(self, record: Versioned) -> None:
        """Note that a record was changed."""
        record.version += 1
        record.updated_at = self.now()

    def kind(self, code: str) -> RoomKind:
        """Give a room type, or refuse."""
        if code not in self.kinds:
            raise HotelRefused(Refusal.INVALID, f"there is no room type {code}", field="room_type")
        return self.kinds[code]

    def plan(self, code: str) -> Plan:
        """Give a rate plan, or refuse."""
        if code not in self.plans:
            raise HotelRefused(Refusal.INVALID, f"there is no rate plan {code}", field="rate_code")
        return self.plans[code]

    def sellable(self, kind: str) -> int:
        """Give how many rooms of a type are in order."""
        return sum(room.kind == kind and not room.out_of_order for room in self.rooms.values())

    def price(self, wish: RoomWish) -> tuple[Night, ...]:
        """Give the price of each night of a stay in one room; it says nothing of availability."""
        kind, plan = self.kind(wish.kind), self.plan(wish.plan)
        self._check_wish(wish, kind)
        return tuple(
            Night(night, night_price(kind, plan, night, adults=wish.adults, children=len(wish.child_ages)))
            for night in nights_of(wish.arrival, wish.departure)
        )

    def room(self, number: str) -> Room:
        """Give a room, or refuse."""
        if number not in self.rooms:
            raise HotelRefused(Refusal.NOT_FOUND, "there is no such room")
        return self.rooms[number]

    def clean(self, room: Room, cleaning: Housekeeping) -> Room:
        """Set the cleaning state of a room."""
        room.cleaning = cleaning
        self.touch(room)
        return room

    def take_out_of_order(self, room: Room, *, out_of_order: bool = True) -> Room:
        """Take a room off sale, or give it back."""
        room.out_of_order = out_of_order
        self.touch(room)
        return room

    def _check_wish(self, wish: RoomWish, kind: RoomKind) -> None:
        if not 1 <= (wish.departure - wish.arrival).days <= 366:
            raise HotelRefused(Refusal.INVALID, "departure must be 1 to 366 days after arrival", field="departure")
        if wish.adults < 1:
            raise HotelRefused(Refusal.INVALID, "at least one adult must stay", field="adults")
        if wish.adults + len(wish.child_ages) > kind.max_occupancy:
            raise HotelRefused(
                Refusal.INVALID, f"{kind.code} takes {kind.max_occupancy} guests at most", field="adults"
            )
