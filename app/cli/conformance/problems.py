"""§ 5, problems: what is refused, and how it is said."""

from collections.abc import Iterator
from typing import Any

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import BASE, FORM, MADE, Broken, Level, rule, watched
from app.cli.conformance.sandbox import LAST_NAME, Body, Sandbox, guest_path, objects, stay_path

STATUS_OF_CODE = {
    "malformed": 400,
    "idempotency_key_required": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "no_availability": 409,
    "in_progress": 409,
    "version_mismatch": 412,
    "invalid": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "not_supported": 501,
    "unavailable": 503,
    "internal": 500,
}
_LONG = "x" * 10_000


@rule(
    "5.1",
    "A refusal is a JSON object with title, status, detail and code",
    fix="Turn every error, your framework's own too, into such an object: one error handler for all paths.",
    needs=(BASE,),
)
def form(at: Sandbox) -> None:
    """Ask for three things that should be refused, and look at those that are."""
    asked = (
        at.caller.send("GET", "", headers={"Authorization": "Bearer wrong"}),
        at.caller.send("GET", f"/reservations/{at.unknown()}"),
        at.caller.send("POST", "/reservations/search", raw=b"{no json"),
    )
    refusals = [one for one in asked if one.status >= 400]
    if not refusals:
        raise Broken("a refusal of a wrong key, of an unknown reservation, or of what is no JSON")
    for refusal in refusals:
        missing = [name for name in ("title", "status", "detail", "code") if refusal.at(name) is None]
        if missing:
            raise Broken(f"a JSON object with {', '.join(missing)}", exchange=refusal)


@watched(
    "5.2",
    "A refusal is sent as application/problem+json",
    fix="Send Content-Type: application/problem+json (RFC 9457).",
)
def media_type(seen: Exchange) -> str | None:
    """Judge the content type of what is a problem otherwise."""
    if seen.status < 400 or not seen.json or seen.media_type == "application/problem+json":
        return None
    return f"sent as {seen.media_type or 'nothing at all'}"


@watched(
    "5.3",
    "Each code goes with its status, in the header line and in the body",
    fix="Take the status from the table of § 5; the member `status` is the same number.",
)
def status(seen: Exchange) -> str | None:
    """Judge the three against each other."""
    if seen.status < 400 or seen.code is None:
        return None
    wanted = STATUS_OF_CODE.get(seen.code, seen.status)
    if seen.status != wanted:
        return f"{seen.code} with {seen.status}, not {wanted}"
    return None if seen.at("status") == seen.status else f"status {seen.at('status')!r} in the body of a {seen.status}"


@rule(
    "5.4",
    "An unknown reservation: 404 not_found",
    fix="Answer 404 not_found, never an empty 200 and never another reservation.",
    needs=(FORM,),
    can=("reservation.get",),
)
def unknown_reservation(at: Sandbox) -> None:
    """Read one that is not there."""
    at.refused(at.get(stay_path(at.unknown())), 404, "not_found")


@rule(
    "5.5",
    "A write to an unknown reservation: 404 not_found",
    fix="Look the reservation up before anything else of the write.",
    needs=(FORM,),
    can=("reservation.cancel",),
    writes=True,
)
def unknown_written(at: Sandbox) -> None:
    """Cancel one that is not there."""
    at.refused(at.cancel(at.unknown()), 404, "not_found")


@rule("5.6", "An unknown property: 404 not_found", fix="Check the property of every path.", needs=(FORM,))
def unknown_property(at: Sandbox) -> None:
    """Ask for one that is not there."""
    for path in ("", "/room-types"):
        answer = at.caller.send("GET", path, property_id=at.unknown())
        if answer.code != "forbidden":  # the key may not open what is not there
            at.refused(answer, 404, "not_found")


@rule("5.7", "An unknown guest: 404 not_found", fix="As 5.4.", needs=(FORM,), can=("guest.get",))
def unknown_guest(at: Sandbox) -> None:
    """Read one that is not there."""
    at.refused(at.get(guest_path(at.unknown())), 404, "not_found")


@rule("5.8", "An unknown room: 404 not_found", fix="As 5.4.", needs=(FORM,), can=("room_status.get",))
def unknown_room(at: Sandbox) -> None:
    """Read one that is not there."""
    at.refused(at.get(f"/rooms/{at.unknown()}"), 404, "not_found")


@rule(
    "5.9",
    "A body that is no JSON: 400 malformed",
    fix="Catch your JSON parser's error and answer 400 malformed.",
    needs=(FORM,),
)
def malformed(at: Sandbox) -> None:
    """Search with what is no JSON."""
    for raw in (b'{"last_name": ', b"last_name=x"):
        at.refused(at.caller.send("POST", "/reservations/search", raw=raw), 400, "malformed")


@rule(
    "5.10",
    "A reservation without what it needs: 422 invalid, with errors that name what is missing",
    fix="Check the body against the schema before anything is done, and list each fault as {field, message}.",
    needs=(MADE, FORM),
    writes=True,
)
def missing(at: Sandbox) -> None:
    """Leave members out, one at a time."""
    for name in ("arrival", "departure", "room_type", "rate_code", "adults", "guest"):
        _invalid(at, {name: ...}, f"{name} is missing")
    _invalid(at, {"guest": {"first_name": "Conformance"}}, "guest.last_name is missing")


@rule(
    "5.11",
    "A reservation with a value that is none: 422 invalid, with errors",
    fix="Check each value against the schema; do not convert what is of another type, do not guess dates.",
    needs=(MADE, FORM),
    writes=True,
)
def malformed_values(at: Sandbox) -> None:
    """Send values that cannot be, one at a time."""
    faults: tuple[Body, ...] = (
        {"arrival": "2031-02-30"},
        {"arrival": "soon"},
        {"adults": 0},
        {"adults": "two"},
        {"child_ages": [-1]},
        {"guest": "Mary"},
    )
    for fault in faults:
        _invalid(at, fault, f"{fault} cannot be")


@rule(
    "5.12",
    "A stay that ends before it begins, or has no night: 422 invalid",
    fix="Ask for departure after arrival.",
    needs=(MADE, FORM),
    writes=True,
)
def no_nights(at: Sandbox) -> None:
    """Turn the dates round."""
    draft = at.draft()
    _invalid(at, {"departure": draft["arrival"], "arrival": draft["arrival"]}, "there is no night")
    _invalid(at, {"departure": draft["arrival"], "arrival": draft["departure"]}, "departure before arrival")


@rule(
    "5.13",
    "An unknown room type or rate: 422 invalid, with errors",
    fix="Look both up when you check the body.",
    needs=(MADE, FORM),
    writes=True,
)
def unknown_codes(at: Sandbox) -> None:
    """Book what is not there."""
    _invalid(at, {"room_type": at.unknown()}, "there is no such room type")
    _invalid(at, {"rate_code": at.unknown()}, "there is no such rate")


@rule(
    "5.14",
    "More guests than the room takes: 422 invalid",
    fix="Compare adults and children with what the room type holds.",
    needs=(MADE, FORM),
    writes=True,
)
def too_many(at: Sandbox) -> None:
    """Book a room for ninety."""
    _invalid(at, {"adults": 90}, "no room takes 90 guests")


@rule(
    "5.15",
    "Errors name the field as a path with dots",
    fix='Name fields as {"field": "guest.last_name", "message": "…"}.',
    needs=(MADE, FORM, "5.10"),
    level=Level.SHOULD,
    writes=True,
)
def field_names(at: Sandbox) -> None:
    """Look at the names of two faults."""
    for changes, name in (({"room_type": ...}, "room_type"), ({"guest": {"first_name": "X"}}, "guest.last_name")):
        answer = at.create(at.draft(**changes))
        at.same("errors[].field", [name], [one.get("field") for one in objects(answer.at("errors"))], answer)


@rule(
    "5.16",
    "A refusal has changed nothing",
    fix="Check everything first, or undo it all: one database transaction around the whole write.",
    needs=(MADE, FORM, "3.1"),
    writes=True,
)
def nothing_done(at: Sandbox) -> None:
    """Look for what was refused."""
    for changes in ({"room_type": at.unknown()}, {"rate_code": at.unknown()}, {"adults": 90}):
        draft = at.draft(**changes)
        refusal = at.create(draft)
        if refusal.status < 400:
            continue  # 5.13 and 5.14 say so
        found = at.listed("reservations", filters={"external_reference": draft["external_reference"]})
        kept = [one.get("id") for one in found if one.get("external_reference") == draft["external_reference"]]
        at.same("reservations left by a create that was refused", [], kept, refusal)


@rule(
    "5.17",
    "A refusal tells nothing personal",
    fix="Do not repeat what was sent: name the field, not its value.",
    needs=(MADE, FORM),
    writes=True,
)
def nothing_personal(at: Sandbox) -> None:
    """Send a person with something that is refused."""
    guest = {
        "first_name": "Conformance",
        "last_name": LAST_NAME,
        "email": f"private-{at.mark}@example.test",
        "phone": "+43 1 5550177 12345",
        "country": "Nowhere",
    }
    refusal = at.create(at.draft(room_type=at.unknown(), guest=guest))
    for value in (LAST_NAME, guest["email"], guest["phone"], "Nowhere"):
        if refusal.status >= 400 and value in refusal.body.decode(errors="replace"):
            raise Broken("a refusal without what was said of the guest", exchange=refusal)


@rule(
    "5.18",
    "Odd and over-long input is refused or taken, never a 5xx",
    fix="An error of yours (500) means to us that the write may be done: check lengths and types before you use them.",
    needs=(BASE,),
)
def odd_reads(at: Sandbox) -> None:
    """Read with all kinds of nonsense."""
    odd: Iterator[Exchange] = (
        at.caller.send(method, path, params=params, raw=raw)
        for method, path, params, raw in (
            ("GET", "/availability", {"start": "x" * 3000, "end": "0000-00-00"}, None),
            ("GET", "/availability", {"start": "9999-12-30", "end": "9999-12-31"}, None),
            ("GET", "/availability", {}, None),
            ("GET", "/quotes", {"arrival": "2031-01-01", "departure": "2031-01-02", "adults": "9" * 40}, None),
            ("GET", "/room-types", {"limit": "-1", "cursor": "%00'\"<>"}, None),
            ("GET", f"/reservations/{_LONG[:2000]}", {}, None),
            ("POST", "/reservations/search", {}, b"[]"),
            ("POST", "/reservations/search", {}, b"null"),
            ("POST", "/reservations/search", {}, b"[" * 5000),
            ("POST", "/reservations/search", {}, b"\xff\xfe\x00"),
            ("POST", "/reservations/search", {}, b'{"last_name": "\\u0000\'; --", "limit": 1e999}'),
            ("POST", "/reservations/search", {}, f'{{"last_name": "{_LONG}"}}'.encode()),
        )
    )
    for answer in odd:
        _not_our_fault(answer)


@rule(
    "5.19",
    "Odd and over-long input of a write is refused or taken, never a 5xx",
    fix="As 5.18; text has at most 255 characters, notes 4000.",
    needs=(MADE,),
    writes=True,
)
def odd_writes(at: Sandbox) -> None:
    """Book with all kinds of nonsense."""
    odd: tuple[dict[str, Any], ...] = (
        {"guest": {"first_name": _LONG, "last_name": LAST_NAME}},
        {"guest": {"first_name": "a\u0000b\r\nX-Injected: 1", "last_name": LAST_NAME}},
        {"notes": ["x" * 20_000]},
        {"notes": "no list"},
        {"external_reference": _LONG},
        {"adults": 10**30},
        {"child_ages": [1] * 500},
        {"arrival": None},
        {"room_type": {"$ne": None}},
    )
    for changes in odd:
        _not_our_fault(at.create(at.draft(**changes)))


def _not_our_fault(answer: Exchange) -> None:
    if answer.status == 0 or answer.status >= 500:
        raise Broken("any answer below 500", exchange=answer)


def _invalid(at: Sandbox, changes: Body, why: str) -> None:
    answer = at.refused(at.create(at.draft(**changes)), 422, "invalid", why)
    faults = objects(answer.at("errors"))
    if not faults or not all(isinstance(one.get("field"), str) and one.get("message") for one in faults):
        raise Broken(f"errors: [{{field, message}}], as {why}", exchange=answer)


RULES = (
    form,
    media_type,
    status,
    unknown_reservation,
    unknown_written,
    unknown_property,
    unknown_guest,
    unknown_room,
    malformed,
    missing,
    malformed_values,
    no_nights,
    unknown_codes,
    too_many,
    field_names,
    nothing_done,
    nothing_personal,
    odd_reads,
    odd_writes,
)
