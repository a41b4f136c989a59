"""The tour's booking: made once though asked for twice, found again, charged, and cancelled."""

import secrets
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from app.cli.guide import Answer, Guide, Note, require

_GUEST = {
    "first_name": "Mary",
    "last_name": "Somerville",
    "email": "mary.somerville@example.test",
    "phone": "+44 20 7946 0018",
    "country": "GB",
}


class Hotel(Protocol):
    """The hotel that takes the booking."""

    @property
    def path(self) -> str:
        """Where everything of it is."""
        ...

    @property
    def currency(self) -> str:
        """What it charges in."""
        ...

    @property
    def arrival(self) -> date:
        """The first night."""
        ...

    @property
    def departure(self) -> date:
        """The day after the last night."""
        ...

    def offers(self, *capabilities: str) -> bool:
        """Tell whether its PMS can do all of these."""
        ...


def book(guide: Guide, hotel: Hotel) -> None:
    """Lead one booking from its making to its end.

    Raises:
        Unexpected: a step went wrong; those after it stand on it.
    """
    made = _make(guide, hotel)
    path = f"{hotel.path}/reservations/{made['id']}"
    guide.ask("GET", path, _same(made))
    if hotel.offers("reservation.search"):
        guide.ask("GET", f"{hotel.path}/arrivals?date={hotel.arrival}", _listed(made))
    if hotel.offers("guest.search"):
        sought = {"email": _GUEST["email"].upper()}
        guide.ask("POST", f"{hotel.path}/guests/search", _found, json=sought)
    if hotel.offers("room_status.list", "room_status.set"):
        _clean(guide, hotel)
    if hotel.offers("reservation.note"):
        said = "Arrives by the night train"
        guide.ask("POST", f"{path}/notes", _noted(said), status=201, key=_key(), json={"text": said})
    if hotel.offers("charge.post", "balance"):
        _charge(guide, hotel, path)
    guide.ask("POST", f"{path}/cancel", _cancelled(made), key=_key(), json={"reason": "the tour is over"})
    guide.ask("GET", path, _cancelled(made))


def _make(guide: Guide, hotel: Hotel) -> Any:
    """Ask for a price, book at it, and send the very same booking again."""
    stay = {"arrival": str(hotel.arrival), "departure": str(hotel.departure)}
    asked = f"{hotel.path}/rates?arrival={hotel.arrival}&departure={hotel.departure}&adults=1"
    quotes = guide.ask("GET", asked, _offered).data
    quote = next(quote for quote in quotes if quote["available"])
    draft = stay | {"room_type": quote["room_type"], "rate_code": quote["rate_code"], "adults": 1, "guest": _GUEST}
    if not quote["indicative"]:
        draft["expected_total"] = quote["total"]
    key = _key()
    path = f"{hotel.path}/reservations"
    made = guide.ask("POST", path, _made(stay), status=201, key=key, json=draft).data
    guide.ask("POST", path, _replayed(made), status=201, key=key, json=draft)
    return made


def _charge(guide: Guide, hotel: Hotel, path: str) -> None:
    before = Decimal(guide.ask("GET", f"{path}/balance", _owed(None)).data["balance"]["amount"])
    charge = {
        "description": "Sparkling water",
        "amount": {"amount": "4.50", "currency": hotel.currency},
        "quantity": 2,
        "category": "minibar",
    }
    guide.ask("POST", f"{path}/charges", _charged, status=201, key=_key(), json=charge)
    guide.ask("GET", f"{path}/balance", _owed(before + 9))


def _clean(guide: Guide, hotel: Hotel) -> None:
    """Change what housekeeping says of the first room, and read it back."""
    room = guide.ask("GET", f"{hotel.path}/rooms", _first_room).data[0]
    path = f"{hotel.path}/rooms/{room['room_number']}"
    wanted = "dirty" if room["cleaning"] != "dirty" else "clean"
    guide.ask("PUT", f"{path}/status", _in_state(wanted), json={"cleaning": wanted})
    guide.ask("GET", path, _in_state(wanted))


def _key() -> str:
    return f"tour-{secrets.token_hex(8)}"


def _offered(answer: Answer) -> str:
    quotes = [quote for quote in answer.data if quote["available"]]
    require(quotes, "nothing can be sold")
    return f"{quotes[0]['room_type']} {quotes[0]['rate_code']} for {_money(quotes[0]['total'])}"


def _made(stay: dict[str, str]) -> Note:
    def note(answer: Answer) -> str:
        made = answer.data
        require(made["status"] == "confirmed", f"status {made['status']}")
        require({name: made[name] for name in stay} == stay, "other nights")
        require(made["guest"]["last_name"] == _GUEST["last_name"], "another guest")
        require("Idempotent-Replayed" not in answer.headers, "a replay of nothing")
        return f"{made['id']} {made['status']}, {_money(made['total'])}"

    return note


def _replayed(made: Any) -> Note:
    def note(answer: Answer) -> str:
        require(answer.headers.get("Idempotent-Replayed") == "true", "not marked as replayed")
        require(answer.data["id"] == made["id"], "a second booking was made")
        return f"{answer.data['id']} again: the same key books once (Idempotent-Replayed: true)"

    return note


def _same(made: Any) -> Note:
    def note(answer: Answer) -> str:
        found = answer.data
        require((found["id"], found["status"]) == (made["id"], made["status"]), "another reservation")
        return (
            f"{found['guest']['first_name']} {found['guest']['last_name']}, {found['arrival']} to {found['departure']}"
        )

    return note


def _listed(made: Any) -> Note:
    def note(answer: Answer) -> str:
        require(made["id"] in {one["id"] for one in answer.data}, "the booking is not among them")
        return f"{len(answer.data)} on {answer.meta['date']}, {made['id']} among them"

    return note


def _found(answer: Answer) -> str:
    emails = {guest["email"] for guest in answer.data}
    require(emails == {_GUEST["email"]}, "not the guest")
    return f"{len(answer.data)} found: {answer.data[0]['first_name']} {answer.data[0]['last_name']}"


def _first_room(answer: Answer) -> str:
    return f"{len(answer.data)} rooms; {answer.data[0]['room_number']} is {answer.data[0]['cleaning']}"


def _in_state(wanted: str) -> Note:
    def note(answer: Answer) -> str:
        require(answer.data["cleaning"] == wanted, f"it is {answer.data['cleaning']}")
        return f"{answer.data['room_number']} is {wanted} now"

    return note


def _noted(said: str) -> Note:
    def note(answer: Answer) -> str:
        require(answer.data["text"] == said, "another text")
        return f"“{said}”"

    return note


def _charged(answer: Answer) -> str:
    require(Decimal(answer.data["total"]["amount"]) == 9, f"total {_money(answer.data['total'])}")
    return f"{answer.data['quantity']} x {answer.data['description']}, {_money(answer.data['total'])}"


def _owed(expected: Decimal | None) -> Note:
    def note(answer: Answer) -> str:
        owed = answer.data["balance"]
        require(expected is None or Decimal(owed["amount"]) == expected, f"{_money(owed)}, expected {expected}")
        return f"the guest owes {_money(owed)}"

    return note


def _cancelled(made: Any) -> Note:
    def note(answer: Answer) -> str:
        require((answer.data["id"], answer.data["status"]) == (made["id"], "cancelled"), answer.data["status"])
        return f"{answer.data['id']} {answer.data['status']}"

    return note


def _money(money: Any) -> str:
    return f"{money['amount']} {money['currency']}" if money else "no total"
