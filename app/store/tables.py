"""The tables. What can hold a guest's data is `bytea`, encrypted by the repositories, beside `subjects`.

`subjects` are the blind indexes of the guest ids, e-mail addresses and phone numbers in a row; erasing a
guest finds every row by them. `read_no` orders reads of the PMS: a row only ever moves to a higher one.
There are no relations, so that no attribute hides a query.
"""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Sequence,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """A transaction's 64-bit number, Postgres's `xid8`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Give the type's name in DDL."""
        return "XID8"


ischema_names.setdefault("xid8", Xid8)  # so that comparing models with migrations knows the type

HotelKey = Annotated[str, mapped_column(ForeignKey("hotels.id", ondelete="CASCADE"))]
Now = Annotated[datetime, mapped_column(server_default=func.now())]
SEALED = "sealed"
"""How a column's `info` says that it holds encrypted values: rotating the keys finds all of them by it."""
Sealed = Annotated[bytes, mapped_column(LargeBinary, info={SEALED: True})]
"""AES-GCM of JSON text, bound to table, column, hotel and row."""
Subjects = Annotated[list[bytes], mapped_column(ARRAY(LargeBinary), server_default=text("'{}'::bytea[]"))]
No = Annotated[bool, mapped_column(server_default=text("false"))]
Zero = Annotated[int, mapped_column(server_default=text("0"))]


class Base(DeclarativeBase):
    """All tables of the store; PgQueuer's own are its own."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read once by SQLAlchemy when the class is made
        str: Text,
        int: BigInteger,
        date: Date,
        datetime: DateTime(timezone=True),
        UUID: Uuid,
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


READ_NUMBERS = Sequence("read_numbers", metadata=Base.metadata)
"""Each read of a PMS takes a number before it is sent, each write when it is answered."""


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _by_subject(table: str) -> Index:
    return Index(f"ix_{table}_subjects", "subjects", postgresql_using="gin")


class HotelRow(Base):
    """A registered hotel."""

    __tablename__ = "hotels"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    vendor: Mapped[str]
    base_url: Mapped[str]
    property_id: Mapped[str | None]
    timezone: Mapped[str]
    currency: Mapped[str]
    country: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    sync: Mapped[dict[str, Any]]
    cache: Mapped[dict[str, Any]]
    credentials: Mapped[Sealed]
    credentials_since: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    revision: Mapped[int]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class ApiKeyRow(Base):
    """A caller's key: its hash, and what it may do. `hotels` null means all of them."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[bytes]
    scopes: Mapped[list[str]]
    hotels: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[Now]
    revoked_at: Mapped[datetime | None]


class ReservationRow(Base):
    """The newest copy of a reservation. An erased guest leaves status and dates, without payload."""

    __tablename__ = "reservations"
    __table_args__ = (
        Index(None, "hotel_id", "arrival"),
        Index(None, "hotel_id", "departure"),
        Index(None, "hotel_id", "status"),
        Index(None, "hotel_id", "confirmation_index"),
        Index(None, "hotel_id", "guest_index"),
        Index(None, "hotel_id", "last_name_index"),
        _by_subject("reservations"),
    )

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    read_no: Mapped[int]
    status: Mapped[str]
    arrival: Mapped[date]
    departure: Mapped[date]
    confirmation_index: Mapped[bytes | None]
    guest_index: Mapped[bytes | None]
    last_name_index: Mapped[bytes | None]
    payload: Mapped[Sealed | None]
    subjects: Mapped[Subjects]
    as_of: Mapped[datetime]


class GuestRow(Base):
    """The newest copy of a guest's profile; erasing removes it."""

    __tablename__ = "guests"
    __table_args__ = (
        Index(None, "hotel_id", "email_index"),
        Index(None, "hotel_id", "phone_index"),
        Index(None, "hotel_id", "last_name_index"),
        _by_subject("guests"),
    )

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    read_no: Mapped[int]
    email_index: Mapped[bytes | None]
    phone_index: Mapped[bytes | None]
    last_name_index: Mapped[bytes | None]
    payload: Mapped[Sealed]
    subjects: Mapped[Subjects]
    as_of: Mapped[datetime]


class RoomRow(Base):
    """The newest copy of a room's status; it says nothing about a guest."""

    __tablename__ = "rooms"

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    room_number: Mapped[str] = mapped_column(primary_key=True)
    read_no: Mapped[int]
    payload: Mapped[dict[str, Any]]
    as_of: Mapped[datetime]


class ListPassRow(Base):
    """A full pass over a hotel's resource, of one day where the resource has days."""

    __tablename__ = "list_passes"
    __table_args__ = (UniqueConstraint("hotel_id", "resource", "day", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    hotel_id: Mapped[HotelKey]
    resource: Mapped[str]
    day: Mapped[date | None]
    read_no: Mapped[int]
    finished_at: Mapped[datetime]


class OperationRow(Base):
    """A write that a caller asked for: the intent before the network, the outcome after it."""

    __tablename__ = "operations"
    __table_args__ = (
        _one_of(
            "status",
            "running",
            "queued",
            "unknown",
            "succeeded",
            "rejected",
            "dead",
            "expired",
            "withdrawn",
        ),
        Index(
            "uq_operations_live_key",
            "client",
            "hotel_id",
            "key_hash",
            unique=True,
            postgresql_where=text("key_hash IS NOT NULL"),
        ),
        Index(
            "ix_operations_live_target",
            "hotel_id",
            "target",
            postgresql_where=text("status IN ('running', 'queued', 'unknown')"),
        ),
        Index(
            "ix_operations_live_deadline",
            "deadline_at",
            postgresql_where=text("status IN ('running', 'queued', 'unknown')"),
        ),
        Index(None, "hotel_id", "created_at"),
        Index("ix_operations_key_expiry", "key_expires_at", postgresql_where=text("key_hash IS NOT NULL")),
        _by_subject("operations"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    hotel_id: Mapped[HotelKey]
    client: Mapped[str]
    kind: Mapped[str]
    target: Mapped[str | None]
    method: Mapped[str]
    route: Mapped[str]
    key_hash: Mapped[bytes | None]
    fingerprint: Mapped[bytes]
    status: Mapped[str]
    runs_again: Mapped[No]
    queueable: Mapped[No]
    handed_over: Mapped[No]
    absences: Mapped[Zero]
    looks: Mapped[Zero]
    replays: Mapped[Zero]
    owner: Mapped[str | None]
    deadline_at: Mapped[datetime]
    last_sent_at: Mapped[datetime | None]
    attempts: Mapped[Zero]
    payload: Mapped[Sealed | None]
    answer_status: Mapped[int | None]
    answer: Mapped[Sealed | None]
    error: Mapped[Sealed | None]
    correlation_id: Mapped[str | None]
    subjects: Mapped[Subjects]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]
    accepted_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    key_expires_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    dead_letter_id: Mapped[UUID | None]


class OperationStepRow(Base):
    """One vendor call of a write; its outcome is committed before the next call is sent."""

    __tablename__ = "operation_steps"
    __table_args__ = (_one_of("status", "running", "done", "undone", "rejected", "not_sent", "unknown"),)

    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str]
    status: Mapped[str]
    undoable: Mapped[No]
    attempts: Mapped[int] = mapped_column(server_default=text("1"))
    result: Mapped[Sealed | None]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]


class DeadLetterRow(Base):
    """A write that needs a person, or that waits to be sent."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        _one_of("status", "pending", "retrying", "resolved", "abandoned"),
        Index("ix_dead_letters_open", "hotel_id", "created_at", postgresql_where=text("status = 'pending'")),
        Index(
            "ix_dead_letters_waiting",
            "operation",
            "status",
            "auto_retry",
            "waiting_since",
            postgresql_where=text("status IN ('pending', 'retrying') AND NOT notice"),
        ),
        Index(None, "created_at", "id"),
        UniqueConstraint("operation_id"),
        _by_subject("dead_letters"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"))
    hotel_id: Mapped[HotelKey]
    operation: Mapped[str]
    payload: Mapped[Sealed | None]
    error_code: Mapped[str]
    error: Mapped[Sealed | None]
    attempts: Mapped[Zero]
    first_attempt_at: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    auto_retry: Mapped[No]
    replayable: Mapped[No]
    notice: Mapped[No]
    status: Mapped[str]
    resolved_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    notes: Mapped[Sealed | None]
    base: Mapped[Sealed | None]
    theirs: Mapped[Sealed | None]
    correlation_id: Mapped[str | None]
    subjects: Mapped[Subjects]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]
    waiting_since: Mapped[Now]
    """Since when it waits for what it waits for: to be sent, or for a person."""


class AuditRow(Base):
    """What was done, by whom, and how it ended. Append-only, one partition a month.

    No foreign key: it outlives what it speaks of, until `erase_hotel` or `erase_subjects` says otherwise.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "hotel_id", "at"),
        Index(None, "hotel_id", "target"),
        _by_subject("audit_log"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[Now] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str]
    hotel_id: Mapped[str | None]
    operation: Mapped[str]
    target: Mapped[str | None]
    outcome: Mapped[str]
    correlation_id: Mapped[str | None]
    vendor_request_id: Mapped[str | None]
    before: Mapped[Sealed | None]
    after: Mapped[Sealed | None]
    subjects: Mapped[Subjects]


class OutboxRow(Base):
    """An event for subscribers, written with the change itself.

    Readers go by `(xid, id)` and stop below the oldest transaction still running, so that no event of a
    slow transaction appears behind their back. `event_id` is what subscribers see.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "xid", "id"), Index(None, "hotel_id"), _by_subject("outbox"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    event_id: Mapped[UUID] = mapped_column(unique=True)
    hotel_id: Mapped[HotelKey]
    type: Mapped[str]
    payload: Mapped[Sealed | None]
    subjects: Mapped[Subjects]
    created_at: Mapped[Now]


class InboxRow(Base):
    """A vendor's webhook as it came, kept until it is handled; its id makes a second delivery nothing."""

    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_waiting", "received_at", postgresql_where=text("handled_at IS NULL")),
        Index(None, "hotel_id"),
        _by_subject("inbox"),
    )

    vendor: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    hotel_id: Mapped[str | None] = mapped_column(ForeignKey("hotels.id", ondelete="CASCADE"))
    payload: Mapped[Sealed | None]
    subjects: Mapped[Subjects]
    received_at: Mapped[Now]
    handled_at: Mapped[datetime | None]
    attempts: Mapped[Zero]
    error: Mapped[str | None]


class CursorRow(Base):
    """How far the sync of a hotel's resource has come, and who is at it."""

    __tablename__ = "cursors"

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    requested_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None] = mapped_column(index=True)
    last_started_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    failures: Mapped[Zero]


class InvalidationRow(Base):
    """Cache generations to be moved; repeated until Redis confirms."""

    __tablename__ = "invalidations"
    __table_args__ = (Index("ix_invalidations_open", "id", postgresql_where=text("done_at IS NULL")),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    hotel_id: Mapped[HotelKey]
    resources: Mapped[list[str]]
    created_at: Mapped[Now]
    done_at: Mapped[datetime | None]


class TombstoneRow(Base):
    """An erased guest: later reads of them leave no trace here."""

    __tablename__ = "tombstones"

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(primary_key=True)
    erased_at: Mapped[Now]


class LockRow(Base):
    """What one operation keeps others out of: until then, or until it is settled."""

    __tablename__ = "locks"
    __table_args__ = (Index(None, "operation_id"),)

    hotel_id: Mapped[HotelKey] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"))
    until: Mapped[datetime | None]


class AlertRow(Base):
    """Whether an alert fires, so that each change is told once, by whichever worker sees it first.

    `told` is what the operator's webhook was last told; who is telling it keeps the others off until `telling_until`.
    """

    __tablename__ = "alerts"

    name: Mapped[str] = mapped_column(primary_key=True)
    firing: Mapped[No]
    value: Mapped[float] = mapped_column(Double, server_default=text("0"))
    changed_at: Mapped[Now]
    told: Mapped[No]
    telling_until: Mapped[datetime | None]
