"""Guest profiles, and how they are found and changed."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, computed_field, model_validator

from app.domain.ids import CallerRef, HotelIdText, Ref
from app.domain.model import Fact, Request, fingerprint
from app.domain.text import (
    Code,
    CountryCode,
    EmailAddress,
    Line,
    PersonalLine,
    PersonalProse,
    PersonalText,
    fold,
)

LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
"""BCP 47."""


class Preference(Fact):
    """Something that a guest likes or needs."""

    category: str
    value: PersonalText
    note: PersonalText | None = None


class PreferenceDraft(Request):
    """A preference to be written."""

    category: Code
    value: PersonalLine
    note: PersonalProse | None = None


class GuestContact(Fact):
    """Who a reservation is for, as far as the reservation says."""

    id: Ref | None = None
    first_name: PersonalText | None = None
    last_name: PersonalText | None = None
    email: PersonalText | None = None
    phone: PersonalText | None = None
    country: str | None = None


class GuestProfile(Fact):
    """A guest's profile at one hotel."""

    id: Ref
    hotel_id: HotelIdText
    first_name: PersonalText | None = None
    last_name: PersonalText | None = None
    email: PersonalText | None = None
    phone: PersonalText | None = None
    country: str | None = None
    language: str | None = None
    loyalty_tier: str | None = None
    vip: bool | None = None
    preferences: tuple[Preference, ...] = ()
    external_ids: dict[str, str] = Field(default_factory=dict)
    updated_at: datetime | None = None

    @computed_field(description="Opaque; changes whenever anything that a caller can change has changed.")  # type: ignore[prop-decorator]
    @property
    def version(self) -> str:
        """Opaque version over what callers can change."""
        return fingerprint(self.model_dump(mode="json", exclude={"version", "updated_at", "hotel_id", "external_ids"}))

    @property
    def sort_key(self) -> tuple[str, str]:
        """By last name, then id, as every list with guests is sorted."""
        return fold(self.last_name or ""), self.id


class OnConflict(StrEnum):
    """What to do when a profile with the same e-mail address has another last name."""

    REFUSE = "refuse"
    CREATE = "create"


class GuestDraft(Request):
    """A profile to be merged into the PMS: by `id`, or by `email` when the last name agrees.

    Absent members keep what the PMS has.
    """

    id: CallerRef | None = None
    first_name: PersonalLine | None = None
    last_name: PersonalLine | None = None
    email: EmailAddress | None = None
    phone: PersonalLine | None = None
    country: CountryCode | None = None
    language: LanguageTag | None = None
    loyalty_tier: Line | None = None
    vip: bool | None = None
    on_conflict: OnConflict = OnConflict.REFUSE

    @model_validator(mode="after")
    def _can_be_found_or_made(self) -> Self:
        if self.id is None and self.last_name is None:
            raise ValueError("last_name is required unless id names an existing profile")
        return self


class PreferenceSet(Request):
    """The whole set of a guest's preferences."""

    preferences: Annotated[tuple[PreferenceDraft, ...], Field(max_length=100)]


class GuestQuery(Request):
    """Exactly one or more of these; all that are given must match."""

    email: EmailAddress | None = None
    phone: PersonalLine | None = None
    last_name: PersonalLine | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.email is None and self.phone is None and self.last_name is None:
            raise ValueError("at least one of email, phone and last_name is required")
        return self
