"""§ 3, lists: pages that end, filters that find."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from app.cli.conformance.rules import BASE, FORM, FOUND, Broken, Level, rule
from app.cli.conformance.sandbox import LAST_NAME, Body, Sandbox, items, stay_path

_LISTS: tuple[tuple[str, str, Callable[[Body], Any]], ...] = (
    ("/room-types", "room_types", lambda one: one.get("room_type")),
    ("/rate-plans", "rate_plans", lambda one: one.get("rate_code")),
    ("/rooms", "room_status.list", lambda one: one.get("room_number")),
)


@rule(
    "3.1",
    "A search is a POST that needs no key and gives items",
    fix="Do not ask for an Idempotency-Key on the paths that end in /search: they change nothing.",
    can=("reservation.search",),
)
def searches(at: Sandbox) -> None:
    """Search for anything."""
    page = at.require(at.search("reservations", limit=5), 200)
    if not isinstance(page.at("items"), list):
        raise Broken("items", exchange=page)


@rule(
    "3.2",
    "A page has at most `limit` items",
    fix="Read limit (1 to 200, from the query, or from the body of a search); fewer are fine.",
    needs=(BASE, "3.1"),
)
def limited(at: Sandbox) -> None:
    """Ask for one item a page."""
    for path, can, _ in _LISTS:
        if at.can(can):
            _at_most_one(at.get(path, limit="1"))
    end = str(at.far + timedelta(days=2))
    _at_most_one(at.get("/quotes", arrival=str(at.far), departure=end, adults="1", limit="1"))
    _at_most_one(at.search("reservations", limit=1))
    if at.can("guest.search"):
        _at_most_one(at.search("guests", limit=1))


def _at_most_one(page: Any) -> None:
    if len(items(page)) > 1:
        raise Broken("1 item at most, as limit says", f"{len(items(page))} items", exchange=page)


@rule(
    "3.3",
    "A walk ends, and no cursor comes twice",
    fix="Let next_cursor name the last record of the page, and send null on the last page.",
    needs=(BASE, "3.1"),
)
def ends(at: Sandbox) -> None:
    """Walk every list in steps of one."""
    for path, can, _ in _LISTS:
        if at.can(can):
            _no_cursor_twice(at, path, None)
    _no_cursor_twice(at, "reservations", {})


def _no_cursor_twice(at: Sandbox, path: str, filters: Body | None) -> None:
    seen: set[str] = set()
    for page in at.walk(path, limit=1, filters=filters, most=100 if filters is not None else 500):
        cursor = page.at("next_cursor")
        if cursor in seen:
            raise Broken("another cursor on every page", f"{cursor!r} again", exchange=page)
        seen.add(str(cursor))
        if filters is not None and len(seen) >= 100:  # a hotel may have more stays than need be read
            return


@rule(
    "3.4",
    "A walk shows every record, whatever the size of its pages",
    fix="Order by something that is unique and never changes, and go on after the record that the cursor names.",
    needs=("3.3",),
)
def complete(at: Sandbox) -> None:
    """Walk in steps of one and of many."""
    for path, can, name in _LISTS:
        if at.can(can):
            small = [name(one) for one in at.listed(path, limit=1)]
            large = [name(one) for one in at.listed(path, limit=200)]
            at.same(f"{path} in pages of one", sorted(map(str, set(large))), sorted(map(str, set(small))))


@rule(
    "3.5",
    "An unknown cursor: 422 invalid",
    fix="Refuse a cursor that is none of yours; to begin anew instead would never end.",
    needs=(BASE, FORM),
)
def unknown_cursor(at: Sandbox) -> None:
    """Make one up."""
    at.refused(at.get("/room-types", cursor="made up"), 422, "invalid")
    at.refused(at.search("reservations", cursor="made up"), 422, "invalid")


@rule(
    "3.6",
    "A limit that is none: 422 invalid",
    fix="limit is a number from 1 to 200.",
    needs=(BASE, FORM),
)
def no_limit(at: Sandbox) -> None:
    """Send zero and a word."""
    for limit in ("0", "many"):
        at.refused(at.get("/room-types", limit=limit), 422, "invalid")
    at.refused(at.search("reservations", limit=0), 422, "invalid")


@rule(
    "3.7",
    "A record that is there during the whole walk is shown, even if others come and go meanwhile",
    fix="Do not page by offset: what comes or goes shifts it. Go on after the last id that was shown.",
    needs=("3.3", FOUND),
    can=("reservation.search",),
    writes=True,
)
def moving(at: Sandbox) -> None:
    """Cancel one and make one between two pages."""
    last_name = f"Walk{at.mark}"
    guest = {"first_name": "Conformance", "last_name": last_name}
    going, *staying = [at.book(guest=guest).at("id") for _ in range(3)]
    seen: list[Any] = []
    for number, page in enumerate(at.walk("reservations", limit=1, filters={"last_name": last_name})):
        seen += [one.get("id") for one in items(page)]
        if number == 0:
            at.cancel(str(going))
            at.book(guest=guest)
    missing = [one for one in staying if one not in seen]
    at.same("reservations that were there all the time and were not shown", [], missing)


@rule(
    "3.8",
    "Each filter finds what matches it",
    fix="Compare the value as it was sent. A filter that you can't apply, ignore: too little is a wrong answer.",
    needs=("3.3", FOUND),
    can=("reservation.search",),
    writes=True,
)
def filters(at: Sandbox) -> None:
    """Look for one reservation by each of its members, and by all of them."""
    made = at.require(at.get(stay_path(at.book().at("id"))), 200)
    every = _filters_of(made.json)
    for name, value in (*every.items(), ("statuses", [made.at("status"), "cancelled"])):
        _finds(at, made.at("id"), {name: value})
    _finds(at, made.at("id"), every)


def _filters_of(stay: Body) -> Body:
    room, guest = (stay.get("rooms") or [{}])[0], stay.get("guest") or {}
    values = {
        "confirmation_number": stay.get("confirmation_number"),
        "external_reference": stay.get("external_reference"),
        "guest_id": guest.get("id"),
        "last_name": guest.get("last_name"),
        "arrival": str(room.get("arrival"))[:10],
        "departure": str(room.get("departure"))[:10],
        "statuses": [stay.get("status")],
    }
    return {name: value for name, value in values.items() if value is not None}


def _finds(at: Sandbox, identity: Any, wanted: Body) -> None:
    found = [one.get("id") for one in at.listed("reservations", filters=wanted)]
    if identity not in found:
        raise Broken(f"{identity} among what {wanted} finds", f"{len(found)} others")


@rule(
    "3.9",
    "A filter leaves out what does not match",
    fix="Apply the filters that you can: everything else is read and thrown away by us.",
    needs=("3.8",),
    can=("reservation.search",),
    level=Level.SHOULD,
    writes=True,
)
def leaves_out(at: Sandbox) -> None:
    """Look for a reservation by what it does not have."""
    made = at.book()
    wrong = {
        "external_reference": at.unknown(),
        "last_name": f"Other{at.mark}",
        "arrival": str(at.today),
        "statuses": ["no_show"],
    }
    for name, value in wrong.items():
        for page in at.walk("reservations", limit=200, filters={name: value}):
            if made.at("id") in [one.get("id") for one in items(page)]:
                raise Broken(f"no reservation that does not match {name}: {value}", exchange=page)


@rule(
    "3.10",
    "`last_name` matches regardless of case, accents and repeated spaces",
    fix="Compare folded names: without case and accents, runs of spaces as one. If you can't, ignore the filter.",
    needs=("3.8",),
    can=("reservation.search",),
    writes=True,
)
def folded(at: Sandbox) -> None:
    """Look for an accented name in plain letters."""
    made = at.book(guest={"first_name": "Conformance", "last_name": f"Dé Ñandú {at.mark}"})
    for written in (f"de nandu {at.mark}", f"DÉ  ÑANDÚ {at.mark.upper()}"):
        _finds(at, made.at("id"), {"last_name": written})


@rule(
    "3.11",
    "Guests are found by e-mail address in any case, by last name, by phone however it is written",
    fix="Compare folded: e-mail addresses without case, phone numbers by their digits with the country's code.",
    can=("guest.search", "guest.upsert"),
    writes=True,
)
def guests(at: Sandbox) -> None:
    """Look for a profile by each of its members."""
    made = at.register(phone="+43 1 5550188", country="AT")
    email = str(made.at("email"))
    for wanted in (
        {"email": email},
        {"email": email.upper()},
        {"last_name": LAST_NAME.upper()},
        {"phone": "+4315550188"},
        {"phone": "0043 (1) 555-0188"},
    ):
        found = [one.get("id") for one in at.listed("guests", filters=wanted)]
        if made.at("id") not in found:
            raise Broken(f"{made.at('id')} among what {wanted} finds", f"{len(found)} others")


RULES = (
    searches,
    limited,
    ends,
    complete,
    unknown_cursor,
    no_limit,
    moving,
    filters,
    leaves_out,
    folded,
    guests,
)
