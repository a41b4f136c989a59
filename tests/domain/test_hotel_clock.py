"""The hotel's own calendar and clock, on days that are not 24 hours long, too."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.hotel import Hotel


def hotel(timezone: str) -> Hotel:
    """Give a hotel somewhere."""
    return Hotel(id="one", name="One", vendor="any", timezone=timezone, currency="EUR", base_url="http://pms.test")


@pytest.mark.parametrize(
    ("timezone", "day", "hours", "instant"),
    [
        ("Europe/Amsterdam", date(2027, 1, 10), 0, datetime(2027, 1, 9, 23, tzinfo=UTC)),
        ("Europe/Amsterdam", date(2027, 3, 28), 0, datetime(2027, 3, 27, 23, tzinfo=UTC)),
        ("Europe/Amsterdam", date(2027, 3, 28), 15, datetime(2027, 3, 28, 13, tzinfo=UTC)),
        ("Europe/Amsterdam", date(2027, 10, 31), 15, datetime(2027, 10, 31, 14, tzinfo=UTC)),
        ("Europe/Amsterdam", date(2027, 3, 27), 39, datetime(2027, 3, 28, 13, tzinfo=UTC)),
        ("America/New_York", date(2027, 3, 14), 16, datetime(2027, 3, 14, 20, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_what_the_clock_on_the_wall_shows(
    timezone: str, day: date, hours: int, instant: datetime
) -> None:
    there = hotel(timezone)
    assert there.at(day, timedelta(hours=hours)) == instant
    assert there.local(instant).replace(tzinfo=None) == datetime.combine(day, datetime.min.time()) + timedelta(
        hours=hours
    )


def test_a_day_begins_at_its_midnight() -> None:
    there = hotel("America/New_York")
    assert there.at(date(2027, 7, 1)) == datetime(2027, 7, 1, 4, tzinfo=UTC)
    assert there.local(datetime(2027, 7, 1, 3, 59, tzinfo=UTC)).date() == date(2027, 6, 30)
