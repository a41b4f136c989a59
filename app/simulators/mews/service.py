"""The Connector API as an application: who may call, how often, and how refusals are put."""

import hmac
import itertools
import math
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulators.mews import (
    acts_guests,
    acts_orders,
    acts_stays,
    lookups_house,
    lookups_money,
    lookups_notes,
    lookups_stays,
    sent,
)
from app.simulators.mews.enterprises import ENTERPRISES
from app.simulators.mews.exchange import Problem, Visit
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown, request_id
from app.simulators.mews.times import LocalTime
from app.simulators.records import HotelRefused
from app.simulators.site import Site

Act = Callable[[Visit], Shown]
ROOT = "/api/connector/v1"
OPERATIONS: Mapping[str, Act] = {
    "configuration/get": lookups_house.configuration,
    "services/getAll": lookups_house.services,
    "services/getAvailability": lookups_house.availability,
    "resourceCategories/getAll": lookups_house.categories,
    "resourceCategoryAssignments/getAll": lookups_house.assignments,
    "resources/getAll": lookups_house.resources,
    "rates/getAll": lookups_house.rates,
    "rates/getPricing": lookups_house.nightly_prices,
    "ageCategories/getAll": lookups_house.ages,
    "reservations/price": lookups_house.price,
    "reservations/getAll/2023-06-06": lookups_stays.reservations,
    "reservations/add": acts_stays.add,
    "reservations/update": acts_stays.update,
    "reservations/updateInterval": acts_stays.update_interval,
    "reservations/updateCustomer": acts_stays.update_customer,
    "reservations/cancel": acts_stays.cancel,
    "reservations/confirm": acts_stays.confirm,
    "reservations/start": acts_stays.start,
    "reservations/process": acts_stays.process,
    "customers/getAll": lookups_stays.customers,
    "customers/add": acts_guests.add_customer,
    "customers/update": acts_guests.update_customer,
    "addresses/getAll": lookups_notes.addresses,
    "companionships/getAll": lookups_notes.companionships,
    "accountNotes/getAll": lookups_notes.guest_notes,
    "accountNotes/add": acts_guests.add_account_notes,
    "accountNotes/update": acts_guests.update_account_notes,
    "accountNotes/delete": acts_guests.delete_account_notes,
    "serviceOrderNotes/getAll": lookups_notes.order_notes,
    "serviceOrderNotes/add": acts_guests.add_order_notes,
    "resources/update": acts_guests.update_resources,
    "orders/add": acts_orders.add,
    "orderItems/getAll": lookups_money.order_items,
    "payments/getAll": lookups_money.payments,
    "productServiceOrders/getAll": lookups_money.product_orders,
    "products/getAll": lookups_money.products,
    "accountingCategories/getAll": lookups_money.accounting_categories,
    "taxations/getAll": lookups_money.taxations,
    "taxEnvironments/getAll": lookups_money.tax_environments,
}


def client_token(access_token: str) -> str:
    """Give the integration's token that goes with a site's key."""
    return f"C{access_token[::-1]}"


def own_token(access_token: str, number: int) -> str:
    """Give the token of one of the enterprises; the site's key itself opens the whole portfolio."""
    return f"E{number}{access_token[5:]}{access_token[:5]}"


def mews_app(site: Site) -> Starlette:
    """Make the API over one site; what it knows of each enterprise is at `app.state.premises`, by the property id."""
    door = _Door(site)
    app = Starlette(
        routes=[Route(f"{ROOT}/{name}", door.endpoint(act), methods=["POST"]) for name, act in OPERATIONS.items()],
        exception_handlers={HTTPException: door.no_such_address},
    )
    app.router.redirect_slashes = False
    app.state.premises = door.premises
    return app


class _Quota:
    """Lets 200 requests pass in any 30 seconds."""

    requests = 200
    window = timedelta(seconds=30)

    def __init__(self) -> None:
        self._passed: deque[datetime] = deque()

    def wait_at(self, now: datetime) -> timedelta | None:
        """Count a request, or tell for how long there is no place for it."""
        while self._passed and now - self._passed[0] >= self.window:
            self._passed.popleft()
        if len(self._passed) >= self.requests:
            return self.window - (now - self._passed[0])
        self._passed.append(now)
        return None


class _Door:
    """Checks who calls, and puts refusals into the vendor's words."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._quotas: defaultdict[str, _Quota] = defaultdict(_Quota)
        self._requests = itertools.count(1)
        self.premises = {
            property_id: Premises(hotel, ENTERPRISES[property_id], LocalTime.named(hotel.setup.timezone))
            for property_id, hotel in site.hotels.items()
        }
        for premises in self.premises.values():
            premises.inspect()

    def endpoint(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """Make the endpoint of an operation."""

        async def answer(request: Request) -> Response:
            try:
                return self._reply(200, act(self._admit(await request.body())))
            except HotelRefused as refused:
                return self._refusal(Problem.of_refusal(refused))
            except ValidationError as error:
                return self._refusal(Problem.of_validation(error))
            except Problem as problem:
                return self._refusal(problem)

        return answer

    def no_such_address(self, _: Request, __: Exception) -> Response:
        """Answer for addresses and methods that there are none of."""
        return self._refusal(Problem(404, "Not found."))

    def _admit(self, body: bytes) -> Visit:
        """Check the tokens, which are in the body, and then the quota of the access token."""
        envelope = sent.Envelope.model_validate_json(body)
        if (envelope.language_code is None) is not (envelope.culture_code is None):
            raise Problem(400, "Invalid LanguageCode: it goes together with CultureCode.")
        if not _same(envelope.client_token, client_token(self._site.api_key)):
            raise Problem(401, "Invalid ClientToken.")
        opened = self._opened(envelope.access_token)
        if opened is None:
            raise Problem(401, "Invalid AccessToken.")
        self._count(envelope.access_token)
        return Visit(site=self._site, premises=opened, portfolio=len(opened) > 1, raw_body=body)

    def _opened(self, token: str) -> tuple[Premises, ...] | None:
        if self._site.modes["integration"] == "disabled":
            return None
        if _same(token, self._site.api_key):
            everywhere = tuple(self.premises.values())
            return everywhere if self._site.modes["opens"] == "portfolio" else everywhere[:1]
        own = (one for one in self.premises.values() if _same(token, own_token(self._site.api_key, one.facts.number)))
        found = next(own, None)
        return None if found is None else (found,)

    def _count(self, token: str) -> None:
        mode = self._site.modes["rate_limit"]
        if mode == "off":
            return
        wait = self._quotas[token].wait_at(self._site.now())
        if wait is not None:
            seconds = math.ceil(wait.total_seconds())
            raise Problem(429, "Too many requests.", retry_after=seconds if mode == "on" else None)

    def _refusal(self, problem: Problem) -> Response:
        body = {"Message": problem.message}
        headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
        return self._reply(problem.status, body, headers)

    def _reply(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
        known = request_id(next(self._requests))
        told = body if status == 200 else {**body, "RequestId": known, "Details": None}
        headers = {"Request-Id": known, **(headers or {})}
        return Response(orjson.dumps(told), status, headers, media_type="application/json")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
