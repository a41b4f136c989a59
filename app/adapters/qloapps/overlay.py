"""The bodies of `/bookings`: a change is sent as the whole booking, and what is left out of it is lost (# Q25)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.adapters.qloapps import checks, wire
from app.adapters.qloapps.profile import QLOAPPS
from app.adapters.qloapps.wanted import Wanted
from app.domain.errors import VersionMoved
from app.domain.hotel import Hotel
from app.domain.money import Money
from app.domain.reservation import ReservationDraft

Body = dict[str, Any]
Charged = tuple[str, int, Decimal]
"""What is known of a service from one write to the next: its name, its quantity, its price with tax."""

_NEW = 1
_AWAITING = 3
_ONCE = 1
_MODES = frozenset({1, 2})
"""How a service of the shop is priced: once, or for each night."""


def created(hotel: Hotel, draft: ReservationDraft, guest: wire.CustomerDetail, price: wire.Price, source: str) -> Body:
    """Give a new booking of one room; each room needs its tax, else the answer is 500 (# Q26)."""
    wanted = Wanted.of(draft)
    note = checks.remark(draft)
    return {
        "booking": {
            "id_property": int(str(hotel.property_id)),
            "currency": price.currency,
            "booking_status": _NEW,
            "payment_status": _AWAITING,
            "source": source,
            **({"remark": note} if note else {}),
            "associations": {
                "customer_detail": _customer(guest),
                "room_types": [_kind(wanted, [_new_room(wanted, price, ())])],
            },
        }
    }


def unchanged(booking: wire.Booking) -> Body:
    """Give a booking as it is: every room with its id, its tax and its services."""
    return _whole(booking, list(map(_as_booked, booking.associations.room_types)))


def charged(booking: wire.Booking, row: wire.RoomBookingRow, service: Mapping[str, Any]) -> Body:
    """Give a booking with one service more in one of its rooms.

    Raises:
        VersionMoved: the room is not there any more, so that the service would go nowhere, without a word.
    """
    body = unchanged(booking)
    kinds = zip(body["booking"]["associations"]["room_types"], booking.associations.room_types, strict=True)
    rooms = [room for sent, kind in kinds if _is_of(kind, row) for room in sent["rooms"]]
    room = next((room for room in rooms if str(room["id_room"]) == row.id_room), None)
    if room is None:
        raise VersionMoved("the booking's room was changed in the meantime", vendor=QLOAPPS.vendor)
    room["services"].append(dict(service))
    return body


def without(booking: wire.Booking, charge: Charged) -> Body:
    """Give a booking with one service of a kind less."""
    body = unchanged(booking)
    for sent, room in zip(_sent_rooms(body), _rooms(booking), strict=True):
        for place, service in enumerate(room.services):
            if _counted(service) == charge:
                del sent["services"][place]
                return body
    return body


def moved(booking: wire.Booking, row: wire.PlacedRow, wanted: Wanted, price: wire.Price) -> Body:
    """Give a booking whose one room is of another type or on other dates; its services go with it.

    Raises:
        VersionMoved: the room is not there any more, so that another would be added to the booking.
    """
    ours = [kind for kind in booking.associations.room_types if _is_of(kind, row)]
    others = [kind for kind in booking.associations.room_types if not _is_of(kind, row)]
    if not ours:
        raise VersionMoved("the booking's room was changed in the meantime", vendor=QLOAPPS.vendor)
    services = [service for kind in ours for room in kind.rooms for service in room.services]
    return _whole(booking, [*map(_as_booked, others), _kind(wanted, [_new_room(wanted, price, services)])])


def moved_back(booking: wire.Booking, row: wire.PlacedRow) -> Body:
    """Give a booking as it was before its one room was moved: that very room, at its price."""
    body = unchanged(booking)
    nights = (row.date_to - row.date_from).days
    for room, was in zip(_sent_rooms(body), _rooms(booking), strict=True):
        room["unit_price_without_tax"] = _number(was.unit_price_without_tax / nights)
    return body


def charge(name: str, total: Money, quantity: int) -> Body:
    """Give a service that is made for this booking alone, at a price that has its tax in it."""
    return {
        "name": name,
        "quantity": quantity,
        "price_mode": _ONCE,
        "total_price_without_tax": _number(total.amount),
        "total_tax": 0,
    }


def services(booking: wire.Booking) -> Counter[Charged]:
    """Count what was charged in a booking; ids change with each write."""
    return Counter(_counted(service) for room in _rooms(booking) for service in room.services)


def as_charged(service: Mapping[str, Any]) -> Charged:
    """Give what `services` will count of a service that is sent."""
    return service["name"], service["quantity"], Decimal(str(service["total_price_without_tax"])).normalize()


def names(booking: wire.Booking) -> Counter[tuple[str, int]]:
    """Count the services of a booking without their prices, which may go by nights."""
    return Counter((service.name, service.quantity) for room in _rooms(booking) for service in room.services)


def _whole(booking: wire.Booking, kinds: Sequence[Body]) -> Body:
    return {
        "booking": {
            "id": int(booking.id),  # the id in the body is the one that counts
            "id_property": int(booking.id_property),
            "currency": booking.currency,
            "associations": {
                "customer_detail": _customer(booking.associations.customer_detail),
                "room_types": list(kinds),
            },
        }
    }


def _customer(guest: wire.CustomerDetail) -> Body:
    """Name the very customer: by the e-mail address alone another may be taken, and renamed."""
    told = guest.model_dump(exclude={"id_customer"})
    return {"id_customer": int(guest.id_customer), **told} if guest.id_customer else told  # Q23


def _kind(wanted: Wanted, rooms: Sequence[Body]) -> Body:
    return {
        "id_room_type": int(wanted.kind),
        "checkin_date": f"{wanted.arrival}",
        "checkout_date": f"{wanted.departure}",
        "number_of_rooms": len(rooms),
        "rooms": list(rooms),
    }


def _as_booked(kind: wire.BookedType) -> Body:
    wanted = Wanted(kind.checkin_date, kind.checkout_date, kind.id_room_type, 0, 0, ())
    return _kind(wanted, [_booked_room(room) for room in kind.rooms])


def _booked_room(room: wire.BookedRoom) -> Body:
    return {
        "id_room": int(room.id_room),
        "adults": room.adults,
        "child": room.child,
        "total_tax": _number(room.total_tax),
        "services": [_booked_service(service) for service in room.services],
    }


def _new_room(wanted: Wanted, price: wire.Price, services: Sequence[wire.Service]) -> Body:
    return {
        "adults": wanted.adults,
        "child": wanted.children,
        **({"child_ages": list(wanted.child_ages)} if wanted.child_ages else {}),
        "unit_price_without_tax": _number(price.unit_price),
        "total_tax": _number(price.total_tax),
        **({"services": list(map(_carried, services))} if services else {}),
    }


def _booked_service(service: wire.Service) -> Body:
    """Say a service again: one made for this booking alone has no product any more, and is made anew (# Q27)."""
    price = {
        "total_price_without_tax": _number(service.total_price_without_tax),
        "total_tax": _number(service.total_tax),
    }
    if service.price_mode not in _MODES:
        return {"name": service.name, "quantity": service.quantity, "price_mode": _ONCE, **price}
    return {"id_service": int(service.id_service), "quantity": service.quantity, **price}


def _carried(service: wire.Service) -> Body:
    """Say a service of a room that moves to other dates: what goes by nights is priced anew."""
    told = _booked_service(service)
    if service.price_mode in _MODES - {_ONCE}:
        return {name: told[name] for name in ("id_service", "quantity")}
    return told


def _is_of(kind: wire.BookedType, row: wire.RoomBookingRow) -> bool:
    return (kind.checkin_date, kind.checkout_date, kind.id_room_type) == (row.date_from, row.date_to, row.id_product)


def _counted(service: wire.Service) -> Charged:
    return service.name, service.quantity, (service.total_price_without_tax + service.total_tax).normalize()


def _sent_rooms(body: Body) -> list[Body]:
    return [room for kind in body["booking"]["associations"]["room_types"] for room in kind["rooms"]]


def _rooms(booking: wire.Booking) -> list[wire.BookedRoom]:
    return [room for kind in booking.associations.room_types for room in kind.rooms]


def _number(amount: Decimal) -> int | float:
    """Write an amount as the shop does, as a JSON number."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
