"""The demo's tour: what every hotel shows, a booking from its making to its end, bad times, and what is refused.

Hotels and what they can do are found through the API itself, as any caller finds them; no vendor is known here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from app.cli.booking import book
from app.cli.guide import Answer, Guide, Unexpected, require
from app.cli.mishaps import Troubles, suffer

_NIGHTS = 3

_NEEDED_TO_BOOK = ("rates", "reservation.create", "reservation.get", "reservation.cancel")

_WITHOUT = {
    "room_status.set": ("PUT", "/rooms/101/status", {"cleaning": "clean"}),
    "reservation.checkout_time": ("PUT", "/reservations/1/checkout-time", {"checkout_time": "13:00"}),
    "reservation.quote": ("POST", "/reservations/1/quote", {"adults": 1}),
    "reservation.check_in": ("POST", "/reservations/1/check-in", None),
    "reservation.modify": ("PATCH", "/reservations/1", {"adults": 1}),
    "reservation.cancel": ("POST", "/reservations/1/cancel", {"reason": "tour"}),
    "rate_plans": ("GET", "/rate-plans", None),
    "balance": ("GET", "/reservations/1/balance", None),
}
"""A request for each capability that a vendor may well lack; it is refused before anybody is asked."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A hotel on the tour: what it can do, and the nights that are asked for."""

    id: str
    currency: str
    can: dict[str, str]
    arrival: date
    departure: date

    @property
    def path(self) -> str:
        """Where everything of the hotel is."""
        return f"/v1/hotels/{self.id}"

    def offers(self, *capabilities: str) -> bool:
        """Tell whether the hotel's PMS can do all of these."""
        return all(self.can[capability] != "none" for capability in capabilities)


def walk(guide: Guide, hotel_ids: Sequence[str], foreign: str, troubles: Troubles) -> bool:
    """Go the whole tour; true when everything was as promised.

    Args:
        guide: Holds a key that sees `hotel_ids` and no other hotel.
        hotel_ids: The hotels to be visited.
        foreign: A registered hotel that the key may not see.
        troubles: Lets the PMSs fail on purpose.
    """
    guide.say("The hotels")
    stops: list[Stop] = []
    _scene(lambda: stops.extend(_hotels(guide, hotel_ids)))
    for stop in stops:
        guide.say(f"Reading at {stop.id}")
        for look in (_availability, _rates, _arrivals, _guests, _rooms):
            _scene(partial(look, guide, stop))
    _scene(lambda: _write(guide, stops, troubles))
    guide.say("What is refused")
    _scene(lambda: _unsupported(guide, stops))
    _scene(lambda: _foreign(guide, foreign))
    return not guide.failures


def _scene(act: Callable[[], object]) -> None:
    """Play one part; what went wrong has been printed and counted, the next part can still be shown."""
    try:
        act()
    except Unexpected:
        return


def _hotels(guide: Guide, hotel_ids: Sequence[str]) -> list[Stop]:
    def note(answer: Answer) -> str:
        seen = [hotel["id"] for hotel in answer.data]
        require(sorted(seen) == sorted(hotel_ids), f"expected {sorted(hotel_ids)}, got {seen}")
        return ", ".join(f"{hotel['id']} ({hotel['vendor']})" for hotel in answer.data)

    listed = guide.ask("GET", "/v1/hotels", note).data
    return [_stop(guide, hotel) for hotel in listed]


def _stop(guide: Guide, hotel: dict[str, Any]) -> Stop:
    def note(answer: Answer) -> str:
        support = [entry["support"] for entry in answer.data.values()]
        require(support.count("none") < len(support), "nothing is supported")
        return ", ".join(f"{support.count(kind)} {kind}" for kind in ("native", "emulated", "partial", "none"))

    entries = guide.ask("GET", f"/v1/hotels/{hotel['id']}/capabilities", note).data
    arrival = datetime.now(ZoneInfo(hotel["timezone"])).date() + timedelta(days=1)
    return Stop(
        id=hotel["id"],
        currency=hotel["currency"],
        can={capability: entry["support"] for capability, entry in entries.items()},
        arrival=arrival,
        departure=arrival + timedelta(days=_NIGHTS),
    )


def _availability(guide: Guide, stop: Stop) -> None:
    def note(answer: Answer) -> str:
        kinds = answer.data["room_types"]
        require(kinds and all(len(kind["nights"]) == _NIGHTS for kind in kinds), f"not {_NIGHTS} nights of each type")
        free = ", ".join(f"{kind['room_type']} {kind['nights'][0]['available']}" for kind in kinds)
        return f"free on {stop.arrival}: {free}"

    def cached(answer: Answer) -> str:
        require(answer.headers.get("X-Cache") == "HIT", "not from the cache")
        return f"{note(answer)} (the same, from the cache)"

    if stop.offers("availability"):
        path = f"{stop.path}/availability?start={stop.arrival}&end={stop.departure}"
        guide.ask("GET", path, note)
        guide.ask("GET", path, cached)


def _rates(guide: Guide, stop: Stop) -> None:
    def note(answer: Answer) -> str:
        quotes = [quote for quote in answer.data if quote["available"]]
        require(quotes, "nothing can be sold")
        require({quote["total"]["currency"] for quote in quotes} == {stop.currency}, "another currency")
        priced = {len(quote["nightly"]) for quote in quotes}
        require(priced <= {0, _NIGHTS}, f"not {_NIGHTS} nights priced")  # 0: some vendors price the stay only
        best = min(quotes, key=lambda quote: float(quote["total"]["amount"]))
        indicative = ", indicative" if best["indicative"] else ""
        price = f"{best['total']['amount']} {stop.currency}"
        return f"{len(quotes)} offers, {best['room_type']} {best['rate_code']} for {price}{indicative}"

    if stop.offers("rates"):
        guide.ask("GET", f"{stop.path}/rates?arrival={stop.arrival}&departure={stop.departure}&adults=2", note)


def _arrivals(guide: Guide, stop: Stop) -> None:
    def note(answer: Answer) -> str:
        day = answer.meta["date"]
        require(all(one["arrival"] <= day for one in answer.data), "somebody arrives on another day")
        names = ", ".join(one["guest"]["last_name"] or "?" for one in answer.data[:4])
        return f"{len(answer.data)} on {day}: {names or 'nobody'}"

    if stop.offers("reservation.search"):
        guide.ask("GET", f"{stop.path}/arrivals", note)


def _guests(guide: Guide, stop: Stop) -> None:
    def note(answer: Answer) -> str:
        require(answer.data, "nobody was found")
        return f"{len(answer.data)} found: {answer.data[0]['first_name']} {answer.data[0]['last_name']}"

    if stop.offers("guest.search"):
        guide.ask("POST", f"{stop.path}/guests/search", note, json={"last_name": "lovelace"})


def _rooms(guide: Guide, stop: Stop) -> None:
    def note(answer: Answer) -> str:
        require(answer.data, "no rooms")
        occupied = sum(room["occupancy"] == "occupied" for room in answer.data)
        first = answer.data[0]
        state = f"{first['room_number']} is {first['cleaning']} and {first['occupancy']}"
        return f"{len(answer.data)} rooms, {occupied} occupied; {state}"

    if stop.offers("room_status.list"):
        guide.ask("GET", f"{stop.path}/rooms", note)


def _write(guide: Guide, stops: Sequence[Stop], troubles: Troubles) -> None:
    able = [stop for stop in stops if stop.offers(*_NEEDED_TO_BOOK)]
    if not able:
        raise guide.miss("no hotel takes reservations")
    for stop in able:
        guide.say(f"A booking at {stop.id}")
        _scene(partial(book, guide, stop))
    for stop in able:
        guide.say(f"When things go wrong at {stop.id}")
        _scene(partial(suffer, guide, stop, troubles, by_hand=stop is not able[0]))


def _unsupported(guide: Guide, stops: Sequence[Stop]) -> None:
    def note(answer: Answer) -> str:
        require(answer.body["code"] == "capability_not_supported", f"code {answer.body['code']}")
        return str(answer.body["detail"])

    for stop in stops:
        for capability, (method, path, body) in _WITHOUT.items():
            if not stop.offers(capability):
                guide.ask(method, stop.path + path, note, status=501, json=body)
                return
    raise guide.miss("every hotel can do everything that the tour knows")


def _foreign(guide: Guide, foreign: str) -> None:
    """A hotel of somebody else must look exactly like one that does not exist."""
    told: list[dict[str, Any]] = []

    def note(answer: Answer) -> str:
        require(answer.body["code"] == "not_found", f"code {answer.body['code']}")
        told.append({name: value for name, value in answer.body.items() if name != "correlation_id"})
        return str(answer.body["detail"])

    def alike(answer: Answer) -> str:
        note(answer)
        require(told[0] == told[-1], "a foreign hotel can be told from one that does not exist")
        return "(it does not exist; told alike)"

    guide.ask("GET", f"/v1/hotels/{foreign}/arrivals", note, status=404)
    guide.ask("GET", "/v1/hotels/no-such-hotel/arrivals", alike, status=404)
