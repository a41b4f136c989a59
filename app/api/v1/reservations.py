"""Reservations: one, by what is known of it, and the day's lists."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from app.api import examples
from app.api.deps import Reading, ReservationPath
from app.api.documents import reading
from app.api.envelope import dumped, read_response
from app.api.paging import Cursor, Limit, page
from app.domain.errors import InvalidRequest
from app.domain.ids import CallerRef
from app.domain.inventory import RateQuote
from app.domain.model import Day
from app.domain.reservation import Reservation, ReservationPatch, ReservationQuery, ReservationStatus
from app.domain.text import Line, PersonalLine

router = APIRouter(prefix="/v1/hotels/{hotel_id}", tags=["reservations"])

_LIST: dict[str, Any] = reading(list[Reservation], [examples.RESERVATION])
_DAY_LIST: dict[str, Any] = reading(list[Reservation], [examples.RESERVATION], day="2026-12-01")
DayQuery = Annotated[Day | None, Query(description="Hotel-local; the default is the hotel's today.")]


@router.get(
    "/reservations/{reservation_id}",
    operation_id="get_reservation",
    summary="One reservation",
    **reading(Reservation, examples.RESERVATION, "conflict"),
)
async def get_reservation(visit: Reading, reservation_id: ReservationPath) -> Response:
    """By its id, or as `confirmation:<number>`."""
    answer = await visit.gateway.reservations.get(visit.registration, reservation_id, visit.patience)
    return read_response(visit.request, dumped(Reservation, answer.data), answer, now=visit.now)


@router.get("/reservations", operation_id="search_reservations", summary="Find reservations", **_LIST)
async def search_reservations(
    visit: Reading,
    confirmation_number: Line | None = None,
    guest_id: CallerRef | None = None,
    last_name: PersonalLine | None = None,
    arrival: Day | None = None,
    departure: Day | None = None,
    status: ReservationStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """All filters given must match; `status` only beside another one. Sorted by last name, then id."""
    query = ReservationQuery(
        confirmation_number=confirmation_number,
        guest_id=guest_id,
        last_name=last_name,
        arrival=arrival,
        departure=departure,
        statuses=None if status is None else frozenset({status}),
    )
    if query.is_open:
        raise InvalidRequest("one of confirmation_number, guest_id, last_name, arrival and departure is required")
    return await page(
        visit,
        list[Reservation],
        lambda: visit.gateway.reservations.search(visit.registration, query, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get("/arrivals", operation_id="list_arrivals", summary="Who arrives on a day", **_DAY_LIST)
async def list_arrivals(visit: Reading, date: DayQuery = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Arrival on that day and tentative, confirmed or in house already; `meta.date` says which day."""
    return await page(
        visit,
        list[Reservation],
        lambda: visit.gateway.reservations.arrivals(visit.registration, date, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get("/departures", operation_id="list_departures", summary="Who departs on a day", **_DAY_LIST)
async def list_departures(visit: Reading, date: DayQuery = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Departure on that day and in house or checked out; `meta.date` says which day."""
    return await page(
        visit,
        list[Reservation],
        lambda: visit.gateway.reservations.departures(visit.registration, date, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get("/in-house", operation_id="list_in_house", summary="Who stays now", **_DAY_LIST)
async def list_in_house(visit: Reading, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Everybody who is checked in; `meta.date` is the hotel's today."""
    return await page(
        visit,
        list[Reservation],
        lambda: visit.gateway.reservations.in_house(visit.registration, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.post(
    "/reservations/{reservation_id}/quote",
    operation_id="quote_reservation_change",
    summary="What a change would cost",
    **reading(RateQuote, examples.RATE_QUOTE, "multi_room", "no_availability", "conflict", body=True),
)
async def quote_reservation_change(
    visit: Reading,
    reservation_id: ReservationPath,
    patch: Annotated[ReservationPatch, Body(examples=[{"departure": "2026-12-03"}])],
) -> Response:
    """The same body as PATCH; nothing is changed."""
    answer = await visit.gateway.reservations.quote_change(visit.registration, reservation_id, patch, visit.patience)
    return read_response(visit.request, dumped(RateQuote, answer.data), answer, now=visit.now)
