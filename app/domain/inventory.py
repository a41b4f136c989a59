"""What can be sold, and for how much."""

import datetime as dt

from pydantic import Field

from app.domain.ids import HotelIdText
from app.domain.model import Fact
from app.domain.money import Currency, Money


class NightAvailability(Fact):
    """Rooms of one type for one night, hotel-local date."""

    date: dt.date
    available: int = Field(ge=0, description="How many can be sold; 0 when sold out or overbooked.")
    total: int | None = Field(None, ge=0)
    min_price: Money | None = None


class RoomTypeAvailability(Fact):
    """One room type over the nights asked for; a sold-out type is listed with 0."""

    room_type: str
    name: str
    max_occupancy: int | None = None
    nights: tuple[NightAvailability, ...]


class AvailabilityGrid(Fact):
    """Nights from `start` up to but not including `end`, per room type."""

    hotel_id: HotelIdText
    start: dt.date
    end: dt.date
    room_types: tuple[RoomTypeAvailability, ...]


class RatePlan(Fact):
    """Conditions under which rooms are sold."""

    rate_code: str
    name: str
    description: str | None = None
    currency: Currency


class NightlyRate(Fact):
    """The price of one night, hotel-local date."""

    date: dt.date
    amount: Money


class RateQuote(Fact):
    """The price of one stay in one room; `total` is the whole stay, departure not a night."""

    room_type: str
    rate_code: str
    arrival: dt.date
    departure: dt.date
    adults: int
    child_ages: tuple[int, ...] = ()
    nightly: tuple[NightlyRate, ...] = ()
    total: Money
    taxes_included: bool | None = None
    available: bool = True
    cancellation_policy: str | None = None
    indicative: bool = Field(default=False, description="The vendor books at another price than it quotes.")
