"""The contract's JSON, as far as we read it; members that we do not know are ignored (docs/bridge.md § 1).

What the contract says exactly as our domain does (room types, rate plans, quotes, nights) is read as that.
"""

import datetime as dt
import re
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.domain.inventory import RoomTypeAvailability
from app.domain.money import Money
from app.domain.text import Line, TimeOfDay

Item = TypeVar("Item")

_WITH_SECONDS = re.compile(r"(\d\d:\d\d):\d\d(\.\d+)?")


def _to_the_minute(value: Any) -> Any:
    with_seconds = _WITH_SECONDS.fullmatch(value) if isinstance(value, str) else None
    return with_seconds[1] if with_seconds else value


Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Version = Annotated[str, StringConstraints(pattern=r"^[!#-~]*$")]
"""Stands in `If-Match`, so that it is what an entity tag may hold (RFC 9110 § 8.8.3), ASCII only."""
Minute = Annotated[TimeOfDay, BeforeValidator(_to_the_minute)]
"""A time of day; some say its seconds too."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, values: Any) -> Any:
        return (
            {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


class Page(_Wire, Generic[Item]):
    """One page of a list; without `next_cursor` it is the last one."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


class Property(_Wire):
    """The property, and what its PMS can do."""

    id: str
    name: str
    contract_version: str
    timezone: str
    currency: str
    country: str | None = None
    business_date: dt.date | None = None
    capabilities: tuple[str, ...]
    idempotency_keys: bool
    write_keys: bool = False
    newest_record_at: AwareDatetime | None = None


class Availability(_Wire):
    """The grid."""

    room_types: tuple[RoomTypeAvailability, ...]


class Contact(_Wire):
    """The guest as a reservation names them."""

    id: Id | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None


class ReservedRoom(_Wire):
    """One room of a reservation."""

    room_type: str
    rate_code: str | None = None
    room_number: str | None = None
    arrival: dt.date
    departure: dt.date
    adults: int | None = None
    child_ages: tuple[int, ...] | None = None


class Note(_Wire):
    """A note on a reservation."""

    text: str
    created_at: AwareDatetime | None = None
    write_key: str | None = None


class Reservation(_Wire):
    """A reservation."""

    id: Id
    confirmation_number: str | None = None
    status: str
    rooms: Annotated[tuple[ReservedRoom, ...], Field(min_length=1)]
    guest: Contact
    total: Money | None = None
    balance: Money | None = None
    checkout_time: Minute | None = None
    notes: tuple[Note, ...] = ()
    external_reference: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    version: Version | None = None
    write_key: str | None = None


class Charge(_Wire):
    """A posted charge."""

    id: Id
    description: str
    amount: Money
    quantity: int
    total: Money
    reference: str | None = None
    posted_at: AwareDatetime | None = None


class FolioLine(_Wire):
    """A line of a folio."""

    id: Id
    kind: str
    description: str
    amount: Money
    reference: str | None = None
    posted_at: AwareDatetime | None = None
    write_key: str | None = None


class Balance(_Wire):
    """What is owed."""

    balance: Money
    charges: Money | None = None
    payments: Money | None = None


class Preference(_Wire):
    """A guest's preference."""

    category: str
    value: str
    note: str | None = None


class Guest(_Wire):
    """A profile."""

    id: Id
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None
    language: str | None = None
    loyalty_tier: str | None = None
    vip: bool | None = None
    preferences: tuple[Preference, ...] = ()
    updated_at: AwareDatetime | None = None
    write_key: str | None = None


class Room(_Wire):
    """A room as it is now."""

    room_number: Line
    room_type: str | None = None
    floor: str | None = None
    cleaning: str
    occupancy: str
    out_of_order: bool
    updated_at: AwareDatetime | None = None
