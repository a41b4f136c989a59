"""Rows as the webservice shows them in JSON: ints as ints, decimals as text, instants in the shop's zone."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.building import CURRENCY, LANGUAGE, PAID, Product
from app.simulators.qloapps.ledger import History, Ledger, OrderMark, RoomMark, Service, without_tax
from app.simulators.records import Booking, Guest, Line, StayRoom, StayStatus

Row = dict[str, Any]

NEVER = "0000-00-00 00:00:00"
_LETTERS = str.maketrans("0123456789", "ABCDEFGHIJ")
_MADE = {"id_default_group": 0, "id_lang": LANGUAGE, "active": 1}
"""What an account has that was made by a booking or at the desk."""
_NUMBERS = (
    "id_default_group",
    "deleted",
    "id_gender",
    "newsletter",
    "optin",
    "show_public_prices",
    "id_risk",
    "max_payment_days",
    "active",
    "is_guest",
)
_TEXTS = ("ip_registration_newsletter", "website", "company", "siret", "ape", "note")


def price(amount: Decimal) -> str:
    """Write an amount as the core resources do."""
    return f"{amount:.6f}"


def reference(booking: Booking) -> str:
    """Give the reference of an order: nine letters."""
    return "Q" + f"{int(booking.id):08d}".translate(_LETTERS)


def local(hotel: SimulatedHotel, instant: datetime | None) -> str:
    """Write an instant as the shop does: its own time, without a zone."""
    if instant is None:
        return NEVER
    return f"{instant.astimezone(ZoneInfo(hotel.setup.timezone)):%Y-%m-%d %H:%M:%S}"


def secret(of: str) -> str:
    """Give 32 letters and digits that look like a hash and guard nothing."""
    return hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()


def order(hotel: SimulatedHotel, booking: Booking, ledger: Ledger, *, customer: int) -> Row:
    """Give a row of `orders`."""
    state = ledger.state(booking)
    return {
        "id": int(booking.id),
        "id_address_delivery": 0,
        "id_address_invoice": 0,
        "id_address_tax": 2,
        "id_cart": int(booking.id),
        "id_currency": CURRENCY,
        "id_lang": LANGUAGE,
        "id_customer": customer,
        "current_state": state,
        "module": "wsorder",
        "invoice_number": 0,
        "invoice_date": NEVER,
        "valid": int(state == PAID),
        "date_add": local(hotel, booking.created_at),
        "date_upd": local(hotel, booking.updated_at),
        "transaction_id": None,
        "secure_key": secret(booking.id),
        "payment": "Order from API",
        "payment_type": 1,
        **_money(booking, ledger),
        "conversion_rate": price(Decimal(1)),
        "source": booking.external_reference or "",
        "reference": reference(booking),
        "is_advance_payment": 0,
        "advance_paid_amount": price(ledger.owed(booking)),
        "with_occupancy": 0,
        "associations": {"bookings": [{"id": int(room.id)} for room in booking.rooms]},
    }


def _money(booking: Booking, ledger: Ledger) -> Row:
    owed, tax = ledger.owed(booking), ledger.tax(booking)
    mark = ledger.orders.get(booking.id, OrderMark())
    products = owed + mark.discount
    return {
        "total_discounts": price(mark.discount),
        "total_discounts_tax_incl": price(mark.discount),
        "total_discounts_tax_excl": price(without_tax(mark.discount)),
        "total_paid": price(owed),
        "total_paid_tax_incl": price(owed),
        "total_paid_tax_excl": price(owed - tax),
        "total_paid_real": price(ledger.paid(booking)),
        "total_products": price(products - tax - (mark.discount - without_tax(mark.discount))),
        "total_products_wt": price(products),
    }


def history(hotel: SimulatedHotel, change: History) -> Row:
    """Give a row of `order_histories`."""
    return {
        "id": change.id,
        "id_employee": 0,
        "id_order_state": change.state,
        "id_order": int(change.order),
        "date_add": local(hotel, change.at),
    }


def room_detail(number: int, booking: Booking, room: StayRoom, name: str, tax: Decimal) -> Row:
    """Give the row of `order_details` that a room has: its nights are the quantity."""
    row = _detail(number, booking.id, name, quantity=len(room.nights), total=room.total - tax, tax=tax)
    return {**row, "product_id": int(room.kind), "is_booking_product": 1, "product_allow_multiple_quantity": 0}


def service_detail(number: int, order_id: str, one: Service) -> Row:
    """Give the row of `order_details` that a service has."""
    row = _detail(number, order_id, one.product.name, quantity=one.quantity, total=one.total, tax=one.tax)
    multiple = int(one.product.multiple)
    return {
        **row,
        "product_id": one.product.id,
        "is_booking_product": 0,
        "product_allow_multiple_quantity": multiple,
    }


def _detail(number: int, order_id: str, name: str, *, quantity: int, total: Decimal, tax: Decimal) -> Row:
    count = max(1, quantity)
    return {
        "id": number,
        "id_order": int(order_id),
        "product_name": name,
        "product_quantity": quantity,
        "unit_price_tax_incl": price((total + tax) / count),
        "unit_price_tax_excl": price(total / count),
        "total_price_tax_incl": price(total + tax),
        "total_price_tax_excl": price(total),
    }


def payment(hotel: SimulatedHotel, number: int, order_reference: str, line: Line) -> Row:
    """Give a row of `order_payments`."""
    return {
        "id": number,
        "order_reference": order_reference,
        "id_currency": CURRENCY,
        "amount": f"{-line.total:.2f}",
        "payment_method": line.description,
        "payment_type": 1,
        "conversion_rate": price(Decimal(1)),
        "transaction_id": line.reference or "",
        "date_add": local(hotel, line.posted_at),
    }


def service(product: Product) -> Row:
    """Give a row of `services`; `price_calculation_method` 1 is once, 2 for each night."""
    return {
        "id": product.id,
        "id_tax_rules_group": int(product.taxed),
        "type": "virtual",
        "selling_preference_type": 1,
        "allow_multiple_quantity": int(product.multiple),
        "max_quantity": 0,
        "price_calculation_method": 2 if product.per_night else 1,
        "price": price(product.price),
        "active": 1,
        "auto_add_to_cart": int(product.automatic),
        "name": product.name,
    }


def customer(hotel: SimulatedHotel, guest: Guest, account: Mapping[str, Any] | None) -> Row:
    """Give a row of `customers`: what was never sent is null in an account of the API, and 0 where it is a number."""
    known: Mapping[str, Any] = {**_MADE, "passwd": secret(f"password of {guest.id}")} if account is None else account
    return {
        "id": int(guest.id),
        **{name: int(known.get(name) or 0) for name in _NUMBERS},
        **{name: known.get(name) or None for name in _TEXTS},
        "id_lang": int(known.get("id_lang") or LANGUAGE),
        "newsletter_date_add": NEVER,
        "last_passwd_gen": local(hotel, guest.created_at),
        "secure_key": secret(f"key of {guest.id}"),
        "passwd": known.get("passwd"),
        "lastname": guest.last_name,
        "firstname": guest.first_name or "",
        "email": guest.email or "",
        "birthday": known.get("birthday") or "0000-00-00",
        "phone": guest.phone or "",
        "outstanding_allow_amount": price(Decimal()),
        "id_shop": 1,
        "id_shop_group": 1,
        "date_add": local(hotel, guest.created_at),
        "date_upd": local(hotel, guest.updated_at),
    }


def room_booking(hotel: SimulatedHotel, booking: Booking, room: StayRoom, ledger: Ledger) -> Row:
    """Give a row of `room_bookings` but for its room and guest, which only the shop can number."""
    mark = ledger.rooms.get(room.id, RoomMark())
    stamped = mark.under is booking.status
    gone = room.released or booking.status is StayStatus.CANCELLED
    refunded_only = ledger.orders.get(booking.id, OrderMark()).refunded_only and not room.released
    leaving = booking.checkout_time or hotel.setup.checkout_time
    children = len(room.child_ages) if mark.children is None else mark.children
    return {
        "id": int(room.id),
        "id_product": int(room.kind),
        "id_hotel": int(hotel.setup.property_id),
        "id_order": int(booking.id),
        "id_order_detail": ledger.detail(f"room {room.id}"),
        "id_cart": int(booking.id),
        "id_room": 0,
        "id_customer": 0,
        "booking_type": 1,
        "id_status": ledger.room_state(booking, room),
        "comment": room.comment,
        "check_in": mark.check_in if stamped else local(hotel, booking.checked_in_at),
        "check_out": mark.check_out if stamped else local(hotel, booking.checked_out_at),
        "date_from": f"{room.arrival} 00:00:00",
        "date_to": f"{room.departure} 00:00:00",
        "total_price_tax_excl": price(room.total - ledger.room_tax(room)),
        "total_price_tax_incl": price(room.total),
        "total_paid_amount": price(room.total),
        "is_refunded": int(gone),
        "is_cancelled": int(gone and not refunded_only),
        "is_back_order": int(mark.back_order),
        "room_num": "",
        "room_type_name": hotel.kinds[room.kind].name,
        **_house(hotel),
        "planned_check_out": f"{room.departure} {leaving}:00",
        "adults": room.adults,
        "children": children,
        "child_ages": orjson.dumps(room.child_ages).decode(),
        "date_add": local(hotel, booking.created_at),
        "date_upd": local(hotel, booking.updated_at),
    }


def _house(hotel: SimulatedHotel) -> Row:
    return {
        "hotel_name": hotel.setup.name,
        "city": "Demo City",
        "phone": "0987654321",
        "email": "front@hotel.test",
        "check_in_time": "12:00",
        "check_out_time": hotel.setup.checkout_time,
    }
