"""Money: a decimal amount and its currency. No floats anywhere."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema, model_validator

from app.domain.model import Fact

# ISO 4217 minor units other than 2 (list one of the standard, 2024 edition).
_MINOR_UNITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_LARGEST = Decimal("999999999999.999")
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
"""`Decimal` itself takes more than the contract does: exponents, underscores, digits of any script."""


def minor_units(currency: str) -> int:
    """Give how many decimals amounts of `currency` (ISO 4217) have."""
    return _MINOR_UNITS.get(currency, 2)


def _decimal_text(value: object) -> object:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError('must be a decimal string such as "129.50"')


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 alphabetic code."""

Amount = Annotated[
    Decimal,
    BeforeValidator(_decimal_text),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,12}(\.\d{1,3})?$", "examples": ["129.50"]}),
]


class Money(Fact):
    """An exact amount of one currency, written with that currency's own number of decimals.

    Raises:
        ValueError: the amount is not finite, too large, or has more decimals than the currency.
    """

    amount: Amount
    currency: Currency

    @model_validator(mode="after")
    def _whole_minor_units(self) -> Self:
        if not self.amount.is_finite() or abs(self.amount) > _LARGEST:
            raise ValueError("amount must be a finite number below 10^12")
        exact = self.amount.quantize(Decimal(1).scaleb(-minor_units(self.currency)), ROUND_HALF_UP)
        if exact != self.amount:
            raise ValueError(f"amount has more decimals than {self.currency} has")
        object.__setattr__(self, "amount", abs(exact) if exact == 0 else exact)
        return self

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> Self:
        """Make money of a vendor's amount, rounded half up to the currency's minor unit."""
        unit = Decimal(1).scaleb(-minor_units(currency))
        return cls(amount=amount.quantize(unit, ROUND_HALF_UP), currency=currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(amount=self.amount * times, currency=self.currency)
