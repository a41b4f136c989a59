"""What a PMS can do. These names are the operation names of metrics, operations and the audit, too."""

from enum import StrEnum

from app.domain.model import Fact


class Capability(StrEnum):
    """One thing that a vendor may be able to do; all but the traits are a method of an adapter."""

    AVAILABILITY = "availability"
    RATES = "rates"
    RATE_PLANS = "rate_plans"
    ROOM_TYPES = "room_types"
    RESERVATION_GET = "reservation.get"
    RESERVATION_SEARCH = "reservation.search"
    RESERVATION_CREATE = "reservation.create"
    RESERVATION_MODIFY = "reservation.modify"
    RESERVATION_QUOTE = "reservation.quote"
    RESERVATION_CANCEL = "reservation.cancel"
    RESERVATION_NOTE = "reservation.note"
    RESERVATION_CHECKOUT_TIME = "reservation.checkout_time"
    RESERVATION_CHECK_IN = "reservation.check_in"
    RESERVATION_CHECK_OUT = "reservation.check_out"
    GUEST_GET = "guest.get"
    GUEST_SEARCH = "guest.search"
    GUEST_UPSERT = "guest.upsert"
    GUEST_PREFERENCES = "guest.preferences"
    CHARGE_POST = "charge.post"
    CHARGE_LIST = "charge.list"
    BALANCE = "balance"
    ROOM_STATUS_LIST = "room_status.list"
    ROOM_STATUS_GET = "room_status.get"
    ROOM_STATUS_SET = "room_status.set"
    HEALTH = "health"
    WEBHOOKS = "webhooks"
    REAL_TIME_SYNC = "real_time_sync"
    NOTIFY_GUEST = "notify_guest"


TRAITS = frozenset({Capability.WEBHOOKS, Capability.REAL_TIME_SYNC, Capability.NOTIFY_GUEST})
"""Capabilities that are no method: a vendor's profile declares them."""

WRITES = frozenset(
    {
        Capability.RESERVATION_CREATE,
        Capability.RESERVATION_MODIFY,
        Capability.RESERVATION_CANCEL,
        Capability.RESERVATION_NOTE,
        Capability.RESERVATION_CHECKOUT_TIME,
        Capability.RESERVATION_CHECK_IN,
        Capability.RESERVATION_CHECK_OUT,
        Capability.GUEST_UPSERT,
        Capability.GUEST_PREFERENCES,
        Capability.CHARGE_POST,
        Capability.ROOM_STATUS_SET,
    }
)


class Support(StrEnum):
    """How far a vendor supports a capability."""

    NATIVE = "native"
    EMULATED = "emulated"
    PARTIAL = "partial"
    NONE = "none"


class CapabilityEntry(Fact):
    """Support of one capability; `reason` says why it is partial or none."""

    support: Support
    reason: str | None = None
