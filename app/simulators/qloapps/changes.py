"""`PUT /bookings/{id}`: the whole booking is laid over the one that is there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps import checks, customers, orders, sent, services
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.checks import Nights
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Booking, StayRoom


def change(tables: Tables, number: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
    """Change a booking; the id in the body wins over the one in the path."""
    asked = sent.booking(body)
    if asked.stays is None:
        raise checks.refuse("Rooms not found in the request.")
    found = tables.booking(asked.text("id") or number)
    if found is None:
        raise checks.refuse("Booking not found.")
    hotel, booking = found
    checks.property_and_currency(tables, asked)
    checks.guest(tables, asked)
    assert asked.guest is not None  # noqa: S101 - it was checked
    if customers.known(tables, asked.guest) is None:
        raise checks.refuse("Customer not found.")
    stays = checks.nights(hotel, asked.stays)
    checks.status_and_payment(asked)
    choices = _choices(tables, hotel, booking, stays) if booking.holds_room else []
    checks.survives(asked)
    customers.of_booking(tables, asked.guest)
    warnings = _overlay(tables, hotel, booking, stays, choices) if booking.holds_room else []
    orders.remark(hotel, booking, asked)
    if asked.text("source"):
        booking.external_reference = sent.kept(asked.text("source"))
    _take_payment(tables, hotel, booking, asked)
    orders.change_state(tables, hotel, booking, asked)
    tables.note_details(booking)
    hotel.touch(booking)
    return 200, orders.answer(tables, hotel, booking, warnings)


def _matching(booking: Booking, stay: Nights) -> list[StayRoom]:
    """Give the rooms of the order that are of this type, for these nights."""
    wanted = (stay.sent.room_type, stay.arrival, stay.departure)
    return [room for room in booking.rooms if (room.kind, room.arrival, room.departure) == wanted]


def _choices(tables: Tables, hotel: SimulatedHotel, booking: Booking, stays: Sequence[Nights]) -> list[orders.Choice]:
    """Find rooms for what is new, as if the rooms that are let go were free already; those that stay are not."""
    kept = [room for stay in stays for room in _kept(tables, booking, stay)]
    missing = [_missing(tables, booking, stay) for stay in stays]
    letting_go = [room for room in booking.rooms if room not in kept and not room.released]
    for room in letting_go:
        room.released = True
    try:
        return orders.choose(tables, hotel, [stay for stay in missing if stay.sent.count > 0])
    except Refused:
        raise checks.refuse(checks.NONE_FREE.rstrip(".")) from None
    finally:
        for room in letting_go:
            room.released = False


def _kept(tables: Tables, booking: Booking, stay: Nights) -> list[StayRoom]:
    """Give the matching rooms that stay: those that are named first, as many as are asked for, or all of them for 0."""
    named = {room.id for room in stay.sent.rooms or ()}
    ordered = sorted(_matching(booking, stay), key=lambda room: tables.room_id(str(room.room_number)) not in named)
    return ordered[: stay.sent.count] if stay.sent.count else ordered


def _missing(tables: Tables, booking: Booking, stay: Nights) -> Nights:
    """Give what is asked for beyond the rooms that are there."""
    matching = _matching(booking, stay)
    count = max(0, stay.sent.count - len(matching))
    known = {tables.room_id(str(room.room_number)) for room in matching}
    rooms = [room for room in stay.sent.rooms or () if room.id not in known]
    return changed(stay, sent=changed(stay.sent, count=count, rooms=tuple(rooms[-count:]) if count else None))


def _overlay(
    tables: Tables,
    hotel: SimulatedHotel,
    booking: Booking,
    stays: Sequence[Nights],
    choices: Sequence[orders.Choice],
) -> orders.Warnings:
    warnings: orders.Warnings = []
    kept = [room for stay in stays for room in _kept(tables, booking, stay)]
    for stay in stays:
        for room in _kept(tables, booking, stay):
            services.replace(tables, hotel, booking, room, _services_of(tables, stay, room))
    for room in [room for room in booking.rooms if room not in kept]:
        services.replace(tables, hotel, booking, room, ())
        booking.rooms.remove(room)
    for choice in choices:
        room = orders.add_room(tables, hotel, choice, warnings)
        booking.rooms.append(room)
        if choice.sent is not None:
            services.serve(tables, hotel, booking, room, choice.sent.services)
    return warnings


def _services_of(tables: Tables, stay: Nights, room: StayRoom) -> Sequence[sent.ServiceSent] | None:
    """Give the services that were sent for a room, by its id; None where no rooms were sent at all."""
    if stay.sent.rooms is None:
        return None
    number = tables.room_id(str(room.room_number))
    return next((one.services for one in stay.sent.rooms if one.id == number), ())


def _take_payment(tables: Tables, hotel: SimulatedHotel, booking: Booking, asked: sent.BookingSent) -> None:
    """Take what is paid above what was; the order's state stays as it is (recording 335)."""
    mark = tables.ledger.order(booking)
    mark.state, mark.under = tables.ledger.state(booking), booking.status
    orders.pay(tables, hotel, booking, asked)
