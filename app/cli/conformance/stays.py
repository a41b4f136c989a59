"""§ 8, create and reservation: what is booked is what was asked for, and a room is sold once."""

from datetime import date, timedelta
from typing import Any

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import CANCELLED, FORM, FOUND, GRID, MADE, OFFER, Broken, NotTried, fitting, rule
from app.cli.conformance.sandbox import LAST_NAME, Body, Sandbox, amount, day, guest_path, objects, stay_path

_MOST = 5
"""How many rooms are booked, at most, to sell a room type out."""


@rule(
    MADE,
    "A reservation is made: 201, with its id",
    fix="Answer POST /reservations with 201 and the whole reservation.",
    needs=(GRID, OFFER),
    can=("reservation.create",),
    writes=True,
)
def made(at: Sandbox) -> None:
    """Book."""
    answer = at.book()
    if not answer.at("id"):
        raise Broken("an id", exchange=answer)


@rule(
    FOUND,
    "A reservation that was made can be read at once",
    fix="Read from what was written, not from a copy that lags behind.",
    needs=(MADE,),
    can=("reservation.get",),
    writes=True,
)
def found(at: Sandbox) -> None:
    """Book and read."""
    identity = at.book().at("id")
    answer = at.require(at.get(stay_path(identity)), 200)
    at.same("id", identity, answer.at("id"), answer)


shown = fitting("8.17", "Reservations have the members of the schema", "Reservation")


@rule(
    "8.18",
    "The reservation says what was asked for",
    fix="Keep dates, room type, rate, guests, names, notes and external_reference as they were sent.",
    needs=(FOUND,),
    writes=True,
)
def as_asked(at: Sandbox) -> None:
    """Book with everything, and compare what is read."""
    guest = {"first_name": "Conformance", "last_name": LAST_NAME, "phone": "+43 1 5550101", "country": "GB"}
    draft = at.draft(guest=guest, notes=["Late arrival", "Second note"])
    answer = at.require(at.create(draft), 201)
    read = at.get(stay_path(answer.at("id")))
    room = ("rooms", 0)
    for name in ("arrival", "departure"):
        at.same(f"rooms[0].{name}", draft[name], day(read.at(*room, name)), read)
    for name in ("room_type", "rate_code", "adults"):
        at.same(f"rooms[0].{name}", draft[name], read.at(*room, name), read)
    at.same("rooms[0].child_ages", [], read.at(*room, "child_ages"), read)
    for name in ("first_name", "last_name", "country"):
        at.same(f"guest.{name}", guest[name], read.at("guest", name), read)
    at.same("notes", draft["notes"], [note.get("text") for note in objects(read.at("notes"))], read)
    at.same("external_reference", draft["external_reference"], read.at("external_reference"), read)


@rule(
    "8.19",
    "The answer of a create is the reservation as it is read afterwards",
    fix="Show a reservation with the same code everywhere.",
    needs=(FOUND,),
    writes=True,
)
def as_read(at: Sandbox) -> None:
    """Compare what was answered with what is read and with what is found."""
    answer = at.book()
    read = at.get(stay_path(answer.at("id")))
    _same_members(answer, answer.json, read.json)
    reference = str(answer.at("external_reference"))
    searched = at.listed("reservations", filters={"external_reference": reference})
    for one in searched:
        if one.get("id") == answer.at("id"):
            _same_members(answer, read.json, one)


def _same_members(exchange: Exchange, one: Body, other: Body) -> None:
    differing = {name for name in {*one, *other} - {"updated_at"} if one.get(name) != other.get(name)}
    if differing:
        name = min(differing)
        raise Broken(f"{name}: {one.get(name)!r}", f"{other.get(name)!r}", exchange=exchange)


@rule(
    "8.20",
    "A reservation takes one room from each of its nights, and from no other",
    fix="Count a stay for its arrival and up to, not including, its departure.",
    needs=(MADE,),
    writes=True,
)
def takes_a_room(at: Sandbox) -> None:
    """Compare the grid before and after."""
    draft = at.draft()
    before = _around(at, draft)
    at.require(at.create(draft), 201)
    wanted = {night: left - (draft["arrival"] <= night < draft["departure"]) for night, left in before.items()}
    at.same(f"rooms of {draft['room_type']} that are left", wanted, _around(at, draft))


@rule(
    "8.21",
    "A cancelled reservation gives its room back",
    fix="Do not count cancelled stays.",
    needs=(MADE, CANCELLED),
    writes=True,
)
def gives_back(at: Sandbox) -> None:
    """Compare the grid before and after."""
    draft = at.draft()
    before = _around(at, draft)
    at.require(at.cancel(str(at.require(at.create(draft), 201).at("id"))), 200)
    at.same(f"rooms of {draft['room_type']} that are left", before, _around(at, draft))


def _around(at: Sandbox, draft: Body) -> dict[str, int]:
    arrival, departure = _dates(draft)
    first, last = arrival - timedelta(days=1), departure + timedelta(days=2)
    nights = at.grid(first, last).get(draft["room_type"], {})
    return {night: left for night, left in nights.items() if str(first) <= night < str(last)}


@rule(
    "8.22",
    "A reservation costs what was quoted",
    fix='Price the booking as the quote; else say "indicative": true in the quote.',
    needs=(FOUND,),
    writes=True,
)
def as_quoted(at: Sandbox) -> None:
    """Ask for the price and book."""
    draft = at.draft()
    names = ("arrival", "departure", "room_type", "rate_code")
    offers = at.quotes(*_dates(draft), room_type=draft["room_type"], rate_code=draft["rate_code"])
    offer = next((one for one in offers if all(day(one.get(name)) == day(draft[name]) for name in names)), None)
    if offer is None or offer.get("indicative") is True:
        raise NotTried("there is no quote that binds")
    answer = at.require(at.create(draft), 201)
    at.same("total", amount(offer.get("total")), amount(answer.at("total")), answer)


@rule(
    "8.23",
    "Two callers and one last room: one gets it, the other 409 no_availability; then it is sold out",
    fix="Count and book in one transaction, under a lock: SELECT … FOR UPDATE of the room type's nights.",
    needs=(MADE, FORM),
    writes=True,
)
def last_room(at: Sandbox) -> None:
    """Sell a room type out, the last room to two at once."""
    draft = _scarce(at)
    stay = _dates(draft)
    left = at.grid(*stay)[draft["room_type"]][draft["arrival"]]
    for _ in range(left - 1):
        at.require(at.create(_renamed(at, draft)), 201)
    pair = [_renamed(at, draft) for _ in range(2)]
    keys = [at.new_key(), at.new_key()]
    answers = [at.remember(one) for one in at.together(method="POST", path="/reservations", bodies=pair, keys=keys)]
    winners = [one for one in answers if one.status == 201]
    at.same("callers who got the last room", 1, len(winners), answers[-1])
    for loser in answers:
        if loser not in winners:
            at.refused(loser, 409, "no_availability")
    at.same("rooms left", 0, at.grid(*stay).get(draft["room_type"], {}).get(draft["arrival"]))
    for offer in at.quotes(*stay, room_type=draft["room_type"], rate_code=draft["rate_code"]):
        at.same("available of a sold-out quote", False, offer.get("available"))


def _dates(draft: Body) -> tuple[date, date]:
    return date.fromisoformat(draft["arrival"]), date.fromisoformat(draft["departure"])


def _scarce(at: Sandbox) -> Body:
    draft = at.draft()
    arrival, _ = _dates(draft)
    grid = at.grid(arrival, arrival + timedelta(days=1))
    left = {code: nights.get(str(arrival), 0) for code, nights in grid.items()}
    few = {code: count for code, count in left.items() if 0 < count <= _MOST}
    if not few:
        raise NotTried(f"every room type has more than {_MOST} rooms to be sold out: {left}")
    room_type = min(few, key=lambda code: (few[code], code))
    departure = str(arrival + timedelta(days=1))
    return {**draft, "room_type": room_type, "rate_code": at.rate_for(room_type), "departure": departure}


def _renamed(at: Sandbox, draft: Body) -> Body:
    return {**draft, "external_reference": at.new_name()}


@rule(
    "8.24",
    "With guest.id the stay belongs to that profile",
    fix="Link the profile that guest.id names.",
    needs=(MADE,),
    can=("guest.upsert",),
    writes=True,
)
def linked(at: Sandbox) -> None:
    """Make a profile and book for it."""
    guest = at.register().at("id")
    answer = at.book(guest={"id": guest, "first_name": "Conformance", "last_name": LAST_NAME})
    at.same("guest.id", guest, answer.at("guest", "id"), answer)


@rule(
    "8.25",
    "A booking never changes the name of a profile that is there",
    fix="Write the names of a booking to the booking alone.",
    needs=(MADE,),
    can=("guest.upsert", "guest.get"),
    writes=True,
)
def names_kept(at: Sandbox) -> None:
    """Book under another first name, once by id and once by the same address."""
    profile = at.register()
    named: dict[str, Any] = {"first_name": "Somebody", "last_name": LAST_NAME, "email": profile.at("email")}
    for guest in (named, {**named, "id": profile.at("id"), "last_name": "Else"}):
        at.book(guest=guest)
        read = at.get(guest_path(profile.at("id")))
        at.same("first_name of the profile", "Conformance", read.at("first_name"), read)
        at.same("last_name of the profile", LAST_NAME, read.at("last_name"), read)


@rule(
    "8.26",
    "A booking for a profile that is not there is refused",
    fix="Look guest.id up; 422 invalid, or 404 not_found.",
    needs=(MADE, FORM),
    writes=True,
)
def unknown_profile(at: Sandbox) -> None:
    """Book for nobody."""
    answer = at.create(at.draft(guest={"id": at.unknown(), "last_name": LAST_NAME}))
    if answer.code not in {"invalid", "not_found"}:
        raise Broken("422 with code invalid", exchange=answer)


RULES = (
    made,
    found,
    shown,
    as_asked,
    as_read,
    takes_a_room,
    gives_back,
    as_quoted,
    last_room,
    linked,
    names_kept,
    unknown_profile,
)
