"""A caller of the bridge that holds every answer against the contract."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.simulators.site import Site
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.openapi import require_fitting_answer


@dataclass
class BridgeCaller:
    """Speaks to one property as a stranger would who has read the contract."""

    site: Site
    url: str
    http: httpx.AsyncClient
    keys: int = field(default=0)

    async def __call__(
        self,
        method: str,
        path: str = "",
        *,
        json: Any = None,
        params: dict[str, str] | None = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request; it carries a new key unless one is named."""
        self.keys += 1
        sent = {
            "Authorization": f"Bearer {self.site.api_key}",
            "Idempotency-Key": key or f"key-{self.keys}",
            **(headers or {}),
        }
        answer = await self.http.request(method, self.url + path, json=json, params=params, headers=sent)
        require_fitting_answer(
            method,
            self.site.requests[-1].template,
            status=answer.status_code,
            content_type=answer.headers["content-type"],
            body=answer.json(),
        )
        return answer

    async def book(self, *, key: str | None = None, **changes: Any) -> httpx.Response:
        """Book a suite, two nights, a year ahead."""
        today = self.site.hotel.business_date
        draft = {
            "arrival": today.replace(day=1).replace(year=today.year + 1).isoformat(),
            "departure": today.replace(day=3).replace(year=today.year + 1).isoformat(),
            "room_type": "STE",
            "rate_code": "FLEX",
            "adults": 2,
            "guest": {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test"},
            **changes,
        }
        return await self("POST", "/reservations", json=draft, key=key)


MakeCaller = Callable[..., BridgeCaller]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def make_caller(fresh_site: FreshSite, simulators: SimulatorServer, http: httpx.AsyncClient) -> MakeCaller:
    def make(**options: object) -> BridgeCaller:
        site = fresh_site("bridge", **options)
        url = f"{simulators.base_url(site)}/properties/{site.hotel.setup.property_id}"
        return BridgeCaller(site, url, http)

    return make


@pytest.fixture
def call(make_caller: MakeCaller) -> BridgeCaller:
    return make_caller()
