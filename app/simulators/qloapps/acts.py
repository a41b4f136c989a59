"""Writing to the core resources: states of orders, rooms of orders, rooms of the building."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps import orders, sent
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import ORDER_STATES
from app.simulators.qloapps.keys import Keys
from app.simulators.qloapps.ledger import RoomMark
from app.simulators.qloapps.rows import NEVER, local
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Booking, StayRoom, StayStatus

Answer = tuple[int, Mapping[str, Any]]

_ROOM_BOOKING = ("id_product", "id_order", "id_cart", "id_room", "id_hotel", "id_customer", "date_from", "date_to")
_ROOM = ("id_product", "room_num", "id_status")
_ORDER = ("id_cart", "id_currency", "id_customer", "payment", "total_paid", "total_paid_real", "conversion_rate")
"""What has to be in a whole object of its kind."""
_STAYING, _GONE = 2, 3


def add_history(tables: Tables, body: bytes) -> Answer:
    """Set the state of an order: this is how one is cancelled with the fewest side effects."""
    fields = sent.thing(body)
    _need(fields, "id_order", "id_order_state")
    found, state = tables.booking(fields["id_order"].strip()), sent.number(fields, "id_order_state")
    if found is None or not 1 <= state <= len(ORDER_STATES):
        wrong = "id_order" if found is None else "id_order_state"
        raise Refused(400, (85, f'Validation error: "Property OrderHistory->{wrong} is not valid"'))
    hotel, booking = found
    change = orders.set_state(tables, hotel, booking, state)
    answer = {
        "id": str(change.id),
        "id_employee": fields.get("id_employee", ""),
        "id_order_state": state,
        "id_order": booking.id,
        "date_add": local(hotel, change.at),
    }
    return 201, {"order_history": answer}


def replace_order(tables: Tables, body: bytes) -> Answer:
    """Write an order anew: 200, and lists leave it out from now on."""
    fields, row = _whole(tables, "orders", body, _ORDER)
    found = tables.booking(str(row["id"]))
    assert found is not None  # noqa: S101 - its row was there
    hotel, booking = found
    state = sent.number(fields, "current_state")
    if state != row["current_state"] and 1 <= state <= len(ORDER_STATES):
        orders.set_state(tables, hotel, booking, state)
    if "source" in fields:
        booking.external_reference = sent.kept(fields["source"]) or None
    tables.ledger.order(booking).unlisted = True
    hotel.touch(booking)
    written = _row(tables, "orders", booking.id)
    state_and_rooms = {"current_state": written["current_state"], "associations": written["associations"]}
    return 200, {"order": {**_texts(written), "module": "wsorder", **state_and_rooms}}


def replace_room_booking(tables: Tables, body: bytes) -> Answer:
    """Write a room of an order anew: its check-in, check-out, guests and comment are what can be changed here."""
    fields, row = _whole(tables, "room_bookings", body, _ROOM_BOOKING)
    hotel, booking = next(one for one in tables.bookings() if any(room.id == str(row["id"]) for room in one[1].rooms))
    room = next(room for room in booking.rooms if room.id == str(row["id"]))
    room.comment = sent.kept(fields.get("comment", ""))
    _stamp(tables, booking)
    mark = tables.ledger.room(room)
    _house(room, mark, fields)
    mark.check_in, mark.check_out = fields.get("check_in") or NEVER, fields.get("check_out") or NEVER
    _move(tables, hotel, booking, room, sent.number(fields, "id_status") or 1)
    hotel.touch(booking)
    written = _row(tables, "room_bookings", room.id)
    return 200, {"booking": _texts(written)}


def replace_room(tables: Tables, body: bytes) -> Answer:
    """Write a room of the building anew: 1 active, 2 inactive, 3 inactive for a time."""
    fields = sent.thing(body)
    if "id_hotel" in fields:
        message = 'parameter "id_hotel" not writable. Please remove this attribute of this XML'
        raise Refused(400, (93, message))
    fields, row = _whole(tables, "hotel_rooms", body, _ROOM)
    hotel = tables.hotel(str(row["id_hotel"]))
    assert hotel is not None  # noqa: S101 - its room was there
    room, state = hotel.rooms[row["room_num"]], sent.number(fields, "id_status")
    hotel.take_out_of_order(room, out_of_order=state != 1)
    comment = sent.kept(fields.get("comment", ""))
    tables.ledger.room_facts[room.number] = {"comment": comment, **({"id_status": 3} if state == 3 else {})}
    written = _row(tables, "hotel_rooms", str(row["id"]))
    return 200, {"room": {**_texts(written), "id_hotel": row["id_hotel"]}}


def _stamp(tables: Tables, booking: Booking) -> None:
    """Remember how each room of an order stands, before one of them is changed apart from the others."""
    for row in tables.rows("room_bookings", Keys.only(id_order=booking.id)):
        mark = tables.ledger.rooms.setdefault(str(row["id"]), RoomMark())
        mark.state, mark.check_in, mark.check_out = row["id_status"], row["check_in"], row["check_out"]


def _house(room: StayRoom, mark: RoomMark, fields: sent.Sent) -> None:
    """Let others stay in a room; children may be counted without their ages."""
    ages = orjson.loads(fields.get("child_ages") or "[]")
    room.adults, room.child_ages = sent.number(fields, "adults") or room.adults, tuple(map(int, ages))
    children = sent.number(fields, "children")
    mark.children = None if children == len(room.child_ages) else children


def _move(tables: Tables, hotel: SimulatedHotel, booking: Booking, room: StayRoom, state: int) -> None:
    """Let one room's guests in or go. A cancelled room changes its number of state, and that is all."""
    mark = tables.ledger.room(room)
    before, mark.state = mark.state, state
    if booking.status is not StayStatus.CANCELLED and not room.released and before != state:
        if _STAYING in {before, state}:
            hotel.move(booking, room, staying=state == _STAYING)
        _stand(tables, hotel, booking)
    for one in booking.rooms:
        tables.ledger.room(one).under = booking.status


def _stand(tables: Tables, hotel: SimulatedHotel, booking: Booking) -> None:
    """Let the reservation stand where its rooms do: in house with the first that comes, gone with the last."""
    states = {tables.ledger.room(room).state for room in booking.rooms if not room.released}
    order = tables.ledger.order(booking)
    state = tables.ledger.state(booking) if order.state is not None else None
    if _STAYING in states:
        booking.status = StayStatus.IN_HOUSE
    elif states == {_GONE}:
        booking.status = StayStatus.CHECKED_OUT
    else:
        booking.status = StayStatus.CONFIRMED
    stamps = [tables.ledger.room(room) for room in booking.rooms]
    booking.checked_in_at = min(filter(None, (_instant(hotel, mark.check_in) for mark in stamps)), default=None)
    booking.checked_out_at = max(filter(None, (_instant(hotel, mark.check_out) for mark in stamps)), default=None)
    if state is not None:
        order.state, order.under = state, booking.status


def _instant(hotel: SimulatedHotel, written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(hotel.setup.timezone))
    except ValueError:
        return None


def _whole(tables: Tables, resource: str, body: bytes, required: tuple[str, ...]) -> tuple[sent.Sent, dict[str, Any]]:
    """Read a whole object and give it with the row that it replaces; the id is the body's."""
    fields = sent.thing(body)
    if "id" not in fields:
        raise Refused(400, (90, "id is required when modifying a resource"))
    _need(fields, *required)
    return fields, _row(tables, resource, fields["id"].strip())


def _row(tables: Tables, resource: str, number: str) -> dict[str, Any]:
    row = next((row for row in tables.rows(resource, Keys.only(id=number)) if str(row["id"]) == number), None)
    if row is None:
        raise Refused(404, (92, "Invalid ID"))
    return row


def _need(fields: sent.Sent, *names: str) -> None:
    for name in names:
        if name not in fields:
            raise Refused(400, (41, f'parameter "{name}" required'))


def _texts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row as its writer gets it: everything as text."""
    return {name: "" if value is None else str(value) for name, value in row.items() if name != "associations"}
