"""§ 8, guests and their preferences."""

from app.cli.conformance.rules import BASE, FORM, fitting, rule
from app.cli.conformance.sandbox import Body, Sandbox, guest_path, objects

_MADE = "8.52"
_UPSERT = ("guest.upsert", "guest.get")


shown = fitting("8.51", "Guests have the members of the schema", "Guest", can=("guest.get",))


@rule(
    _MADE,
    "A profile is made as it was sent, and read so",
    fix="Answer 201 with the whole profile; keep what was sent.",
    can=_UPSERT,
    writes=True,
)
def made(at: Sandbox) -> None:
    """Make one and read it."""
    wanted: Body = {"first_name": "Zoë", "country": "GB", "language": "en", "vip": True}
    answer = at.register(**wanted)
    read = at.require(at.get(guest_path(answer.at("id"))), 200)
    for name, value in {**wanted, "email": answer.at("email")}.items():
        at.same(name, value, read.at(name), read)


@rule(
    "8.53",
    "A change of a profile changes only what is named, and null clears",
    fix="Absent keeps, null clears.",
    needs=(_MADE,),
    can=_UPSERT,
    writes=True,
)
def named_only(at: Sandbox) -> None:
    """Change two members of one."""
    answer = at.register(phone="+43 1 5550177", language="en")
    path = guest_path(answer.at("id"))
    at.require(at.write("PATCH", path, {"language": "de", "phone": None}), 200)
    read = at.get(path)
    at.same("language", "de", read.at("language"), read)
    at.same("phone", None, read.at("phone") or None, read)
    for name in ("first_name", "last_name", "email"):
        at.same(name, answer.at(name), read.at(name), read)


@rule(
    "8.54",
    "A profile without a last name: 422 invalid",
    fix="A new profile needs last_name, and no change clears it.",
    needs=(BASE, FORM),
    can=("guest.upsert",),
    writes=True,
)
def nameless(at: Sandbox) -> None:
    """Make one."""
    bodies: tuple[Body, ...] = ({"first_name": "Conformance"}, {"last_name": ""})
    for body in bodies:
        at.refused(at.remember(at.write("POST", "/guests", body)), 422, "invalid")


@rule(
    "8.55",
    "Preferences are a whole set: what is not sent is gone",
    fix="Replace them all.",
    needs=(_MADE,),
    can=("guest.preferences", *_UPSERT),
    writes=True,
)
def whole_set(at: Sandbox) -> None:
    """Set two, then another one, then none."""
    path = guest_path(at.register().at("id"))
    quiet = {"category": "room", "value": "quiet"}
    high = {"category": "floor", "value": "high", "note": "away from the lift"}
    for wanted in ([quiet, high], [high], []):
        at.require(at.write("PUT", f"{path}/preferences", {"preferences": wanted}), 200)
        read = at.get(path)
        found = {(one.get("category"), one.get("value")) for one in objects(read.at("preferences"))}
        at.same("preferences", {(one["category"], one["value"]) for one in wanted}, found, read)


RULES = (shown, made, named_only, nameless, whole_set)
