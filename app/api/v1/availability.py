"""Availability and room types."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api import examples
from app.api.deps import Reading, child_ages
from app.api.documents import reading
from app.api.envelope import dumped, read_response
from app.api.paging import Cursor, Limit, page
from app.domain.errors import InvalidRequest
from app.domain.hotel import RoomType
from app.domain.inventory import AvailabilityGrid
from app.domain.model import Day
from app.domain.stay import MAX_WINDOW_NIGHTS, Occupancy, Stay
from app.domain.text import Code

router = APIRouter(prefix="/v1/hotels/{hotel_id}", tags=["availability and rates"])

AdultsQuery = Annotated[int, Query(ge=1, le=99)]
ChildAgesQuery = Annotated[
    str | None, Query(alias="child_ages", max_length=80, description="Ages in years, `5,9`.", examples=["5,9"])
]


@router.get(
    "/availability",
    operation_id="get_availability",
    summary="What can be sold, night by night",
    **reading(AvailabilityGrid, examples.AVAILABILITY),
)
async def get_availability(
    visit: Reading,
    start: Day,
    end: Day,
    room_type: Code | None = None,
    adults: AdultsQuery | None = None,
    ages: ChildAgesQuery = None,
) -> Response:
    """Nights from `start` up to but not including `end`, at most 92; sold-out room types are listed with 0."""
    if not 1 <= (end - start).days <= MAX_WINDOW_NIGHTS:
        raise InvalidRequest.of("end", f"must be 1 to {MAX_WINDOW_NIGHTS} nights after start")
    if ages and adults is None:
        raise InvalidRequest.of("adults", "is required beside child_ages")
    occupancy = None if adults is None else Occupancy(adults, child_ages(ages))
    answer = await visit.gateway.inventory.availability(
        visit.registration, Stay(start, end), visit.patience, room_type=room_type, occupancy=occupancy
    )
    return read_response(visit.request, dumped(AvailabilityGrid, answer.data), answer, now=visit.now)


@router.get(
    "/room-types",
    operation_id="list_room_types",
    summary="The room types that are sold",
    **reading(list[RoomType], [examples.ROOM_TYPE]),
)
async def list_room_types(visit: Reading, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Each with how many rooms there are of it and how many people fit in."""
    return await page(
        visit,
        list[RoomType],
        lambda: visit.gateway.inventory.room_types(visit.registration, visit.patience),
        limit=limit,
        cursor=cursor,
    )
