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
        guide.ask("POST", f"{path}/notes", _noted(said), status=201, key=new_key(), json={"text": said})
    if hotel.offers("charge.post", "balance"):
        _charge(guide, hotel, path)
    cancel(guide, hotel, made)


def cancel(guide: Guide, hotel: Hotel, made: Any) -> None:
    """Cancel a booking, and read that it is.

    Raises:
        Unexpected: it is not.
    """
    path = f"{hotel.path}/reservations/{made['id']}"
    guide.ask("POST", f"{path}/cancel", _cancelled(made), key=new_key(), json={"reason": "the tour is over"})
    guide.ask("GET", path, _cancelled(made))


def ask_price(guide: Guide, hotel: Hotel) -> Any:
    """Give the first quote for one person that can be sold.

    Raises:
        Unexpected: there is none.
    """
    asked = f"{hotel.path}/rates?arrival={hotel.arrival}&departure={hotel.departure}&adults=1"
    quotes = guide.ask("GET", asked, _offered).data
    return next(quote for quote in quotes if quote["available"])


def draft_of(hotel: Hotel, quote: Any, guest: dict[str, str]) -> dict[str, Any]:
    """Give the body that books what was quoted, at that price where the quote promises it."""
    draft = {
        "arrival": str(hotel.arrival),
        "departure": str(hotel.departure),
        "room_type": quote["room_type"],
        "rate_code": quote["rate_code"],
        "adults": 1,
        "guest": guest,
    }
    if not quote["indicative"]:
        draft["expected_total"] = quote["total"]
    return draft


def _make(guide: Guide, hotel: Hotel) -> Any:
    """Ask for a price, book at it, and send the very same booking again."""
    draft = draft_of(hotel, ask_price(guide, hotel), _GUEST)
    key = new_key()
    path = f"{hotel.path}/reservations"
    made = guide.ask("POST", path, _made(draft), status=201, key=key, json=draft).data
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
    guide.ask("POST", f"{path}/charges", _charged, status=201, key=new_key(), json=charge)
    guide.ask("GET", f"{path}/balance", _owed(before + 9))


def _clean(guide: Guide, hotel: Hotel) -> None:
    """Change what housekeeping says of the first room, and read it back."""
    room = guide.ask("GET", f"{hotel.path}/rooms", _first_room).data[0]
    path = f"{hotel.path}/rooms/{room['room_number']}"
    wanted = "dirty" if room["cleaning"] != "dirty" else "clean"
    guide.ask("PUT", f"{path}/status", _in_state(wanted), json={"cleaning": wanted})
    guide.ask("GET", path, _in_state(wanted))


def new_key() -> str:
    """Make an Idempotency-Key."""
    return f"tour-{secrets.token_hex(8)}"


def _offered(answer: Answer) -> str:
    quotes = [quote for quote in answer.data if quote["available"]]
    require(quotes, "nothing can be sold")
    return f"{quotes[0]['room_type']} {quotes[0]['rate_code']} for {_money(quotes[0]['total'])}"


def _made(draft: dict[str, Any]) -> Note:
    def note(answer: Answer) -> str:
        made = answer.data
        require(made["status"] == "confirmed", f"status {made['status']}")
        require(all(made[name] == draft[name] for name in ("arrival", "departure")), "other nights")
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
