"""The contract's schemas, strictly: what docs/bridge.openapi.yaml asks of an answer.

The adapter reads with forgiveness; here nothing is forgiven but what § 1 allows: members that we do not know, and
null for absent. A test holds these models against the document, so that no JSON Schema validator is needed to run.
"""

import re
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from app.domain.money import minor_units

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_AMOUNT = re.compile(r"-?\d{1,12}(\.(\d{1,3}))?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_VERSION = re.compile(r"[!#-~]+")


def _day(value: Any) -> Any:
    try:
        fits = isinstance(value, str) and _DAY.fullmatch(value) and date.fromisoformat(value)
    except ValueError:
        fits = False
    if not fits:
        raise PydanticCustomError("day", "is no date such as 2026-11-20")
    return value


def _instant(value: Any) -> Any:
    try:
        fits = isinstance(value, str) and _INSTANT.fullmatch(value) and datetime.fromisoformat(value)
    except ValueError:
        fits = False
    if not fits:
        raise PydanticCustomError("instant", "is no instant in UTC such as 2026-11-20T10:00:00Z")
    return value


def _time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise PydanticCustomError("time", "is no time of day such as 11:00")
    return value


def _money(value: Any) -> Any:
    amount, currency = (value.get("amount"), value.get("currency")) if isinstance(value, dict) else (None, None)
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise PydanticCustomError("money", 'is no money such as {"amount": "129.50", "currency": "EUR"}')
    parts = _AMOUNT.fullmatch(amount) if isinstance(amount, str) else None
    if parts is None:
        raise PydanticCustomError("money", 'has an amount that is no decimal string such as "129.50"')
    if len(parts[2] or "") > minor_units(currency):
        raise PydanticCustomError("money", "has more decimals than its currency")
    return value


def _id(value: Any) -> Any:
    if not isinstance(value, str) or not 1 <= len(value) <= 255 or "/" in value:
        raise PydanticCustomError("id", "is no id: a string of 1 to 255 characters without a slash")
    return value


def _version(value: Any) -> Any:
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise PydanticCustomError("version", "is no version: a string of visible ASCII without quotes and spaces")
    return value


Day = Annotated[str, BeforeValidator(_day)]
Instant = Annotated[str, BeforeValidator(_instant)]
TimeOfDay = Annotated[str, BeforeValidator(_time)]
Money = Annotated[dict[str, Any], BeforeValidator(_money)]
Id = Annotated[str, BeforeValidator(_id)]
Version = Annotated[str, BeforeValidator(_version)]
CurrencyCode = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Code = Annotated[str, Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=0)]
ChildAges = Annotated[list[Annotated[int, Field(ge=0, le=17)]], Field(max_length=20)]
WriteKey = Annotated[str, Field(max_length=255)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Property(_Shape):
    """The property, and what its PMS can do."""

    id: Id
    name: str
    contract_version: Annotated[str, Field(pattern=r"^1\.")]
    timezone: str
    currency: CurrencyCode
    country: Country | None = None
    business_date: Day | None = None
    checkout_time: TimeOfDay | None = None
    capabilities: list[str]
    idempotency_keys: bool
    write_keys: bool | None = None
    newest_record_at: Instant | None = None


class RoomType(_Shape):
    """A room type."""

    room_type: Code
    name: str
    description: str | None = None
    max_occupancy: Annotated[int, Field(ge=1)] | None = None
    total: Count | None = None


class RatePlan(_Shape):
    """A rate plan."""

    rate_code: Code
    name: str
    description: str | None = None
    currency: CurrencyCode
    refundable: bool | None = None


class Night(_Shape):
    """One night of a room type."""

    date: Day
    available: Count
    total: Count | None = None
    min_price: Money | None = None


class RoomTypeNights(_Shape):
    """A room type over the nights asked for."""

    room_type: str
    name: str
    max_occupancy: int | None = None
    nights: list[Night]


class Availability(_Shape):
    """The grid."""

    start: Day
    end: Day
    room_types: list[RoomTypeNights]


class NightlyAmount(_Shape):
    """The price of one night."""

    date: Day
    amount: Money


class Quote(_Shape):
    """The price of a stay."""

    room_type: str
    rate_code: str
    arrival: Day
    departure: Day
    adults: Annotated[int, Field(ge=1)]
    child_ages: ChildAges
    nightly: list[NightlyAmount]
    total: Money
    taxes_included: bool | None = None
    available: bool
    cancellation_policy: str | None = None
    indicative: bool | None = None


class Contact(_Shape):
    """The guest as a reservation names them."""

    id: Id | None = None
    first_name: Annotated[str, Field(max_length=255)] | None = None
    last_name: Annotated[str, Field(max_length=255)] | None = None
    email: Annotated[str, Field(max_length=255)] | None = None
    phone: Annotated[str, Field(max_length=255)] | None = None
    country: Country | None = None


class StayRoom(_Shape):
    """One room of a reservation."""

    room_type: str
    rate_code: str | None = None
    room_number: str | None = None
    arrival: Day
    departure: Day
    adults: int
    child_ages: ChildAges


class Note(_Shape):
    """A note."""

    id: Id | None = None
    text: str
    created_at: Instant
    write_key: WriteKey | None = None


class Reservation(_Shape):
    """A reservation."""

    id: Id
    confirmation_number: str | None = None
    status: str
    rooms: Annotated[list[StayRoom], Field(min_length=1)]
    guest: Contact
    total: Money | None = None
    balance: Money | None = None
    checkout_time: TimeOfDay | None = None
    notes: list[Note] | None = None
    external_reference: str | None = None
    created_at: Instant
    updated_at: Instant
    version: Version
    write_key: WriteKey | None = None


class Charge(_Shape):
    """A posted charge."""

    id: Id
    description: str
    amount: Money
    quantity: int
    total: Money
    category: str | None = None
    reference: str | None = None
    posted_at: Instant


class FolioLine(_Shape):
    """A line of a folio."""

    id: Id
    kind: str
    description: str
    amount: Money
    reference: str | None = None
    posted_at: Instant
    write_key: WriteKey | None = None


class Balance(_Shape):
    """What is owed."""

    reservation_id: Id | None = None
    balance: Money
    charges: Money | None = None
    payments: Money | None = None


class Preference(_Shape):
    """A preference."""

    category: Code
    value: Annotated[str, Field(min_length=1, max_length=255)]
    note: Annotated[str, Field(max_length=4000)] | None = None


class Guest(_Shape):
    """A profile."""

    id: Id
    first_name: str | None = None
    last_name: str
    email: str | None = None
    phone: str | None = None
    country: Country | None = None
    language: str | None = None
    loyalty_tier: str | None = None
    vip: bool | None = None
    preferences: list[Preference]
    updated_at: Instant
    version: Version
    write_key: WriteKey | None = None


class Room(_Shape):
    """A room as it is now."""

    room_number: str
    room_type: str | None = None
    floor: str | None = None
    cleaning: str
    occupancy: Annotated[str, Field(pattern="^(vacant|occupied)$")]
    out_of_order: bool
    updated_at: Instant | None = None
    version: Version


class Misfit(NamedTuple):
    """Where an answer is not as its schema says: what kind of fault, where, and in which words."""

    kind: str
    place: str
    message: str


SHAPES: dict[str, type[BaseModel]] = {
    shape.__name__: shape
    for shape in (
        Property,
        RoomType,
        RatePlan,
        Availability,
        Quote,
        Reservation,
        Note,
        Charge,
        FolioLine,
        Balance,
        Guest,
        Preference,
        Contact,
        Room,
    )
}

LIST_OF = "list of "
_ANSWERS: tuple[tuple[str, str, int, str], ...] = (
    ("GET", "", 200, "Property"),
    ("GET", "/room-types", 200, "list of RoomType"),
    ("GET", "/rate-plans", 200, "list of RatePlan"),
    ("GET", "/availability", 200, "Availability"),
    ("GET", "/quotes", 200, "list of Quote"),
    ("POST", "/reservations/search", 200, "list of Reservation"),
    ("POST", "/reservations", 201, "Reservation"),
    ("GET", "/reservations/*", 200, "Reservation"),
    ("PATCH", "/reservations/*", 200, "Reservation"),
    ("POST", "/reservations/*/quote", 200, "Quote"),
    ("POST", "/reservations/*/cancel", 200, "Reservation"),
    ("POST", "/reservations/*/notes", 201, "Note"),
    ("PUT", "/reservations/*/checkout-time", 200, "Reservation"),
    ("POST", "/reservations/*/check-in", 200, "Reservation"),
    ("POST", "/reservations/*/check-out", 200, "Reservation"),
    ("POST", "/reservations/*/charges", 201, "Charge"),
    ("GET", "/reservations/*/folio", 200, "list of FolioLine"),
    ("GET", "/reservations/*/balance", 200, "Balance"),
    ("POST", "/guests/search", 200, "list of Guest"),
    ("POST", "/guests", 201, "Guest"),
    ("GET", "/guests/*", 200, "Guest"),
    ("PATCH", "/guests/*", 200, "Guest"),
    ("PUT", "/guests/*/preferences", 200, "Guest"),
    ("GET", "/rooms", 200, "list of Room"),
    ("GET", "/rooms/*", 200, "Room"),
    ("PUT", "/rooms/*/status", 200, "Room"),
)
OPERATIONS = frozenset((method, path) for method, path, _, _ in _ANSWERS)


def shape_of(method: str, path: str, status: int) -> str | None:
    """Give what a success shows; None for other answers and for what the contract does not have."""
    for known, template, success, shape in _ANSWERS:
        if (known, success) == (method, status) and _fits(template, path):
            return shape
    return None


def misfits(shape: str, body: dict[str, Any]) -> tuple[Misfit, ...]:
    """Find what is wrong with a body."""
    model = SHAPES[shape.removeprefix(LIST_OF)]
    wanted = _page_of(model) if shape.startswith(LIST_OF) else model
    try:
        wanted.model_validate(body)
    except ValidationError as error:
        return tuple(
            Misfit(fault["type"], ".".join(map(str, fault["loc"])), fault["msg"])
            for fault in error.errors(include_url=False, include_input=False)
        )
    return ()


@cache
def _page_of(model: type[BaseModel]) -> type[BaseModel]:
    members: Any = {"items": (list[model], ...), "next_cursor": (str | None, None)}  # type: ignore[valid-type] # any model
    return create_model(f"{model.__name__}Page", __base__=_Shape, **members)


def _fits(template: str, path: str) -> bool:
    wanted, found = template.split("/"), path.split("/")
    return len(wanted) == len(found) and all(one in {"*", other} for one, other in zip(wanted, found, strict=True))
