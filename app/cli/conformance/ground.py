"""§ 1, ground rules: how things are written."""

from urllib.parse import quote

from app.cli.conformance.exchange import LARGEST, Exchange
from app.cli.conformance.rules import FORM, FOUND, finds, rule, watched
from app.cli.conformance.sandbox import Sandbox, stay_path

FOREIGN = "Žofie-Ångström-测试"


@watched(
    "1.1",
    "A success is a JSON object in UTF-8, sent as application/json",
    fix="Send Content-Type: application/json and encode the body in UTF-8, on errors of your framework's too.",
)
def answers_are_json(seen: Exchange) -> str | None:
    """Judge the content type and the encoding."""
    if not 200 <= seen.status < 300:
        return None
    if seen.media_type != "application/json":
        return f"sent as {seen.media_type or 'nothing at all'}"
    charset = seen.headers.get("content-type", "").lower().partition("charset=")[2].strip(' "')
    if charset not in {"", "utf-8", "utf8"}:
        return f"encoded in {charset}"
    try:
        seen.body.decode("utf-8")
    except UnicodeDecodeError:
        return "the bytes are not UTF-8"
    return None if seen.json else "the body is no JSON object"


dates = watched(
    "1.2",
    "Dates are the hotel's own, YYYY-MM-DD",
    fix="Write dates without a time and without a zone: 2026-11-20.",
)(finds("day"))

instants = watched(
    "1.3",
    "Instants are UTC and end in Z",
    fix="Convert to UTC and write RFC 3339 with a Z: 2026-11-20T10:00:00Z, neither an offset nor local time.",
)(finds("instant"))

times = watched(
    "1.4",
    "Times of day are the hotel's own, HH:MM",
    fix="Write 24 hours, two digits each, without seconds: 09:30.",
)(finds("time"))

money = watched(
    "1.5",
    "Money is an amount as a decimal string, with no more decimals than its currency has, and that currency",
    fix='Write {"amount": "129.50", "currency": "EUR"}; never a JSON number, which is a float to most readers.',
)(finds("money"))

ids = watched(
    "1.6",
    "Ids are strings of 1 to 255 characters without a slash",
    fix="Write ids as strings, numbers too; if yours may hold a slash, encode them in your own way.",
)(finds("id"))


@rule(
    "1.7",
    "Members that are not known are ignored",
    fix="Do not refuse unknown members or query parameters: newer versions of either side may send some.",
)
def unknown_members(at: Sandbox) -> None:
    """Send some in a query and in a body."""
    at.require(at.get("/room-types", x_from_the_future="1"), 200, "the parameter x_from_the_future ignored")
    found = at.search("reservations", limit=1, x_from_the_future={"a": [1]})
    at.require(found, 200, "the member x_from_the_future ignored")


@rule(
    "1.8",
    "Ids arrive percent-encoded in paths",
    fix="Decode the path's segments once, as UTF-8, before you look the id up.",
    needs=(FOUND,),
    writes=True,
)
def encoded_ids(at: Sandbox) -> None:
    """Read a reservation with every character of its id encoded."""
    made = at.book()
    encoded = "".join(f"%{byte:02X}" for byte in str(made.at("id")).encode())
    answer = at.require(at.get(f"/reservations/{encoded}"), 200, f"the reservation {made.at('id')}")
    at.same("the id", made.at("id"), answer.at("id"))


@rule(
    "1.9",
    "An id with spaces, umlauts or signs is an id as any other",
    fix="Look any decoded id up and answer 404 not_found where there is none; never let it reach a parser or a query.",
    needs=(FORM,),
)
def odd_ids(at: Sandbox) -> None:
    """Ask for ids that nothing has."""
    for odd in ("Zimmer 7 äöü", "a+b&c=d?e#f", "' OR '1'='1", "..%2e", "😀" * 20):
        at.refused(at.get(f"/reservations/{quote(odd, safe='')}"), 404, "not_found")


@rule(
    "1.10",
    "Names of any script are kept as they were sent",
    fix="Use UTF-8 from the socket to the database (in MySQL utf8mb4), and do not turn names into another case.",
    needs=(FOUND,),
    writes=True,
)
def any_script(at: Sandbox) -> None:
    """Book for a guest whose name is not ASCII."""
    made = at.book(guest={"first_name": FOREIGN, "last_name": f"Gatewaytest-{FOREIGN}"})
    read = at.require(at.get(stay_path(made.at("id"))), 200)
    at.same("guest.first_name", FOREIGN, read.at("guest", "first_name"))
    at.same("guest.last_name", f"Gatewaytest-{FOREIGN}", read.at("guest", "last_name"))


@watched(
    "1.11",
    "Nothing is answered with a redirect",
    fix="Serve the paths where they are asked for; mind the slash at the end, and give us the https URL itself.",
)
def no_redirects(seen: Exchange) -> str | None:
    """Judge the status."""
    return f"redirected to {seen.headers.get('location')}" if 300 <= seen.status < 400 else None


@watched(
    "1.12",
    "Answers have less than 10 MB",
    fix="Give fewer items a page, with a next_cursor.",
)
def not_too_large(seen: Exchange) -> str | None:
    """Judge the size."""
    return "more than 10 MB" if len(seen.body) > LARGEST else None


@watched(
    "1.13",
    "Answers come in time, within 10 seconds",
    fix="Look at the request named here: an index may be missing, or prices are computed room by room.",
)
def in_time(seen: Exchange) -> str | None:
    """Judge how long it took."""
    return f"{seen.seconds:.1f} s" if seen.seconds > seen.slowest else None


RULES = (
    answers_are_json,
    dates,
    instants,
    times,
    money,
    ids,
    unknown_members,
    encoded_ids,
    odd_ids,
    any_script,
    no_redirects,
    not_too_large,
    in_time,
)
