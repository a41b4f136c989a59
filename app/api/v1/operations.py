"""Operations: what became of a write."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.api import examples
from app.api.deps import Calling
from app.api.documents import nothing, own
from app.api.envelope import dumped, own_response, write_response
from app.api.errors import Problem, problem_of
from app.domain.capability import Capability
from app.domain.errors import Told, UnknownResource
from app.domain.folio import Charge
from app.domain.guest import GuestProfile
from app.domain.hotel import RoomStatus
from app.domain.model import Fact
from app.domain.reservation import Note, Reservation
from app.gateway.callers import Scope
from app.gateway.patience import within
from app.gateway.write import Accepted, Settled
from app.store.operation_records import OperationRecord, OperationStatus

router = APIRouter(prefix="/v1/operations", tags=["operations"])

OperationPath = Annotated[str, Path(min_length=1, max_length=64, examples=[examples.OPERATION["id"]])]


class OperationOut(Fact):
    """A write that was accepted, and what is known of it now; members that say nothing are left out."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    id: str
    hotel_id: str
    kind: Capability
    status: OperationStatus
    attempts: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    result: Reservation | GuestProfile | Charge | Note | RoomStatus | None = Field(
        None, description="The `data` that the write would have answered, once it succeeded."
    )
    error: Problem | None = None
    dead_letter_id: str | None = None


def operation_json(record: OperationRecord) -> dict[str, object]:
    """Give what a caller sees of an operation, members that say nothing left out."""
    members = {
        "id": record.id,
        "hotel_id": record.hotel_id,
        "kind": record.kind,
        "status": record.status,
        "attempts": record.attempts,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "expires_at": record.expires_at,
        "result": record.answer and record.answer["data"],
        "error": record.error and _problem_told(record),
        "dead_letter_id": record.dead_letter_id and str(record.dead_letter_id),
    }
    return {name: value for name, value in members.items() if value is not None or name == "expires_at"}


def _problem_told(record: OperationRecord) -> dict[str, Any]:
    """Give the problem as the caller of the write was told it, under that request's correlation id."""
    told = problem_of(Told(record.error))
    told.pop("correlation_id", None)
    return told if record.correlation_id is None else {**told, "correlation_id": record.correlation_id}


def write_answer(outcome: Settled | Accepted) -> Response:
    """Give a write's answer."""
    if isinstance(outcome, Settled):
        return write_response(outcome)
    return write_response(outcome, dumped(dict, operation_json(outcome.operation)))


@router.get(
    "/{operation_id}",
    operation_id="get_operation",
    summary="What became of a write",
    **own(OperationOut, examples.OPERATION),
)
async def get_operation(
    call: Calling,
    operation_id: OperationPath,
) -> Response:
    """The caller's own operations at the hotels it sees; with the scope `ops` those of every client."""
    everybody = Scope.OPS.value in call.caller.scopes
    client = None if everybody else call.caller.client
    record = await within(call.left, call.gateway.writes.find(operation_id, client=client))
    if not call.caller.may_see(record.hotel_id):
        raise UnknownResource("there is no such operation")
    return own_response(call.request, dict, operation_json(record))


@router.delete(
    "/{operation_id}",
    operation_id="withdraw_operation",
    summary="Take a queued write back",
    **nothing("conflict"),
)
async def withdraw_operation(call: Calling, operation_id: OperationPath) -> Response:
    """It will never be sent. 409 for what is not `queued`: it runs, or it is settled, or nobody knows."""
    await within(call.left, call.gateway.dead_letters.withdraw(operation_id, call.caller))
    return Response(status_code=204)
