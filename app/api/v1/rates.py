"""Rate plans, and the price of a stay."""

from fastapi import APIRouter, Response

from app.api import examples
from app.api.deps import Reading, child_ages
from app.api.documents import reading
from app.api.paging import Cursor, Limit, page
from app.api.v1.availability import AdultsQuery, ChildAgesQuery
from app.domain.errors import InvalidRequest
from app.domain.inventory import RatePlan, RateQuote
from app.domain.model import Day
from app.domain.stay import MAX_WINDOW_NIGHTS, Occupancy, Stay
from app.domain.text import Code

router = APIRouter(prefix="/v1/hotels/{hotel_id}", tags=["availability and rates"])


@router.get(
    "/rate-plans",
    operation_id="list_rate_plans",
    summary="The rate plans under which rooms are sold",
    **reading(list[RatePlan], [examples.RATE_PLAN]),
)
async def list_rate_plans(visit: Reading, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The `rate_code` of a plan is what a quote and a reservation name."""
    return await page(
        visit,
        list[RatePlan],
        lambda: visit.gateway.inventory.rate_plans(visit.registration, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/rates",
    operation_id="get_rates",
    summary="What a stay costs",
    **reading(list[RateQuote], [examples.RATE_QUOTE]),
)
async def get_rates(
    visit: Reading,
    arrival: Day,
    departure: Day,
    adults: AdultsQuery,
    ages: ChildAgesQuery = None,
    room_type: Code | None = None,
    rate_code: Code | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """One quote for each room type and rate plan, the cheapest first; `total` is the whole stay."""
    if not 1 <= (departure - arrival).days <= MAX_WINDOW_NIGHTS:
        raise InvalidRequest.of("departure", f"must be 1 to {MAX_WINDOW_NIGHTS} nights after arrival")
    occupancy = Occupancy(adults, child_ages(ages))
    return await page(
        visit,
        list[RateQuote],
        lambda: visit.gateway.inventory.rates(
            visit.registration,
            Stay(arrival, departure),
            occupancy,
            visit.patience,
            room_type=room_type,
            rate_code=rate_code,
        ),
        limit=limit,
        cursor=cursor,
    )
