"""The vendor's JSON in the vendor's own names: only what we read or send; everything else is ignored."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(_Wire):
    """The guest as a stay names them."""

    id: Id | None = None
    given_name: str | None = None
    family_name: str | None = None
    mail: str | None = None
    phone: str | None = None
    country: str | None = None


class StayRoom(_Wire):
    """One room of a stay, from its first night up to but not including `leaves`."""

    category: str
    tariff: str | None = None
    number: str | None = None
    arrives: dt.date
    leaves: dt.date
    adults: int
    ages: tuple[int, ...] = ()


class Stay(_Wire):
    """A reservation."""

    id: Id
    code: str
    state: str
    rooms: Annotated[tuple[StayRoom, ...], Field(min_length=1)]
    person: Person
    total_cents: int
    """Taxes included, in the smallest unit of `currency`: yen have no cents."""
    currency: str
    remarks: tuple[str, ...] = ()
    made_at: dt.datetime
    """The hotel's own time, without a zone (README Q1)."""
