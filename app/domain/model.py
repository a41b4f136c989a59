"""The two bases of every model: facts that we hand out, and requests that callers send."""

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator


class Fact(BaseModel):
    """A frozen value that leaves us; unknown members of stored copies are ignored.

    Texts are as long as the vendor's own: one that is odd must not hide all others of a list.
    """

    # A refused value may be a guest's, so that an error message never shows it.
    model_config = ConfigDict(
        frozen=True, extra="ignore", json_schema_serialization_defaults_required=True, hide_input_in_errors=True
    )


_MOST_MEMBERS = 200


class Request(BaseModel):
    """A frozen value that a caller sends; an unknown member is refused, never dropped silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_members(cls, value: Any) -> Any:
        """Refuse what has very many at once: to name each of 50,000 took more than half a second."""
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            raise ValueError(f"must have at most {_MOST_MEMBERS} members")
        return value


def _integral(value: object) -> object:
    # JSON has one number type, so 2.0 is the integer 2; "2" and true are not numbers at all.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic turns ValueError into a 422
    return int(value) if isinstance(value, float) and value.is_integer() else value


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEARS = range(1900, 2200)


def _iso_day(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a date, YYYY-MM-DD")
    if not isinstance(value, str | date):
        raise ValueError("must be a date, YYYY-MM-DD")  # noqa: TRY004 - pydantic turns ValueError into a 422
    return value


def _sensible_year(value: date) -> date:
    if value.year not in _YEARS:
        raise ValueError(f"must be between {_YEARS.start} and {_YEARS.stop - 1}")
    return value


Day = Annotated[date, BeforeValidator(_iso_day), AfterValidator(_sensible_year)]
"""A hotel-local date as callers send it."""

Adults = Annotated[int, Field(ge=1, le=99), BeforeValidator(_integral)]
ChildAge = Annotated[int, Field(ge=0, le=17), BeforeValidator(_integral)]
Quantity = Annotated[int, Field(ge=1, le=999), BeforeValidator(_integral)]


def fingerprint(values: Mapping[str, Any]) -> str:
    """Give an opaque version string over JSON-like `values`; equal values have equal strings."""
    canonical = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:24]


@lru_cache(maxsize=512)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def type_adapter(kind: Any) -> TypeAdapter[Any]:
    """Give the reader and writer of a type, built once; building one is dear."""
    return _adapter(kind)


@lru_cache(maxsize=512)
def _shape(kind: Any) -> str:
    return fingerprint(type_adapter(kind).json_schema(mode="serialization"))


def shape(kind: Any) -> str:
    """Give what tells the JSON of a type from that of another version of it; stored copies are kept under it."""
    return _shape(kind)
