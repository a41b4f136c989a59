"""`/bookings`: an order, its rooms and its guest in one. It never tells whether they are cancelled."""

from decimal import Decimal
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import LANGUAGE
from app.simulators.qloapps.ledger import OrderMark, RoomMark, Service
from app.simulators.qloapps.rows import local
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Booking, StayRoom

USE_TAX = tuple(
    (3, f"[PHP Warning #2] Undefined variable $useTax (WebserviceSpecificManagementBookings.php, line {line})")
    for line in (3641, 3672)
)
"""What PHP warns of where prices are shown without tax; a warning is an error."""


def ids(tables: Tables) -> list[dict[str, Any]]:
    """Give the ids of all bookings: `display`, `filter` and `limit` are not looked at, nor is there an order."""
    return [{"id": int(booking.id)} for _, booking in tables.bookings()]


def one(tables: Tables, number: str, *, tax_excluded: bool) -> dict[str, Any]:
    """Give one booking, unless prices are shown without tax."""
    found = tables.booking(number)
    if found is None:
        raise Refused(404)
    if tax_excluded:
        raise Refused(500, *USE_TAX)
    return shown(tables, *found)


def shown(tables: Tables, hotel: SimulatedHotel, booking: Booking, *, written: bool = False) -> dict[str, Any]:
    """Give a booking as it is read, or as it is answered to who has `written` it."""
    ledger = tables.ledger
    owed, tax = ledger.owed(booking), ledger.tax(booking)
    return {
        "booking": {
            "id": int(booking.id),
            "id_property": int(hotel.setup.property_id),
            "currency": "USD",
            "source": booking.external_reference or "",
            "booking_date": local(hotel, booking.created_at),
            "id_language": LANGUAGE,
            "associations": {
                "customer_detail": _customer(tables, booking),
                "price_details": {
                    "total_paid": _number(ledger.paid(booking)),
                    "total_price_without_tax": _number(owed - tax),
                    "total_tax": _number(tax),
                },
                "cart_rules": _cart_rules(ledger.orders.get(booking.id, OrderMark())),
                "remarks": [remark.text for remark in booking.remarks],
                "room_types": _room_types(tables, hotel, booking, written=written),
            },
        }
    }


def _customer(tables: Tables, booking: Booking) -> dict[str, Any]:
    """Name the guest as the account does now, whatever name the booking was made under."""
    number = tables.customer(str(booking.contact.guest_id))
    found = next((guest for _, guest in tables.customers() if guest.id == str(number)), booking.contact)
    return {
        "id_customer": number,
        "firstname": found.first_name or "",
        "lastname": found.last_name,
        "email": found.email or "",
        "phone": found.phone or "",
    }


def _cart_rules(mark: OrderMark) -> list[dict[str, Any]]:
    if not mark.discount:
        return []
    return [{"code": mark.voucher, "value": _number(mark.discount), "currency": "USD", "id_order_invoice": 0}]


def _room_types(tables: Tables, hotel: SimulatedHotel, booking: Booking, *, written: bool) -> list[dict[str, Any]]:
    stays: dict[tuple[str, str, str], list[StayRoom]] = {}
    for room in booking.rooms:
        stays.setdefault((room.kind, f"{room.arrival}", f"{room.departure}"), []).append(room)
    services = tables.ledger.services_of(booking)
    return [
        {
            "id_room_type": int(kind),
            "checkin_date": f"{first} 00:00:00",
            "checkout_date": f"{last} 00:00:00",
            "total_tax": _number(sum((tables.ledger.room_tax(room) for room in rooms), Decimal())),
            "number_of_rooms": len(rooms),
            "name": hotel.kinds[kind].name,
            "rooms": [_room(tables, hotel, room, services, written=written) for room in rooms],
        }
        for (kind, first, last), rooms in sorted(stays.items())
    ]


def _room(
    tables: Tables, hotel: SimulatedHotel, room: StayRoom, services: list[Service], *, written: bool
) -> dict[str, Any]:
    mark = tables.ledger.rooms.get(room.id, RoomMark())
    tax = tables.ledger.room_tax(room)
    found = {
        "id_room": tables.room_id(tables.room_number(hotel, room)),
        "id_hotel_booking": int(room.id),
        "adults": room.adults,
        "child": len(room.child_ages) if mark.children is None else mark.children,
        "unit_price_without_tax": _number(room.total - tax),
        "total_tax": _number(tax),
    }
    own = [_service(service, written=written) for service in services if service.room == room.id]
    return {**found, "services": own} if own else found


def _service(service: Service, *, written: bool) -> dict[str, Any]:
    """Give a service; one that was made by its name forgets how it is priced once it is read again."""
    return {
        "id_service": service.product.id,
        "name": service.product.name,
        "quantity": service.quantity,
        "unit_price_without_tax": _number(service.total / service.quantity),
        "total_price_without_tax": _number(service.total),
        "total_tax": _number(service.tax),
        "per_night": int(service.mode == 2),
        "price_mode": 0 if service.product.ad_hoc and not written else service.mode,
    }


def _number(amount: Decimal) -> int | float:
    """Write an amount as PHP does: a whole number without a point."""
    rounded = round(amount, 6)
    return int(rounded) if rounded == int(rounded) else float(rounded)
