"""What a guest owes: charges, folio lines, balances. Positive means that the guest owes."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from app.domain.ids import Ref
from app.domain.model import Fact, Quantity, Request
from app.domain.money import Money
from app.domain.text import Code, Line


class ChargeDraft(Request):
    """A charge to be posted; `amount` is the price of one unit."""

    description: Line
    amount: Money
    quantity: Quantity = 1
    category: Code
    reference: Line | None = Field(None, description="The caller's own reference, where the vendor can carry it.")
    tax_included: bool = True

    @model_validator(mode="after")
    def _total_is_money(self) -> Self:
        try:
            _ = self.total
        except ValueError:
            raise ValueError("the total of all units is too large") from None
        return self

    @property
    def total(self) -> Money:
        """Price of all units."""
        return self.amount * self.quantity


class Charge(Fact):
    """A charge as posted; `amount` is the price of one unit, `total` of all."""

    id: Ref
    reservation_id: Ref
    description: str
    amount: Money
    quantity: int
    total: Money
    posted_at: datetime | None = None
    reference: str | None = None


class LineKind(StrEnum):
    """What a folio line is."""

    CHARGE = "charge"
    PAYMENT = "payment"
    TAX = "tax"
    OTHER = "other"


class FolioLine(Fact):
    """One line of a folio; payments carry a negative amount, as they lower what is owed."""

    id: Ref
    kind: LineKind
    description: str
    amount: Money
    posted_at: datetime | None = None
    reference: str | None = None


class Balance(Fact):
    """What is owed on a reservation now; positive means that the guest owes."""

    reservation_id: Ref
    balance: Money
    charges: Money | None = None
    payments: Money | None = None
