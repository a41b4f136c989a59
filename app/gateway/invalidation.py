"""Which write makes which answers outdated: one table.

Resources are names of cache generations. Availability and rates have one per calendar month, so that a booking in
May leaves December alone.
"""

from collections.abc import Iterable, Mapping

from app.domain.capability import Capability
from app.domain.reservation import Reservation
from app.domain.stay import Stay

CATALOGUE = "catalogue"
GUESTS = "guests"
RESERVATIONS = "reservations"
ROOMS = "rooms"

_INVENTORY = "inventory"
"""Stands for availability and rates in the months of all stays that a write touched."""

MOVED_BY: Mapping[Capability, frozenset[str]] = {
    Capability.RESERVATION_CREATE: frozenset({RESERVATIONS, GUESTS, _INVENTORY}),
    Capability.RESERVATION_MODIFY: frozenset({RESERVATIONS, GUESTS, _INVENTORY}),
    Capability.RESERVATION_CANCEL: frozenset({RESERVATIONS, _INVENTORY}),
    Capability.RESERVATION_NOTE: frozenset({RESERVATIONS}),
    Capability.RESERVATION_CHECKOUT_TIME: frozenset({RESERVATIONS}),
    Capability.RESERVATION_CHECK_IN: frozenset({RESERVATIONS, ROOMS}),
    Capability.RESERVATION_CHECK_OUT: frozenset({RESERVATIONS, ROOMS, _INVENTORY}),
    Capability.GUEST_UPSERT: frozenset({GUESTS, RESERVATIONS}),
    Capability.GUEST_PREFERENCES: frozenset({GUESTS}),
    Capability.CHARGE_POST: frozenset({RESERVATIONS}),
    Capability.ROOM_STATUS_SET: frozenset({ROOMS}),
}


def availability(stay: Stay) -> list[str]:
    """Give the generations that an availability answer for `stay` depends on."""
    return [f"availability:{month}" for month in stay.months()]


def rates(stay: Stay) -> list[str]:
    """Give the generations that a quote for `stay` depends on."""
    return [f"rates:{month}" for month in stay.months()]


def moved_by(capability: Capability, touched: Iterable[Reservation | Stay]) -> list[str]:
    """Give the generations that a write moves; `touched` are the stays before and after it."""
    moved = MOVED_BY[capability]
    names = set(moved - {_INVENTORY})
    if _INVENTORY in moved:
        for one in touched:
            stay = one if isinstance(one, Stay) else Stay(one.arrival, one.departure)
            names.update(availability(stay), rates(stay))
    return sorted(names)
