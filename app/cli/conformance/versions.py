"""§ 6, versions: nobody changes what somebody else has changed meanwhile."""

from app.cli.conformance.rules import CANCELLED, FORM, FOUND, MADE, Broken, finds, rule, watched
from app.cli.conformance.sandbox import Body, Sandbox, guest_path, stay_path

_STALE = '"no-such-version"'
_FIX = "Compare If-Match with the version in the change's own transaction: UPDATE … WHERE version = …; no row is 412."

form = watched(
    "6.1",
    "A version is visible ASCII without quotes and spaces",
    fix="A counter, or a hash in hexadecimal.",
)(finds("version"))


@rule(
    "6.2",
    "A version stays while nothing changes",
    fix="Do not take it from the clock or from the request.",
    needs=(FOUND,),
    writes=True,
)
def stays(at: Sandbox) -> None:
    """Read twice."""
    path = stay_path(at.book().at("id"))
    first, second = at.get(path), at.get(path)
    at.same("version", first.at("version"), second.at("version"), second)


@rule(
    "6.3",
    "A version changes whenever the record does",
    fix="Count the version up in every change: cancel, notes, check-out time and charges too, where it shows them.",
    needs=(FOUND, CANCELLED),
    writes=True,
)
def moves(at: Sandbox) -> None:
    """Change what can be changed, and look at the version each time."""
    path = stay_path(at.book().at("id"))
    changes: list[tuple[str, str, str, Body]] = [
        ("reservation.modify", "PATCH", path, {"guest": {"phone": "+43 1 5550155"}}),
        ("reservation.note", "POST", f"{path}/notes", {"text": "moves the version"}),
        ("reservation.checkout_time", "PUT", f"{path}/checkout-time", {"checkout_time": "10:30"}),
        ("reservation.cancel", "POST", f"{path}/cancel", {}),
    ]
    before = at.get(path).at("version")
    for capability, method, target, body in changes:
        if not at.can(capability):
            continue
        done = at.write(method, target, body)
        after = at.get(path)
        if done.status < 300 and after.at("version") == before:
            raise Broken(f"another version after {method} {target}", f"{before!r} still", exchange=after)
        before = after.at("version")


@rule(
    "6.4",
    "A cancel at another version: 412 version_mismatch, and nothing is done",
    fix=_FIX,
    needs=(FOUND, FORM, CANCELLED),
    writes=True,
)
def cancel_at_another(at: Sandbox) -> None:
    """Cancel at a version that never was."""
    made = at.book()
    path = stay_path(made.at("id"))
    at.refused(at.write("POST", f"{path}/cancel", {}, if_match=_STALE), 412, "version_mismatch")
    at.same("status", made.at("status"), at.get(path).at("status"))


@rule(
    "6.5",
    "A change at another version: 412 version_mismatch, and nothing is done",
    fix=_FIX,
    needs=(FOUND, FORM),
    can=("reservation.modify",),
    writes=True,
)
def change_at_another(at: Sandbox) -> None:
    """Change at the version before the last change."""
    made = at.book()
    path = stay_path(made.at("id"))
    at.require(at.write("PATCH", path, {"guest": {"phone": "+43 1 5550141"}}), 200)
    old = f'"{made.at("version")}"'
    at.refused(at.write("PATCH", path, {"guest": {"phone": "+43 1 5550142"}}, if_match=old), 412, "version_mismatch")
    at.same("guest.phone", False, str(at.get(path).at("guest", "phone")).endswith("42"))


@rule(
    "6.6",
    "A change at the right version, at `*` or at none is made",
    fix="Take the version in quotes as your ETag has it; * and no If-Match fit every version.",
    needs=(FOUND,),
    can=("reservation.modify",),
    writes=True,
)
def change_at_this(at: Sandbox) -> None:
    """Change three times."""
    path = stay_path(at.book().at("id"))
    for number, if_match in enumerate((f'"{at.get(path).at("version")}"', "*", None)):
        change: Body = {"guest": {"phone": f"+43 1 555013{number}"}}
        at.require(at.write("PATCH", path, change, if_match=if_match), 200, f"with If-Match {if_match}")


@rule(
    "6.7",
    "A change of a guest at another version: 412 version_mismatch",
    fix=_FIX,
    needs=(FORM,),
    can=("guest.upsert",),
    writes=True,
)
def guest_at_another(at: Sandbox) -> None:
    """Change a profile at a version that never was."""
    path = guest_path(at.register().at("id"))
    at.refused(at.write("PATCH", path, {"first_name": "Moved"}, if_match=_STALE), 412, "version_mismatch")


@rule(
    "6.8",
    "Who books gets the version with the reservation",
    fix="Give version and ETag with every answer that is a reservation, the 201 of the create too.",
    needs=(MADE, FOUND),
    writes=True,
)
def with_the_create(at: Sandbox) -> None:
    """Compare the version of the create with the one that is read."""
    made = at.book()
    read = at.get(stay_path(made.at("id")))
    at.same("version", made.at("version"), read.at("version"), read)


RULES = (form, stays, moves, cancel_at_another, change_at_another, change_at_this, guest_at_another, with_the_create)
