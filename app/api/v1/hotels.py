"""The registered hotels."""

import contextlib
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Response
from pydantic import Field

from app.api import examples
from app.api.deps import Administering, AdministeringAll, Browsing, HotelPath, Operating, Reading
from app.api.documents import CONDITIONAL, CORRELATED, READ_HEADERS, enveloped, nothing, own
from app.api.envelope import Envelope, Meta, own_response
from app.api.errors import problems
from app.api.paging import Cursor, Limit, page
from app.domain.capability import Capability, CapabilityEntry
from app.domain.errors import StorageUnavailable, VendorAuthFailed
from app.domain.hotel import Hotel
from app.domain.model import Fact
from app.gateway.hotels import HotelDraft, OptionsDraft
from app.gateway.patience import within
from app.gateway.reads import Answer

router = APIRouter(prefix="/v1/hotels", tags=["hotels"])


class HotelOut(Hotel):
    """A registered hotel; its credentials are never shown."""

    options: OptionsDraft


class QuotaOut(Fact):
    """The vendor's limit for this hotel's credentials, and what is left of it."""

    limit: int
    window_seconds: int
    remaining: int


class CapabilitiesMeta(Meta):
    """What is known of the answer, and of the vendor's quota."""

    quota: QuotaOut | None = Field(None, description="Null where the vendor has no limit.")


class CapabilitiesEnvelope(Fact):
    """What the hotel's PMS can do."""

    data: dict[Capability, CapabilityEntry]
    meta: CapabilitiesMeta


class CheckOut(Fact):
    """One thing that was looked at in the PMS."""

    name: str
    ok: bool
    detail: str


class DiagnosisOut(Fact):
    """How the connection to the PMS is."""

    healthy: bool
    latency_ms: int
    checks: tuple[CheckOut, ...]


@router.get(
    "",
    operation_id="list_hotels",
    summary="The hotels that this key may see",
    **own(list[HotelOut], [examples.HOTEL], at_hotel=False),
)
async def list_hotels(call: Browsing, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Never their credentials; sorted by id."""

    async def visible() -> Answer[list[Hotel]]:
        return Answer(await call.gateway.hotels.visible(call.caller, until=call.until), "store", call.now)

    return await page(call, list[Hotel], visible, limit=limit, cursor=cursor)


@router.get(
    "/{hotel_id}",
    operation_id="get_hotel",
    summary="One hotel",
    **own(HotelOut, examples.HOTEL),
)
async def get_hotel(visit: Reading) -> Response:
    """Never its credentials."""
    return own_response(visit.request, Hotel, visit.registration.hotel)


@router.put(
    "/{hotel_id}",
    operation_id="put_hotel",
    summary="Register or change a hotel",
    openapi_extra=CORRELATED,
    response_model=Envelope[HotelOut],
    responses={
        200: {
            "model": Envelope[HotelOut],
            "description": "Changed.",
            "content": {"application/json": {"example": enveloped(examples.HOTEL, source="store")}},
        },
        201: {
            "model": Envelope[HotelOut],
            "description": "Registered.",
            "content": {"application/json": {"example": enveloped(examples.HOTEL, source="store")}},
        },
        **problems(
            "unauthorized",
            "forbidden",
            "bad_request",
            "payload_too_large",
            "unsupported_media_type",
            "validation_failed",
            "rate_limited",
            "storage_unavailable",
            "internal_error",
        ),
    },
)
async def put_hotel(
    call: AdministeringAll,
    hotel_id: HotelPath,
    draft: Annotated[HotelDraft, Body(examples=[examples.HOTEL_DRAFT])],
) -> Response:
    """Stores and never calls the PMS; `POST …/check` does. Needs a key for all hotels."""
    hotel, created = await within(call.left, call.gateway.hotels.put(hotel_id, draft, call.caller))
    return own_response(call.request, Hotel, hotel, status=201 if created else 200)


@router.delete(
    "/{hotel_id}",
    operation_id="delete_hotel",
    summary="Erase a hotel with all its data",
    **nothing("conflict"),
)
async def delete_hotel(call: Administering, hotel_id: HotelPath) -> Response:
    """Everything under the id is erased on our side; the PMS is untouched."""
    await within(call.left, call.gateway.hotels.delete(hotel_id, call.caller, until=call.until))
    with contextlib.suppress(StorageUnavailable):  # a worker repeats it, until Redis confirms
        await within(call.left, call.gateway.sweeps.now(hotel_id))
    await call.gateway.connectors.forget(hotel_id)
    return Response(status_code=204)


@router.get(
    "/{hotel_id}/capabilities",
    operation_id="get_capabilities",
    summary="What the hotel's PMS can do",
    response_model=CapabilitiesEnvelope,
    openapi_extra=CONDITIONAL,
    responses={
        200: {
            "description": "Support of each capability, and the vendor's quota.",
            "content": {"application/json": {"example": enveloped(examples.CAPABILITIES, source="store", quota=None)}},
            "headers": READ_HEADERS,
        },
        304: {"description": "The caller has it already (`If-None-Match`).", "headers": READ_HEADERS},
        **problems(
            "unauthorized",
            "forbidden",
            "not_found",
            "validation_failed",
            "rate_limited",
            "storage_unavailable",
            "internal_error",
        ),
    },
)
async def get_capabilities(visit: Reading) -> Response:
    """Known before any call: what is `none` here is answered with 501 without asking the PMS."""
    entry = visit.gateway.ledger.of(visit.registration.hotel.vendor)
    data = {capability: entry.entry(capability) for capability in Capability}
    quota = None
    with contextlib.suppress(VendorAuthFailed):  # what it can do is known without credentials that can be used
        quota = await visit.gateway.connectors.quota(visit.registration)
    return own_response(visit.request, dict[Capability, CapabilityEntry], data, quota=quota and asdict(quota))


@router.post(
    "/{hotel_id}/check",
    operation_id="check_hotel",
    summary="Look after the connection to the PMS",
    **own(DiagnosisOut, examples.DIAGNOSIS, "deadline_exceeded"),
)
async def check_hotel(visit: Operating) -> Response:
    """Asks the PMS without changing anything; 200 also when the connection is unhealthy."""
    diagnosis = await visit.gateway.doctor.check(visit.registration, visit.patience)
    checks = tuple(CheckOut(name=one.name, ok=one.ok, detail=one.detail) for one in diagnosis.checks)
    found = DiagnosisOut(healthy=diagnosis.healthy, latency_ms=diagnosis.latency_ms, checks=checks)
    return own_response(visit.request, DiagnosisOut, found)


@router.delete(
    "/{hotel_id}/cache",
    operation_id="refresh_hotel",
    summary="Forget what was read of a hotel",
    **nothing(),
)
async def refresh_hotel(visit: Operating) -> Response:
    """The next read of anything asks the PMS; 503 where the cache does not answer."""
    if not await visit.gateway.cache.move_all(visit.registration.hotel.id):
        raise StorageUnavailable("the cache did not confirm that it has forgotten; repeat later")
    return Response(status_code=204)
