"""What is stored of a write, and how an attempt leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.domain.capability import Capability
from app.domain.ids import OperationId


class OperationStatus(StrEnum):
    """Where a write stands."""

    RUNNING = "running"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    DEAD = "dead"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


LIVE = frozenset({OperationStatus.RUNNING, OperationStatus.QUEUED, OperationStatus.UNKNOWN})
"""Not settled: such a write may still take effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write to be stored before it is sent.

    `payload` is the parsed request as JSON; `target` the vendor's id of what it is about, where there is
    one; `route` the route's template, as paths name guests. `budget` is the operation's own time.
    """

    id: OperationId
    hotel_id: str
    client: str
    kind: Capability
    target: str | None
    method: str
    route: str
    key_hash: bytes | None
    fingerprint: bytes
    owner: str
    budget: timedelta
    payload: Any
    queueable: bool = False
    """Whether it may be done later, when it can't be sent now."""
    subjects: Sequence[bytes] = ()
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """A write as stored.

    `runs_again`: nothing was sent, and a repeat of its key runs it once more. `accepted_at`: since when a
    caller has been told 202. `queueable`: it may be done later. `absences`: how often it was looked for in the
    PMS, not found, and that counts; `looks`: how often at all; `replays`: how often it was sent out of the queue.
    `handed_over`: it is for a person to decide.
    """

    id: OperationId
    hotel_id: str
    client: str
    kind: Capability
    target: str | None
    method: str
    route: str
    fingerprint: bytes
    status: OperationStatus
    runs_again: bool = False
    queueable: bool
    handed_over: bool = False
    absences: int = 0
    looks: int = 0
    replays: int = 0
    owner: str | None
    deadline_at: datetime
    last_sent_at: datetime | None = None
    attempts: int
    payload: Any
    answer_status: int | None = None
    answer: Any = None
    error: Any = None
    correlation_id: str | None
    subjects: tuple[bytes, ...]
    created_at: datetime
    updated_at: datetime
    accepted_at: datetime | None = None
    settled_at: datetime | None = None
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    dead_letter_id: UUID | None = None

    @property
    def is_live(self) -> bool:
        """Whether it may still take effect."""
        return self.status in LIVE


@dataclass(frozen=True, slots=True)
class Begun:
    """What beginning an intent met: a fresh operation, or the one that its key stands for already."""

    operation: OperationRecord
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an attempt left the operation. `answer` and `error` are JSON: the body told, the problem told.

    `target` and `subjects` add what is only known now, such as the id of a reservation that was created.
    `next_in` is when the machine goes on with it, `expires_in` until when it may; both from now, by the
    database's clock. None keeps what is there.
    """

    status: OperationStatus
    answer_status: int | None = None
    answer: Any = None
    error: Any = None
    runs_again: bool = False
    target: str | None = None
    subjects: Sequence[bytes] = ()
    next_in: timedelta | None = None
    expires_in: timedelta | None = None
    absences: int | None = None
    handed_over: bool = False


@dataclass(frozen=True, slots=True)
class TakenOver:
    """An operation that the caller owns from now on, as it is and as it was found."""

    operation: OperationRecord
    was: OperationStatus
    was_queued: bool
    """Whether it has ever waited in the queue: a caller counts on it."""
    is_expired: bool
    """Whether its time in the queue is over."""
    now: datetime
    """The database's instant at which it was taken."""
