"""The shop's tables, drawn from its hotels whenever they are asked for: rows as the webservice shows them in JSON."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.building import AWAITING, CANCELED, CURRENCY, LANGUAGE, ORDER_STATES, PAID, PARTLY_PAID, TAX
from app.simulators.records import Booking, Guest, LineType, StayRoom, StayStatus
from app.simulators.site import Site

Row = dict[str, Any]

NEVER = "0000-00-00 00:00:00"
_ROOM_STATES = {StayStatus.IN_HOUSE: 2, StayStatus.CHECKED_OUT: 3}
_LETTERS = str.maketrans("0123456789", "ABCDEFGHIJ")


def price(amount: Decimal) -> str:
    """Write an amount as the core resources do."""
    return f"{amount:.6f}"


def without_tax(amount: Decimal) -> Decimal:
    """Take the tax off."""
    return (amount / TAX).quantize(Decimal("0.000001"))


def reference(booking: Booking) -> str:
    """Give the reference of an order: nine letters."""
    return "Q" + f"{int(booking.id):08d}".translate(_LETTERS)


class Tables:
    """All tables of one shop. `comments` are those of the rooms of orders, by the room's id."""

    def __init__(self, site: Site) -> None:
        self._hotels = list(site.hotels.values())
        self._given: dict[str, str] = {}
        """Rooms once given: a cancelled room keeps its number here."""
        self.comments: dict[str, str] = {}
        self._draw: dict[str, Callable[[], Iterator[Row]]] = {
            "hotels": self._hotel_rows,
            "room_types": self._room_type_rows,
            "hotel_room_types": self._limit_rows,
            "hotel_rooms": self._room_rows,
            "order_states": _order_state_rows,
            "currencies": _currency_rows,
            "configurations": _configuration_rows,
            "orders": self._order_rows,
            "order_details": self._detail_rows,
            "order_payments": self._payment_rows,
            "customers": self._customer_rows,
            "addresses": self._address_rows,
            "room_bookings": self._room_booking_rows,
        }

    @property
    def resources(self) -> Iterable[str]:
        """The resources that have rows."""
        return self._draw.keys()

    def rows(self, resource: str) -> list[Row]:
        """Give all rows of a resource, by id."""
        return sorted(self._draw[resource](), key=lambda row: int(row["id"]))

    def bookings(self) -> Iterator[tuple[SimulatedHotel, Booking]]:
        """Give all bookings with their hotels."""
        for hotel in self._hotels:
            for booking in hotel.bookings.values():
                yield hotel, booking

    def hotel(self, property_id: str) -> SimulatedHotel | None:
        """Give the hotel of that number."""
        return next((hotel for hotel in self._hotels if hotel.setup.property_id == property_id), None)

    def room_id(self, number: str) -> int:
        """Give the id of a room; rooms are numbered through all hotels."""
        numbers = [room for hotel in self._hotels for room in hotel.rooms]
        return numbers.index(number) + 1

    def room_number(self, hotel: SimulatedHotel, room: StayRoom) -> str:
        """Give the room of an order, or the one that it had before it was cancelled."""
        given = room.room_number or self._given.get(room.id)
        if given is None:
            given = next(one.number for one in hotel.rooms.values() if one.kind == room.kind)
        self._given[room.id] = given
        return given

    def customer(self, guest_id: str) -> int:
        """Give the id of a guest's one account in the shop: the first hotel's, where the e-mail address is the same."""
        first, *others = self._hotels
        elsewhere = next((hotel.guests[guest_id] for hotel in others if guest_id in hotel.guests), None)
        known = {guest.email: guest.id for guest in reversed(first.guests.values()) if guest.email}
        return int(known.get(elsewhere.email or "", guest_id) if elsewhere else guest_id)

    def _customers(self) -> Iterator[tuple[SimulatedHotel, Guest]]:
        for hotel in self._hotels:
            for guest in hotel.guests.values():
                if self.customer(guest.id) == int(guest.id):
                    yield hotel, guest

    def owed(self, booking: Booking) -> Decimal:
        """Give what an order costs, with what was posted to it; cancelling does not change it."""
        return booking.total + sum((line.total for line in _charges(booking)), Decimal())

    def paid(self, booking: Booking) -> Decimal:
        """Give what was paid."""
        return -sum((line.total for line in booking.lines if line.type is LineType.PAYMENT), Decimal())

    def _hotel_rows(self) -> Iterator[Row]:
        for hotel in self._hotels:
            setup = hotel.setup
            yield {
                "id": int(setup.property_id),
                "phone": "0987654321",
                "city": "Demo City",
                "zipcode": "00042",
                "email": "front@hotel.test",
                "rating": 3,
                "check_in": "12:00",
                "check_out": setup.checkout_time,
                "active": 1,
                "hotel_name": setup.name,
            }

    def _room_type_rows(self) -> Iterator[Row]:
        for hotel in self._hotels:
            for kind in hotel.kinds.values():
                yield {
                    "id": int(kind.code),
                    "id_hotel": int(hotel.setup.property_id),
                    "adults": 2,
                    "children": 0,
                    "price": price(without_tax(kind.price)),
                    "active": 1,
                    "name": kind.name,
                    "description": kind.description,
                }

    def _limit_rows(self) -> Iterator[Row]:
        for hotel in self._hotels:
            for kind in hotel.kinds.values():
                rooms = [room.number for room in hotel.rooms.values() if room.kind == kind.code]
                yield {
                    "id": int(kind.code),
                    "id_product": int(kind.code),
                    "id_hotel": int(hotel.setup.property_id),
                    "adults": 2,
                    "children": 0,
                    "max_adults": 3,
                    "max_children": 2,
                    "max_guests": kind.max_occupancy,
                    "min_los": 1,
                    "max_los": 0,
                    "associations": {"hotel_rooms": [{"id": self.room_id(number)} for number in rooms]},
                }

    def _room_rows(self) -> Iterator[Row]:
        for hotel in self._hotels:
            for room in hotel.rooms.values():
                yield {
                    "id": self.room_id(room.number),
                    "id_product": int(room.kind),
                    "id_hotel": int(hotel.setup.property_id),
                    "room_num": room.number,
                    "id_status": 2 if room.out_of_order else 1,
                    "floor": room.floor,
                    "comment": "",
                    "date_upd": _local(hotel, room.updated_at),
                }

    def _order_rows(self) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            owed, paid = self.owed(booking), self.paid(booking)
            yield {
                "id": int(booking.id),
                "id_currency": CURRENCY,
                "id_lang": LANGUAGE,
                "id_customer": self.customer(str(booking.contact.guest_id)),
                "current_state": _state(booking, owed, paid),
                "date_add": _local(hotel, booking.created_at),
                "date_upd": _local(hotel, booking.updated_at),
                "secure_key": _secret(booking.id),
                "total_discounts_tax_incl": price(Decimal()),
                "total_paid": price(owed),
                "total_paid_tax_incl": price(owed),
                "total_paid_tax_excl": price(without_tax(owed)),
                "total_paid_real": price(paid),
                "conversion_rate": price(Decimal(1)),
                "source": booking.external_reference or "",
                "reference": reference(booking),
                "associations": {"bookings": [{"id": int(room.id)} for room in booking.rooms]},
            }

    def _detail_rows(self) -> Iterator[Row]:
        for _, booking in self.bookings():
            lines = [(int(room.id), room.kind, len(room.nights), room.total) for room in booking.rooms]
            for number, kind, nights, total in lines:
                hotel = self._hotel_of(booking)
                yield _detail(number, booking, hotel.kinds[kind].name, nights, total)
            for line in _charges(booking):
                yield _detail(100_000 + int(line.id), booking, line.description, line.quantity, line.total)

    def _payment_rows(self) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            for line in booking.lines:
                if line.type is LineType.PAYMENT:
                    yield {
                        "id": int(line.id),
                        "order_reference": reference(booking),
                        "id_currency": CURRENCY,
                        "amount": f"{-line.total:.2f}",
                        "payment_method": line.description,
                        "payment_type": 1,
                        "transaction_id": line.reference or "",
                        "date_add": _local(hotel, line.posted_at),
                    }

    def _customer_rows(self) -> Iterator[Row]:
        for hotel, guest in self._customers():
            yield _customer(hotel, guest)

    def _address_rows(self) -> Iterator[Row]:
        for _, guest in self._customers():
            if guest.country:
                yield {
                    "id": int(guest.id),
                    "id_customer": int(guest.id),
                    "lastname": guest.last_name,
                    "phone": guest.phone or "",
                    "phone_mobile": "",
                }

    def _room_booking_rows(self) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            for room in booking.rooms:
                yield self._room_booking(hotel, booking, room)

    def _room_booking(self, hotel: SimulatedHotel, booking: Booking, room: StayRoom) -> Row:
        number = self.room_number(hotel, room)
        gone = int(booking.status is StayStatus.CANCELLED)
        leaving = booking.checkout_time or hotel.setup.checkout_time
        return {
            "id": int(room.id),
            "id_product": int(room.kind),
            "id_hotel": int(hotel.setup.property_id),
            "id_order": int(booking.id),
            "id_room": self.room_id(number),
            "id_customer": self.customer(str(booking.contact.guest_id)),
            "booking_type": 1,
            "id_status": _ROOM_STATES.get(booking.status, 1),
            "comment": self.comments.get(room.id, ""),
            "check_in": _local(hotel, booking.checked_in_at),
            "check_out": _local(hotel, booking.checked_out_at),
            "date_from": f"{room.arrival} 00:00:00",
            "date_to": f"{room.departure} 00:00:00",
            "total_price_tax_incl": price(room.total),
            "is_refunded": gone,
            "is_cancelled": gone,
            "is_back_order": 0,
            "room_num": number,
            "room_type_name": hotel.kinds[room.kind].name,
            "hotel_name": hotel.setup.name,
            "phone": "0987654321",
            "email": "front@hotel.test",
            "planned_check_out": f"{room.departure} {leaving}:00",
            "adults": room.adults,
            "children": len(room.child_ages),
            "child_ages": orjson.dumps(room.child_ages).decode(),
            "date_add": _local(hotel, booking.created_at),
            "date_upd": _local(hotel, booking.updated_at),
        }

    def _hotel_of(self, booking: Booking) -> SimulatedHotel:
        return next(hotel for hotel, one in self.bookings() if one is booking)


def _charges(booking: Booking) -> list[Any]:
    return [line for line in booking.lines if line.type is LineType.CHARGE]


def _state(booking: Booking, owed: Decimal, paid: Decimal) -> int:
    if booking.status is StayStatus.CANCELLED:
        return CANCELED
    if not paid:
        return AWAITING
    return PAID if paid >= owed else PARTLY_PAID


def _customer(hotel: SimulatedHotel, guest: Guest) -> Row:
    return {
        "id": int(guest.id),
        "id_lang": LANGUAGE,
        "secure_key": _secret(f"key of {guest.id}"),
        "deleted": 0,
        "passwd": _secret(f"password of {guest.id}"),
        "lastname": guest.last_name,
        "firstname": guest.first_name or "",
        "email": guest.email or "",
        "birthday": "0000-00-00",
        "newsletter": 0,
        "phone": guest.phone or "",
        "active": 1,
        "note": None,
        "is_guest": 0,
        "date_add": _local(hotel, guest.created_at),
        "date_upd": _local(hotel, guest.updated_at),
    }


def _detail(number: int, booking: Booking, name: str, quantity: int, total: Decimal) -> Row:
    return {
        "id": number,
        "id_order": int(booking.id),
        "product_name": name,
        "product_quantity": quantity,
        "unit_price_tax_incl": price(total / max(1, quantity)),
        "total_price_tax_incl": price(total),
        "total_price_tax_excl": price(without_tax(total)),
    }


def _order_state_rows() -> Iterator[Row]:
    for number, name in enumerate(ORDER_STATES, start=1):
        yield {"id": number, "invoice": 0, "logable": 0, "paid": int(number == PAID), "name": name}


def _currency_rows() -> Iterator[Row]:
    yield {
        "id": CURRENCY,
        "name": "Dollar",
        "iso_code": "USD",
        "conversion_rate": "1.000000",
        "deleted": 0,
        "active": 1,
    }


def _configuration_rows() -> Iterator[Row]:
    yield {"id": 1, "name": "PS_TIMEZONE", "value": "America/New_York"}
    yield {"id": 2, "name": "PS_CURRENCY_DEFAULT", "value": str(CURRENCY)}


def _local(hotel: SimulatedHotel, instant: datetime | None) -> str:
    """Write an instant as the shop does: its own time, without a zone."""
    if instant is None:
        return NEVER
    return f"{instant.astimezone(ZoneInfo(hotel.setup.timezone)):%Y-%m-%d %H:%M:%S}"


def _secret(of: str) -> str:
    return hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()
