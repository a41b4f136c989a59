"""Ordering: what is charged to a guest, with or without a reservation."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.simulators.mews import sent_orders, shown_money
from app.simulators.mews.enterprises import ACCOUNTING, PRODUCTS
from app.simulators.mews.exchange import Problem, Visit, invalid
from app.simulators.mews.ledger import Item, Order
from app.simulators.mews.money import gross
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.records import Booking, Line, LineType, StayStatus

NO_POSTING = "Cashlist"
"""The classification of guests who pay at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One thing that is ordered; `amount` is of one, with tax."""

    name: str
    amount: Decimal
    quantity: int
    tax: str | None
    reference: str | None
    category_id: str | None = None
    product_id: str | None = None


def add(visit: Visit) -> Shown:
    """Order things: all of them or, when one is wrong, none."""
    sent = visit.read(sent_orders.OrderSent)
    premises = visit.one(sent.enterprise_id) if sent.enterprise_id or not visit.portfolio else _of(visit, sent)
    if sent.service_id != premises.facts.order_service:
        raise invalid("ServiceId")
    booking = _booking(premises, sent)
    wanted = [*_items(visit, premises, sent), *_products(visit, premises, sent)]
    if not wanted:
        raise Problem(400, "Invalid Items: nothing is ordered.")
    now = visit.site.now()
    order = Order(
        id=premises.facts.guid("order", "of", len(premises.ledger.orders), now),
        account_id=sent.account_id,
        reservation_id=sent.linked_reservation_id,
        created_at=now,
        notes=sent.notes,
    )
    premises.ledger.orders[order.id] = order
    for one in wanted:
        line = _posted(premises, booking, one)
        premises.ledger.items[line.id] = Item(
            order_id=order.id,
            consumed_at=sent.consumption_utc or now,
            tax=one.tax,
            category_id=one.category_id,
            product_id=one.product_id,
        )
    return {"OrderId": order.id}


def _of(visit: Visit, sent: sent_orders.OrderSent) -> Premises:
    """Find the enterprise by its service."""
    found = next((one for one in visit.premises if one.facts.order_service == sent.service_id), None)
    if found is None:
        raise invalid("ServiceId")
    return found


def _booking(premises: Premises, sent: sent_orders.OrderSent) -> Booking | None:
    if premises.guest(sent.account_id) is None:
        raise invalid("AccountId")
    if NO_POSTING in premises.ledger.accounts.get(sent.account_id, {}).get("Classifications", ()):
        raise Problem(403, "The customer pays at once; nothing can be posted.")
    if sent.linked_reservation_id is None:
        return None
    booking = premises.booking(sent.linked_reservation_id)
    if booking is None:
        raise invalid("LinkedReservationId")
    if booking.status in {StayStatus.CANCELLED, StayStatus.NO_SHOW}:
        raise Problem(403, "The reservation is cancelled.")
    return booking


def _items(visit: Visit, premises: Premises, sent: sent_orders.OrderSent) -> Iterator[_Wanted]:
    known = {premises.facts.guid("accounting", key) for key in ACCOUNTING}
    for one in sent.items or ():
        if one.accounting_category_id is not None and one.accounting_category_id not in known:
            raise invalid("AccountingCategoryId")
        yield _Wanted(
            name=one.name,
            amount=gross(visit, premises, one.unit_amount),
            quantity=one.unit_count,
            tax=next(iter(one.unit_amount.tax_codes), None),
            reference=one.external_identifier,
            category_id=one.accounting_category_id,
        )


def _products(visit: Visit, premises: Premises, sent: sent_orders.OrderSent) -> Iterator[_Wanted]:
    known = {premises.facts.guid("product", product.key): product for product in PRODUCTS}
    for one in sent.product_orders or ():
        product = known.get(one.product_id)
        if product is None:
            raise invalid("ProductId")
        price = one.unit_amount
        yield _Wanted(
            name=product.name,
            amount=product.price if price is None else gross(visit, premises, price),
            quantity=one.count or 1,
            tax=next(iter(price.tax_codes), None) if price else shown_money.product_tax(premises).code,
            reference=one.external_identifier,
            category_id=premises.facts.guid("accounting", product.category),
            product_id=one.product_id,
        )


def _posted(premises: Premises, booking: Booking | None, one: _Wanted) -> Line:
    if booking is not None:
        return premises.hotel.charge(
            booking, description=one.name, amount=one.amount, quantity=one.quantity, reference=one.reference
        )
    line = Line(
        id=premises.hotel.new_id("line"),
        type=LineType.CHARGE,
        description=one.name,
        amount=one.amount,
        quantity=one.quantity,
        reference=one.reference,
        posted_at=premises.hotel.now(),
    )
    premises.ledger.loose.append(line)
    return line
