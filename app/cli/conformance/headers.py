"""§ 2, headers: who may come in, and what stands over every answer."""

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import BASE, FORM, Level, rule, watched
from app.cli.conformance.sandbox import Sandbox

_ONE_RECORD = frozenset({"Reservation", "Guest", "Room"})
_FIX = "Check Authorization: Bearer <key> before anything else, in constant time, on every path."


@rule("2.1", "Without a key: 401 unauthorized", fix=_FIX, needs=(FORM,))
def without_key(at: Sandbox) -> None:
    """Ask without any, also for a write that would change something."""
    for method, path in (("GET", ""), ("GET", "/room-types"), ("POST", "/reservations/search")):
        raw = b"{}" if method == "POST" else None
        at.refused(at.caller.send(method, path, raw=raw, headers={"Authorization": None}), 401, "unauthorized")


@rule("2.2", "With a wrong key: 401 unauthorized", fix=_FIX, needs=(FORM,))
def wrong_key(at: Sandbox) -> None:
    """Ask with keys that nobody was given."""
    for value in ("Bearer wrong", f"Bearer {at.caller.key}x", "Bearer", "Basic d3Jvbmc6d3Jvbmc="):
        at.refused(at.caller.send("GET", "", headers={"Authorization": value}), 401, "unauthorized")


@rule(
    "2.3",
    "The key is checked first: who has none learns nothing, not even which properties there are",
    fix=_FIX + " Nothing may be looked up or parsed before.",
    needs=(FORM, "2.1", "2.2"),
)
def key_first(at: Sandbox) -> None:
    """Ask, with a wrong key, for what would be refused otherwise too."""
    wrong: dict[str, str | None] = {"Authorization": "Bearer wrong"}
    at.refused(at.caller.send("GET", "", property_id=at.unknown(), headers=wrong), 401, "unauthorized")
    at.refused(at.caller.send("GET", f"/reservations/{at.unknown()}", headers=wrong), 401, "unauthorized")
    at.refused(at.caller.send("POST", "/reservations/search", raw=b"{no json", headers=wrong), 401, "unauthorized")


@watched(
    "2.4",
    "X-Request-ID stands over every answer",
    fix="Give each request a name of its own and send it back as X-Request-ID, with refusals and errors too.",
)
def request_id(seen: Exchange) -> str | None:
    """Judge the header."""
    return None if not seen.status or seen.headers.get("x-request-id", "").strip() else "no X-Request-ID"


@rule(
    "2.5",
    "Each request has an X-Request-ID of its own",
    fix="Make a new id per request; do not repeat a fixed one or our X-Correlation-ID.",
    needs=(BASE,),
)
def own_request_id(at: Sandbox) -> None:
    """Ask twice."""
    first, second = (at.caller.send("GET", "", headers={"X-Correlation-ID": "conformance"}) for _ in range(2))
    named = [one.headers.get("x-request-id") for one in (first, second)]
    if named[0] and named[0] == named[1]:
        at.same("X-Request-ID of the second answer", "another than the first's", named[1], second)


@rule(
    "2.6",
    "X-Correlation-ID is sent back",
    fix="Log X-Correlation-ID with the request and send it back: it ties your log to the gateway's.",
    level=Level.SHOULD,
)
def correlation_id(at: Sandbox) -> None:
    """Send one."""
    answer = at.caller.send("GET", "", headers={"X-Correlation-ID": f"conformance-{at.mark}"})
    at.same("X-Correlation-ID", f"conformance-{at.mark}", answer.headers.get("x-correlation-id"), answer)


@watched(
    "2.7",
    "ETag stands over every reservation, guest and room: its version in quotes",
    fix='Send ETag: "<version>" with the same version as in the body; no W/ before it (mind compressing proxies).',
)
def etag(seen: Exchange) -> str | None:
    """Judge the header against the body."""
    if seen.shape not in _ONE_RECORD:
        return None
    version, found = seen.at("version"), seen.headers.get("etag")
    if found is None:
        return "no ETag"
    return None if not isinstance(version, str) or found == f'"{version}"' else f"ETag {found} for version {version!r}"


@watched(
    "2.8",
    "Retry-After stands over 429 and 503, in seconds",
    fix="Send Retry-After with a whole number of seconds.",
)
def retry_after(seen: Exchange) -> str | None:
    """Judge the header."""
    if seen.status not in {429, 503}:
        return None
    return None if seen.headers.get("retry-after", "").strip().isdigit() else f"{seen.status} without Retry-After"


RULES = (without_key, wrong_key, key_first, request_id, own_request_id, correlation_id, etag, retry_after)
