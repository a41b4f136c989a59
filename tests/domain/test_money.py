from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.folio import ChargeDraft
from app.domain.money import Money, minor_units

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KRW", "KWD", "TND"])


@st.composite
def monies(draw: st.DrawFn) -> Money:
    currency = draw(CURRENCIES)
    units = draw(st.integers(-(10**11), 10**11))
    return Money(amount=Decimal(units).scaleb(-minor_units(currency)), currency=currency)


@given(monies())
def test_money_survives_json(money: Money) -> None:
    assert Money.model_validate_json(money.model_dump_json()) == money


@given(monies())
def test_money_is_written_as_a_string_with_the_currencys_own_decimals(money: Money) -> None:
    amount = orjson.loads(money.model_dump_json())["amount"]
    assert isinstance(amount, str)
    assert len(amount.partition(".")[2]) == minor_units(money.currency)
    assert "E" not in amount


@pytest.mark.parametrize(
    ("given_as", "currency", "written"),
    [
        ("129.5", "EUR", "129.50"),
        ("129", "EUR", "129.00"),
        ("-0.00", "EUR", "0.00"),
        ("1500", "JPY", "1500"),
        ("1500.0", "JPY", "1500"),
        ("1.5", "KWD", "1.500"),
    ],
)
def test_an_amount_is_written_one_way_only(given_as: str, currency: str, written: str) -> None:
    assert Money.model_validate({"amount": given_as, "currency": currency}).model_dump()["amount"] == written


@pytest.mark.parametrize("amount", [129.5, 129, True, None, [], {"amount": "1"}])
def test_an_amount_that_is_no_string_is_refused(amount: Any) -> None:
    with pytest.raises(ValidationError, match="decimal string"):
        Money.model_validate({"amount": amount, "currency": "EUR"})


@pytest.mark.parametrize(
    "amount", ["", "abc", "NaN", "sNaN", "Infinity", "1,50", "1_000", "1e2", " 1", "+1", "٣", "1.", ".5", "0x10"]
)
def test_text_that_is_no_plain_decimal_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "EUR"})


@pytest.mark.parametrize(("amount", "currency"), [("1.005", "EUR"), ("0.5", "JPY"), ("1.0005", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValidationError, match="more decimals"):
        Money.model_validate({"amount": amount, "currency": currency})


@pytest.mark.parametrize("amount", ["1000000000000.00", "-1000000000000.00", "9" * 400])
def test_amounts_beyond_all_hotels_are_refused(amount: str) -> None:
    with pytest.raises(ValidationError, match="10\\^12"):
        Money.model_validate({"amount": amount, "currency": "EUR"})


@pytest.mark.parametrize("currency", ["eur", "EU", "EURO", "€", "", "\N{GREEK CAPITAL LETTER EPSILON}UR"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": "1.00", "currency": currency})


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [("10.005", "EUR", "10.01"), ("10.004", "EUR", "10.00"), ("0.5", "JPY", "1"), ("-10.005", "EUR", "-10.01")],
)
def test_a_vendors_amount_is_rounded_half_up(amount: str, currency: str, rounded: str) -> None:
    assert str(Money.rounded(Decimal(amount), currency).amount) == rounded


@given(monies(), st.integers(1, 9))
def test_multiplying_is_adding_again_and_again(money: Money, times: int) -> None:
    total = money
    for _ in range(times - 1):
        total = total + money
    assert money * times == total


def test_currencies_are_never_added_to_each_other() -> None:
    with pytest.raises(ValueError, match="cannot add"):
        Money(amount=Decimal(1), currency="EUR") + Money(amount=Decimal(1), currency="USD")


def test_money_cannot_be_changed() -> None:
    money = Money(amount=Decimal(1), currency="EUR")
    with pytest.raises(ValidationError, match="frozen"):
        money.currency = "USD"  # type: ignore[misc]


def charge(amount: str, quantity: Any) -> ChargeDraft:
    return ChargeDraft.model_validate(
        {
            "description": "Minibar",
            "amount": {"amount": amount, "currency": "EUR"},
            "quantity": quantity,
            "category": "minibar",
        }
    )


def test_a_charge_is_its_amount_times_its_quantity() -> None:
    assert str(charge("4.50", 3).total.amount) == "13.50"


def test_a_charge_whose_total_is_no_money_any_more_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValidationError, match="total"):
        charge("999999999999.00", 999)


@pytest.mark.parametrize("quantity", [0, 1000, 1.5, "2", True, None])
def test_a_quantity_is_a_whole_number_of_units(quantity: Any) -> None:
    with pytest.raises(ValidationError):
        charge("1.00", quantity)


def test_a_quantity_that_json_wrote_with_a_point_is_whole_all_the_same() -> None:
    assert charge("1.00", 2.0).quantity == 2
