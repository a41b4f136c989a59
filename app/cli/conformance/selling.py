"""§ 8, availability and quotes: what can be sold, and for how much."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import FORM, GRID, OFFER, Broken, Level, NotTried, fitting, rule
from app.cli.conformance.sandbox import Body, Sandbox, amount, day, objects

_LISTS = "8.2"


lists_shown = fitting("8.1", "Room types and rate plans have the members of the schema", "RoomType", "RatePlan")


@rule(
    _LISTS,
    "There is a room type and a rate plan at least, and each code once",
    fix="List what can be sold; a code names one thing.",
)
def once_each(at: Sandbox) -> None:
    """Read both lists."""
    for path, name in (("/room-types", "room_type"), ("/rate-plans", "rate_code")):
        codes = Counter(str(one.get(name)) for one in at.listed(path))
        if not codes:
            raise Broken(f"a {name} at least")
        at.same(f"{name} that come twice", [], [code for code, count in codes.items() if count > 1])


@rule(
    GRID,
    "Availability is answered",
    fix="Answer 200 with start, end and room_types, for any dates from today on.",
)
def availability(at: Sandbox) -> None:
    """Ask for three nights."""
    page = _three_nights(at)
    if not objects(page.at("room_types")):
        raise Broken("room_types", exchange=page)


@rule(
    "8.4",
    "Availability shows each night from start up to but not including end, once",
    fix="Nights run from arrival up to but not including departure: end itself is no night.",
    needs=(GRID,),
)
def nights(at: Sandbox) -> None:
    """Compare the nights with those that were asked for."""
    page = _three_nights(at)
    wanted = [str(at.far + timedelta(days=number)) for number in range(3)]
    for kind in objects(page.at("room_types")):
        found = sorted(day(night.get("date")) for night in objects(kind.get("nights")))
        at.same(f"nights of {kind.get('room_type')}", wanted, found, page)


grid_shown = fitting("8.5", "Availability has the members of the schema; `available` is never below 0", "Availability")


@rule(
    "8.6",
    "Every room type is listed, sold out or not",
    fix="Start from the room types, not from the rooms that are free: what is sold out has available: 0.",
    needs=(GRID, _LISTS),
)
def all_listed(at: Sandbox) -> None:
    """Compare the grid with the room types; a month of nights, of which some may be sold out."""
    types = {str(one.get("room_type")) for one in at.listed("/room-types")}
    for start in (at.today, at.far):
        shown = at.grid(start, start + timedelta(days=30))
        at.same("room types that are left out", [], sorted(types - set(shown)))


@rule(
    "8.7",
    "Availability of an unknown room type, or of no nights: 422 invalid",
    fix="Check the parameters before you compute.",
    needs=(GRID, FORM),
)
def grid_refused(at: Sandbox) -> None:
    """Ask for what is not there."""
    start, end = str(at.far), str(at.far + timedelta(days=2))
    at.refused(at.get("/availability", start=start, end=end, room_type=at.unknown()), 422, "invalid")
    at.refused(at.get("/availability", start=end, end=start), 422, "invalid")
    at.refused(at.get("/availability", start=start), 422, "invalid")


@rule(
    OFFER,
    "Quotes are answered",
    fix="Answer 200 with items, one per room type and rate plan.",
)
def quotes(at: Sandbox) -> None:
    """Ask for two nights."""
    if not _quoted(at):
        raise Broken("a quote at least")


quotes_shown = fitting("8.9", "Quotes have the members of the schema", "Quote")


@rule(
    "8.10",
    "A quote is of the stay that was asked for: its dates, its guests, its nights without the day of departure",
    fix="Repeat arrival, departure, adults and child_ages; nightly has one entry for each night.",
    needs=(OFFER,),
)
def of_the_stay(at: Sandbox) -> None:
    """Compare each with the question."""
    wanted = [str(at.far + timedelta(days=number)) for number in range(2)]
    for one in _quoted(at, child_ages="4,9"):
        found = (day(one.get("arrival")), day(one.get("departure")), one.get("adults"), one.get("child_ages"))
        asked = (wanted[0], str(at.far + timedelta(days=2)), 1, [4, 9])
        at.same("arrival, departure, adults, child_ages", asked, found)
        at.same("nights", wanted, [day(night.get("date")) for night in objects(one.get("nightly"))])


@rule(
    "8.11",
    "There is one quote per room type and rate plan, and none that is too small for the guests",
    fix="Leave out room types that do not take the guests; do not list a pair twice.",
    needs=(OFFER, _LISTS),
)
def one_per_pair(at: Sandbox) -> None:
    """Count the pairs, and ask for ninety guests."""
    pairs = Counter((str(one.get("room_type")), str(one.get("rate_code"))) for one in _quoted(at))
    at.same("quotes that come twice", [], [pair for pair, count in pairs.items() if count > 1])
    at.same("quotes for 90 guests in one room", 0, len(_quoted(at, adults="90")))


@rule(
    "8.12",
    "The nights add up to the total",
    fix="total is the whole stay; spread over nightly what you can.",
    needs=(OFFER,),
    level=Level.SHOULD,
)
def adds_up(at: Sandbox) -> None:
    """Add them up."""
    for one in _quoted(at):
        prices = [amount(night.get("amount")) for night in objects(one.get("nightly"))]
        at.same("total", amount(one.get("total")), sum(prices, Decimal()))


@rule(
    "8.13",
    "Quotes for one room type and one rate are of that room type and that rate",
    fix="Apply room_type and rate_code.",
    needs=(OFFER,),
)
def narrowed(at: Sandbox) -> None:
    """Ask for one pair."""
    one = _quoted(at)[0]
    room_type, rate_code = str(one.get("room_type")), str(one.get("rate_code"))
    quotes = _quoted(at, room_type=room_type, rate_code=rate_code)
    found = [(other.get("room_type"), other.get("rate_code")) for other in quotes]
    at.same("room type and rate of the quotes", [(room_type, rate_code)], found)


@rule(
    "8.14",
    "`min_price` is the lowest price of the night",
    fix="Take the cheapest rate plan for the guests asked for, or say null.",
    needs=(OFFER, GRID),
    level=Level.SHOULD,
)
def lowest(at: Sandbox) -> None:
    """Compare with the quotes of one night."""
    end = at.far + timedelta(days=1)
    grid = at.require(at.get("/availability", start=str(at.far), end=str(end), adults="1"), 200)
    offers = at.quotes(at.far, end)
    compared = 0
    for kind in objects(grid.at("room_types")):
        told = [night.get("min_price") for night in objects(kind.get("nights")) if night.get("min_price")]
        prices = [amount(one.get("total")) for one in offers if one.get("room_type") == kind.get("room_type")]
        if told and prices:
            at.same(f"min_price of {kind.get('room_type')}", min(prices), amount(told[0]), grid)
            compared += 1
    if not compared:
        raise NotTried("no min_price is told")


def _three_nights(at: Sandbox) -> Exchange:
    end = str(at.far + timedelta(days=3))
    return at.require(at.get("/availability", start=str(at.far), end=end), 200)


def _quoted(at: Sandbox, **params: str) -> list[Body]:
    return at.quotes(at.far, at.far + timedelta(days=2), **params)


RULES = (
    lists_shown,
    once_each,
    availability,
    nights,
    grid_shown,
    all_listed,
    grid_refused,
    quotes,
    quotes_shown,
    of_the_stay,
    one_per_pair,
    adds_up,
    narrowed,
    lowest,
)
