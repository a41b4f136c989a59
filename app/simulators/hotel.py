"""One hotel in memory, with the rules of a real one: what every simulated PMS has behind its API.

Synchronous and without I/O, so each act is atomic under an event loop. It knows no vendor: a simulator translates
its vendor's API into these acts, and a `HotelRefused` into its vendor's words.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from app.simulators.books import Books
from app.simulators.house import House, Now, RoomWish
from app.simulators.records import (
    Booking,
    Contact,
    Guest,
    HotelRefused,
    Housekeeping,
    Liking,
    Line,
    LineType,
    Night,
    Refusal,
    Remark,
    Room,
    StayRoom,
    StayStatus,
    nights_of,
)
from app.simulators.rules import Setup

__all__ = ["Now", "RoomWish", "SimulatedHotel"]


class SimulatedHotel(House):
    """A hotel: the house, its reservations, guests and folios."""

    def __init__(self, setup: Setup, now: Now) -> None:
        super().__init__(setup, now)
        self.bookings: dict[str, Booking] = {}
        self.guests: dict[str, Guest] = {}

    @property
    def books(self) -> Books:
        """All that stands in the hotel's books now, to be compared with what callers were told."""
        return Books.of(self.bookings.values())

    # What is left to sell

    def sold(self, *, without: Booking | None = None) -> Counter[tuple[str, date]]:
        """Count the rooms taken, by room type and night; `without` leaves one booking out, as if it were not there."""
        return Counter(
            (room.kind, night.date)
            for booking in self.bookings.values()
            if booking.holds_room and booking is not without
            for room in booking.rooms
            if not room.released
            for night in room.nights
        )

    def available(self, kind: str, night: date, *, without: Booking | None = None) -> int:
        """Give how many rooms of a type can still be sold for a night; negative when oversold."""
        return self.sellable(kind) - self.sold(without=without)[kind, night]

    def can_host(self, wishes: Sequence[RoomWish], *, without: Booking | None = None) -> bool:
        """Tell whether all these rooms can be sold together."""
        needed = Counter((wish.kind, night) for wish in wishes for night in nights_of(wish.arrival, wish.departure))
        sold = self.sold(without=without)
        return all(self.sellable(kind) - sold[kind, night] >= count for (kind, night), count in needed.items())

    def free_rooms(self, kind: str, arrival: date, departure: date, *, without: Booking | None = None) -> list[Room]:
        """Give the rooms of a type that are in order and that no booking was given for any of these nights."""
        given = {
            room.room_number
            for booking in self.bookings.values()
            if booking.holds_room and booking is not without
            for room in booking.rooms
            if room.overlaps(arrival, departure) and not room.released
        }
        in_order = (room for room in self.rooms.values() if room.kind == kind and not room.out_of_order)
        return [room for room in in_order if room.number not in given]

    # Reservations

    def book(
        self,
        wishes: Sequence[RoomWish],
        contact: Contact,
        *,
        notes: Iterable[str] = (),
        external_reference: str | None = None,
        status: StayStatus = StayStatus.CONFIRMED,
        checkout_time: str | None = None,
    ) -> Booking:
        """Make a reservation. An existing profile is linked, never changed; a new guest gets a profile."""
        nights = [self.price(wish) for wish in wishes]
        if not self.rules.oversell and not self.can_host(wishes):
            raise HotelRefused(Refusal.NO_AVAILABILITY, "the room type is sold out for at least one night")
        rooms = [self._stay_room(wish, prices) for wish, prices in zip(wishes, nights, strict=True)]
        if self.rules.assign_when_booked:
            self._give_numbers(rooms)
        booking = self.enter(rooms, self._linked(contact), external_reference=external_reference, status=status)
        booking.checkout_time = checkout_time
        for text in notes:
            self.remark(booking, text)
        return booking

    def enter(
        self,
        rooms: Sequence[StayRoom],
        contact: Contact,
        *,
        external_reference: str | None = None,
        status: StayStatus = StayStatus.CONFIRMED,
    ) -> Booking:
        """Write a reservation down as it is and ask nothing: some PMSs check by themselves, or not at all."""
        now = self.now()
        booking = Booking(
            id=self.new_id("reservation"),
            confirmation_number=self.setup.confirmation.format(number=len(self.bookings) + self.setup.first_number),
            status=status,
            rooms=list(rooms),
            contact=contact,
            external_reference=external_reference,
            created_at=now,
            updated_at=now,
        )
        self.bookings[booking.id] = booking
        return booking

    def booking(self, booking_id: str) -> Booking:
        """Give a reservation by its id, or refuse."""
        if booking_id not in self.bookings:
            raise HotelRefused(Refusal.NOT_FOUND, "there is no such reservation")
        return self.bookings[booking_id]

    def rebook(self, booking: Booking, wishes: Sequence[RoomWish]) -> Booking:
        """Give a reservation other rooms, dates, plans or occupancy, one wish for each of its rooms."""
        if not booking.holds_room:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} cannot be changed")
        nights = [self.price(wish) for wish in wishes]
        if not self.rules.oversell and not self.can_host(wishes, without=booking):
            raise HotelRefused(Refusal.NO_AVAILABILITY, "the room type is sold out for at least one night")
        rooms = [
            replace(room, kind=wish.kind, plan=wish.plan, arrival=wish.arrival, departure=wish.departure)
            for room, wish in zip(booking.rooms, wishes, strict=True)
        ]
        for room, wish, prices in zip(rooms, wishes, nights, strict=True):
            room.adults, room.child_ages, room.nights = wish.adults, wish.child_ages, prices
        if booking.status is StayStatus.IN_HOUSE:
            self._check_in_house_change(booking, rooms)
        else:
            for room in rooms:
                room.room_number = None
            if self.rules.assign_when_booked:
                self._give_numbers(rooms, without=booking)
        booking.rooms = rooms
        self.touch(booking)
        return booking

    def name_guest(self, booking: Booking, **changes: Any) -> None:
        """Change how a reservation names its guest; the profile stays as it is."""
        wanted = replace(booking.contact, **changes)
        if not wanted.last_name:
            raise HotelRefused(Refusal.INVALID, "a guest needs a last name", field="guest.last_name")
        booking.contact = wanted
        self.touch(booking)

    def cancel(self, booking: Booking, reason: str | None = None) -> Booking:
        """Cancel a reservation that has not begun."""
        if booking.status is StayStatus.CANCELLED and not self.rules.refuse_second_cancel:
            return booking
        if booking.status not in {StayStatus.TENTATIVE, StayStatus.CONFIRMED}:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} cannot be cancelled")
        booking.status, booking.cancel_reason, booking.cancelled_at = StayStatus.CANCELLED, reason, self.now()
        for room in booking.rooms:
            room.room_number = None
        self.touch(booking)
        return booking

    def annul(self, booking: Booking) -> Booking:
        """Cancel a reservation wherever it stands; its rooms keep their numbers on paper only."""
        for room in self._rooms_of(booking):
            if room.occupied_by == booking.id:
                room.occupied_by = None
                self.touch(room)
        booking.status, booking.cancelled_at = StayStatus.CANCELLED, self.now()
        self.touch(booking)
        return booking

    def remark(self, booking: Booking, text: str) -> Remark:
        """Add a note."""
        note = Remark(id=self.new_id("remark"), text=text, created_at=self.now())
        booking.remarks.append(note)
        self.touch(booking)
        return note

    def set_checkout_time(self, booking: Booking, time: str) -> Booking:
        """Set the time of day until which the guest may stay."""
        if not booking.holds_room:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} has no check-out to move")
        booking.checkout_time = time
        self.touch(booking)
        return booking

    def check_in(self, booking: Booking) -> Booking:
        """Let the guests in and give them rooms; in house already is no change."""
        if booking.status is StayStatus.IN_HOUSE:
            return booking
        if booking.status not in {StayStatus.TENTATIVE, StayStatus.CONFIRMED}:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} cannot be checked in")
        if not booking.arrival <= self.business_date < booking.departure:
            raise HotelRefused(Refusal.CONFLICT, "guests are checked in between arrival and departure only")
        self._give_numbers(booking.rooms, without=booking, vacant=True)
        booking.status, booking.checked_in_at = StayStatus.IN_HOUSE, self.now()
        for room in self._rooms_of(booking):
            room.occupied_by = booking.id
            self.touch(room)
        self.touch(booking)
        return booking

    def check_out(self, booking: Booking) -> Booking:
        """Let the guests go, leaving dirty rooms; checked out already is no change."""
        if booking.status is StayStatus.CHECKED_OUT:
            return booking
        if booking.status is not StayStatus.IN_HOUSE:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} cannot be checked out")
        booking.status, booking.checked_out_at = StayStatus.CHECKED_OUT, self.now()
        for room in self._rooms_of(booking):
            room.occupied_by, room.cleaning = None, Housekeeping.DIRTY
            self.touch(room)
        self.touch(booking)
        return booking

    def move(self, booking: Booking, room: StayRoom, *, staying: bool) -> None:
        """Let the guests of one room in, or go, whatever the day; the reservation's own status is left to the PMS."""
        there = self.rooms.get(room.room_number or "")
        if there is not None:
            there.occupied_by = booking.id if staying else None
            there.cleaning = there.cleaning if staying else Housekeeping.DIRTY
            self.touch(there)
        self.touch(booking)

    # Folio

    def charge(
        self,
        booking: Booking,
        *,
        description: str,
        amount: Decimal,
        quantity: int = 1,
        category: str | None = None,
        reference: str | None = None,
    ) -> Line:
        """Post a charge; `amount` is the price of one unit, taxes included."""
        if booking.status in {StayStatus.CANCELLED, StayStatus.NO_SHOW}:
            raise HotelRefused(Refusal.CONFLICT, f"a reservation that is {booking.status} takes no charges")
        line = Line(
            id=self.new_id("line"),
            type=LineType.CHARGE,
            description=description,
            amount=amount,
            quantity=quantity,
            category=category,
            reference=reference,
            posted_at=self.now(),
        )
        return self._post(booking, line)

    def strike(self, booking: Booking, line: Line) -> None:
        """Take a line off the folio."""
        booking.lines.remove(line)
        self.touch(booking)

    def pay(
        self, booking: Booking, amount: Decimal, description: str = "Card payment", *, reference: str | None = None
    ) -> Line:
        """Take a payment of a positive amount."""
        line = Line(
            id=self.new_id("line"),
            type=LineType.PAYMENT,
            description=description,
            amount=-amount,
            reference=reference,
            posted_at=self.now(),
        )
        return self._post(booking, line)

    def folio(self, booking: Booking) -> list[Line]:
        """Give all lines: the nights that are owed, then what was posted, in order of posting."""
        return [*self._night_lines(booking), *booking.lines]

    def balance(self, booking: Booking) -> Decimal:
        """Give what is owed; positive means that the guest owes."""
        return sum((line.total for line in self.folio(booking)), Decimal())

    # Guests

    def guest(self, guest_id: str) -> Guest:
        """Give a profile, or refuse."""
        if guest_id not in self.guests:
            raise HotelRefused(Refusal.NOT_FOUND, "there is no such guest")
        return self.guests[guest_id]

    def register(self, **fields: Any) -> Guest:
        """Make a profile."""
        if not fields.get("last_name"):
            raise HotelRefused(Refusal.INVALID, "a guest needs a last name", field="last_name")
        guest = Guest(id=self.new_id("guest"), created_at=self.now(), updated_at=self.now(), **fields)
        self.guests[guest.id] = guest
        return guest

    def change_guest(self, guest: Guest, **changes: Any) -> Guest:
        """Change fields of a profile; those that are not named stay."""
        if "last_name" in changes and not changes["last_name"]:
            raise HotelRefused(Refusal.INVALID, "a guest needs a last name", field="last_name")
        for name, value in changes.items():
            setattr(guest, name, value)
        self.touch(guest)
        return guest

    def set_likings(self, guest: Guest, likings: Sequence[Liking]) -> Guest:
        """Make these the whole set of a guest's preferences."""
        guest.likings = list(likings)
        self.touch(guest)
        return guest

    # What the acts above are made of

    def _check_in_house_change(self, booking: Booking, wanted: Sequence[StayRoom]) -> None:
        for room, new in zip(booking.rooms, wanted, strict=True):
            if (room.kind, room.arrival) != (new.kind, new.arrival):
                raise HotelRefused(Refusal.CONFLICT, "the guests are in house: arrival and room type stand")
            if new.departure < self.business_date:
                raise HotelRefused(Refusal.CONFLICT, "the guests are in house: they cannot have left already")
            free = self.free_rooms(new.kind, self.business_date, new.departure, without=booking)
            if (
                room.room_number not in {one.number for one in free}
                and not self.rooms[str(room.room_number)].out_of_order
            ):
                raise HotelRefused(Refusal.NO_AVAILABILITY, "the guests' room is given to somebody else by then")

    def _give_numbers(self, rooms: Sequence[StayRoom], *, without: Booking | None = None, vacant: bool = False) -> None:
        """Give a number to each room that has none: all of them or, when one cannot be had, none."""
        given: dict[int, str] = {}
        for index, room in enumerate(rooms):
            if room.room_number is None:
                free = self.free_rooms(room.kind, room.arrival, room.departure, without=without)
                usable = [one.number for one in free if not (vacant and one.occupied_by)]
                left = [number for number in usable if number not in given.values()]
                if not left and not self.rules.oversell:
                    raise HotelRefused(Refusal.NO_AVAILABILITY, "there is no free room of that type to give")
                if left:
                    given[index] = left[0]
        for index, number in given.items():
            rooms[index].room_number = number

    def _stay_room(self, wish: RoomWish, nights: tuple[Night, ...]) -> StayRoom:
        return StayRoom(
            id=self.new_id("room"),
            kind=wish.kind,
            plan=wish.plan,
            arrival=wish.arrival,
            departure=wish.departure,
            adults=wish.adults,
            child_ages=wish.child_ages,
            nights=nights,
        )

    def _linked(self, contact: Contact) -> Contact:
        if contact.guest_id is not None:
            if contact.guest_id not in self.guests:
                raise HotelRefused(Refusal.INVALID, "there is no such guest", field="guest.id")
            return contact
        if not contact.last_name:
            raise HotelRefused(Refusal.INVALID, "a guest needs a last name", field="guest.last_name")
        guest = self._same_person(contact) or self.register(
            first_name=contact.first_name,
            last_name=contact.last_name,
            email=contact.email,
            phone=contact.phone,
            country=contact.country,
        )
        return replace(contact, guest_id=guest.id)

    def _same_person(self, contact: Contact) -> Guest | None:
        if not contact.email:
            return None
        wanted = (contact.email.casefold(), contact.last_name.casefold())
        found = (guest for guest in self.guests.values() if guest.email)
        return next((guest for guest in found if _identity(guest) == wanted), None)

    def _rooms_of(self, booking: Booking) -> list[Room]:
        return [self.rooms[room.room_number] for room in booking.rooms if room.room_number]

    def _post(self, booking: Booking, line: Line) -> Line:
        booking.lines.append(line)
        self.touch(booking)
        return line

    def _night_lines(self, booking: Booking) -> list[Line]:
        return [
            Line(
                id=f"{room.id}-{night.date:%Y%m%d}",
                type=LineType.ROOM,
                description=f"{self.kinds[room.kind].name}, night of {night.date}",
                amount=night.price,
                posted_at=booking.created_at,
            )
            for room in booking.rooms
            for night in self._owed_nights(booking, room)
        ]

    def _owed_nights(self, booking: Booking, room: StayRoom) -> tuple[Night, ...]:
        if booking.status is StayStatus.NO_SHOW:
            return room.nights[:1]
        if booking.status is StayStatus.CANCELLED and self.plans[room.plan].refundable:
            return ()
        return room.nights


def _identity(guest: Guest) -> tuple[str, str]:
    return (guest.email or "").casefold(), guest.last_name.casefold()
