"""One question for each capability, as callers ask it, and what the answer has to have to do with the hotel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.domain.capability import Capability
from app.simulators.house import RoomWish
from app.simulators.records import HOLDING, Booking, StayStatus
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.stays import booked, seeded, today

Check = Callable[[HotelUnderTest, Any], None]
Build = Callable[[HotelUnderTest], Any]


@dataclass(frozen=True)
class Question:
    """How a capability is asked for, and how its answer is judged."""

    method: str
    path: Callable[[HotelUnderTest], str]
    fits: Check
    body: Build = lambda _: None
    status: int = 200

    async def ask(self, hotel: HotelUnderTest, *, key: str = "contract") -> Any:
        """Send it."""
        write = {} if self.method == "GET" else {"key": key}
        return await hotel.send(self.method, self.path(hotel), self.body(hotel), **write)


def new_stay(hotel: HotelUnderTest, *, nights: int = 3) -> dict[str, Any]:
    """Give a draft over the end of a month, in the first room type and rate plan that the hotel has."""
    house = hotel.site.hotel
    arrival = (today(hotel).replace(day=1) + timedelta(days=70)).replace(day=1) - timedelta(days=1)
    guest = {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test", "phone": "+44 20 7946 0958"}
    return {
        "arrival": str(arrival),
        "departure": str(arrival + timedelta(days=nights)),
        "room_type": next(iter(house.kinds)),
        "rate_code": next(iter(house.plans)),
        "adults": 2,
        "guest": guest,
    }


def price(hotel: HotelUnderTest, draft: dict[str, Any]) -> Decimal:
    """Give what the house itself asks for a stay."""
    wish = RoomWish(
        kind=draft["room_type"],
        plan=draft["rate_code"],
        arrival=date.fromisoformat(draft["arrival"]),
        departure=date.fromisoformat(draft["departure"]),
        adults=draft["adults"],
    )
    return sum((night.price for night in hotel.site.hotel.price(wish)), Decimal())


def _of(name: str, path: str = "") -> Callable[[HotelUnderTest], str]:
    return lambda hotel: f"/reservations/{seeded(hotel, name).id}{path}"


def _guest(path: str = "") -> Callable[[HotelUnderTest], str]:
    return lambda hotel: f"/guests/{seeded(hotel, 'Lovelace').contact.guest_id}{path}"


def _nights(hotel: HotelUnderTest) -> tuple[date, date]:
    return today(hotel), today(hotel) + timedelta(days=7)


def _availability(hotel: HotelUnderTest, data: Any) -> None:
    first, last = _nights(hotel)
    nights = [first + timedelta(days=offset) for offset in range((last - first).days)]
    told = {
        (kind["room_type"], night["date"]): night["available"]
        for kind in data["room_types"]
        for night in kind["nights"]
    }
    house = hotel.site.hotel
    assert told == {
        (kind, str(night)): max(0, house.available(kind, night)) for kind in house.kinds for night in nights
    }
    assert min(told.values()) < max(told.values())


def _rates(hotel: HotelUnderTest, data: Any) -> None:
    draft = new_stay(hotel)
    one = next(quote for quote in data if quote["room_type"] == draft["room_type"])
    assert (one["arrival"], one["departure"], one["adults"]) == (draft["arrival"], draft["departure"], 2)
    total = Decimal(one["total"]["amount"])
    assert one["total"]["currency"] == hotel.site.hotel.setup.currency
    assert total == price(hotel, draft) or (one["indicative"] and total > 0)
    assert not one["nightly"] or total == sum(Decimal(night["amount"]["amount"]) for night in one["nightly"])


def _lovelace(hotel: HotelUnderTest, data: Any) -> None:
    booking = seeded(hotel, "Lovelace")
    assert data["id"] == booking.id
    assert (data["arrival"], data["departure"]) == (str(booking.arrival), str(booking.departure))
    assert (data["status"], data["hotel_id"]) == ("in_house", hotel.id)
    assert (data["guest"]["last_name"], data["guest"]["email"]) == ("Lovelace", "ada@example.test")
    assert data["room_number"] == booking.rooms[0].room_number
    assert data["confirmation_number"]


def _arrivals(hotel: HotelUnderTest, data: Any) -> None:
    expected = {
        booking.id
        for booking in hotel.site.hotel.bookings.values()
        if booking.arrival == today(hotel) and booking.status in HOLDING
    }
    assert len(expected) == 2
    assert {one["id"] for one in data} == expected


def _profile(hotel: HotelUnderTest, data: Any) -> None:
    profile = hotel.site.hotel.guest(str(seeded(hotel, "Lovelace").contact.guest_id))
    assert (data["id"], data["first_name"], data["last_name"]) == (profile.id, "Ada", "Lovelace")
    assert data["email"] == profile.email


def _folio(hotel: HotelUnderTest, data: Any) -> None:
    booking = seeded(hotel, "Hopper")
    assert sum(Decimal(line["amount"]["amount"]) for line in data) == hotel.site.hotel.balance(booking)
    assert {line["kind"] for line in data} >= {"payment"}
    assert len({line["id"] for line in data}) == len(data) > 2


def _balance(hotel: HotelUnderTest, data: Any) -> None:
    owed = hotel.site.hotel.balance(seeded(hotel, "Hopper"))
    assert data["balance"] == {"amount": str(owed), "currency": hotel.site.hotel.setup.currency}


def _rooms(hotel: HotelUnderTest, data: Any) -> None:
    told = {room["room_number"]: (room["occupancy"], room["out_of_order"], room["room_type"]) for room in data}
    assert told == {
        number: ("occupied" if room.occupied_by else "vacant", room.out_of_order, room.kind)
        for number, room in hotel.site.hotel.rooms.items()
    }


def _number(hotel: HotelUnderTest) -> str:
    return str(seeded(hotel, "Lovelace").rooms[0].room_number)


def _room(hotel: HotelUnderTest, data: Any) -> None:
    assert (data["room_number"], data["occupancy"]) == (_number(hotel), "occupied")


def _healthy(_: HotelUnderTest, data: Any) -> None:
    unwell = {check["name"] for check in data["checks"] if not check["ok"]}
    assert unwell <= {"clock"}, data["checks"]  # the gateway of these tests has a clock of its own, which is told
    assert len(data["checks"]) > 1


def _made(hotel: HotelUnderTest, data: Any) -> None:
    [booking] = booked(hotel.site)
    draft = new_stay(hotel)
    assert (data["id"], data["status"]) == (booking.id, "confirmed")
    assert (str(booking.arrival), str(booking.departure)) == (draft["arrival"], draft["departure"])
    assert booking.rooms[0].kind == draft["room_type"]


def _posted(hotel: HotelUnderTest, data: Any) -> None:
    line = seeded(hotel, "Lovelace").lines[-1]
    assert (line.description, line.total) == ("Wine", Decimal("21.75"))
    assert data["total"] == {"amount": "21.75", "currency": hotel.site.hotel.setup.currency}


def _now(name: str, status: StayStatus) -> Check:
    def fits(hotel: HotelUnderTest, data: Any) -> None:
        assert (data["status"], seeded(hotel, name).status) == (status.value, status)

    return fits


def _fits(told: Callable[[HotelUnderTest, Any], bool]) -> Check:
    def fits(hotel: HotelUnderTest, data: Any) -> None:
        assert told(hotel, data), data

    return fits


def _wine(hotel: HotelUnderTest) -> dict[str, Any]:
    amount = {"amount": "7.25", "currency": hotel.site.hotel.setup.currency}
    return {"description": "Wine", "amount": amount, "quantity": 3, "category": "bar"}


def _window(path: str, first: str, last: str, dates: Callable[[HotelUnderTest], tuple[Any, Any]]) -> Callable[..., str]:
    return lambda hotel: path + f"?{first}={dates(hotel)[0]}&{last}={dates(hotel)[1]}"


def _noted(booking: Booking) -> str:
    """Give all that is written down about a stay, wherever the PMS keeps it."""
    return "\n".join([*(remark.text for remark in booking.remarks), *(room.comment or "" for room in booking.rooms)])


QUESTIONS: dict[Capability, Question] = {
    Capability.AVAILABILITY: Question("GET", _window("/availability", "start", "end", _nights), _availability),
    Capability.RATES: Question(
        "GET",
        lambda hotel: (
            f"/rates?arrival={new_stay(hotel)['arrival']}&departure={new_stay(hotel)['departure']}&adults=2"
            f"&rate_code={new_stay(hotel)['rate_code']}"
        ),
        _rates,
    ),
    Capability.RATE_PLANS: Question(
        "GET",
        lambda _: "/rate-plans",
        _fits(lambda hotel, data: {one["rate_code"] for one in data} == set(hotel.site.hotel.plans)),
    ),
    Capability.ROOM_TYPES: Question(
        "GET",
        lambda _: "/room-types",
        _fits(
            lambda hotel, data: (
                {one["room_type"]: one["name"] for one in data}
                == {kind.code: kind.name for kind in hotel.site.hotel.kinds.values()}
            )
        ),
    ),
    Capability.RESERVATION_GET: Question("GET", _of("Lovelace"), _lovelace),
    Capability.RESERVATION_SEARCH: Question("GET", lambda hotel: f"/arrivals?date={today(hotel)}", _arrivals),
    Capability.RESERVATION_CREATE: Question("POST", lambda _: "/reservations", _made, new_stay, 201),
    Capability.RESERVATION_MODIFY: Question(
        "PATCH",
        _of("Lamarr"),
        _fits(lambda hotel, data: data["adults"] == seeded(hotel, "Lamarr").rooms[0].adults == 1),
        lambda _: {"adults": 1},
    ),
    Capability.RESERVATION_QUOTE: Question(
        "POST",
        _of("Lamarr", "/quote"),
        _fits(
            lambda hotel, data: (
                data["adults"] == 1
                and seeded(hotel, "Lamarr").rooms[0].adults == 2
                and data["total"]["amount"] == str(seeded(hotel, "Lamarr").total)
            )
        ),
        lambda _: {"adults": 1},
    ),
    Capability.RESERVATION_CANCEL: Question(
        "POST", _of("Lamarr", "/cancel"), _now("Lamarr", StayStatus.CANCELLED), lambda _: {"reason": "Ill"}
    ),
    Capability.RESERVATION_NOTE: Question(
        "POST",
        _of("Lovelace", "/notes"),
        _fits(lambda hotel, data: data["text"] == "Vegan" and "Vegan" in _noted(seeded(hotel, "Lovelace"))),
        lambda _: {"text": "Vegan"},
        201,
    ),
    Capability.RESERVATION_CHECKOUT_TIME: Question(
        "PUT",
        _of("Lovelace", "/checkout-time"),
        _fits(lambda hotel, data: data["checkout_time"] == seeded(hotel, "Lovelace").checkout_time == "13:00"),
        lambda _: {"checkout_time": "13:00"},
    ),
    Capability.RESERVATION_CHECK_IN: Question(
        "POST", _of("Johnson", "/check-in"), _now("Johnson", StayStatus.IN_HOUSE)
    ),
    Capability.RESERVATION_CHECK_OUT: Question(
        "POST", _of("Hopper", "/check-out"), _now("Hopper", StayStatus.CHECKED_OUT)
    ),
    Capability.GUEST_GET: Question("GET", _guest(), _profile),
    Capability.GUEST_SEARCH: Question(
        "GET", lambda _: "/guests?last_name=LOVELACE", lambda hotel, data: _profile(hotel, data[0])
    ),
    Capability.GUEST_UPSERT: Question(
        "PUT",
        lambda _: "/guests",
        _fits(lambda hotel, data: hotel.site.hotel.guest(data["id"]).email == "marie@example.test"),
        lambda _: {"first_name": "Marie", "last_name": "Curie", "email": "marie@example.test", "phone": "+3315550101"},
        201,
    ),
    Capability.GUEST_PREFERENCES: Question(
        "PUT",
        _guest("/preferences"),
        _fits(lambda hotel, data: [one.value for one in hotel.site.hotel.guest(data["id"]).likings] == ["high"]),
        lambda _: {"preferences": [{"category": "floor", "value": "high"}]},
    ),
    Capability.CHARGE_POST: Question("POST", _of("Lovelace", "/charges"), _posted, _wine, 201),
    Capability.CHARGE_LIST: Question("GET", _of("Hopper", "/charges"), _folio),
    Capability.BALANCE: Question("GET", _of("Hopper", "/balance"), _balance),
    Capability.ROOM_STATUS_LIST: Question("GET", lambda _: "/rooms", _rooms),
    Capability.ROOM_STATUS_GET: Question("GET", lambda hotel: f"/rooms/{_number(hotel)}", _room),
    Capability.ROOM_STATUS_SET: Question(
        "PUT",
        lambda hotel: f"/rooms/{_number(hotel)}/status",
        _fits(lambda hotel, data: data["cleaning"] == hotel.site.hotel.rooms[_number(hotel)].cleaning == "inspected"),
        lambda _: {"cleaning": "inspected"},
    ),
    Capability.HEALTH: Question("POST", lambda _: "/check", _healthy),
}
"""What every vendor is asked; traits are no question."""
