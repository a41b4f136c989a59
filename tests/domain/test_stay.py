from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.stay import Occupancy, Stay

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@given(DAYS, st.integers(1, 400))
def test_a_stay_is_its_nights_without_the_day_of_departure(arrival: date, nights: int) -> None:
    stay = Stay(arrival, arrival + timedelta(days=nights))
    assert len(stay) == nights
    assert len(list(stay)) == nights
    assert stay.departure not in list(stay)
    assert next(iter(stay)) == arrival


@given(DAYS, st.integers(0, 400))
def test_a_stay_ends_after_it_begins(arrival: date, back: int) -> None:
    with pytest.raises(ValueError, match="after arrival"):
        Stay(arrival, arrival - timedelta(days=back))


@pytest.mark.parametrize(
    ("arrival", "departure", "months"),
    [
        (date(2026, 12, 30), date(2027, 1, 2), ["2026-12", "2027-01"]),
        (date(2026, 12, 30), date(2027, 1, 1), ["2026-12"]),
        (date(2026, 11, 30), date(2027, 2, 1), ["2026-11", "2026-12", "2027-01"]),
        (date(2028, 2, 28), date(2028, 3, 1), ["2028-02"]),
    ],
)
def test_months_are_those_of_the_nights_in_order(arrival: date, departure: date, months: list[str]) -> None:
    assert Stay(arrival, departure).months() == months


def test_children_are_guests() -> None:
    assert Occupancy(2, (0, 17)).guests == 4
