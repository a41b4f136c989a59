"""Questions about what is owed, what was paid and what can be ordered."""

from app.simulators.mews import sent_orders, shown, shown_money
from app.simulators.mews.enterprises import ACCOUNTING, ENTERPRISES, PRODUCTS
from app.simulators.mews.exchange import Problem, Visit
from app.simulators.mews.folios import Owed, orders, owed, owed_by_none, owing
from app.simulators.mews.ledger import Order
from app.simulators.mews.lookups_house import among
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.records import Booking, Line, LineType


def order_items(visit: Visit) -> Shown:
    """Items of orders and of reservations, those posted last first."""
    asked = visit.read(sent_orders.OrderItemsQuestion)
    if not asked.is_filtered:
        raise Problem(400, "Invalid request: at least one filter is needed.")
    found = [
        (one.id, (premises, one))
        for premises in visit.among(asked.enterprise_ids)
        for one in _candidates(premises, asked)
        if _is_meant(premises, one, asked) and _is_timed(one, asked)
    ]
    found.sort(key=lambda one: one[1][1].line.posted_at, reverse=True)
    rows, cursor = visit.page(found, asked.limitation)
    return {"OrderItems": [shown_money.order_item(*row) for row in rows], "Cursor": cursor}


def _candidates(premises: Premises, asked: sent_orders.OrderItemsQuestion) -> list[Owed]:
    bookings = owing(premises, asked.service_order_ids)
    return [*(one for booking in bookings for one in owed(premises, booking)), *owed_by_none(premises)]


def _is_meant(premises: Premises, one: Owed, asked: sent_orders.OrderItemsQuestion) -> bool:
    return (
        asked.canceled_utc is None
        and asked.closed_utc is None
        and among(one.id, asked.order_item_ids)
        and among(one.account_id, asked.account_ids)
        and among(one.order_id, asked.service_order_ids)
        and among(one.service_id, asked.service_ids)
        and among(premises.facts.guid("bill", one.account_id), asked.bill_ids)
        and asked.currency in {None, premises.hotel.setup.currency}
        and among(shown_money.accounting_state(premises, one.booking), asked.accounting_states)
        and among(one.kind, asked.types)
    )


def _is_timed(one: Owed, asked: sent_orders.OrderItemsQuestion) -> bool:
    posted = one.line.posted_at
    return (
        (asked.created_utc is None or asked.created_utc.holds(posted))
        and (asked.updated_utc is None or asked.updated_utc.holds(posted))
        and (asked.consumed_utc is None or asked.consumed_utc.holds(one.consumed_at))
    )


def payments(visit: Visit) -> Shown:
    """Payments, the last first."""
    asked = visit.read(sent_orders.PaymentsQuestion)
    found = [
        (line.id, (premises, booking, line))
        for premises in visit.among(asked.enterprise_ids)
        for booking in _paid(premises, asked)
        for line in booking.lines
        if line.type is LineType.PAYMENT and _is_wanted(premises, booking, line, asked)
    ]
    found.sort(key=lambda one: one[1][2].posted_at, reverse=True)
    rows, cursor = visit.page(found, asked.limitation)
    return {"Payments": [shown_money.payment(*row) for row in rows], "Cursor": cursor}


def _paid(premises: Premises, asked: sent_orders.PaymentsQuestion) -> list[Booking]:
    if asked.reservation_ids is None:
        return premises.bookings()
    return [one for one in map(premises.booking, dict.fromkeys(asked.reservation_ids)) if one is not None]


def _is_wanted(premises: Premises, booking: Booking, line: Line, asked: sent_orders.PaymentsQuestion) -> bool:
    account = booking.contact.guest_id
    times = (asked.created_utc, asked.updated_utc, asked.charged_utc)
    return (
        among(line.id, asked.payment_ids)
        and among(account, asked.account_ids)
        and among(premises.facts.guid("bill", account), asked.bill_ids)
        and asked.currency in {None, premises.hotel.setup.currency}
        and among(shown_money.accounting_state(premises, booking), asked.accounting_states)
        and among("Charged", asked.states)
        and asked.type in {None, "CashPayment"}
        and all(interval is None or interval.holds(line.posted_at) for interval in times)
    )


def product_orders(visit: Visit) -> Shown:
    """Orders of things, the last first."""
    asked = visit.read(sent_orders.ProductOrdersQuestion)
    found = [
        (one.id, shown_money.order(premises, one, number))
        for premises in visit.among(asked.enterprise_ids)
        for number, one in _numbered(premises)
        if premises.facts.order_service in asked.service_ids
        and among(one.id, asked.product_service_order_ids)
        and among(one.account_id, asked.account_ids)
        and (asked.linked_reservation_ids is None or one.reservation_id in asked.linked_reservation_ids)
        and (asked.states is None or "Processed" in asked.states)
        and (asked.updated_utc is None or asked.updated_utc.holds(one.created_at))
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"ProductServiceOrders": rows, "Cursor": cursor}


def _numbered(premises: Premises) -> list[tuple[int, Order]]:
    """Give the orders, the newest first, under their numbers, which begin with the oldest."""
    found = orders(premises)
    return list(zip(range(len(found), 0, -1), found, strict=True))


def products(visit: Visit) -> Shown:
    """What can be ordered."""
    asked = visit.read(sent_orders.ProductsQuestion)
    found = [
        (one["Id"], one)
        for premises in visit.among(asked.enterprise_ids)
        for place, product in enumerate(PRODUCTS)
        if premises.facts.order_service in asked.service_ids
        and among((one := shown_money.product(premises, product, place))["Id"], asked.product_ids)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"Products": rows, "CustomerProducts": [], "Cursor": cursor}


def accounting_categories(visit: Visit) -> Shown:
    """Where revenue is counted."""
    asked = visit.read(sent_orders.AccountingQuestion)
    found = [
        (one["Id"], one)
        for premises in visit.among(asked.enterprise_ids)
        for key in ACCOUNTING
        if asked.wants_active
        and among((one := shown_money.accounting_category(premises, key))["Id"], asked.accounting_category_ids)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"AccountingCategories": rows, "Cursor": cursor}


def taxations(_: Visit) -> Shown:
    """All taxes, of everywhere."""
    everywhere = list(ENTERPRISES.values())
    return {
        "Taxations": [shown_money.taxation(one.environment) for one in everywhere],
        "TaxRates": [rate for one in everywhere for rate in shown.tax_rates(one.rates, one.environment)],
    }


def tax_environments(_: Visit) -> Shown:
    """Where which taxes are paid."""
    return {"TaxEnvironments": [shown_money.environment(one.environment, one.country) for one in ENTERPRISES.values()]}
