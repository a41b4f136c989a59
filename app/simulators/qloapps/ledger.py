"""What the shop remembers beside the hotels' books: services, states of orders and of their rooms, accounts."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.simulators.qloapps.building import AD_HOC_FROM, AWAITING, CANCELED, PAID, PARTLY_PAID, SERVICES, TAX, Product
from app.simulators.records import Booking, Line, LineType, StayRoom, StayStatus

ROOM_STATES = {StayStatus.IN_HOUSE: 2, StayStatus.CHECKED_OUT: 3}


def without_tax(amount: Decimal) -> Decimal:
    """Take the tax off."""
    return (amount / TAX).quantize(Decimal("0.000001"))


@dataclass(kw_only=True)
class OrderMark:
    """An order beyond the reservation. Its state counts while the reservation stands as it did when it was set."""

    state: int | None = None
    under: StayStatus | None = None
    discount: Decimal = Decimal()
    voucher: str = ""
    refunded_only: bool = False
    """Refunded, but not cancelled."""
    unlisted: bool = False
    """Lists leave it out, though it is still found by its id."""


@dataclass(kw_only=True)
class RoomMark:
    """A room of an order beyond the reservation's; `children` where their ages were not told.

    Its state and stamps count while the reservation stands as it did when they were set.
    """

    children: int | None = None
    tax: Decimal | None = None
    back_order: bool = False
    state: int | None = None
    under: StayStatus | None = None
    check_in: str = ""
    check_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of a room, beside the folio line of the same id; `tax` and `total` are of the whole line."""

    line: str
    room: str
    product: Product
    quantity: int
    mode: int
    total: Decimal
    tax: Decimal


@dataclass(frozen=True, kw_only=True)
class History:
    """One change of an order's state."""

    id: int
    order: str
    state: int
    at: datetime


@dataclass
class Ledger:
    """All that one shop remembers."""

    orders: dict[str, OrderMark] = field(default_factory=dict)
    rooms: dict[str, RoomMark] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    leftovers: list[tuple[str, Service]] = field(default_factory=list)
    """Order and service: lines that stay in `order_details` though nothing owes them any more."""
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of customers that no hotel has, by the guest's id."""
    room_facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Status and comment of the building's rooms, by their numbers."""
    histories: list[History] = field(default_factory=list)
    products: dict[int, Product] = field(default_factory=lambda: {product.id: product for product in SERVICES})
    _details: dict[str, int] = field(default_factory=dict)
    _payments: dict[str, int] = field(default_factory=dict)

    def order(self, booking: Booking) -> OrderMark:
        """Give what is remembered of an order."""
        return self.orders.setdefault(booking.id, OrderMark())

    def room(self, room: StayRoom) -> RoomMark:
        """Give what is remembered of a room of an order."""
        return self.rooms.setdefault(room.id, RoomMark())

    def detail(self, record: str) -> int:
        """Give the id of a line of an order: of `room …` or `line …`, counted on from the first time it is named."""
        return self._details.setdefault(record, len(self._details) + 1)

    def payment(self, line: Line) -> int:
        """Give the id of a payment."""
        return self._payments.setdefault(line.id, len(self._payments) + 1)

    def set_state(self, booking: Booking, state: int, at: datetime) -> History:
        """Set an order's state and write it down."""
        mark = self.order(booking)
        mark.state, mark.under = state, booking.status
        self.histories.append(History(id=len(self.histories) + 1, order=booking.id, state=state, at=at))
        return self.histories[-1]

    def state(self, booking: Booking) -> int:
        """Give an order's state."""
        mark = self.orders.get(booking.id, OrderMark())
        if mark.state is not None and mark.under is booking.status:
            return mark.state
        if booking.status is StayStatus.CANCELLED:
            return CANCELED
        paid = self.paid(booking)
        if not paid:
            return AWAITING
        return PAID if paid >= self.owed(booking) else PARTLY_PAID

    def owed(self, booking: Booking) -> Decimal:
        """Give what an order costs, with what was posted to it; cancelling does not change it."""
        discount = self.orders.get(booking.id, OrderMark()).discount
        return booking.total + sum((line.total for line in charges(booking)), Decimal()) - discount

    def tax(self, booking: Booking) -> Decimal:
        """Give the tax in what an order costs."""
        discount = self.orders.get(booking.id, OrderMark()).discount
        rooms = sum((self.room_tax(room) for room in booking.rooms), Decimal())
        services = sum((service.tax for service in self.services_of(booking)), Decimal())
        return rooms + services - (discount - without_tax(discount))

    def room_tax(self, room: StayRoom) -> Decimal:
        """Give the tax in the price of a room: as it was sent, or the shop's."""
        sent = self.rooms.get(room.id, RoomMark()).tax
        return room.total - without_tax(room.total) if sent is None else sent

    def paid(self, booking: Booking) -> Decimal:
        """Give what was paid."""
        return -sum((line.total for line in booking.lines if line.type is LineType.PAYMENT), Decimal())

    def room_state(self, booking: Booking, room: StayRoom) -> int:
        """Give `id_status` of a room: 1 allotted, 2 checked in, 3 checked out."""
        mark = self.rooms.get(room.id, RoomMark())
        if mark.state is not None and mark.under is booking.status:
            return mark.state
        return ROOM_STATES.get(booking.status, 1)

    def services_of(self, booking: Booking) -> list[Service]:
        """Give the services of an order; a line that was posted at the desk is one of its first room."""
        return [self._service(booking, line) for line in charges(booking)]

    def _service(self, booking: Booking, line: Line) -> Service:
        if line.id not in self.services:
            known = next((one for one in self.products.values() if one.name == line.description), None)
            self.services[line.id] = Service(
                line=line.id,
                room=booking.rooms[0].id,
                product=known or self.new_product(line.description, without_tax(line.amount)),
                quantity=line.quantity,
                mode=1,
                total=without_tax(line.total),
                tax=line.total - without_tax(line.total),
            )
        return self.services[line.id]

    def new_product(self, name: str, price: Decimal) -> Product:
        """Make a service product, as the shop does for a name that comes with a booking: always a new one."""
        number = next(number for number in itertools.count(AD_HOC_FROM) if number not in self.products)
        self.products[number] = Product(id=number, name=name, price=price, multiple=True, taxed=False, ad_hoc=True)
        return self.products[number]


def charges(booking: Booking) -> list[Line]:
    """Give what was posted to a reservation."""
    return [line for line in booking.lines if line.type is LineType.CHARGE]
