"""§ 4, keys that are kept, not honoured: `write_keys`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from app.cli.conformance.rules import BASE, FOUND, MADE, Broken, Level, NotBuilt, NotTried, rule
from app.cli.conformance.sandbox import Body, Sandbox, guest_path, objects, stay_path

_CLOCK = timedelta(seconds=10)
_LAGS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds to wait for a copy that lags behind."""
Act = Callable[[Sandbox], None]
_SHOWN = "4.14"


def _kept(act: Act) -> Act:
    """Try it only where the property says that it keeps keys."""

    def tried(at: Sandbox) -> None:
        if at.facts.get("write_keys") is not True:
            raise NotBuilt("the property does not say write_keys: true")
        act(at)

    return tried


@rule(
    "4.13",
    "Keys are honoured, or at least kept",
    fix="Build the key table of § 4, or keep the key with what was written and say write_keys: true; "
    "else a person settles each write whose answer was lost.",
    level=Level.SHOULD,
)
def either(at: Sandbox) -> None:
    """Read what the property says."""
    if at.facts.get("idempotency_keys") is not True and at.facts.get("write_keys") is not True:
        raise Broken("idempotency_keys: true, or write_keys: true", "neither")


@rule(
    _SHOWN,
    "A reservation shows the key of its create as write_key, wherever it is shown",
    fix="Store the key in the same transaction as the reservation, and show it as it came.",
    needs=(FOUND,),
    writes=True,
)
@_kept
def on_reservations(at: Sandbox) -> None:
    """Book, read and change."""
    key = at.new_key()
    made = at.require(at.create(at.draft(), key=key), 201)
    read = at.get(stay_path(made.at("id")))
    cancelled = at.cancel(str(made.at("id")))
    for answer in (made, read, cancelled):
        at.same("write_key", key, answer.at("write_key"), answer)


@rule(
    "4.15",
    "`write_key` finds the reservation that was made under it",
    fix="Take write_key as a filter of reservations/search.",
    needs=(_SHOWN, "3.1"),
    writes=True,
)
@_kept
def finds_reservations(at: Sandbox) -> None:
    """Book and look for it."""
    key = at.new_key()
    made = at.require(at.create(at.draft(), key=key), 201)
    _found(at, "reservations", key, made.at("id"))


@rule(
    "4.16",
    "A note shows its key",
    fix="Store the key with the note.",
    needs=(_SHOWN,),
    can=("reservation.note",),
    writes=True,
)
@_kept
def on_notes(at: Sandbox) -> None:
    """Add one and read it."""
    path, key, text = stay_path(at.book().at("id")), at.new_key(), at.new_name()
    answer = at.require(at.write("POST", f"{path}/notes", {"text": text}, key=key), 201)
    at.same("write_key", key, answer.at("write_key"), answer)
    read = at.get(path)
    at.same("write_key", [key], _keys(read.at("notes"), text=text), read)


@rule(
    "4.17",
    "A folio line shows the key of its charge",
    fix="Store the key with the charge and show it in the folio.",
    needs=(_SHOWN,),
    can=("charge.post", "charge.list"),
    writes=True,
)
@_kept
def on_charges(at: Sandbox) -> None:
    """Post one and read the folio."""
    path, key = stay_path(at.book().at("id")), at.new_key()
    posted = at.require(at.write("POST", f"{path}/charges", at.tea(), key=key), 201)
    at.same("write_key", [key], _keys(at.listed(f"{path}/folio"), id=posted.at("id")))


@rule(
    "4.18",
    "A profile shows the key of its create, and is found by it",
    fix="Store the key with the profile, and take write_key as a filter of guests/search.",
    needs=(_SHOWN,),
    can=("guest.upsert",),
    writes=True,
)
@_kept
def on_guests(at: Sandbox) -> None:
    """Make one and look for it."""
    key = at.new_key()
    body = {"first_name": "Conformance", "last_name": f"Kept{at.mark}"}
    made = at.require(at.remember(at.write("POST", "/guests", body, key=key)), 201)
    at.same("write_key", key, made.at("write_key"), made)
    if at.can("guest.search"):
        _found(at, "guests", key, made.at("id"))


@rule(
    "4.19",
    "What is made on the way of a create carries no key: its notes, its guest",
    fix="Keep the key with the reservation only.",
    needs=(_SHOWN,),
    writes=True,
)
@_kept
def not_on_the_way(at: Sandbox) -> None:
    """Book with a note, and look at note and guest."""
    key, text = at.new_key(), at.new_name()
    made = at.require(at.create(at.draft(notes=[text]), key=key), 201)
    read = at.get(stay_path(made.at("id")))
    at.same("write_key of the note", [None] * len(_keys(read.at("notes"))), _keys(read.at("notes")), read)
    if at.can("guest.get") and made.at("guest", "id"):
        guest = at.get(guest_path(made.at("guest", "id")))
        at.same("write_key of the guest", None, guest.at("write_key"), guest)


@rule(
    "4.20",
    "`newest_record_at` moves on only once the newest record is found by searches",
    fix="Take it from the same copy that searches read: when the newest reservation, note, charge or guest was made.",
    needs=("4.15", BASE),
    writes=True,
)
@_kept
def newest(at: Sandbox) -> None:
    """Book, wait until the property tells of it, and look for it."""
    key = at.new_key()
    made = at.require(at.create(at.draft(), key=key), 201)
    born = _moment(made.at("created_at"))
    if born is None:
        raise NotTried("created_at can't be read, as 1.3 says")
    for lag in _LAGS:
        at.caller.wait(lag)
        facts = at.require(at.get(), 200)
        told = _moment(facts.at("newest_record_at"))
        if told is not None and told >= born:
            _found(at, "reservations", key, made.at("id"))
            return
    raise Broken(f"newest_record_at of {made.at('created_at')} or later within {sum(_LAGS):.0f} s", exchange=facts)


@rule(
    "4.21",
    "The clock is right to a few seconds",
    fix="Synchronise the clock (NTP): that a write is not there is told by comparing your times with ours.",
    needs=(MADE,),
    writes=True,
)
@_kept
def clock(at: Sandbox) -> None:
    """Compare created_at with our clock."""
    before = datetime.now(UTC)
    made = at.book()
    born = _moment(made.at("created_at"))
    if born is not None and not before - _CLOCK <= born <= datetime.now(UTC) + _CLOCK:
        raise Broken(f"created_at of about {before:%Y-%m-%dT%H:%M:%SZ}, our clock", exchange=made)


def _found(at: Sandbox, what: str, key: str, identity: Any) -> None:
    found: list[Body] = []
    for lag in _LAGS:
        at.caller.wait(lag)
        found = at.listed(what, filters={"write_key": key})
        if [one.get("id") for one in found if one.get("write_key") == key] == [identity]:
            return
    shown = [(one.get("id"), one.get("write_key")) for one in found[:5]]
    raise Broken(f"{identity} with write_key {key}, once, in {what}/search by write_key", f"{shown}")


def _keys(found: Any, **members: Any) -> list[Any]:
    return [
        one.get("write_key") for one in objects(found) if all(one.get(name) == value for name, value in members.items())
    ]


def _moment(found: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(found))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


RULES = (
    either,
    on_reservations,
    finds_reservations,
    on_notes,
    on_charges,
    on_guests,
    not_on_the_way,
    newest,
    clock,
)
