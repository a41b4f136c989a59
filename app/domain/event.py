"""What we tell subscribers: names of what happened, written to the outbox with the write itself."""

from enum import StrEnum


class EventType(StrEnum):
    """A fact about a hotel that somebody outside may want to know."""

    RESERVATION_CREATED = "reservation.created"
    RESERVATION_MODIFIED = "reservation.modified"
    RESERVATION_CANCELLED = "reservation.cancelled"
    RESERVATION_NOTE_ADDED = "reservation.note_added"
    RESERVATION_CHECKED_IN = "reservation.checked_in"
    RESERVATION_CHECKED_OUT = "reservation.checked_out"
    GUEST_UPDATED = "guest.updated"
    CHARGE_POSTED = "charge.posted"
    ROOM_STATUS_CHANGED = "room.status_changed"
