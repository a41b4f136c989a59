"""`/bookings`: an order, its rooms and its guest in one. It never tells whether they are cancelled."""

from decimal import Decimal
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import LANGUAGE
from app.simulators.qloapps.tables import Tables, without_tax
from app.simulators.records import Booking, StayRoom

_PHP = "[PHP Warning #2] Undefined variable $useTax (WebserviceSpecificManagementBookings.php, line {line})"


def ids(tables: Tables) -> list[dict[str, Any]]:
    """Give the ids of all bookings: `display`, `filter` and `limit` are not looked at, nor is there an order."""
    return [{"id": int(booking.id)} for _, booking in tables.bookings()]


def one(tables: Tables, number: str, *, tax_excluded: bool) -> dict[str, Any]:
    """Give one booking; where prices are shown without tax, PHP warns, and a warning is an error."""
    found = next(((hotel, booking) for hotel, booking in tables.bookings() if booking.id == number), None)
    if found is None:
        raise Refused(404)
    if tax_excluded:
        raise Refused(500, *((3, _PHP.format(line=line)) for line in (3641, 3672)))
    return {"booking": _booking(tables, *found)}


def _booking(tables: Tables, hotel: SimulatedHotel, booking: Booking) -> dict[str, Any]:
    row = next(row for row in tables.rows("orders") if str(row["id"]) == booking.id)
    owed = tables.owed(booking)
    contact = booking.contact
    return {
        "id": int(booking.id),
        "id_property": int(hotel.setup.property_id),
        "currency": "USD",
        "source": row["source"],
        "booking_date": row["date_add"],
        "id_language": LANGUAGE,
        "associations": {
            "customer_detail": {
                "id_customer": tables.customer(str(contact.guest_id)),
                "firstname": contact.first_name or "",
                "lastname": contact.last_name,
                "email": contact.email or "",
                "phone": contact.phone or "",
            },
            "price_details": {
                "total_paid": float(tables.paid(booking)),
                "total_price_without_tax": float(without_tax(owed)),
                "total_tax": float(owed - without_tax(owed)),
            },
            "cart_rules": [],
            "remarks": [remark.text for remark in booking.remarks],
            "room_types": _room_types(tables, hotel, booking),
        },
    }


def _room_types(tables: Tables, hotel: SimulatedHotel, booking: Booking) -> list[dict[str, Any]]:
    stays: dict[tuple[str, str, str], list[StayRoom]] = {}
    for room in booking.rooms:
        stays.setdefault((room.kind, f"{room.arrival}", f"{room.departure}"), []).append(room)
    return [
        {
            "id_room_type": int(kind),
            "checkin_date": f"{first} 00:00:00",
            "checkout_date": f"{last} 00:00:00",
            "total_tax": float(sum((_tax(room) for room in rooms), Decimal())),
            "number_of_rooms": len(rooms),
            "name": hotel.kinds[kind].name,
            "rooms": [_room(tables, hotel, room) for room in rooms],
        }
        for (kind, first, last), rooms in sorted(stays.items())
    ]


def _room(tables: Tables, hotel: SimulatedHotel, room: StayRoom) -> dict[str, Any]:
    return {
        "id_room": tables.room_id(tables.room_number(hotel, room)),
        "id_hotel_booking": int(room.id),
        "adults": room.adults,
        "child": len(room.child_ages),
        "unit_price_without_tax": float(without_tax(room.total)),
        "total_tax": float(_tax(room)),
    }


def _tax(room: StayRoom) -> Decimal:
    return room.total - without_tax(room.total)
