"""`POST /bookings`: rooms are looked for, then the order is written; between the two nothing is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps import bookings, checks, customers, sent
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import AWAITING, CANCELED, PAID, PARTLY_PAID, REFUNDED, TAX
from app.simulators.qloapps.checks import Nights
from app.simulators.qloapps.ledger import History
from app.simulators.qloapps.rows import secret
from app.simulators.qloapps.services import serve
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Booking, Night, Room, StayRoom, nights_of
from app.simulators.rules import night_price

BETWEEN = 0.05
"""Seconds between looking and writing where creates race."""
SHARED = {"on": 3, "one_live": 1}
"""How many of those that race for a room get it; those after them get a back order (recordings 400-402 had three)."""
STATES = {1: AWAITING, 2: PAID, 3: CANCELED, 4: REFUNDED}
"""Order states, by `booking_status`."""

Warnings = list[tuple[int, str]]
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Choice:
    """A room that was found for a stay; `sent` is None where the caller left it to the shop."""

    nights: Nights
    number: str
    sent: sent.RoomSent | None


async def create(tables: Tables, body: bytes) -> tuple[int, Mapping[str, Any]]:
    """Make a booking."""
    asked = sent.booking(body)
    if asked.text("id"):
        raise checks.refuse("id is forbidden when adding a new resource")
    hotel = checks.property_and_currency(tables, asked)
    checks.guest(tables, asked)
    choices = choose(tables, hotel, _stays(hotel, asked))
    checks.status_and_payment(asked)
    checks.survives(asked)
    if tables.site.modes["race"] != "off":
        await tables.site.wait(BETWEEN)
    return 200, _write(tables, hotel, asked, choices)


def _stays(hotel: SimulatedHotel, asked: sent.BookingSent) -> list[Nights]:
    if asked.stays is None:
        warning = (
            '[PHP Warning #2] Undefined array key "room_types" (WebserviceSpecificManagementBookings.php, line 688)'
        )
        raise Refused(400, (3, warning), (404, checks.NONE_FREE))
    return checks.nights(hotel, asked.stays)


def choose(tables: Tables, hotel: SimulatedHotel, stays: Sequence[Nights]) -> list[Choice]:
    """Find a room for each that is asked for, or refuse; what is found is not kept for anybody."""
    chosen: list[Choice] = []
    for stay in sorted(stays, key=lambda one: int(one.sent.room_type)):
        rooms = stay.sent.rooms or (None,) * stay.sent.count
        if not rooms or len(rooms) != stay.sent.count:
            raise checks.refuse(checks.NONE_FREE)
        for room in rooms:
            taken = {one.number for one in chosen if _overlap(one.nights, stay)}
            free = hotel.free_rooms(stay.sent.room_type, stay.arrival, stay.departure)
            usable = [one.number for one in free if one.number not in taken and _is_meant(tables, one, room)]
            if not usable:
                raise checks.refuse(checks.NONE_FREE)
            chosen.append(Choice(stay, usable[0], room))
    return chosen


def _overlap(one: Nights, other: Nights) -> bool:
    return one.arrival < other.departure and other.arrival < one.departure


def _is_meant(tables: Tables, room: Room, asked: sent.RoomSent | None) -> bool:
    return asked is None or not asked.id or tables.room_id(room.number) == asked.id


def _write(
    tables: Tables, hotel: SimulatedHotel, asked: sent.BookingSent, choices: Sequence[Choice]
) -> Mapping[str, Any]:
    """Write the order, without an await: from here on it is done, whatever is answered."""
    assert asked.guest is not None  # noqa: S101 - it was checked
    warnings: Warnings = []
    rooms = [add_room(tables, hotel, choice, warnings) for choice in choices]
    lost = [room for room in rooms if _is_lost(tables, hotel, room)]
    contact = customers.of_booking(tables, asked.guest)
    source = sent.kept(asked.text("source")) or None
    booking = hotel.enter(rooms, contact, external_reference=source)
    for room, choice in zip(rooms, choices, strict=True):
        if choice.sent is not None:
            serve(tables, hotel, booking, room, choice.sent.services)
    remark(hotel, booking, asked)
    _discount(tables, booking, asked)
    pay(tables, hotel, booking, asked)
    tables.ledger.set_state(booking, tables.ledger.state(booking), booking.created_at)
    tables.ledger.order(booking).state = None
    change_state(tables, hotel, booking, asked)
    _put_on_back_order(tables, hotel, booking, lost)
    tables.note_details(booking)
    return answer(tables, hotel, booking, warnings)


def add_room(tables: Tables, hotel: SimulatedHotel, choice: Choice, warnings: Warnings) -> StayRoom:
    """Make the room of an order, at the price that was sent or else the shop's, without any service."""
    first, last, asked = choice.nights.arrival, choice.nights.departure, choice.sent
    kind = choice.nights.sent.room_type
    room = StayRoom(
        id=hotel.new_id("room"),
        kind=kind,
        plan="BAR",
        arrival=first,
        departure=last,
        adults=asked.adults if asked else 2,
        child_ages=asked.child_ages if asked else (),
        nights=_nights(hotel, kind, nights_of(first, last), asked),
        room_number=choice.number,
    )
    mark = tables.ledger.room(room)
    if asked is None:
        mark.children = 2
    else:
        mark.tax = asked.tax
        warnings += _warned(asked)
    return room


def _nights(hotel: SimulatedHotel, kind: str, dates: Sequence[date], asked: sent.RoomSent | None) -> tuple[Night, ...]:
    """Price the nights: the room alone, not the services that quotes have in them."""
    listed = [night_price(hotel.kinds[kind], hotel.plans["BAR"], night, adults=2, children=0) for night in dates]
    if asked is None or (asked.unit_price is None and asked.tax is None):
        return tuple(Night(*night) for night in zip(dates, listed, strict=True))
    before = asked.unit_price * len(dates) if asked.unit_price is not None else sum(listed, Decimal()) / TAX
    total = _round(before + (before * (TAX - 1) if asked.tax is None else asked.tax))
    each = (total / len(dates)).quantize(_CENT)
    return tuple(Night(night, each if place else total - each * (len(dates) - 1)) for place, night in enumerate(dates))


def _round(amount: Decimal) -> Decimal:
    """Keep six places as the shop does, but only where cents are not enough."""
    cents = amount.quantize(_CENT)
    return cents if cents == amount else amount.quantize(Decimal("0.000001"))


def _warned(asked: sent.RoomSent) -> Warnings:
    place = "(WebserviceSpecificManagementBookings.php, line {})"
    if asked.tax is not None:
        return []
    if asked.tax_group:
        where = place.format(1139)
        null = f"[PHP Warning #2] Trying to access array offset on value of type null {where}"
        return [(3, f"[PHP Warning #2] Undefined array key 1 {where}"), (3, null)]
    return [(3, f'[PHP Warning #2] Undefined array key "total_tax" {place.format(510)}')]


def _is_lost(tables: Tables, hotel: SimulatedHotel, room: StayRoom) -> bool:
    """Tell whether too many got the room while this order was on its way."""
    limit = SHARED.get(tables.site.modes["race"], 1)
    rivals = [
        other
        for booking in hotel.bookings.values()
        if booking.holds_room
        for other in booking.rooms
        if other.room_number == room.room_number and not other.released and other.overlaps(room.arrival, room.departure)
    ]
    return len(rivals) >= limit


def _put_on_back_order(tables: Tables, hotel: SimulatedHotel, booking: Booking, lost: Sequence[StayRoom]) -> None:
    for room in lost:
        room.released = True
        tables.ledger.room(room).back_order = True
    if lost and len(lost) == len(booking.rooms):
        state = tables.ledger.state(booking)
        hotel.annul(booking)
        mark = tables.ledger.order(booking)
        mark.state, mark.under = state, booking.status


def remark(hotel: SimulatedHotel, booking: Booking, asked: sent.BookingSent) -> None:
    """Add the remark that was sent, unless the same stands there already."""
    text = sent.kept(asked.text("remark"))
    if text and all(one.text != text for one in booking.remarks):
        hotel.remark(booking, text)


def _discount(tables: Tables, booking: Booking, asked: sent.BookingSent) -> None:
    """Make a voucher of what the caller wants to pay less than the shop counts."""
    wanted, owed = sent.amount(asked.prices, "total_price_with_tax"), tables.ledger.owed(booking)
    if wanted is not None and 0 < wanted < owed:
        mark = tables.ledger.order(booking)
        mark.discount, mark.voucher = owed - wanted, secret(booking.id)[:8].upper()


def pay(tables: Tables, hotel: SimulatedHotel, booking: Booking, asked: sent.BookingSent) -> None:
    """Take what is paid above what was."""
    paid = tables.ledger.paid(booking)
    more = (sent.amount(asked.prices, "total_paid") or Decimal()) - paid
    if asked.text("booking_status") == "2":
        more = max(more, tables.ledger.owed(booking) - paid)
    if more > 0:
        method = sent.text(asked.payment, "payment_method") or "Order from API"
        hotel.pay(booking, more, method, reference=sent.text(asked.payment, "transaction_id") or None)


def change_state(tables: Tables, hotel: SimulatedHotel, booking: Booking, asked: sent.BookingSent) -> None:
    """Set the order's state as `booking_status` says, if it says anything; complete is what is paid in full."""
    wanted = STATES.get(sent.number(asked.fields, "booking_status"))
    full = tables.ledger.owed(booking) + tables.ledger.order(booking).discount
    if wanted == PAID and tables.ledger.paid(booking) < full:
        wanted = PARTLY_PAID  # recordings 210 and 211: the voucher does not count
    if wanted is not None and wanted != tables.ledger.state(booking):
        set_state(tables, hotel, booking, wanted)


def set_state(tables: Tables, hotel: SimulatedHotel, booking: Booking, state: int) -> History:
    """Set an order's state; cancelling and refunding give the rooms back, and no other state takes them again."""
    if state in {CANCELED, REFUNDED} and booking.holds_room:
        hotel.annul(booking)
        tables.ledger.order(booking).refunded_only = state == REFUNDED
    hotel.touch(booking)
    return tables.ledger.set_state(booking, state, booking.updated_at)


def answer(tables: Tables, hotel: SimulatedHotel, booking: Booking, warnings: Warnings) -> Mapping[str, Any]:
    """Answer what was written, or the warnings that PHP had on the way: it is written all the same."""
    if tables.site.modes["price_display"] == "tax_excluded":
        warnings = [*warnings, *bookings.USE_TAX]
    if warnings:
        raise Refused(500, *warnings)
    return bookings.shown(tables, hotel, booking, written=True)
