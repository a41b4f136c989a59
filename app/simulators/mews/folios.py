"""What is owed and was paid, as items of orders: nights are of the reservation, all else is of orders of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from app.simulators.mews.enterprises import TaxRate
from app.simulators.mews.ledger import Item, Order
from app.simulators.mews.premises import Premises
from app.simulators.records import Booking, Line, LineType


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A line of a folio, and what it is to the vendor; `booking` is None for what no reservation owes."""

    id: str
    line: Line
    kind: str
    order_id: str
    account_id: str | None
    service_id: str
    tax: TaxRate | None
    consumed_at: datetime
    item: Item | None = None
    booking: Booking | None = None


def owed(premises: Premises, booking: Booking) -> list[Owed]:
    """Give what a reservation owes; payments are told apart."""
    lines = premises.hotel.folio(booking)
    return [_owed(premises, booking, line) for line in lines if line.type is not LineType.PAYMENT]


def owed_by_none(premises: Premises) -> Iterator[Owed]:
    """Give what was ordered without a reservation."""
    return (_ordered(premises, line, premises.ledger.items[line.id], None) for line in premises.ledger.loose)


def _owed(premises: Premises, booking: Booking, line: Line) -> Owed:
    if line.type is LineType.CHARGE:
        return _ordered(premises, line, item_of(premises, booking, line), booking)
    night = date.fromisoformat(line.id[-8:])
    return Owed(
        id=premises.facts.guid("night", line.id),
        line=line,
        kind="SpaceOrder",
        order_id=booking.id,
        account_id=booking.contact.guest_id,
        service_id=premises.facts.stay_service,
        tax=premises.facts.stay_tax,
        consumed_at=premises.clock.at(night),
        booking=booking,
    )


def _ordered(premises: Premises, line: Line, item: Item, booking: Booking | None) -> Owed:
    order = premises.ledger.orders[item.order_id]
    return Owed(
        id=line.id,
        line=line,
        kind="ProductOrder" if item.product_id else "CustomItem",
        order_id=item.order_id,
        account_id=order.account_id,
        service_id=premises.facts.order_service,
        tax=premises.facts.tax(item.tax) if item.tax else None,
        consumed_at=item.consumed_at,
        item=item,
        booking=booking,
    )


def item_of(premises: Premises, booking: Booking, line: Line) -> Item:
    """Give what a line is beyond the hotel's books; what the front desk posted is an order of its own."""
    ledger = premises.ledger
    if line.id not in ledger.items:
        order = Order(
            id=premises.facts.guid("order", line.id),
            account_id=str(booking.contact.guest_id),
            reservation_id=booking.id,
            created_at=line.posted_at,
        )
        ledger.orders[order.id] = order
        tax = premises.facts.rates[-1].code
        ledger.items[line.id] = Item(order_id=order.id, consumed_at=line.posted_at, tax=tax)
    return ledger.items[line.id]


def orders(premises: Premises) -> list[Order]:
    """Give all orders beside the reservations, the newest first."""
    for booking in premises.bookings():
        for line in booking.lines:
            if line.type is LineType.CHARGE:
                item_of(premises, booking, line)
    return sorted(premises.ledger.orders.values(), key=lambda order: order.created_at, reverse=True)


def owing(premises: Premises, order_ids: list[str] | None) -> list[Booking]:
    """Give the reservations that can owe something of these orders; an order may be the reservation itself."""
    if order_ids is None:
        return premises.bookings()
    wanted = set(order_ids)
    linked = {order.reservation_id for order in orders(premises) if order.id in wanted} if wanted else set()
    found = (premises.booking(one) for one in dict.fromkeys([*order_ids, *filter(None, linked)]))
    return [booking for booking in found if booking is not None]
