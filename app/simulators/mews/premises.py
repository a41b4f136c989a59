"""An enterprise at work: its hotel, its facts, its clock, and what is written down beside the hotel's books."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.simulators.hotel import SimulatedHotel
from app.simulators.mews.enterprises import AGES, INFANTS_UNTIL, Enterprise
from app.simulators.mews.ledger import Ledger
from app.simulators.mews.times import LocalTime
from app.simulators.records import Booking, Guest, Housekeeping, Room, StayRoom, StayStatus


@dataclass(frozen=True)
class Premises:
    """One enterprise of the installation."""

    hotel: SimulatedHotel
    facts: Enterprise
    clock: LocalTime
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def id(self) -> str:
        """The enterprise's id."""
        return self.hotel.setup.property_id

    # Reservations: one has one room here, so those of several are split into a group

    def bookings(self) -> list[Booking]:
        """Give all reservations, the newest first."""
        for booking in [one for one in self.hotel.bookings.values() if len(one.rooms) > 1]:
            self._split(booking)
        return list(reversed(self.hotel.bookings.values()))

    def booking(self, reservation_id: str | None) -> Booking | None:
        """Find a reservation."""
        found = self.hotel.bookings.get(reservation_id or "")
        if found is not None and len(found.rooms) > 1:
            self._split(found)
        return found

    def _split(self, booking: Booking) -> None:
        first, *others = booking.rooms
        booking.rooms = [first]
        group = self.group(booking)
        for room in others:
            other = self.hotel.enter([room], replace(booking.contact), status=booking.status)
            other.created_at, other.updated_at = booking.created_at, booking.updated_at
            self.ledger.groups[other.id] = group

    def group(self, booking: Booking) -> str:
        """Give the group that a reservation is in; who came alone has one of their own."""
        return self.ledger.groups.setdefault(booking.id, self.facts.guid("group", booking.id))

    def start(self, booking: Booking) -> datetime:
        """Give when the stay begins."""
        return self.clock.at(booking.arrival, self.ledger.starts.get(booking.id, self.facts.start))

    def end(self, booking: Booking) -> datetime:
        """Give when the stay ends."""
        return self.clock.at(booking.departure, booking.checkout_time or self.hotel.setup.checkout_time)

    def started(self, booking: Booking) -> datetime | None:
        """Give when the guests came; those of earlier days came in time."""
        if booking.status not in {StayStatus.IN_HOUSE, StayStatus.CHECKED_OUT}:
            return None
        there = booking.checked_in_at
        return there if there and self.clock.day(there) == booking.arrival else self.start(booking)

    def ended(self, booking: Booking) -> datetime | None:
        """Give when the guests went."""
        return booking.checked_out_at if booking.status is StayStatus.CHECKED_OUT else None

    def collides(self, booking: Booking, start: datetime, end: datetime) -> bool:
        """Tell whether a stay, as it was planned, shares a moment with an interval."""
        return self.start(booking) < max(end, start + timedelta(microseconds=1)) and start < self.end(booking)

    # Persons

    def age_category(self, key: str) -> str:
        """Give the id of an age category."""
        return self.facts.guid("age", key)

    def persons(self, room: StayRoom) -> dict[str, int]:
        """Count the persons of a room by age category."""
        counts = {self.age_category("adult"): room.adults}
        for age in room.child_ages:
            key = self.age_category("infant" if age <= INFANTS_UNTIL else "child")
            counts[key] = counts.get(key, 0) + 1
        return counts

    def party(self, counts: dict[str, int]) -> tuple[int, tuple[int, ...]] | None:
        """Give adults and ages of children, each as young as their category has them; None if one is unknown."""
        known = {self.age_category(age.key): age for age in AGES}
        if not set(counts) <= set(known):
            return None
        adults = sum(count for key, count in counts.items() if known[key].classification == "Adult")
        children = [
            known[key].minimal or 0
            for key, count in counts.items()
            if known[key].classification == "Child"
            for _ in range(count)
        ]
        return adults, tuple(children)

    # Rooms

    def resource_id(self, number: str) -> str:
        """Give the id of a room."""
        return self.facts.guid("resource", number)

    def room(self, resource_id: str | None) -> Room | None:
        """Find a room by its id."""
        return next((room for room in self.hotel.rooms.values() if self.resource_id(room.number) == resource_id), None)

    def inspect(self) -> None:
        """Let a housekeeper look at clean rooms, and at those of today's guests: others let nobody in."""
        today = self.hotel.business_date
        awaited = {one.rooms[0].room_number for one in self.bookings() if one.holds_room and one.arrival == today}
        for room in self.hotel.rooms.values():
            if room.cleaning is Housekeeping.CLEAN or room.number in awaited:
                room.cleaning = Housekeeping.INSPECTED

    # Guests

    def guest(self, account_id: str | None) -> Guest | None:
        """Find a customer."""
        return self.hotel.guests.get(account_id or "")

    def guests(self) -> list[Guest]:
        """Give all customers, the newest first."""
        return list(reversed(self.hotel.guests.values()))
