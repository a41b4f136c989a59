"""What callers ask for in a run: writes of every kind, each of which can be told from all others in the books."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.simulators.hotel import RoomWish, SimulatedHotel
from app.simulators.mews.enterprises import CANAL
from app.simulators.records import Booking, Contact, Housekeeping, StayStatus

SHARED = 12
"""Reservations that many writes are about; what sets a state has a reservation of its own."""


class Manner(StrEnum):
    """How a caller behaves."""

    PATIENT = "patient"
    """Waits, and repeats under the same key until it is told something final, or 202."""
    HASTY = "hasty"
    """The same, with a third of a second for each answer."""
    ASYNC = "async"
    """The same, and takes 202 for an answer at once."""
    ONCE = "once"
    """Asks once and goes away, whatever it is told."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is sent, and how often the books show it: a state that holds shows it once."""

    method: str
    path: str
    body: dict[str, Any] | None
    count: Callable[[], int]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write of a run."""

    number: int
    kind: str
    wanted: Wanted
    manner: Manner
    key: str

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} ({self.manner}): {self.wanted.method} {self.wanted.path} {self.wanted.body}"


def tag_of(number: int) -> str:
    """Give the word that tells a write from all others; there are PMSs that take no digits in a name."""
    digits = []
    for _ in range(4):
        number, digit = divmod(number, 26)
        digits.append(chr(ord("a") + digit))
    return "X" + "".join(reversed(digits))


class HotelWrites:
    """Makes the writes of a run for a hotel, and the reservations and guests that they are about."""

    kinds: ClassVar[Mapping[str, int]]
    """How often each kind comes, in parts of the whole."""
    room_kinds: ClassVar[Sequence[str]]
    rate_code: ClassVar[str]

    def __init__(self, hotel: SimulatedHotel, seed: int) -> None:
        self.hotel = hotel
        self.chance = random.Random(f"plan {seed}")  # noqa: S311 - repeatable on purpose
        self.shared = [self.target(f"Shared{tag_of(number)}") for number in range(SHARED)]

    def plan(self, size: int) -> Iterator[Write]:
        """Give so many writes."""
        names, weights = list(self.kinds), list(self.kinds.values())
        manners = self.chance.choices(list(Manner), [62, 12, 15, 11], k=size)
        # Each kind at least once, however small the plan; the rest by chance.
        kinds = (names + self.chance.choices(names, weights, k=size))[:size]
        self.chance.shuffle(kinds)
        for number, (kind, manner) in enumerate(zip(kinds, manners, strict=True)):
            wanted = getattr(self, kind)(tag_of(number))
            yield Write(number=number, kind=kind, wanted=wanted, manner=manner, key=f"key-{number}")

    def target(self, name: str, *, arrives_in: int | None = None) -> Booking:
        """Make a reservation for a write to be about."""
        arrival = self.hotel.business_date + timedelta(
            days=self.chance.randint(5, 40) if arrives_in is None else arrives_in
        )
        wish = RoomWish(
            kind=self.chance.choice(self.room_kinds),
            plan=self.rate_code,
            arrival=arrival,
            departure=arrival + timedelta(days=2),
            adults=1,
        )
        return self.hotel.book([wish], self.contact(name))

    def contact(self, name: str) -> Contact:
        """Name a guest."""
        email = f"{name.lower()}@example.test"
        return Contact(first_name="Mary", last_name=name, email=email, phone="+43 1 5550100", country="AT")

    def staff_act(self) -> None:
        """Do something that nobody asked for through the gateway, so that the lists show something newer."""
        booking = self.chance.choice(self.shared)
        match self.chance.randrange(3):
            case 0:
                self.target("Staff")
            case 1:
                self.hotel.remark(booking, "seen by staff")
            case _:
                self.hotel.touch(booking)

    def draft(self, tag: str) -> dict[str, Any]:
        """Give the body of a new reservation whose guest carries the tag."""
        arrival = self.hotel.business_date + timedelta(days=self.chance.randint(5, 40))
        contact = self.contact(f"Guest{tag}")
        return {
            "arrival": str(arrival),
            "departure": str(arrival + timedelta(days=2)),
            "room_type": self.chance.choice(self.room_kinds),
            "rate_code": self.rate_code,
            "adults": 1,
            "guest": {
                "first_name": contact.first_name,
                "last_name": contact.last_name,
                "email": contact.email,
                "phone": contact.phone,
                "country": contact.country,
            },
        }

    def notes_of(self, booking: Booking) -> list[str]:
        """Give the texts in which a reservation's notes are kept."""
        return [remark.text for remark in booking.remarks]

    # The kinds of writes that more than one vendor knows

    def create(self, tag: str) -> Wanted:
        """A new reservation."""
        body = self.draft(tag)
        name = body["guest"]["last_name"]
        return Wanted(
            method="POST",
            path="/reservations",
            body=body,
            count=lambda: sum(
                one.contact.last_name == name and one.status is not StayStatus.CANCELLED
                for one in self.hotel.bookings.values()
            ),
        )

    def note(self, tag: str) -> Wanted:
        """A note on a reservation that others write to as well."""
        booking, text = self.chance.choice(self.shared), f"Note {tag}"
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/notes",
            body={"text": text},
            count=lambda: sum(kept.count(text) for kept in self.notes_of(booking)),
        )

    def cancel(self, tag: str) -> Wanted:
        """A cancellation."""
        booking = self.target(f"Cancel{tag}")
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/cancel",
            body={"reason": tag},
            count=lambda: int(booking.status is StayStatus.CANCELLED),
        )

    def modify(self, tag: str) -> Wanted:
        """A stay that is one day longer."""
        booking = self.target(f"Modify{tag}")
        departure = booking.departure + timedelta(days=1)
        return Wanted(
            method="PATCH",
            path=f"/reservations/{booking.id}",
            body={"departure": str(departure)},
            count=lambda: int(booking.departure == departure),
        )

    def charge(self, tag: str) -> Wanted:
        """A charge on a folio that others post to as well."""
        booking, description = self.chance.choice(self.shared), f"Minibar {tag}"
        amount = {"amount": "12.50", "currency": self.hotel.setup.currency}
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/charges",
            body={"description": description, "amount": amount, "category": "minibar"},
            count=lambda: sum(description in line.description for line in booking.lines),
        )

    def check_in(self, tag: str) -> Wanted:
        """Guests who arrive."""
        booking = self.target(f"Arrive{tag}", arrives_in=0)
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/check-in",
            body=None,
            count=lambda: int(booking.status is StayStatus.IN_HOUSE),
        )

    def check_out(self, tag: str) -> Wanted:
        """Guests who leave."""
        booking = self.hotel.check_in(self.target(f"Leave{tag}", arrives_in=0))
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/check-out",
            body=None,
            count=lambda: int(booking.status is StayStatus.CHECKED_OUT),
        )

    def guest(self, tag: str) -> Wanted:
        """A new profile."""
        contact = self.contact(f"Profile{tag}")
        return Wanted(
            method="PUT",
            path="/guests",
            body={
                "first_name": "Anna",
                "last_name": contact.last_name,
                "email": contact.email,
                "phone": contact.phone,
            },
            count=lambda: sum(guest.last_name == contact.last_name for guest in self.hotel.guests.values()),
        )

    def refused(self, tag: str) -> Wanted:
        """Something that the PMS says no to."""
        booking = self.hotel.cancel(self.target(f"Gone{tag}"))
        return Wanted(
            method="POST",
            path=f"/reservations/{booking.id}/check-in",
            body=None,
            count=lambda: int(booking.status is not StayStatus.CANCELLED),
        )


class BridgeWrites(HotelWrites):
    """The writes of the bridge, which can do everything."""

    kinds: ClassVar[Mapping[str, int]] = {
        "create": 22,
        "priced_create": 6,
        "note": 15,
        "charge": 15,
        "modify": 9,
        "cancel": 8,
        "checkout_time": 7,
        "check_in": 4,
        "check_out": 4,
        "guest": 4,
        "guest_change": 3,
        "preferences": 3,
        "room_status": 4,
        "refused": 3,
    }
    room_kinds: ClassVar[Sequence[str]] = ("STD",)
    rate_code = "FLEX"
    cleaned_kind = "STE"

    def __init__(self, hotel: SimulatedHotel, seed: int) -> None:
        super().__init__(hotel, seed)
        self._to_clean = (room for room in hotel.rooms.values() if room.kind == self.cleaned_kind)

    def priced_create(self, tag: str) -> Wanted:
        """A new reservation at a price that was promised."""
        wanted = self.create(tag)
        body = wanted.body or {}
        arrival = self.hotel.business_date.fromisoformat(body["arrival"])
        departure = self.hotel.business_date.fromisoformat(body["departure"])
        wish = RoomWish(kind=body["room_type"], plan=self.rate_code, arrival=arrival, departure=departure, adults=1)
        total = sum(night.price for night in self.hotel.price(wish))
        body["expected_total"] = {"amount": str(total), "currency": self.hotel.setup.currency}
        return wanted

    def checkout_time(self, tag: str) -> Wanted:
        """A late check-out."""
        booking, time = self.target(f"Late{tag}"), f"13:{self.chance.randrange(60):02d}"
        return Wanted(
            method="PUT",
            path=f"/reservations/{booking.id}/checkout-time",
            body={"checkout_time": time},
            count=lambda: int(booking.checkout_time == time),
        )

    def guest_change(self, tag: str) -> Wanted:
        """A profile that is changed."""
        guest = self.hotel.register(last_name=f"Known{tag}", email=f"known{tag.lower()}@example.test")
        return Wanted(
            method="PUT",
            path="/guests",
            body={"id": guest.id, "loyalty_tier": tag},
            count=lambda: int(guest.loyalty_tier == tag),
        )

    def preferences(self, tag: str) -> Wanted:
        """What a guest likes."""
        guest = self.hotel.register(last_name=f"Likes{tag}")
        return Wanted(
            method="PUT",
            path=f"/guests/{guest.id}/preferences",
            body={"preferences": [{"category": "room", "value": tag}]},
            count=lambda: sum(liking.value == tag for liking in guest.likings),
        )

    def room_status(self, tag: str) -> Wanted:
        """A room that was looked at."""
        room = next(self._to_clean)
        room.cleaning = Housekeeping.DIRTY
        return Wanted(
            method="PUT",
            path=f"/rooms/{room.number}/status",
            body={"cleaning": "inspected"},
            count=lambda: int(room.cleaning is Housekeeping.INSPECTED),
        )


class QloAppsWrites(HotelWrites):
    """The writes of QloApps: no house-keeping, no check-out times, no country of a guest, and creates that queue up."""

    kinds: ClassVar[Mapping[str, int]] = {
        "create": 28,
        "note": 18,
        "charge": 16,
        "modify": 8,
        "cancel": 10,
        "check_in": 5,
        "check_out": 5,
        "guest": 6,
        "refused": 4,
    }
    room_kinds = ("1", "2", "3", "4")
    rate_code = "BAR"

    def draft(self, tag: str) -> dict[str, Any]:
        """Give a draft without what a shop has no place for."""
        body = super().draft(tag)
        del body["guest"]["country"]
        return body

    def notes_of(self, booking: Booking) -> list[str]:
        """Give the comments of the rooms, which is where notes are kept."""
        return [room.comment for room in booking.rooms]

    def staff_act(self) -> None:
        """Book: what is newest in a shop is its newest order."""
        self.target("Staff")


class MewsWrites(BridgeWrites):
    """The writes of Mews, which knows all of the bridge's but a guest's tier."""

    room_kinds: ClassVar[Sequence[str]] = tuple(kind.code for kind in CANAL.kinds[:-1])
    rate_code = CANAL.plans[0].code
    cleaned_kind = CANAL.kinds[-1].code

    def guest_change(self, tag: str) -> Wanted:
        """A profile that is changed."""
        guest = self.hotel.register(last_name=f"Known{tag}", email=f"known{tag.lower()}@example.test")
        return Wanted(
            method="PUT",
            path="/guests",
            body={"id": guest.id, "phone": f"+43 1 {guest.id[-6:]}"},
            count=lambda: int(guest.phone == f"+43 1 {guest.id[-6:]}"),
        )

    def staff_act(self) -> None:
        """Book: what is newest in the lists is the newest reservation."""
        self.target("Staff")
