"""Changes to reservations: making, modifying, cancelling, notes, and the desk."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response

from app.api import examples
from app.api.deps import Key, RequiredKey, ReservationPath, Writing
from app.api.documents import writing
from app.api.v1.operations import OperationOut, write_answer
from app.domain.reservation import (
    CancelRequest,
    CheckoutTimeChange,
    Note,
    NoteDraft,
    Reservation,
    ReservationDraft,
    ReservationPatch,
)

router = APIRouter(prefix="/v1/hotels/{hotel_id}/reservations", tags=["reservations"])


def _writing(*more: str, status: int = 200) -> dict[str, Any]:
    return writing(Reservation, examples.RESERVATION, OperationOut, examples.OPERATION, *more, status=status)


@router.post(
    "",
    operation_id="create_reservation",
    summary="Make a reservation",
    **_writing("idempotency_key_required", "no_availability", "price_changed", status=201),
)
async def create_reservation(
    visit: Writing,
    key: RequiredKey,
    draft: Annotated[ReservationDraft, Body(examples=[examples.RESERVATION_DRAFT])],
) -> Response:
    """Once in effect, however often it is repeated with the same `Idempotency-Key`."""
    return write_answer(await visit.gateway.bookings.create(visit.registration, draft, visit.order(draft, key)))


@router.patch(
    "/{reservation_id}",
    operation_id="modify_reservation",
    summary="Change a reservation",
    **_writing("no_availability", "price_changed", "multi_room", "precondition_failed"),
)
async def modify_reservation(
    visit: Writing,
    reservation_id: ReservationPath,
    patch: Annotated[ReservationPatch, Body(examples=[examples.RESERVATION_PATCH])],
    key: Key,
    if_match: Annotated[
        str | None, Header(max_length=255, description='The `version` that is to be changed, `"…"`, or `*`.')
    ] = None,
) -> Response:
    """Absent members keep what is there, null clears it where the PMS can."""
    order = visit.order(patch, key, if_match=if_match)
    return write_answer(await visit.gateway.bookings.modify(visit.registration, reservation_id, patch, order))


@router.post(
    "/{reservation_id}/cancel",
    operation_id="cancel_reservation",
    summary="Cancel a reservation",
    **_writing(),
)
async def cancel_reservation(
    visit: Writing,
    reservation_id: ReservationPath,
    key: Key,
    request: Annotated[CancelRequest, Body(examples=[{"reason": "plans changed"}])] = CancelRequest(),  # noqa: B008 - frozen
) -> Response:
    """Gives the cancelled reservation; cancelling twice is no error."""
    order = visit.order(request, key)
    return write_answer(await visit.gateway.bookings.cancel(visit.registration, reservation_id, request, order))


@router.post(
    "/{reservation_id}/notes",
    operation_id="add_reservation_note",
    summary="Add a note to a reservation",
    **writing(Note, examples.NOTE, OperationOut, examples.OPERATION, "idempotency_key_required", status=201),
)
async def add_reservation_note(
    visit: Writing,
    reservation_id: ReservationPath,
    key: RequiredKey,
    draft: Annotated[NoteDraft, Body(examples=[{"text": "Late arrival, around 23:00"}])],
) -> Response:
    """What stands there already is kept."""
    order = visit.order(draft, key)
    return write_answer(await visit.gateway.bookings.add_note(visit.registration, reservation_id, draft, order))


@router.put(
    "/{reservation_id}/checkout-time",
    operation_id="set_checkout_time",
    summary="Set the time of the check-out",
    **_writing(),
)
async def set_checkout_time(
    visit: Writing,
    reservation_id: ReservationPath,
    key: Key,
    change: Annotated[CheckoutTimeChange, Body(examples=[{"checkout_time": "13:00"}])],
) -> Response:
    """Hotel-local time of day on the day of departure."""
    order = visit.order(change, key)
    return write_answer(
        await visit.gateway.bookings.set_checkout_time(visit.registration, reservation_id, change, order)
    )


@router.post("/{reservation_id}/check-in", operation_id="check_in", summary="Check the guests in", **_writing())
async def check_in(visit: Writing, reservation_id: ReservationPath, key: Key) -> Response:
    """Where the PMS can; guests in house already are no error."""
    order = visit.order(None, key)
    return write_answer(await visit.gateway.bookings.check_in(visit.registration, reservation_id, order))


@router.post("/{reservation_id}/check-out", operation_id="check_out", summary="Check the guests out", **_writing())
async def check_out(visit: Writing, reservation_id: ReservationPath, key: Key) -> Response:
    """Where the PMS can; guests checked out already are no error."""
    order = visit.order(None, key)
    return write_answer(await visit.gateway.bookings.check_out(visit.registration, reservation_id, order))
