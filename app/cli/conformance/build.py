"""§ 7, what to build: the property, and what it says of itself."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import BASE, FORM, Broken, Level, fitting, rule
from app.cli.conformance.sandbox import Body, Sandbox, guest_path, stay_path

REQUIRED = (
    "availability",
    "rates",
    "rate_plans",
    "room_types",
    "reservation.get",
    "reservation.search",
    "reservation.create",
    "reservation.cancel",
)


@rule(
    BASE,
    "GET /properties/{id} answers 200 with the property",
    fix="Check the URL (what stands before /properties), the property's id and the key; then build this path first.",
    needs=(),
)
def answered(at: Sandbox) -> None:
    """Read it; what it says is needed by all other rules."""
    answer = at.require(at.get(), 200)
    if not answer.json:
        raise Broken("a JSON object", exchange=answer)
    at.facts.update(answer.json)


shown = fitting("7.2", "The property has the members of the schema", "Property")


@rule(
    "7.3",
    "The property is the one that was asked for, of a known time zone",
    fix="id is the property_id of the path; timezone is an IANA name such as Europe/Vienna.",
)
def itself(at: Sandbox) -> None:
    """Compare the id and look the zone up."""
    at.same("id", at.caller.property_id, at.facts.get("id"))
    try:
        ZoneInfo(str(at.facts.get("timezone")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Broken("a time zone of the IANA database", f"{at.facts.get('timezone')!r}") from None


@rule(
    "7.4",
    "The business date is about today",
    fix="business_date is the hotel's day, which ends with the night audit; null if you have none.",
    level=Level.SHOULD,
)
def business_date(at: Sandbox) -> None:
    """Compare it with our clock."""
    if at.facts.get("business_date") is not None and abs(at.today - datetime.now(UTC).date()) > timedelta(days=2):
        raise Broken("a date within two days of ours", f"{at.today}")


@rule(
    "7.5",
    "What is required is built",
    fix="Build it and list it in capabilities.",
)
def required(at: Sandbox) -> None:
    """Look at the capabilities."""
    at.same("required capabilities that are not listed", [], [one for one in REQUIRED if not at.can(one)])


def _calls(at: Sandbox) -> dict[str, tuple[str, str, Body | None]]:
    """Give a request for each capability that changes nothing: it asks for what is not there."""
    stay, guest, room = stay_path(at.unknown()), guest_path(at.unknown()), f"/rooms/{at.unknown()}"
    return {
        "reservation.get": ("GET", stay, None),
        "reservation.search": ("POST", "/reservations/search", {"limit": 1}),
        "reservation.modify": ("PATCH", stay, {"adults": 1}),
        "reservation.quote": ("POST", f"{stay}/quote", {"adults": 1}),
        "reservation.cancel": ("POST", f"{stay}/cancel", {}),
        "reservation.note": ("POST", f"{stay}/notes", {"text": "none"}),
        "reservation.checkout_time": ("PUT", f"{stay}/checkout-time", {"checkout_time": "10:00"}),
        "reservation.check_in": ("POST", f"{stay}/check-in", None),
        "reservation.check_out": ("POST", f"{stay}/check-out", None),
        "room_types": ("GET", "/room-types", None),
        "rate_plans": ("GET", "/rate-plans", None),
        "charge.post": ("POST", f"{stay}/charges", at.tea()),
        "charge.list": ("GET", f"{stay}/folio", None),
        "balance": ("GET", f"{stay}/balance", None),
        "guest.search": ("POST", "/guests/search", {"limit": 1}),
        "guest.get": ("GET", guest, None),
        "guest.upsert": ("PATCH", guest, {"first_name": "None"}),
        "guest.preferences": ("PUT", f"{guest}/preferences", {"preferences": []}),
        "room_status.list": ("GET", "/rooms", None),
        "room_status.get": ("GET", room, None),
        "room_status.set": ("PUT", f"{room}/status", {"cleaning": "clean"}),
    }


def _tried(at: Sandbox, *, listed: bool) -> dict[str, Exchange]:
    return {
        capability: at.caller.send(method, path, body=body, headers={"Idempotency-Key": at.new_key()})
        for capability, (method, path, body) in _calls(at).items()
        if at.can(capability) is listed and (method == "GET" or path.endswith("/search") or not at.terms.read_only)
    }


@rule(
    "7.6",
    "What is listed in capabilities is built",
    fix="Take it off the list, or build it: 501 is for what is not listed.",
)
def listed(at: Sandbox) -> None:
    """Ask each thing that is listed for what is not there."""
    for capability, answer in _tried(at, listed=True).items():
        if answer.status == 501 or answer.code == "not_supported":
            raise Broken(f"{capability}, as it is listed", exchange=answer)


@rule(
    "7.7",
    "What is not listed answers 501 not_supported",
    fix="Answer the other paths of the table with 501 not_supported; list what you have built.",
    needs=(BASE, FORM),
)
def not_listed(at: Sandbox) -> None:
    """Ask each thing that is not listed for what is not there."""
    for capability, answer in _tried(at, listed=False).items():
        at.refused(answer, 501, "not_supported", f"as {capability} is not listed")


RULES = (answered, shown, itself, business_date, required, listed, not_listed)
