"""Charges, folio lines and balances of reservations."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from app.api import examples
from app.api.deps import Charging, Reading, RequiredKey, ReservationPath
from app.api.documents import reading, writing
from app.api.envelope import dumped, read_response
from app.api.paging import Cursor, Limit, page
from app.api.v1.operations import OperationOut, write_answer
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine

router = APIRouter(prefix="/v1/hotels/{hotel_id}/reservations/{reservation_id}", tags=["charges"])


@router.post(
    "/charges",
    operation_id="post_charge",
    summary="Post a charge",
    **writing(Charge, examples.CHARGE, OperationOut, examples.OPERATION, "idempotency_key_required", status=201),
)
async def post_charge(
    visit: Charging,
    reservation_id: ReservationPath,
    key: RequiredKey,
    draft: Annotated[ChargeDraft, Body(examples=[examples.CHARGE_DRAFT])],
) -> Response:
    """Once in effect, however often it is repeated with the same `Idempotency-Key`."""
    order = visit.order(draft, key)
    return write_answer(await visit.gateway.folios.post(visit.registration, reservation_id, draft, order))


@router.get(
    "/charges",
    operation_id="list_charges",
    summary="The lines of the folio",
    **reading(list[FolioLine], [examples.FOLIO_LINE], "conflict"),
)
async def list_charges(
    visit: Reading, reservation_id: ReservationPath, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Charges, payments (negative) and taxes."""
    return await page(
        visit,
        list[FolioLine],
        lambda: visit.gateway.folios.charges(visit.registration, reservation_id, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/balance",
    operation_id="get_balance",
    summary="What is owed",
    **reading(Balance, examples.BALANCE, "conflict"),
)
async def get_balance(visit: Reading, reservation_id: ReservationPath) -> Response:
    """Positive means that the guest owes. Never from a cache."""
    answer = await visit.gateway.folios.balance(visit.registration, reservation_id, visit.patience)
    return read_response(visit.request, dumped(Balance, answer.data), answer, now=visit.now)
