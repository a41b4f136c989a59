from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.hotel import Hotel


def hotel(zone: str, day_starts: str = "04:00", **fields: Any) -> Hotel:
    values = {"id": "h", "name": "H", "vendor": "v", "currency": "EUR", "base_url": "https://pms.example"}
    return Hotel.model_validate({**values, "timezone": zone, "options": {"day_starts": day_starts}, **fields})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day_starts", "now", "expected"),
    [
        ("Europe/Vienna", "04:00", "2026-11-20T02:59", date(2026, 11, 19)),
        ("Europe/Vienna", "04:00", "2026-11-20T03:00", date(2026, 11, 20)),
        ("Europe/Vienna", "00:00", "2026-11-19T23:00", date(2026, 11, 20)),
        ("America/New_York", "04:00", "2027-01-01T08:59", date(2026, 12, 31)),
        ("America/New_York", "04:00", "2027-01-01T09:00", date(2027, 1, 1)),
        ("Pacific/Kiritimati", "04:00", "2026-11-20T12:00", date(2026, 11, 20)),
        ("Pacific/Kiritimati", "04:00", "2026-11-20T14:00", date(2026, 11, 21)),
        # The clock jumps from 02:00 to 03:00 (01:00 UTC): the day still begins at 04:00 on the wall.
        ("Europe/Vienna", "04:00", "2026-03-29T01:59", date(2026, 3, 28)),
        ("Europe/Vienna", "04:00", "2026-03-29T02:00", date(2026, 3, 29)),
        # ... and back from 03:00 to 02:00 (01:00 UTC): one hour is lived twice.
        ("Europe/Vienna", "04:00", "2026-10-25T02:59", date(2026, 10, 24)),
        ("Europe/Vienna", "04:00", "2026-10-25T03:00", date(2026, 10, 25)),
        # A day that begins in the hour that does not exist begins when that hour is over.
        ("Europe/Vienna", "02:30", "2026-03-29T00:59", date(2026, 3, 28)),
        ("Europe/Vienna", "02:30", "2026-03-29T01:00", date(2026, 3, 29)),
    ],
)
def test_the_hotels_day_begins_when_its_own_clock_says_so(zone: str, day_starts: str, now: str, expected: date) -> None:
    assert hotel(zone, day_starts).civil_date(utc(now)) == expected


def test_an_instant_is_the_same_in_whatever_zone_it_is_written() -> None:
    now = utc("2026-11-20T02:59")
    elsewhere = now.astimezone(timezone(timedelta(hours=-9)))
    assert hotel("Europe/Vienna").civil_date(now) == hotel("Europe/Vienna").civil_date(elsewhere)


@pytest.mark.parametrize("zone", ["", "Vienna", "Europe/", "../etc/passwd", "/etc/localtime", "Europe/Vienna\x00"])
def test_a_zone_that_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError):
        hotel(zone)


def test_a_hotel_that_names_no_schedule_reads_its_arrivals() -> None:
    assert hotel("UTC").model_dump(mode="json")["sync"] == {
        "arrivals": {"enabled": True, "cron": "*/5 * * * *", "look_ahead_days": 1}
    }


def test_a_time_without_a_zone_is_the_hotels_own() -> None:
    winter, summer = datetime(2026, 11, 20, 5, 11), datetime(2026, 7, 1, 5, 11)  # noqa: DTZ001 - the point
    assert hotel("America/New_York").instant(winter) == utc("2026-11-20T10:11")
    assert hotel("Europe/Vienna").instant(summer) == utc("2026-07-01T03:11")
    assert hotel("Europe/Vienna").instant(None) is None
