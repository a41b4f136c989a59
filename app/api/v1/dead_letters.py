"""Dead letters: writes that wait to be sent, that need a person, or of which staff should know."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import Field

from app.api import examples
from app.api.deps import Call, with_scope
from app.api.documents import CORRELATED, enveloped, own
from app.api.envelope import Envelope, own_response
from app.api.errors import problems
from app.api.paging import Cursor, Limit, page_of_log
from app.api.v1.audit import Recorded
from app.domain.capability import Capability
from app.domain.guest import GuestProfile
from app.domain.hotel import RoomStatus
from app.domain.ids import HotelIdText, escape_ref
from app.domain.model import Fact, Request
from app.domain.reservation import Reservation
from app.domain.text import Prose
from app.gateway.callers import Scope
from app.gateway.dead_letters import LetterQuestion
from app.gateway.patience import within
from app.gateway.reads import Answer, Notice
from app.store.dead_letters import DeadLetter, LetterStatus

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_UNREADABLE = Notice(
    "contents_unreadable",
    "some of these letters were written under a key that the gateway has no longer",
    ("payload", "error", "notes", "base", "theirs"),
)


class LetterErrorOut(Fact):
    """Why it is parked: the code and the sentence that a caller is told."""

    message: str
    code: str


class LetterPayloadOut(Fact):
    """The write as it was asked for."""

    target: str | None = Field(description="The id of the reservation, guest or room, where there was one already.")
    if_match: str | None = Field(description="The version that the caller wanted to change.")
    body: Recorded = Field(description="The body of the request.")


Version = Reservation | GuestProfile | RoomStatus | Recorded | None


class DeadLetterOut(Fact):
    """A write that is parked.

    `auto_retry`: the gateway goes on with it. `replayable`: a person may have it sent again.
    """

    id: str
    operation_id: str = Field(description="The operation that it is about: `GET /v1/operations/{id}`.")
    hotel_id: str
    operation: Capability
    payload: LetterPayloadOut | None = Field(description="Null once its guest was erased.")
    error: LetterErrorOut
    attempts: int
    first_attempt_at: datetime
    last_attempt_at: datetime
    next_attempt_at: datetime | None
    auto_retry: bool
    replayable: bool
    status: LetterStatus
    resolved_by: str | None = Field(description="The client, `cli:` and a user, or `gateway` where it resolved itself.")
    resolved_at: datetime | None
    notes: str | None = Field(description="What the person wrote who abandoned or resolved it.")
    base: Version = Field(None, description="What a change was made for, where something else stands there now.")
    theirs: Version = Field(None, description="What stands there now.")


class Abandonment(Request):
    """Why a write is given up."""

    reason: Prose


class Finding(Request):
    """What a person found in the PMS."""

    happened: bool = Field(description="Whether the PMS shows it done.")
    reason: Prose


Operating = Annotated[Call, Depends(with_scope(Scope.OPS))]
LetterPath = Annotated[
    str, Path(min_length=1, max_length=64, description="The dead letter's id.", examples=[examples.DEAD_LETTER["id"]])
]


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """Give what operators see of a dead letter."""
    error = letter.error or {}
    return {
        "id": str(letter.id),
        "operation_id": letter.operation_id,
        "hotel_id": letter.hotel_id,
        "operation": letter.operation,
        "payload": _payload(letter.payload),
        "error": {"message": error.get("detail", ""), "code": error.get("code", letter.error_code)},
        "attempts": letter.attempts,
        "first_attempt_at": letter.first_attempt_at,
        "last_attempt_at": letter.last_attempt_at,
        "next_attempt_at": letter.next_attempt_at,
        "auto_retry": letter.auto_retry,
        "replayable": letter.replayable,
        "status": letter.status,
        "resolved_by": letter.resolved_by,
        "resolved_at": letter.resolved_at,
        "notes": letter.notes,
        "base": letter.base,
        "theirs": letter.theirs,
    }


def _payload(payload: Any) -> dict[str, Any] | None:
    if payload is None:
        return None
    target = payload.get("target")
    return {
        "target": target and escape_ref(target),
        "if_match": payload.get("if_match"),
        "body": payload.get("body"),
    }


def _acting(*more: str, body: bool = False) -> dict[str, Any]:
    """Describe something that a person does to a letter, which is answered as it is then."""
    with_body = ("bad_request", "payload_too_large", "unsupported_media_type") if body else ()
    everywhere = ("unauthorized", "forbidden", "not_found", "conflict", "validation_failed", "internal_error")
    ours = ("rate_limited", "storage_unavailable")
    example = {"application/json": {"example": enveloped(examples.DEAD_LETTER, source="store")}}
    return {
        "openapi_extra": CORRELATED,
        "response_model": Envelope[DeadLetterOut],
        "responses": {
            200: {"model": Envelope[DeadLetterOut], "description": "The letter as it is now.", "content": example},
            **problems(*everywhere, *ours, *with_body, *more),
        },
    }


@router.get(
    "",
    operation_id="list_dead_letters",
    summary="Writes that are parked",
    **own(list[DeadLetterOut], [examples.DEAD_LETTER], "not_found", at_hotel=False),
)
async def list_dead_letters(
    call: Operating,
    status: LetterStatus | None = None,
    hotel_id: HotelIdText | None = None,
    operation: Capability | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first, of the hotels that the key sees.

    A notice, which only tells of a reservation that was refused, is neither `auto_retry` nor `replayable`.
    """
    question = LetterQuestion(hotel_id=hotel_id, status=status, operation=operation)

    async def fetch(place: Any) -> tuple[Answer[list[dict[str, Any]]], object]:
        wanted = call.gateway.dead_letters.entries(
            question, call.caller, older_than=place and _place(place), limit=limit + 1, until=call.until
        )
        found = await within(call.left, wanted)
        shown = found[:limit]
        end = [shown[-1].created_at.isoformat(), shown[-1].id.hex] if len(found) > limit else None
        warnings = () if all(letter.readable for letter in shown) else (_UNREADABLE,)
        return Answer([letter_json(one) for one in shown], "store", call.now, warnings=warnings), end

    return await page_of_log(call, list[dict[str, Any]], fetch, cursor=cursor)


@router.get(
    "/{letter_id}",
    operation_id="get_dead_letter",
    summary="One parked write",
    **own(DeadLetterOut, examples.DEAD_LETTER),
)
async def get_dead_letter(call: Operating, letter_id: LetterPath) -> Response:
    """With all that is known of why it is parked."""
    return _told(call, await within(call.left, call.gateway.dead_letters.get(letter_id, call.caller)))


@router.post(
    "/{letter_id}/retry",
    operation_id="retry_dead_letter",
    summary="Send a parked write again",
    **_acting(),
)
async def retry_dead_letter(call: Operating, letter_id: LetterPath) -> Response:
    """It is queued with its tries and its time anew, or made due now where it is queued already; watch the operation.

    409 for what is not `replayable`, such as a write of which nobody knows whether it happened.
    """
    act = call.gateway.dead_letters.retry(letter_id, call.caller, until=call.until)
    return _told(call, await within(call.left, act))


@router.post(
    "/{letter_id}/abandon",
    operation_id="abandon_dead_letter",
    summary="Give a parked write up",
    **_acting(body=True),
)
async def abandon_dead_letter(
    call: Operating,
    letter_id: LetterPath,
    body: Annotated[Abandonment, Body(examples=[examples.ABANDONMENT])],
) -> Response:
    """What is queued is withdrawn and never sent; what is unknown is taken for not done. 409 once it is closed."""
    act = call.gateway.dead_letters.abandon(letter_id, call.caller, reason=body.reason)
    return _told(call, await within(call.left, act))


@router.post(
    "/{letter_id}/resolve",
    operation_id="resolve_dead_letter",
    summary="Say whether an unknown write happened",
    **_acting(body=True),
)
async def resolve_dead_letter(
    call: Operating,
    letter_id: LetterPath,
    body: Annotated[Finding, Body(examples=[examples.FINDING])],
) -> Response:
    """What a person found in the PMS: the operation is `succeeded` from now on, or `dead` and may be sent again."""
    act = call.gateway.dead_letters.resolve(letter_id, call.caller, happened=body.happened, reason=body.reason)
    return _told(call, await within(call.left, act))


def _told(call: Call, letter: DeadLetter) -> Response:
    return own_response(call.request, dict, letter_json(letter))


def _place(written: list[str]) -> tuple[datetime, UUID]:
    at, letter = written
    return datetime.fromisoformat(at), UUID(letter)
