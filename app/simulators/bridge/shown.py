"""What the hotel has, as the contract's JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.records import (
    Booking,
    Guest,
    Line,
    LineType,
    Night,
    Plan,
    Remark,
    Room,
    RoomKind,
    StayRoom,
    StayStatus,
)


def instant(moment: datetime) -> str:
    """Write an instant: RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def money(hotel: SimulatedHotel, amount: Decimal) -> dict[str, str]:
    """Write money."""
    return {"amount": f"{amount:.2f}", "currency": hotel.setup.currency}


def room_type(hotel: SimulatedHotel, kind: RoomKind) -> dict[str, Any]:
    """Write a room type."""
    rooms = sum(room.kind == kind.code for room in hotel.rooms.values())
    return {
        "room_type": kind.code,
        "name": kind.name,
        "description": kind.description,
        "max_occupancy": kind.max_occupancy,
        "total": rooms,
    }


def rate_plan(hotel: SimulatedHotel, plan: Plan) -> dict[str, Any]:
    """Write a rate plan."""
    return {
        "rate_code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "currency": hotel.setup.currency,
        "refundable": plan.refundable,
    }


def nightly(hotel: SimulatedHotel, nights: Iterable[Night]) -> list[dict[str, Any]]:
    """Write the prices of nights."""
    return [{"date": night.date.isoformat(), "amount": money(hotel, night.price)} for night in nights]


def contact(booking: Booking) -> dict[str, Any]:
    """Write a reservation's guest."""
    guest = booking.contact
    return {
        "id": guest.guest_id,
        "first_name": guest.first_name,
        "last_name": guest.last_name,
        "email": guest.email,
        "phone": guest.phone,
        "country": guest.country,
    }


def stay_room(room: StayRoom) -> dict[str, Any]:
    """Write one room of a reservation."""
    return {
        "room_type": room.kind,
        "rate_code": room.plan,
        "room_number": room.room_number,
        "arrival": room.arrival.isoformat(),
        "departure": room.departure.isoformat(),
        "adults": room.adults,
        "child_ages": list(room.child_ages),
    }


def reservation(hotel: SimulatedHotel, booking: Booking, *, extra_status: bool) -> dict[str, Any]:
    """Write a reservation; `extra_status` shows options under a status that the contract does not list."""
    odd = extra_status and booking.status is StayStatus.TENTATIVE
    return {
        "id": booking.id,
        "confirmation_number": booking.confirmation_number,
        "status": "option" if odd else booking.status.value,
        "rooms": [stay_room(room) for room in booking.rooms],
        "guest": contact(booking),
        "total": money(hotel, booking.total),
        "balance": money(hotel, hotel.balance(booking)),
        "checkout_time": booking.checkout_time,
        "notes": [note(remark) for remark in booking.remarks],
        "external_reference": booking.external_reference,
        "created_at": instant(booking.created_at),
        "updated_at": instant(booking.updated_at),
        "version": str(booking.version),
    }


def note(remark: Remark) -> dict[str, Any]:
    """Write a note."""
    return {"id": remark.id, "text": remark.text, "created_at": instant(remark.created_at)}


def charge(hotel: SimulatedHotel, line: Line) -> dict[str, Any]:
    """Write a posted charge."""
    return {
        "id": line.id,
        "description": line.description,
        "amount": money(hotel, line.amount),
        "quantity": line.quantity,
        "total": money(hotel, line.total),
        "category": line.category,
        "reference": line.reference,
        "posted_at": instant(line.posted_at),
    }


def folio_line(hotel: SimulatedHotel, line: Line) -> dict[str, Any]:
    """Write a line of a folio; payments are negative."""
    return {
        "id": line.id,
        "kind": "payment" if line.type is LineType.PAYMENT else "charge",
        "description": line.description,
        "amount": money(hotel, line.total),
        "reference": line.reference,
        "posted_at": instant(line.posted_at),
    }


def guest(profile: Guest) -> dict[str, Any]:
    """Write a profile."""
    return {
        "id": profile.id,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "email": profile.email,
        "phone": profile.phone,
        "country": profile.country,
        "language": profile.language,
        "loyalty_tier": profile.loyalty_tier,
        "vip": profile.vip,
        "preferences": [
            {"category": liking.category, "value": liking.value, "note": liking.note} for liking in profile.likings
        ],
        "updated_at": instant(profile.updated_at),
        "version": str(profile.version),
    }


def room(record: Room) -> dict[str, Any]:
    """Write a room."""
    return {
        "room_number": record.number,
        "room_type": record.kind,
        "floor": record.floor,
        "cleaning": record.cleaning.value,
        "occupancy": "occupied" if record.occupied_by else "vacant",
        "out_of_order": record.out_of_order,
        "updated_at": instant(record.updated_at),
        "version": str(record.version),
    }
