"""The vendor's API: who may come in, what can be asked, and how records are shown.

It is as strict as the vendor is, and wrong where the vendor is wrong. Faults (lost answers, 500s, garbage) are not made
here: every simulator has them (`app/simulators/faults.py`).
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.simulators.hotel import SimulatedHotel
from app.simulators.records import Booking, HotelRefused, Refusal, StayRoom, StayStatus
from app.simulators.rules import Setup
from app.simulators.site import DemoHotel, Simulator, Site

STATES = {
    StayStatus.TENTATIVE: "OPTION",
    StayStatus.CONFIRMED: "BOOKED",
    StayStatus.IN_HOUSE: "STAYING",
    StayStatus.CHECKED_OUT: "LEFT",
    StayStatus.CANCELLED: "CANCELLED",
    StayStatus.NO_SHOW: "NO_SHOW",
}
REFUSALS = {Refusal.NOT_FOUND: (400, "UNKNOWN_STAY")}
"""How the vendor says what the hotel refuses: HTTP status and code. Anything else is a conflict."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that has shown its key and named a house."""

    site: Site
    hotel: SimulatedHotel
    request: Request


def stay(visit: Visit) -> dict[str, Any]:
    """Show one reservation."""
    booking = visit.hotel.booking(visit.request.path_params["stay_id"])
    return shown_stay(visit.hotel, booking, odd=visit.site.modes["odd_state"] == "on")


OFFERS: tuple[tuple[str, str, Callable[[Visit], Any]], ...] = (("GET", "/stays/{stay_id}", stay),)
"""Method, path within the house, and what is done: a line for each thing that can be asked."""


def api(site: Site) -> Starlette:
    """Make the vendor's API over one site."""
    routes = [
        Route(f"/houses/{{house_id}}{path}", _endpoint(site, act), methods=[method]) for method, path, act in OFFERS
    ]
    return Starlette(routes=routes)


def _endpoint(site: Site, act: Callable[[Visit], Any]) -> Callable[[Request], Awaitable[Response]]:
    """Check who comes in, do it, and say the hotel's refusals in the vendor's words."""

    async def answer(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("x-api-key", "").encode(), site.api_key.encode()):
            return refusal(401, "BAD_KEY", "the key is missing or unknown")
        hotel = site.hotels.get(request.path_params["house_id"])
        if hotel is None:
            return refusal(404, "UNKNOWN_HOUSE", "there is no such house")
        try:
            return JSONResponse(act(Visit(site, hotel, request)))
        except HotelRefused as refused:
            status, code = REFUSALS.get(refused.refusal, (409, "CONFLICT"))
            return refusal(status, code, refused.message)

    return answer


def refusal(status: int, code: str, text: str) -> Response:
    """Say no in the vendor's words."""
    return JSONResponse({"error": {"code": code, "text": text}}, status)


def shown_stay(hotel: SimulatedHotel, booking: Booking, *, odd: bool) -> dict[str, Any]:
    """Write a reservation; with `odd` options are in a state that the vendor does not document."""
    made = booking.created_at.astimezone(ZoneInfo(hotel.setup.timezone))
    guest = booking.contact
    return {
        "id": booking.id,
        "code": booking.confirmation_number,
        "state": "ON_LOAN" if odd and booking.status is StayStatus.TENTATIVE else STATES[booking.status],
        "rooms": [shown_room(room) for room in booking.rooms],
        "person": {
            "id": guest.guest_id,
            "given_name": guest.first_name,
            "family_name": guest.last_name,
            "mail": guest.email,
            "phone": guest.phone,
            "country": guest.country,
        },
        "total_cents": int(booking.total * 100),
        "currency": hotel.setup.currency,
        "remarks": [remark.text for remark in booking.remarks],
        "made_at": made.replace(tzinfo=None, microsecond=0).isoformat(),
    }


def shown_room(room: StayRoom) -> dict[str, Any]:
    """Write one room of a reservation."""
    return {
        "category": room.kind,
        "tariff": room.plan,
        "number": room.room_number,
        "arrives": room.arrival.isoformat(),
        "leaves": room.departure.isoformat(),
        "adults": room.adults,
        "ages": list(room.child_ages),
    }


def registration(url: str, api_key: str) -> DemoHotel:
    """Give the registration of the first house."""
    setup = Setup()
    body: dict[str, Any] = {
        "name": setup.name,
        "vendor": "_template",
        "base_url": url,
        "property_id": setup.property_id,
        "timezone": setup.timezone,
        "currency": setup.currency,
        "country": setup.country,
        "credentials": {"api_key": api_key},
    }
    return DemoHotel("_template-demo", body)


SIMULATOR = Simulator(
    vendor="_template",
    app=api,
    registration=registration,
    # A second house of the same installation: the contract suite asks that the two are kept apart.
    setups=(Setup(), Setup(property_id="GARDEN", name="Garden House", prefixes={"reservation": "GR", "guest": "GG"})),
    modes={"odd_state": ("off", "on")},
)
