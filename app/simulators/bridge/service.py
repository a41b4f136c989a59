"""The contract as an application: who may come in, which act it is, and how answers leave."""

import hmac
import itertools
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.simulators.bridge import acts, lookups
from app.simulators.bridge.exchange import Answer, Problem, Visit, refuse_unknown
from app.simulators.bridge.keys import KeyMemory
from app.simulators.bridge.written import WrittenKeys
from app.simulators.records import HotelRefused
from app.simulators.site import Site

Act = Callable[[Visit], Answer]
Offer = tuple[str, str, Act, str | None]
"""Method, path, what is done, and the capability that it is."""

_ROOT = "/properties/{property_id}"
_RESERVATION = f"{_ROOT}/reservations/{{reservation_id}}"
_GUEST = f"{_ROOT}/guests/{{guest_id}}"

LOOKUPS: tuple[Offer, ...] = (
    ("GET", _ROOT, lookups.property_facts, None),
    ("GET", f"{_ROOT}/room-types", lookups.room_types, "room_types"),
    ("GET", f"{_ROOT}/rate-plans", lookups.rate_plans, "rate_plans"),
    ("GET", f"{_ROOT}/availability", lookups.availability, "availability"),
    ("GET", f"{_ROOT}/quotes", lookups.quotes, "rates"),
    ("POST", f"{_ROOT}/reservations/search", lookups.search_reservations, "reservation.search"),
    ("GET", _RESERVATION, lookups.reservation, "reservation.get"),
    ("POST", f"{_RESERVATION}/quote", acts.quote_change, "reservation.quote"),
    ("GET", f"{_RESERVATION}/folio", lookups.folio, "charge.list"),
    ("GET", f"{_RESERVATION}/balance", lookups.balance, "balance"),
    ("POST", f"{_ROOT}/guests/search", lookups.search_guests, "guest.search"),
    ("GET", _GUEST, lookups.guest, "guest.get"),
    ("GET", f"{_ROOT}/rooms", lookups.rooms, "room_status.list"),
    ("GET", f"{_ROOT}/rooms/{{room_number}}", lookups.room, "room_status.get"),
)
WRITES: tuple[Offer, ...] = (
    ("POST", f"{_ROOT}/reservations", acts.create_reservation, "reservation.create"),
    ("PATCH", _RESERVATION, acts.change_reservation, "reservation.modify"),
    ("POST", f"{_RESERVATION}/cancel", acts.cancel_reservation, "reservation.cancel"),
    ("POST", f"{_RESERVATION}/notes", acts.add_note, "reservation.note"),
    ("PUT", f"{_RESERVATION}/checkout-time", acts.set_checkout_time, "reservation.checkout_time"),
    ("POST", f"{_RESERVATION}/check-in", acts.check_in, "reservation.check_in"),
    ("POST", f"{_RESERVATION}/check-out", acts.check_out, "reservation.check_out"),
    ("POST", f"{_RESERVATION}/charges", acts.post_charge, "charge.post"),
    ("POST", f"{_ROOT}/guests", acts.create_guest, "guest.upsert"),
    ("PATCH", _GUEST, acts.change_guest, "guest.upsert"),
    ("PUT", f"{_GUEST}/preferences", acts.set_preferences, "guest.preferences"),
    ("PUT", f"{_ROOT}/rooms/{{room_number}}/status", acts.set_room_status, "room_status.set"),
)


def bridge_app(site: Site) -> Starlette:
    """Make the contract's API over one site."""
    door = _Door(site)
    routes = [Route(path, door.reading(act, can), methods=[method]) for method, path, act, can in LOOKUPS]
    routes += [Route(path, door.writing(act, can), methods=[method]) for method, path, act, can in WRITES]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_path})


class _Turnstile:
    """Lets five requests pass in any ten seconds."""

    requests = 5
    window = timedelta(seconds=10)

    def __init__(self) -> None:
        self._passed: deque[datetime] = deque()

    def pass_at(self, now: datetime) -> None:
        while self._passed and now - self._passed[0] >= self.window:
            self._passed.popleft()
        if len(self._passed) >= self.requests:
            wait = self.window - (now - self._passed[0])
            raise Problem("rate_limited", "too many requests", retry_after=max(1, round(wait.total_seconds())))
        self._passed.append(now)


class _Door:
    """Checks who comes in, and puts refusals into the contract's words."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turnstile = _Turnstile()
        self._memories: defaultdict[str, KeyMemory] = defaultdict(KeyMemory)
        self._written: defaultdict[str, WrittenKeys] = defaultdict(WrittenKeys)
        self._requests = itertools.count(1)

    def reading(self, act: Act, capability: str | None) -> Callable[[Request], Awaitable[Response]]:
        """Make an endpoint that changes nothing."""
        return self._endpoint(act, capability)

    def writing(self, act: Act, capability: str | None) -> Callable[[Request], Awaitable[Response]]:
        """Make an endpoint that does a thing once for each key."""

        def once(visit: Visit) -> Answer:
            if self._site.modes["idempotency"] != "on":
                return act(visit)
            memory = self._memories[visit.hotel.setup.property_id]
            known = memory.find(visit)
            if known is not None:
                return known
            answer = act(visit)
            memory.keep(visit, answer)
            return answer

        return self._endpoint(once, capability)

    def _endpoint(self, act: Act, capability: str | None) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                response = _success(act(await self._admit(request, capability)))
            except HotelRefused as refused:
                response = _refusal(Problem.of_refusal(refused))
            except ValidationError as error:
                response = _refusal(Problem.of_validation(error))
            except Problem as problem:
                response = _refusal(problem)
            response.headers["X-Request-ID"] = f"{self._site.name}-{next(self._requests)}"
            if "x-correlation-id" in request.headers:
                response.headers["X-Correlation-ID"] = request.headers["x-correlation-id"]
            return response

        return answer

    async def _admit(self, request: Request, capability: str | None) -> Visit:
        """Check the key, the rate, the property and what is built, in this order."""
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._site.api_key}".encode()):
            raise Problem("unauthorized", "the API key is missing or unknown")
        if self._site.modes["rate_limit"] == "on":
            self._turnstile.pass_at(self._site.now())
        hotel = self._site.hotels.get(request.path_params["property_id"])
        if hotel is None:
            raise refuse_unknown("property")
        if capability is not None and capability not in lookups.capabilities(self._site):
            raise Problem("not_supported", f"this installation does not offer {capability}")
        return Visit(
            site=self._site,
            hotel=hotel,
            written=self._written[hotel.setup.property_id],
            method=request.method,
            path=request.url.path,
            at=request.path_params,
            query=request.query_params,
            headers=request.headers,
            raw_body=await request.body(),
        )


def _no_such_path(_: Request, __: Exception) -> Response:
    """Answer for paths and methods that the contract does not have."""
    return _refusal(Problem("not_found", "the contract has no such path or method"))


def _success(answer: Answer) -> Response:
    headers = {"ETag": f'"{answer.version}"'} if answer.version is not None else None
    return JSONResponse(answer.body, answer.status, headers)


def _refusal(problem: Problem) -> Response:
    headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after is not None else None
    return JSONResponse(problem.as_json(), problem.status, headers, media_type="application/problem+json")
