"""Ways to be wrong, each the fault of somebody's first afternoon with the contract."""

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from tests.cli.conformance.mutants import Ask, Asked, Said, Twist

When = Callable[[Asked, Said], bool]
Change = Callable[[Any], Any]

_KEY = "idempotency-key"


def below(path: str) -> str:
    """Give what stands below the property."""
    return "/" + "/".join(path.split("/")[3:]) if path.count("/") > 2 else ""


def in_answers(change: Change, *, method: str = "", end: str = "", status: int = 0) -> Twist:
    """Change the bodies of successes, or of the answers with that status."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        matches = asked.method.startswith(method) and asked.path.endswith(end)
        wanted = said.status == status if status else said.status < 300
        return said.saying(change(said.json)) if matches and wanted else said

    return twist


def in_requests(change: Callable[[Asked], Asked], *, method: str = "", end: str = "") -> Twist:
    """Change what is asked before it is answered."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        matches = asked.method.startswith(method) and asked.path.endswith(end)
        return await ask(change(asked) if matches else asked)

    return twist


def answering(when: Callable[[Asked], bool], status: int, code: str, **headers: str) -> Twist:
    """Answer some requests with a problem, and do nothing."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        return problem(status, code, **headers) if when(asked) else await ask(asked)

    return twist


def recoded(old: int, new: int, /, **members: Any) -> Twist:
    """Give refusals of one status another one, and other members."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        return replace(said.saying({**said.json, **members}), status=new) if said.status == old else said

    return twist


def headed(when: Callable[[Said], bool], **headers: str | None) -> Twist:
    """Change the headers of some answers."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        return said.under(**headers) if when(said) else said

    return twist


def problem(status: int, code: str, **headers: str) -> Said:
    body = {"title": code, "status": status, "code": code, "detail": "no", "errors": [{"field": "x", "message": "no"}]}
    fixed = {"content-type": "application/problem+json", "x-request-id": "twisted"}
    return Said(status=status, headers=fixed | headers, body=json.dumps(body).encode())


def every(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """Change every object in a body, from the inside out."""

    def changed(found: Any) -> Any:
        if isinstance(found, dict):
            return change({name: changed(value) for name, value in found.items()})
        return [changed(one) for one in found] if isinstance(found, list) else found

    return changed


def members(**changes: Any) -> Change:
    """Set members wherever they stand; a callable makes the new value of the old one, `...` takes it away."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        for name in changes.keys() & found.keys():
            found[name] = changes[name](found[name]) if callable(changes[name]) else changes[name]
        return {name: value for name, value in found.items() if value is not ...}

    return every(change)


def as_float(found: dict[str, Any]) -> dict[str, Any]:
    is_money = set(found) == {"amount", "currency"}
    return {**found, "amount": float(found["amount"])} if is_money else found


def with_body(asked: Asked, body: Any) -> Asked:
    return replace(asked, body=json.dumps(body).encode())


def with_header(asked: Asked, name: str, value: str | None) -> Asked:
    kept = {known: old for known, old in asked.headers.items() if known != name}
    return replace(asked, headers=kept if value is None else kept | {name: value})


def fresh_keys(when: Callable[[Asked], bool], *, after: int = 1) -> Twist:
    """Forget the keys of some requests: from the second send on, or a later one, they are new ones."""
    numbers = itertools.count()
    sends: dict[str, int] = {}

    async def twist(asked: Asked, ask: Ask) -> Said:
        key = asked.headers.get(_KEY)
        if key is None or not when(asked):
            return await ask(asked)
        sends[key] = sends.get(key, 0) + 1
        return await ask(with_header(asked, _KEY, f"forgotten-{next(numbers)}") if sends[key] > after else asked)

    return twist


def body_not_compared() -> Twist:
    """Answer a used key with its answer, whatever is asked under it on the same path."""
    kept: dict[tuple[str, str], Said] = {}

    async def twist(asked: Asked, ask: Ask) -> Said:
        key = (asked.headers.get(_KEY, ""), asked.path)
        if key in kept:
            return kept[key]
        said = await ask(asked)
        if key[0] and said.status < 300:
            kept[key] = said
        return said

    return twist


def key_of_a_path(asked: Asked) -> Asked:
    key = asked.headers.get(_KEY)
    return asked if not key else with_header(asked, _KEY, hashlib.sha256((key + asked.path).encode()).hexdigest())


def state_before_key() -> Twist:
    """Refuse to repeat a create whose stay is cancelled."""
    stays: dict[str, str] = {}
    cancelled: set[str] = set()

    async def twist(asked: Asked, ask: Ask) -> Said:
        key = asked.headers.get(_KEY, "")
        if stays.get(key) in cancelled and asked.is_("POST", "/reservations"):
            return problem(409, "conflict")
        said = await ask(asked)
        if asked.is_("POST", "/reservations") and said.status == 201:
            stays[key] = said.json["id"]
        if asked.path.endswith("/cancel") and said.status == 200:
            cancelled.add(said.json["id"])
        return said

    return twist


async def version_before_key(asked: Asked, ask: Ask) -> Said:
    if asked.method == "PATCH" and "if-match" in asked.headers:
        found = await ask(replace(asked, method="GET", body=b""))
        if found.status == 200 and asked.headers["if-match"] not in {"*", found.headers["etag"]}:
            return problem(412, "version_mismatch")
    return await ask(asked)


def paged_by_offset() -> Twist:
    """Page searches by offset over what is not cancelled."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        if not asked.is_("POST", "/reservations/search") or not _is_search(asked):
            return await ask(asked)
        wanted = asked.json
        offset, limit = int(wanted.pop("cursor", "0")), wanted.get("limit", 50)
        said = await ask(with_body(asked, {**wanted, "limit": 200}))
        shown = [one for one in said.json["items"] if one["status"] != "cancelled"]
        more = str(offset + limit) if offset + limit < len(shown) else None
        return said.saying({"items": shown[offset : offset + limit], "next_cursor": more})

    return twist


def _is_search(asked: Asked) -> bool:
    try:
        wanted = json.loads(asked.body)
    except (ValueError, RecursionError):
        return False
    told = (
        isinstance(wanted, dict)
        and str(wanted.get("cursor", "0")).isdigit()
        and wanted.get("limit", 1) in range(1, 201)
    )
    return (
        told
        and asked.headers.get("authorization", "").startswith("Bearer ")
        and set(wanted)
        <= {
            "cursor",
            "limit",
            "last_name",
        }
    )


def filtered(end: str, name: str, fits: Callable[[dict[str, Any], Any], bool]) -> Twist:
    """Apply a filter of a search in another way too."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        if said.status != 200 or not asked.is_("POST", end):
            return said
        wanted = asked.json.get(name)
        shown = [one for one in said.json["items"] if wanted is None or fits(one, wanted)]
        return said.saying({**said.json, "items": shown})

    return twist


async def last_cursor_is_the_first(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if asked.path.endswith("/rate-plans") and "limit=1" in asked.query.split("&") and said.status == 200:
        return said.saying({**said.json, "next_cursor": "Rk xFWA==".replace(" ", "")})
    return said


async def second_page_is_empty(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    is_second = asked.path.endswith("/rooms") and "cursor=" in asked.query and said.status == 200
    return said.saying({**said.json, "items": []}) if is_second else said


def without_query(*names: str) -> Callable[[Asked], Asked]:
    def change(asked: Asked) -> Asked:
        kept = [part for part in asked.query.split("&") if part.split("=")[0] not in names]
        return replace(asked, query="&".join(kept))

    return change


async def html_errors(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if said.status < 400:
        return said
    return replace(said.under(content_type="text/html"), body=b"<html><h1>Something went wrong</h1></html>")


async def another_stay(asked: Asked, ask: Ask) -> Said:
    if asked.method == "GET" and "/reservations/no-such-" in asked.path and asked.path.count("/") == 4:
        root, _, _ = asked.path.rpartition("/")
        return await ask(replace(asked, path=f"{root}/R1001"))
    return await ask(asked)


def leaves_a_record() -> Twist:
    """Refuse an unknown rate, but book at another all the same."""
    numbers = itertools.count()

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        if asked.is_("POST", "/reservations") and said.status == 422 and b"no-such-" in asked.body:
            draft = {**asked.json, "rate_code": "FLEX", "room_type": "STD"}
            await ask(with_header(with_body(asked, draft), _KEY, f"left-{next(numbers)}"))
        return said

    return twist


async def tells_what_was_sent(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if not asked.is_("POST", "/reservations") or said.status < 400:
        return said
    return said.saying({**said.json, "detail": f"cannot book {asked.body.decode(errors='replace')}"})


async def always_sold(asked: Asked, ask: Ask) -> Said:
    """Sell another night to who comes too late."""
    said = await ask(asked)
    if said.status == 409 and said.json["code"] == "no_availability":
        draft = {**asked.json, "arrival": "2030-01-01", "departure": "2030-01-02"}
        return await ask(with_body(asked, draft))
    return said


async def profile_renamed(asked: Asked, ask: Ask) -> Said:
    """Write the names of a booking to its profile."""
    said = await ask(asked)
    if asked.is_("POST", "/reservations") and said.status == 201:
        root, _, _ = asked.path.rpartition("/")
        guest = said.json["guest"]
        names = {name: guest[name] for name in ("first_name", "last_name")}
        named = replace(asked, method="PATCH", path=f"{root}/guests/{guest['id']}")
        await ask(with_header(with_body(named, names), _KEY, f"name-{said.json['id']}"))
    return said


async def half_a_change(asked: Asked, ask: Ask) -> Said:
    if asked.method == "PATCH" and b"room_type" in asked.body and b'"guest"' in asked.body:
        await ask(with_header(with_body(asked, {"guest": asked.json["guest"]}), _KEY, "half"))
    return await ask(asked)


async def quote_is_done(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if asked.path.endswith("/quote") and said.status == 200:
        path = asked.path.removesuffix("/quote")
        await ask(with_header(replace(asked, method="PATCH", path=path), _KEY, f"quote-{path}"))
    return said


async def cancel_without_effect(asked: Asked, ask: Ask) -> Said:
    if asked.path.endswith("/cancel") and asked.is_("POST", "/cancel"):
        return await ask(replace(asked, method="GET", path=asked.path.removesuffix("/cancel"), body=b""))
    return await ask(asked)


async def check_in_of_anybody(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if asked.path.endswith("/check-in") and said.status == 409:
        return await ask(replace(asked, method="GET", path=asked.path.removesuffix("/check-in"), body=b""))
    return said


async def preferences_merged(asked: Asked, ask: Ask) -> Said:
    if asked.is_("PUT", "/preferences"):
        found = await ask(replace(asked, method="GET", path=asked.path.removesuffix("/preferences"), body=b""))
        if found.status == 200:
            both = found.json["preferences"] + asked.json["preferences"]
            return await ask(with_body(asked, {"preferences": both}))
    return await ask(asked)


async def cleaning_without_effect(asked: Asked, ask: Ask) -> Said:
    if asked.is_("PUT", "/status") and asked.json["cleaning"] != "sparkling":
        return await ask(replace(asked, method="GET", path=asked.path.removesuffix("/status"), body=b""))
    return await ask(asked)


async def create_is_200(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    return replace(said, status=200) if asked.is_("POST", "/reservations") and said.status == 201 else said


async def one_night_more(asked: Asked, ask: Ask) -> Said:
    said = await ask(asked)
    if not asked.path.endswith("/availability") or said.status != 200:
        return said
    grid = said.json
    for kind in grid["room_types"]:
        kind["nights"].append({**kind["nights"][-1], "date": grid["end"]})
    return said.saying(grid)


def departure_is_taken() -> Twist:
    """Count a stay for the night of its departure too."""
    standing: dict[str, tuple[str, str]] = {}

    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        if asked.is_("POST", "/reservations") and said.status == 201:
            room = said.json["rooms"][0]
            standing[said.json["id"]] = room["room_type"], room["departure"]
        if asked.path.endswith("/cancel") and said.status == 200:
            standing.pop(said.json["id"], None)
        if not asked.path.endswith("/availability") or said.status != 200:
            return said
        grid = said.json
        for kind in grid["room_types"]:
            for night in kind["nights"]:
                night["available"] -= (kind["room_type"], night["date"]) in standing.values()
        return said.saying(grid)

    return twist


def not_decoded(asked: Asked) -> bool:
    """Tell whether a path needed decoding to be understood."""
    plain = unquote(asked.path)
    return asked.method == "GET" and plain != asked.path and "/reservations/R" in plain
