"""What a hotel is registered with, each value with where it is from; and what a vendor needs, in plain words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.cli.console import CommandError
from app.cli.wishes import MISUSED
from app.core.adapter import PropertyFound
from app.core.matrix import VendorEntry
from app.core.profile import VendorProfile
from app.domain.hotel import Hotel, HotelOptions
from app.gateway.hotels import HotelDraft

FIELDS = ("name", "timezone", "currency", "country")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value, and why it is that."""

    name: str
    value: str | None
    origin: str

    @property
    def is_required(self) -> bool:
        """Whether a hotel cannot be registered without it."""
        return self.name != "country"

    @classmethod
    def settled(cls, name: str, said: str | None, before: Hotel | None, found: PropertyFound) -> Self:
        """Take what was said, else what is registered, else what the PMS says; nothing is assumed."""
        if said:
            return cls(name, said, "you said so")
        registered = getattr(before, name, None)
        if registered:
            return cls(name, registered, "as it is registered")
        told = getattr(found, name)
        return cls(name, told, "the PMS says so") if told else cls(name, None, "the PMS does not say it")

    def row(self) -> tuple[str, str, str]:
        """Give it as a row of a table."""
        return self.name, self.value or "", self.origin


def draft_of(body: Mapping[str, Any]) -> HotelDraft:
    """Read a registration.

    Raises:
        CommandError: a field is wrong; the values, which may be secrets, are not repeated.
    """
    try:
        return HotelDraft.model_validate(dict(body))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
        raise CommandError("\n  ".join(["this cannot be registered:", *lines]), status=MISUSED) from None


def vendor_facts(profile: VendorProfile, entry: VendorEntry) -> Iterator[str]:
    """Say what a vendor is and needs, line by line."""
    yield f"{profile.display_name}: {entry.source}"
    yield f"login: {entry.auth}"
    yield "credentials:"
    yield from _described(profile.credentials.model_fields)
    own = {name: one for name, one in profile.options.model_fields.items() if name not in HotelOptions.model_fields}
    if own:
        yield "options of this vendor (--option NAME=VALUE):"
        yield from _described(own)


def _described(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, one in fields.items():
        yield f"  {name}  {_need(one)}  {one.description or ''}".rstrip()


def _need(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    return "optional" if default is None else f"default {json.dumps(default, default=str)}"
