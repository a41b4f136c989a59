"""The audit: who did what, and how it ended."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, RootModel

from app.api import examples
from app.api.deps import Call, with_scope
from app.api.documents import own
from app.api.paging import Cursor, Limit, page_of_log
from app.api.v1.hotels import HotelOut
from app.domain.errors import InvalidRequest
from app.domain.folio import Charge
from app.domain.guest import GuestProfile
from app.domain.hotel import RoomStatus
from app.domain.ids import HotelIdText, escape_ref
from app.domain.model import Fact
from app.domain.reservation import Note, Reservation
from app.gateway.audits import AuditQuestion
from app.gateway.callers import Scope
from app.gateway.reads import Answer, Notice
from app.store.audit import AuditEntry, Place

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE)
_YEARS = range(1900, 2200)
_OF_PMS_IDS = ("reservation.", "charge.", "guest.")
"""How the operations begin whose target is the PMS's id of something."""
_OF_NUMBER = (
    "not_found",
    "conflict",
    "capability_not_supported",
    "pms_auth_failed",
    "pms_bad_response",
    "pms_rate_limited",
    "pms_unavailable",
    "pms_rejected",
    "deadline_exceeded",
)
"""What may be wrong while a confirmation number is looked up in the PMS."""

_UNREADABLE = Notice(
    "contents_unreadable",
    "some of these lines were written under a key that the gateway has no longer",
    ("before", "after"),
)


class ApiKeyOut(Fact):
    """An API key that was made or revoked; its token is known to its holder alone."""

    client: str
    scopes: tuple[str, ...]
    hotels: tuple[str, ...] | None = Field(None, description="Null: every hotel.")


class Recorded(RootModel["dict[str, Recorded] | list[Recorded] | str | int | float | bool | None"]):
    """What was written down, as it was then: an earlier version of the gateway had other members."""


Audited = Reservation | GuestProfile | Charge | Note | RoomStatus | HotelOut | ApiKeyOut | Recorded | None


class AuditOut(Fact):
    """One line of the audit."""

    at: datetime
    actor: str = Field(description="The client whose key it was, or the operator at the command line.")
    hotel_id: str | None
    operation: str = Field(description="The capability that was used, or an act of the gateway such as `hotel.put`.")
    target: str | None = Field(description="The id of what it was done to, where that has one.")
    outcome: str = Field(description="`succeeded`, or what is known of a failure: `rejected`, `not_sent`, `unknown`.")
    correlation_id: str | None
    vendor_request_id: str | None
    before: Audited = Field(description="What it was before, where that was read; null once a guest was erased.")
    after: Audited = Field(description="What it became; null once a guest was erased.")


def _rfc_3339(value: object) -> object:
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError("must be an instant of RFC 3339, such as 2026-11-20T10:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"must be between the years {_YEARS.start} and {_YEARS.stop - 1}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
Auditing = Annotated[Call, Depends(with_scope(Scope.OPS))]


@router.get(
    "",
    operation_id="list_audit",
    summary="Who did what",
    **own(list[AuditOut], [examples.AUDIT_LINE], *_OF_NUMBER, at_hotel=False),
)
async def list_audit(
    call: Auditing,
    hotel_id: HotelIdText | None = None,
    reservation_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=512,
            description="The reservation's id, or `confirmation:<number>` beside `hotel_id`. "
            "What was done to the reservation, and the charges that were posted to it.",
        ),
    ] = None,
    operation: Annotated[
        str | None, Query(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=64, examples=["reservation.cancel"])
    ] = None,
    from_: Annotated[Instant | None, Query(alias="from", description="RFC 3339, inclusive.")] = None,
    to: Annotated[Instant | None, Query(description="RFC 3339, exclusive.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first, of the hotels that the key sees; lines of no hotel for a key of all hotels.

    The lines of a hotel go when it is erased; that it was erased stays. A guest who was erased is in no line.
    """
    if from_ is not None and to is not None and to < from_:
        raise InvalidRequest.of("to", "must not be before `from`")
    question = AuditQuestion(hotel_id=hotel_id, reservation=reservation_id, operation=operation, since=from_, before=to)

    async def fetch(place: Any) -> tuple[Answer[list[dict[str, Any]]], object]:
        found = await call.gateway.audits.lines(
            question, call.caller, older_than=place and _place(place), limit=limit + 1, until=call.until
        )
        shown = found[:limit]
        end = _written(shown[-1].place) if len(found) > limit else None
        warnings = () if all(line.readable for line in shown) else (_UNREADABLE,)
        return Answer([_line(line) for line in shown], "store", call.now, warnings=warnings), end

    return await page_of_log(call, list[dict[str, Any]], fetch, cursor=cursor)


def _line(entry: AuditEntry) -> dict[str, Any]:
    """Give a line as it was recorded; what it holds is not read into today's models, which may have other members."""
    of_pms = entry.target is not None and entry.operation.startswith(_OF_PMS_IDS)
    return {
        "at": entry.at,
        "actor": entry.actor,
        "hotel_id": entry.hotel_id,
        "operation": entry.operation,
        "target": escape_ref(entry.target) if of_pms and entry.target else entry.target,
        "outcome": entry.outcome,
        "correlation_id": entry.correlation_id,
        "vendor_request_id": entry.vendor_request_id,
        "before": entry.before,
        "after": entry.after,
    }


def _written(place: Place | None) -> object:
    return place and [place.at.isoformat(), place.id.hex]


def _place(written: list[str]) -> Place:
    at, line = written
    return Place(datetime.fromisoformat(at), UUID(line))
