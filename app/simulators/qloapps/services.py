"""Services of the rooms of an order: each is a line of its folio."""

from collections.abc import Sequence
from decimal import Decimal

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.building import TAX, Product
from app.simulators.qloapps.ledger import Service, charges
from app.simulators.qloapps.sent import ServiceSent, kept
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Booking, StayRoom

_ONCE, _EACH_NIGHT = 1, 2


def serve(
    tables: Tables, hotel: SimulatedHotel, booking: Booking, room: StayRoom, services: Sequence[ServiceSent]
) -> None:
    """Give a room its services; one without a name and a known id is left out without a word."""
    for asked in services:
        product = _product(tables, asked)
        if product is not None:
            _post(tables, hotel, booking, _service(product, asked, room))


def replace(
    tables: Tables, hotel: SimulatedHotel, booking: Booking, room: StayRoom, services: Sequence[ServiceSent] | None
) -> None:
    """Replace a room's services; where no rooms were sent (None), their lines stay in `order_details` all the same."""
    for service in [one for one in tables.ledger.services_of(booking) if one.room == room.id]:
        line = next(line for line in charges(booking) if line.id == service.line)
        hotel.strike(booking, line)
        del tables.ledger.services[line.id]
        if services is None:
            tables.ledger.leftovers.append((booking.id, service))
    serve(tables, hotel, booking, room, services or ())


def _product(tables: Tables, asked: ServiceSent) -> Product | None:
    if asked.id:
        return tables.ledger.products.get(asked.id)
    if not asked.name:
        return None
    price = asked.unit_price if asked.unit_price is not None else (asked.total or Decimal()) / asked.quantity
    return tables.ledger.new_product(kept(asked.name), price)


def _service(product: Product, asked: ServiceSent, room: StayRoom) -> Service:
    quantity = asked.quantity if product.multiple else 1
    mode = asked.mode if asked.mode in {_ONCE, _EACH_NIGHT} else 1 + product.per_night
    nights = len(room.nights) if mode == _EACH_NIGHT else 1
    total = asked.total
    if total is None:
        total = (product.price if asked.unit_price is None else asked.unit_price) * quantity * nights
    tax = total * (TAX - 1) if product.taxed else Decimal()
    return Service(
        line="",
        room=room.id,
        product=product,
        quantity=quantity,
        mode=mode,
        total=total,
        tax=tax if asked.tax is None else asked.tax,
    )


def _post(tables: Tables, hotel: SimulatedHotel, booking: Booking, service: Service) -> None:
    gross = service.total + service.tax
    unit = (gross / service.quantity).quantize(Decimal("0.01"))
    whole = unit * service.quantity == gross
    line = hotel.charge(
        booking,
        description=service.product.name,
        amount=unit if whole else gross,
        quantity=service.quantity if whole else 1,
    )
    tables.ledger.services[line.id] = Service(
        line=line.id,
        room=service.room,
        product=service.product,
        quantity=service.quantity,
        mode=service.mode,
        total=service.total,
        tax=service.tax,
    )
