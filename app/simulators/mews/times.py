"""Instants of the wire and days of the hotel: everything is UTC, and a day begins at the enterprise's midnight."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

LONGEST_MONTHS = 3


def utc(moment: datetime) -> str:
    """Write an instant."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration(clock: str) -> str:
    """Write a time of day as the offset from midnight that it is."""
    hours, minutes = clock.split(":")
    return f"P0M0DT{int(hours)}H{int(minutes)}M0S"


def months_later(moment: datetime, months: int) -> datetime:
    """Give the same day and time some months later, or the last day of that month."""
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The clock on the hotel's wall."""

    zone: ZoneInfo

    @classmethod
    def named(cls, name: str) -> Self:
        """Give the clock of a time zone."""
        return cls(ZoneInfo(name))

    def at(self, day: date, clock: str = "00:00") -> datetime:
        """Give the instant at which the wall's clock shows a time."""
        return datetime.combine(day, time.fromisoformat(clock), self.zone).astimezone(UTC)

    def day(self, moment: datetime) -> date:
        """Give the day that it is here."""
        return moment.astimezone(self.zone).date()

    def clock(self, moment: datetime) -> str:
        """Give the time of day that it is here, to the minute."""
        return f"{moment.astimezone(self.zone):%H:%M}"

    def unit(self, moment: datetime) -> date | None:
        """Give the day that begins at an instant; None where none does."""
        day = self.day(moment)
        return day if self.at(day) == moment else None

    def units(self, first: date, last: date) -> list[date]:
        """Give the days from the first to the last, both included."""
        return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
