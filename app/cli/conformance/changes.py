"""§ 8, change, cancel, check-in and check-out, notes, check-out time."""

from datetime import date, timedelta
from typing import Any

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import CANCELLED, FORM, FOUND, MADE, Broken, Level, NotTried, fitting, rule
from app.cli.conformance.sandbox import Body, Sandbox, amount, day, objects, stay_path

_CHANGE = ("reservation.modify",)


@rule(
    "8.27",
    "A change changes what is named, and keeps what is not",
    fix="Absent keeps: do not write the members that were not sent.",
    needs=(FOUND,),
    can=_CHANGE,
    writes=True,
)
def named_only(at: Sandbox) -> None:
    """Change a phone number, then the departure."""
    before = at.book()
    path = stay_path(before.at("id"))
    changed = at.require(at.write("PATCH", path, {"guest": {"country": "FR"}}), 200)
    at.same("guest.country", "FR", changed.at("guest", "country"), changed)
    at.same("guest.last_name", before.at("guest", "last_name"), changed.at("guest", "last_name"), changed)
    at.same("rooms", before.at("rooms"), changed.at("rooms"), changed)
    earlier = str(date.fromisoformat(day(before.at("rooms", 0, "arrival"))) + timedelta(days=1))
    at.require(at.write("PATCH", path, {"departure": earlier}), 200)
    read = at.get(path)
    at.same("departure", earlier, day(read.at("rooms", 0, "departure")), read)
    at.same("arrival", day(before.at("rooms", 0, "arrival")), day(read.at("rooms", 0, "arrival")), read)
    at.same("guest.country", "FR", read.at("guest", "country"), read)


@rule(
    "8.28",
    "Null clears what may be empty",
    fix="Tell null and absent apart: null clears guest.phone, child_ages and the like.",
    needs=(FOUND,),
    can=_CHANGE,
    writes=True,
)
def cleared(at: Sandbox) -> None:
    """Clear a phone number."""
    guest = {"first_name": "Conformance", "last_name": "Gatewaytest", "phone": "+43 1 5550101"}
    path = stay_path(at.book(guest=guest).at("id"))
    at.require(at.write("PATCH", path, {"guest": {"phone": None}, "child_ages": None}), 200)
    read = at.get(path)
    at.same("guest.phone", None, read.at("guest", "phone") or None, read)
    at.same("guest.last_name", "Gatewaytest", read.at("guest", "last_name"), read)


@rule(
    "8.29",
    "Null for what a stay can't be without: 422 invalid",
    fix="Refuse null for dates, room type, rate, adults and the last name.",
    needs=(FOUND, FORM),
    can=_CHANGE,
    writes=True,
)
def not_cleared(at: Sandbox) -> None:
    """Clear the departure and the last name."""
    path = stay_path(at.book().at("id"))
    changes: tuple[Body, ...] = ({"departure": None}, {"room_type": None}, {"guest": {"last_name": None}})
    for change in changes:
        at.refused(at.write("PATCH", path, change), 422, "invalid")


@rule(
    "8.30",
    "A change is made whole or not at all",
    fix="Check everything first, or undo it all: one transaction.",
    needs=(FOUND, FORM),
    can=_CHANGE,
    writes=True,
)
def whole(at: Sandbox) -> None:
    """Change something that can be together with something that can't."""
    before = at.book()
    path = stay_path(before.at("id"))
    change: Body = {"guest": {"country": "IT"}, "room_type": at.unknown()}
    at.refused(at.write("PATCH", path, change), 422, "invalid")
    read = at.get(path)
    at.same("guest.country", before.at("guest", "country"), read.at("guest", "country"), read)
    at.same("rooms", before.at("rooms"), read.at("rooms"), read)


@rule(
    "8.31",
    "The quote of a change changes nothing, and the change costs what it says",
    fix="Price the change as it would be made, and roll it back.",
    needs=(FOUND,),
    can=("reservation.quote",),
    writes=True,
)
def quoted_change(at: Sandbox) -> None:
    """Quote one night less, look, and do it."""
    before = at.book()
    path = stay_path(before.at("id"))
    earlier = str(date.fromisoformat(day(before.at("rooms", 0, "arrival"))) + timedelta(days=1))
    quote = at.require(at.caller.send("POST", f"{path}/quote", body={"departure": earlier}), 200)
    at.same("departure of the quote", earlier, day(quote.at("departure")), quote)
    read = at.get(path)
    at.same("rooms after the quote", before.at("rooms"), read.at("rooms"), read)
    if at.can("reservation.modify") and quote.at("indicative") is not True:
        changed = at.require(at.write("PATCH", path, {"departure": earlier}), 200)
        at.same("total", amount(quote.at("total")), amount(changed.at("total")), changed)


@rule(
    CANCELLED,
    "A cancel answers 200 with the reservation, which is then cancelled",
    fix="Answer with the reservation as it is now; its status is cancelled.",
    needs=(MADE,),
    can=("reservation.cancel",),
    writes=True,
)
def cancelled(at: Sandbox) -> None:
    """Cancel, with a reason and with none."""
    for reason in ({"reason": "conformance test"}, {}):
        path = stay_path(at.book().at("id"))
        answer = at.require(at.write("POST", f"{path}/cancel", reason), 200)
        at.same("status", "cancelled", answer.at("status"), answer)
        read = at.get(path)
        at.same("status as it is read", "cancelled", read.at("status"), read)


@rule(
    "8.33",
    "Cancelling what is cancelled: 200, or 409 conflict",
    fix="Answer 200 with the reservation.",
    needs=(CANCELLED, FORM),
    writes=True,
)
def cancelled_twice(at: Sandbox) -> None:
    """Cancel twice, under two keys."""
    answer = _second_cancel(at)
    if answer.status != 200:
        at.refused(answer, 409, "conflict", "or 200")


@rule(
    "8.34",
    "Cancelling what is cancelled answers 200",
    fix="Answer 200 with the reservation: what was wanted is so.",
    needs=("8.33",),
    level=Level.SHOULD,
    writes=True,
)
def second_cancel(at: Sandbox) -> None:
    """Cancel twice, under two keys."""
    at.require(_second_cancel(at), 200)


def _second_cancel(at: Sandbox) -> Exchange:
    identity = str(at.book().at("id"))
    at.require(at.cancel(identity), 200)
    return at.cancel(identity)


@rule(
    "8.35",
    "A cancelled stay can't be checked in: 409 conflict",
    fix="Check the state before you check guests in.",
    needs=(CANCELLED, FORM),
    can=("reservation.check_in",),
    writes=True,
)
def no_check_in(at: Sandbox) -> None:
    """Cancel and check in."""
    identity = str(at.book().at("id"))
    at.require(at.cancel(identity), 200)
    at.refused(at.write("POST", f"{stay_path(identity)}/check-in"), 409, "conflict")


@rule(
    "8.36",
    "Who is not in house can't be checked out: 409 conflict",
    fix="Check the state before you check guests out.",
    needs=(FOUND, FORM),
    can=("reservation.check_out",),
    writes=True,
)
def no_check_out(at: Sandbox) -> None:
    """Check out long before the arrival."""
    path = stay_path(at.book().at("id"))
    at.refused(at.write("POST", f"{path}/check-out"), 409, "conflict")


@rule(
    "8.37",
    "Check-in makes a stay in_house, check-out checked_out, and each once more is 200 or 409 conflict",
    fix="Answer 200 with the reservation as it is now.",
    needs=(FOUND, FORM),
    can=("reservation.check_in", "reservation.check_out"),
    writes=True,
)
def in_and_out(at: Sandbox) -> None:
    """Book for tonight, check in and check out; only where that was allowed."""
    if not at.terms.tonight:
        raise NotTried("it can't be undone; --tonight allows it")
    identity = at.require(at.create(_tonight(at)), 201).at("id")
    path = stay_path(identity)
    for act, status in (("check-in", "in_house"), ("check-out", "checked_out")):
        answer = at.require(at.write("POST", f"{path}/{act}"), 200)
        at.same("status", status, answer.at("status"), answer)
        again = at.write("POST", f"{path}/{act}")
        if again.status != 200:
            at.refused(again, 409, "conflict", "or 200")
    del at.made[str(identity)]


def _tonight(at: Sandbox) -> Body:
    tomorrow = at.today + timedelta(days=1)
    left = {code: nights.get(str(at.today), 0) for code, nights in at.grid(at.today, tomorrow).items()}
    room_type = max(left, key=lambda code: (left[code], code), default=None)
    if room_type is None or not left[room_type]:
        raise NotTried("nothing is left for tonight")
    rate_code = at.rate_for(room_type)
    changes: dict[str, Any] = {"arrival": str(at.today), "departure": str(tomorrow)}
    return at.draft(**changes, room_type=room_type, rate_code=rate_code)


notes_shown = fitting("8.38", "Notes have the members of the schema", "Note", can=("reservation.note",))


@rule(
    "8.39",
    "A note is added, never replaced",
    fix="Keep a note as a record of its own; show all of them, in the order in which they came.",
    needs=(FOUND,),
    can=("reservation.note",),
    writes=True,
)
def notes_added(at: Sandbox) -> None:
    """Add two to one that is there."""
    path = stay_path(at.book(notes=["first"]).at("id"))
    for text in ("second, with ümlauts", "third\nin two lines"):
        answer = at.require(at.write("POST", f"{path}/notes", {"text": text}), 201)
        at.same("text", text, answer.at("text"), answer)
    read = at.get(path)
    wanted = ["first", "second, with ümlauts", "third\nin two lines"]
    at.same("notes", wanted, [note.get("text") for note in objects(read.at("notes"))], read)


@rule(
    "8.40",
    "A check-out time is set, and shown",
    fix="Keep it with the reservation; null is the house's usual one.",
    needs=(FOUND,),
    can=("reservation.checkout_time",),
    writes=True,
)
def leaves_later(at: Sandbox) -> None:
    """Set one."""
    path = stay_path(at.book().at("id"))
    answer = at.require(at.write("PUT", f"{path}/checkout-time", {"checkout_time": "10:45"}), 200)
    for one in (answer, at.get(path)):
        at.same("checkout_time", "10:45", str(one.at("checkout_time"))[:5], one)


@rule(
    "8.41",
    "A check-out time that is none: 422 invalid",
    fix="Times of day are HH:MM, 00:00 to 23:59.",
    needs=(FOUND, FORM),
    can=("reservation.checkout_time",),
    writes=True,
)
def no_time(at: Sandbox) -> None:
    """Set two."""
    path = stay_path(at.book().at("id"))
    for time in ("25:00", "noon"):
        at.refused(at.write("PUT", f"{path}/checkout-time", {"checkout_time": time}), 422, "invalid")


@rule(
    "8.42",
    "An empty note: 422 invalid",
    fix="A note has 1 to 4000 characters.",
    needs=(FOUND, FORM),
    can=("reservation.note",),
    writes=True,
)
def no_note(at: Sandbox) -> None:
    """Add one without text."""
    path = stay_path(at.book().at("id"))
    bodies: tuple[Body, ...] = ({"text": ""}, {})
    for body in bodies:
        answer = at.refused(at.write("POST", f"{path}/notes", body), 422, "invalid")
        if not objects(answer.at("errors")):
            raise Broken("errors that name text", exchange=answer)


RULES = (
    named_only,
    cleared,
    not_cleared,
    whole,
    quoted_change,
    cancelled,
    cancelled_twice,
    second_cancel,
    no_check_in,
    no_check_out,
    in_and_out,
    notes_shown,
    notes_added,
    leaves_later,
    no_time,
    no_note,
)
