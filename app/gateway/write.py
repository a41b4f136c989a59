"""What a write is: the caller's order, the change itself, and what the caller is told of it."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from app.core.adapter import PMSAdapter
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import GatewayError
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import Reservation
from app.domain.stay import Stay
from app.gateway.callers import Caller
from app.gateway.reads import Notice
from app.gateway.record import Done
from app.store.operation_records import OperationRecord
from app.store.subjects import Subject

T = TypeVar("T")

QUEUED_KINDS = frozenset(
    {
        Capability.RESERVATION_NOTE,
        Capability.RESERVATION_CHECKOUT_TIME,
        Capability.GUEST_UPSERT,
        Capability.GUEST_PREFERENCES,
        Capability.CHARGE_POST,
        Capability.ROOM_STATUS_SET,
    }
)
"""What is done later where it can't be sent now, without being asked for it; all else needs `Prefer`."""

SHORT_LIVED = frozenset({Capability.RESERVATION_CREATE, Capability.RESERVATION_MODIFY})
"""What is promised at a price: it expires in the queue."""
LAST_ONE_COUNTS = frozenset(
    {Capability.RESERVATION_CHECKOUT_TIME, Capability.GUEST_PREFERENCES, Capability.ROOM_STATUS_SET}
)
"""What sets a state: an older one that is still queued must not undo a newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A write as the caller sent it: what its idempotency key stands for, and until when the caller waits."""

    caller: Caller
    method: str
    path: str
    route: str
    body: Any
    """The parsed body, JSON-like, unset members left out."""
    if_match: str | None
    key: str | None
    until: float
    """Monotonic seconds."""
    preference: str | None = None
    """What it is told was honoured, where it takes 202 for an answer (`Prefer`, RFC 7240)."""
    patient_until: float = float("inf")
    """When it wants that answer, monotonic seconds; no later than `until`."""


@dataclass(frozen=True, kw_only=True)
class Write(Generic[T]):
    """One change to a hotel's PMS."""

    capability: Capability
    act: Callable[[PMSAdapter, Operation], Coroutine[Any, Any, Done[T]]]
    """Does it, through the adapter; raises what the caller is to be told when it can't be done."""
    as_far_as: Callable[[PMSAdapter, GatewayError], Awaitable[Done[T]]] | None = None
    """Gives the true state of what could only be done in part, for what was refused half-way."""
    target: VendorRef | None = None
    """The reservation, guest or room that it is about, where there is one already."""
    people: Sequence[Subject] = ()
    """Whose data the request holds."""
    touched: Sequence[Reservation | Stay] = ()
    """The stays whose availability it may change, as far as they are known by the time that it fails."""
    last_day: date | None = None
    """The hotel's day after which there is no sense in doing it, where it has one."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A write that is done in the PMS: the status and body members that the caller is told."""

    operation_id: OperationId
    status: int
    data: Any
    as_of: datetime
    warnings: tuple[Notice, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A write that is not known to be done yet: 202, and the operation to watch."""

    operation: OperationRecord
    preference: str | None = None
    """What the caller preferred to waiting, where it did."""
