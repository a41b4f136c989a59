"""What callers send, as models; members that this version does not know are ignored."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.simulators.records import Housekeeping

TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d$"
Text = Annotated[str, Field(min_length=1, max_length=255)]
Prose = Annotated[str, Field(min_length=1, max_length=4000)]


def _ages(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Ages = Annotated[tuple[Annotated[int, Field(ge=0, le=17)], ...], BeforeValidator(_ages)]


class _Sent(BaseModel):
    """Members that this version does not know are ignored, as section 1 of the contract says."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Window(_Sent):
    """Nights from `start` up to but not including `end`."""

    start: date
    end: date
    room_type: str | None = None
    adults: int = Field(1, ge=1)
    child_ages: Ages = ()

    @model_validator(mode="after")
    def _nights(self) -> "Window":
        if not 1 <= (self.end - self.start).days <= 366:
            raise ValueError("end must be 1 to 366 days after start")
        return self


class Paged(_Sent):
    """Where in a list to go on."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = None


class QuoteQuestion(Paged):
    """Which stay a price is asked for."""

    arrival: date
    departure: date
    adults: int = Field(ge=1)
    child_ages: Ages = ()
    room_type: str | None = None
    rate_code: str | None = None


class ReservationSearch(Paged):
    """Filters on reservations; all that are given must match."""

    confirmation_number: str | None = None
    external_reference: str | None = None
    guest_id: str | None = None
    last_name: str | None = None
    arrival: date | None = None
    departure: date | None = None
    statuses: tuple[str, ...] | None = None
    write_key: str | None = None


class GuestSearch(Paged):
    """Filters on guests; all that are given must match."""

    email: str | None = None
    phone: str | None = None
    last_name: str | None = None
    write_key: str | None = None


class MoneySent(_Sent):
    """An amount as a decimal string, and its currency."""

    amount: Annotated[Decimal, Field(strict=False)]
    currency: str

    @model_validator(mode="before")
    @classmethod
    def _amount_is_text(cls, values: Any) -> Any:
        if isinstance(values, dict) and not isinstance(values.get("amount"), str):
            raise ValueError('must be a decimal string such as "129.50"')  # noqa: TRY004 - pydantic turns ValueError into a 422
        return values


class ContactSent(_Sent):
    """The guest of a reservation; `id` names an existing profile."""

    id: str | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None


class ReservationSent(_Sent):
    """A reservation to be made: one room."""

    arrival: date
    departure: date
    room_type: Text
    rate_code: Text
    adults: int = Field(ge=1)
    child_ages: Ages = ()
    guest: ContactSent
    notes: tuple[Prose, ...] = ()
    external_reference: Text | None = None


class ReservationChange(_Sent):
    """What to change; absent keeps, null clears what may be empty."""

    arrival: date | None = None
    departure: date | None = None
    room_type: Text | None = None
    rate_code: Text | None = None
    adults: Annotated[int, Field(ge=1)] | None = None
    child_ages: Ages | None = None
    guest: ContactSent | None = None


class Cancellation(_Sent):
    """Why a reservation is cancelled."""

    reason: Prose | None = None


class NoteSent(_Sent):
    """A note to be added."""

    text: Prose


class CheckoutTimeSent(_Sent):
    """The time of day until which the guest may stay."""

    checkout_time: Annotated[str, Field(pattern=TIME_OF_DAY)]


class ChargeSent(_Sent):
    """A charge to be posted; `amount` is the price of one unit."""

    description: Text
    amount: MoneySent
    quantity: int = Field(1, ge=1, le=999)
    category: Text
    reference: Text | None = None
    tax_included: bool = True


class PreferenceSent(_Sent):
    """One preference."""

    category: Text
    value: Text
    note: Prose | None = None


class PreferencesSent(_Sent):
    """The whole set of a guest's preferences."""

    preferences: tuple[PreferenceSent, ...]


class GuestSent(_Sent):
    """A profile's fields; in a change, absent keeps and null clears."""

    first_name: Text | None = None
    last_name: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    language: Text | None = None
    loyalty_tier: Text | None = None
    vip: bool | None = None


class RoomStatusSent(_Sent):
    """The cleaning state that a room shall have."""

    cleaning: Housekeeping
