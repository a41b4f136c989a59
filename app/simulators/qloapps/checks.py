"""What the shop checks of a booking before it makes or changes one, in its order and its words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.sent import BookingSent, StaySent, amount, text
from app.simulators.qloapps.tables import Tables

NAME = re.compile(r"[^0-9!<>,;?=+()@#\"°{}_$%:]*")
"""What a name may consist of, as the shop checks it."""
NAME_LENGTH = 32
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
PHONE = re.compile(r"[+0-9. ()-]*")
NONE_FREE = "Requested room(s) not available."
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})( \d{2}:\d{2}:\d{2})?")
_STATUSES = {"", "1", "2", "3", "4"}
_PAYMENT_TYPES = {"", "online", "remote", "pay at hotel"}
_ADDRESS = {"address": "Address", "city": "City", "zip": "Zip", "country_code": "Country"}


@dataclass(frozen=True, slots=True)
class Nights:
    """A stay that was asked for, checked."""

    sent: StaySent
    arrival: date
    departure: date


def refuse(message: str) -> Refused:
    """Give the refusal that the shop has for everything about a booking: 400, and a code that says 404."""
    return Refused(400, (404, message))


def property_and_currency(tables: Tables, sent: BookingSent) -> SimulatedHotel:
    """Check which hotel it is, and its money."""
    hotel = tables.hotel(sent.text("id_property"))
    if hotel is None:
        raise refuse("Please provide a valid id_property.")
    if sent.text("currency") != "USD":
        raise refuse("Please provide valid currency.")
    return hotel


def guest(tables: Tables, sent: BookingSent) -> None:
    """Check what is said of the guest, as far as the shop says something about it."""
    if not sent.guest:
        raise refuse("Customer details not found.")
    for name, said in (("firstname", "first name"), ("lastname", "last name"), ("email", "email")):
        if not sent.guest.get(name):
            raise refuse(f"Please provide a valid {said}.")
    if not sent.guest.get("phone") or not PHONE.fullmatch(sent.guest["phone"]):
        raise refuse("Please provide a valid phone number.")
    number = sent.guest.get("id_customer")
    if number and not any(one.id == number for _, one in tables.customers()):
        raise refuse("Please provide a valid id_customer.")
    missing = [said for name, said in _ADDRESS.items() if not sent.guest.get(name)]
    if 0 < len(missing) < len(_ADDRESS):
        raise refuse(f"{missing[0]} is required.")


def survives(sent: BookingSent) -> None:
    """Die of a guest whom the shop cannot save: it has looked for rooms by then, and has made nothing but a cart."""
    assert sent.guest is not None  # noqa: S101 - `guest` has checked it
    if not all(name_is_valid(sent.guest[name]) for name in ("firstname", "lastname")):
        raise Refused(500, text="")
    if not EMAIL.fullmatch(sent.guest["email"]):
        raise Refused(200, text="Fatal error")


def name_is_valid(name: str) -> bool:
    """Tell whether the shop takes it for somebody's name."""
    return len(name) <= NAME_LENGTH and NAME.fullmatch(name) is not None


def nights(hotel: SimulatedHotel, stays: Sequence[StaySent]) -> list[Nights]:
    """Check room types and dates; days that have passed are as good as any."""
    return [_nights(hotel, stay) for stay in stays]


def _nights(hotel: SimulatedHotel, stay: StaySent) -> Nights:
    if stay.room_type not in hotel.kinds:
        raise refuse("Invalid room type in the request")
    first, last = _day(stay.arrival, "check in"), _day(stay.departure, "check out")
    if last < first:
        raise refuse("Invalid check in and check out dates in the request")
    if last == first:
        raise refuse(NONE_FREE)
    return Nights(stay, first, last)


def _day(written: str, said: str) -> date:
    found = _DAY.fullmatch(written)
    try:
        return date.fromisoformat(found.group(1) if found else "")
    except ValueError:
        raise refuse(f"Invalid {said} date in the request") from None


def status_and_payment(sent: BookingSent) -> None:
    """Check what is said of its state and of money."""
    if sent.text("booking_status") not in _STATUSES:
        raise refuse("Invalid booking status.")
    paid = amount(sent.prices, "total_paid") or 0
    if paid > 0 and text(sent.payment, "payment_type") not in _PAYMENT_TYPES:
        raise refuse("Invalid payment type.")
