"""Money as callers send it: before tax or after it, as the enterprise counts."""

from decimal import ROUND_HALF_UP, Decimal

from app.simulators.mews.exchange import Problem, Visit, invalid
from app.simulators.mews.lookups_house import pricing
from app.simulators.mews.premises import Premises
from app.simulators.mews.sent_orders import AmountSent

_CENT = Decimal("0.01")


def gross(visit: Visit, premises: Premises, sent: AmountSent) -> Decimal:
    """Give an amount with its taxes, or refuse it."""
    if sent.currency != premises.hotel.setup.currency:
        raise invalid("Currency")
    rates = [premises.facts.tax(code) for code in sent.tax_codes]
    if None in rates:
        raise invalid("TaxCodes")
    if pricing(visit, premises) == "Gross":
        if sent.gross_value is None or sent.net_value is not None:
            raise Problem(400, "Invalid GrossValue: the enterprise counts after tax.")
        if len(rates) > 1:
            raise Problem(400, "Invalid TaxCodes: one at most goes with a value after tax.")
        return _cents(sent.gross_value)
    if sent.net_value is None or sent.gross_value is not None:
        raise Problem(400, "Invalid NetValue: the enterprise counts before tax.")
    taxes = sum((sent.net_value * rate.value for rate in rates if rate is not None), Decimal())
    return _cents(sent.net_value + taxes)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
