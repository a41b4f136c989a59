"""What the gateway holds of a guest: giving it out, and erasing it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from app.api import examples
from app.api.deps import AdministeringHotel
from app.api.documents import CORRELATED, enveloped, own
from app.api.envelope import Envelope, dumped, pending_response, read_response
from app.api.errors import problems
from app.api.v1.audit import Recorded
from app.api.v1.guests import GuestPath
from app.domain.capability import Capability
from app.domain.event import EventType
from app.domain.guest import GuestProfile
from app.domain.ids import escape_ref
from app.domain.model import Fact
from app.domain.reservation import Reservation
from app.gateway.erasures import Holdings
from app.gateway.patience import within
from app.gateway.reads import Answer, Notice
from app.store.dead_letters import LetterStatus
from app.store.operation_records import LIVE, OperationStatus
from app.store.steps import StepStatus
from app.store.traces import Trace

router = APIRouter(prefix="/v1/hotels/{hotel_id}/guests", tags=["guests"])

MOST = 1_000
"""How many rows of each kind are given out."""

_CUT_SHORT = Notice(
    "export_cut_short", f"more than {MOST} rows of one kind carry an id or an address of theirs; the newest are here"
)


class ErasureOut(Fact):
    """An erasing that is not complete yet; `meta.warnings` says what is missing."""

    rows: int = Field(description="How many rows of the database were blanked.")


class StepOut(Fact):
    """One call to the PMS of a write."""

    name: str
    status: StepStatus
    started_at: datetime
    finished_at: datetime | None
    result: Recorded


class OperationHeld(Fact):
    """A write for the guest."""

    id: str
    kind: Capability
    status: OperationStatus
    target: str | None
    client: str
    created_at: datetime
    updated_at: datetime
    payload: Recorded = Field(description="The request.")
    answer: Recorded
    error: Recorded
    steps: tuple[StepOut, ...]


class LetterHeld(Fact):
    """A write for the guest that was parked."""

    id: str
    operation_id: str | None
    operation: Capability
    status: LetterStatus
    created_at: datetime
    payload: Recorded
    error: Recorded
    notes: Recorded
    base: Recorded
    theirs: Recorded


class AuditLineHeld(Fact):
    """What was done to something of the guest's."""

    at: datetime
    actor: str
    operation: str
    target: str | None
    outcome: str
    before: Recorded
    after: Recorded


class EventHeld(Fact):
    """What subscribers are told."""

    id: str
    type: EventType
    created_at: datetime
    payload: Recorded


class WebhookHeld(Fact):
    """What the PMS sent of its own accord, as it came."""

    vendor: str
    received_at: datetime
    payload: Recorded


class ExportOut(Fact):
    """All that the gateway holds of a guest, each list the newest first."""

    profiles: tuple[GuestProfile, ...] = Field(
        description="The newest copy; more than one where the PMS has several profiles of the same person."
    )
    reservations: tuple[Reservation, ...]
    operations: tuple[OperationHeld, ...]
    dead_letters: tuple[LetterHeld, ...]
    audit: tuple[AuditLineHeld, ...]
    events: tuple[EventHeld, ...]
    webhooks: tuple[WebhookHeld, ...]


@router.get(
    "/{guest_id}/export",
    operation_id="export_guest",
    summary="All that is held of a guest",
    **own(ExportOut, examples.GUEST_EXPORT),
)
async def export_guest(visit: AdministeringHotel, guest_id: GuestPath) -> Response:
    """From our own database alone, so that it works while the PMS is away; 404 where nothing is held.

    A row is the guest's when it carries the id of their profile or of a reservation of theirs, or an e-mail address or
    phone of theirs beside the same names: an address alone is no identity. Where a row names two people, as the change
    of a reservation's guest does, `null` stands in the place of the other. The cache's copies of the PMS's answers,
    which live for a day at most, are not listed: they say the same. At most 1,000 rows of each kind, the newest;
    `meta.complete` says whether that is all. That it was given out is a line in the audit.
    """
    wanted = visit.gateway.erasures.export(visit.registration, guest_id, visit.caller, limit=MOST)
    held = await within(visit.left, wanted)
    warnings = () if held.complete else (_CUT_SHORT,)
    answer: Answer[None] = Answer(None, "store", visit.now, complete=held.complete, warnings=warnings)
    return read_response(visit.request, dumped(dict, _export(held)), answer, now=visit.now)


@router.delete(
    "/{guest_id}/data",
    operation_id="erase_guest",
    summary="Erase a guest on our side",
    openapi_extra=CORRELATED,
    status_code=204,
    response_class=Response,
    responses={
        202: {
            "model": Envelope[ErasureOut],
            "description": "Erased in the database, and not complete: see `meta.warnings`.",
            "content": {"application/json": {"example": enveloped({"rows": 7}, **examples.ERASURE_META)}},
        },
        204: {"description": "Erased, in the database and in the cache."},
        **problems(
            "unauthorized",
            "forbidden",
            "not_found",
            "conflict",
            "validation_failed",
            "rate_limited",
            "internal_error",
            "storage_unavailable",
        ),
    },
)
async def erase_guest(visit: AdministeringHotel, guest_id: GuestPath) -> Response:
    """Everything of the guest is erased on our side; the PMS is untouched. Repeating it is 204 again.

    Who is meant: the profile of this id; and whatever names the same e-mail address or phone beside the same names. An
    address alone is no identity: another profile at a shared address is spared unless first and last name agree, and
    so is a reservation in another name. A row that names two people goes as a whole; of reservations status and dates
    stay. The PMS is asked who the guest is; where it does not answer what we hold is erased, with 202 and the
    warning `pms_not_asked`. 202 with `cache_pending`: Redis did not confirm; a worker repeats it until it does.

    409 while a write for them is not settled: withdraw it, or let it end. What is read of the guest from now on is
    passed on from the PMS and kept nowhere. A write for them, when they book again, is new: its record is kept as any
    other's, as its `Idempotency-Key` promises, until the guest is erased again.
    """
    erasures = visit.gateway.erasures
    done = await erasures.erase(visit.registration, guest_id, visit.caller, visit.patience)
    if not done.warnings:
        return Response(status_code=204)
    return pending_response(dumped(ErasureOut, ErasureOut(rows=done.rows)), done.warnings, now=visit.now)


def _export(held: Holdings) -> dict[str, Any]:
    """Write what is held as it was recorded; it is not read into today's models, which may have other members."""
    return {
        "profiles": [trace.contents["payload"] for trace in held.of("guests") if trace.contents["payload"]],
        "reservations": [_reservation(trace, held) for trace in held.of("reservations") if trace.contents["payload"]],
        "operations": [_operation(trace) for trace in held.of("operations")],
        "dead_letters": [_row(trace) for trace in held.of("dead_letters")],
        "audit": [_row(trace) for trace in held.of("audit_log")],
        "events": [_event(trace) for trace in held.of("outbox")],
        "webhooks": [_row(trace) for trace in held.of("inbox")],
    }


def _row(trace: Trace) -> dict[str, Any]:
    facts = {name: str(value) if isinstance(value, UUID) else value for name, value in trace.facts.items()}
    if facts.get("target"):
        facts["target"] = escape_ref(facts["target"])
    return {**facts, **trace.contents}


def _operation(trace: Trace) -> dict[str, Any]:
    return {**_row(trace), "steps": [_row(step) for step in trace.parts]}


def _event(trace: Trace) -> dict[str, Any]:
    row = _row(trace)
    return {"id": row.pop("event_id"), **row}


def _reservation(trace: Trace, held: Holdings) -> dict[str, Any]:
    writes = held.of("operations")
    live = [one.name for one in writes if one.facts["target"] == trace.name and one.facts["status"] in LIVE]
    return {**trace.contents["payload"], "pending_operations": live}
