"""A hotel as registered with us, its room types and its rooms."""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny

from app.domain.ids import HotelIdText
from app.domain.model import Fact, Request
from app.domain.money import Currency
from app.domain.text import Code, CountryCode, Line, TimeOfDay


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as Europe/Vienna") from None
    return name


TimeZoneName = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]


class RequestLimit(BaseModel):
    """How many requests in which time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = Field(ge=1, le=100_000)
    window_seconds: int = Field(ge=1, le=86_400)


class HotelOptions(BaseModel):
    """What a hotel may set for any vendor; a vendor's own options extend it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day_starts: TimeOfDay = Field(
        "04:00",
        description="Hotel-local time at which the hotel's day begins, where the PMS has no business date.",
    )
    notify_guest: bool = Field(default=False, description="Whether the vendor may send its own e-mails to guests.")
    charge_codes: dict[Code, Code] = Field(
        default_factory=dict, description="Charge category to the vendor's code; `default` serves the rest."
    )
    queue_expiry: int = Field(
        900, ge=60, le=86_400, description="Seconds after which a queued create or modify expires."
    )
    rate_limit: RequestLimit | None = Field(
        None,
        description="What this PMS may be asked at most, as for a self-hosted one that must not be overrun. "
        "The stricter of this and the vendor's own limits counts; hotels with the same credentials are counted "
        "together.",
    )


_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday)."""
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/([1-9]\d?))?")


def _cron_times(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_CRON_BOUNDS) or not all(map(_is_cron_field, fields, _CRON_BOUNDS)):
        raise ValueError("must be five cron fields in numbers, such as */5 * * * *")
    return text


def _is_cron_field(field: str, bounds: tuple[int, int]) -> bool:
    low, high = bounds
    parts = [_CRON_PART.fullmatch(part) for part in field.split(",")]
    ranges = [(int(part[1] or low), int(part[2] or part[1] or high)) for part in parts if part]
    return None not in parts and all(low <= first <= last <= high for first, last in ranges)


CronTimes = Annotated[str, Field(max_length=100, examples=["*/5 * * * *"]), AfterValidator(_cron_times)]
"""Times of a schedule in cron's five fields, hotel-local."""


class SyncSchedule(Request):
    """How often one resource of a hotel is read in full."""

    enabled: bool = True
    cron: CronTimes = "*/5 * * * *"
    look_ahead_days: int = Field(1, ge=0, le=31)


class SyncResource(StrEnum):
    """What can be read in full on a schedule."""

    ARRIVALS = "arrivals"
    DEPARTURES = "departures"
    IN_HOUSE = "in_house"
    ROOM_STATUS = "room_status"


class CachePolicy(Request):
    """How long, in seconds, an answer of each kind counts as fresh."""

    guest_ttl: int = Field(3600, ge=0, le=86_400)
    reservation_ttl: int = Field(300, ge=0, le=86_400)
    room_status_ttl: int = Field(60, ge=0, le=86_400)
    availability_ttl: int = Field(300, ge=0, le=86_400)


def default_sync() -> dict[SyncResource, SyncSchedule]:
    """Give the schedule of a hotel that names none: arrivals, every five minutes, one day ahead."""
    return {SyncResource.ARRIVALS: SyncSchedule()}


class Hotel(Fact):
    """A registered hotel, as everyone who may see it sees it; credentials are never part of it."""

    id: HotelIdText
    name: Line
    vendor: str
    timezone: TimeZoneName
    currency: Currency
    country: CountryCode | None = None
    property_id: Line | None = None
    base_url: str
    options: SerializeAsAny[HotelOptions] = Field(default_factory=HotelOptions)
    sync: dict[SyncResource, SyncSchedule] = Field(default_factory=default_sync)
    cache: CachePolicy = Field(default_factory=CachePolicy)

    def civil_date(self, now: datetime) -> date:
        """Give the hotel's own date at the instant `now`; the day begins at `options.day_starts`."""
        hours, minutes = map(int, self.options.day_starts.split(":"))
        local = now.astimezone(ZoneInfo(self.timezone))
        return (local.replace(tzinfo=None) - timedelta(hours=hours, minutes=minutes)).date()

    def instant(self, local: datetime | None) -> datetime | None:
        """Give the instant, in UTC, of a time that the PMS tells in the hotel's own time, without a zone."""
        return local and local.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def at(self, day: date, after_midnight: timedelta = timedelta()) -> datetime:
        """Give the instant, in UTC, at which the hotel's clock shows so much after midnight of `day`.

        It is the clock on the wall: 15:00 is 15:00 on a day of 23 or 25 hours, too.
        """
        local = datetime.combine(day, time()) + after_midnight
        return local.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def local(self, moment: datetime) -> datetime:
        """Give what the hotel's calendar and clock show at an instant."""
        return moment.astimezone(ZoneInfo(self.timezone))


class RoomType(Fact):
    """A kind of room that is sold; `total` counts the rooms of that kind."""

    room_type: str
    name: str
    description: str | None = None
    max_occupancy: int | None = None
    total: int | None = None


class Cleaning(StrEnum):
    """Housekeeping state of a room."""

    CLEAN = "clean"
    DIRTY = "dirty"
    INSPECTED = "inspected"
    PICKUP = "pickup"
    UNKNOWN = "unknown"


class RoomOccupancy(StrEnum):
    """Whether somebody stays in a room now."""

    VACANT = "vacant"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


class RoomStatus(Fact):
    """A room as housekeeping and reception see it now."""

    room_number: str
    room_type: str | None = None
    floor: str | None = None
    cleaning: Cleaning = Cleaning.UNKNOWN
    occupancy: RoomOccupancy = RoomOccupancy.UNKNOWN
    out_of_order: bool = False
    updated_at: datetime | None = None
    vendor_status: str | None = None


class SettableCleaning(StrEnum):
    """Housekeeping states that a caller may set."""

    CLEAN = "clean"
    DIRTY = "dirty"
    INSPECTED = "inspected"
    PICKUP = "pickup"


class RoomStatusChange(Request):
    """What a caller may change of a room."""

    cleaning: SettableCleaning
