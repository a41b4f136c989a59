"""What it costs to make reservations of a vendor's answers: 2,000 arrivals by an adapter, against its bare calls."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
from pydantic import SecretStr

from app.core.auth import BodyAuth
from app.core.connectors import ConnectorFactory, Registration
from app.core.discovery import parse_options
from app.core.egress import EgressPolicy
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.hotel import Hotel
from app.domain.reservation import ReservationQuery
from app.simulators.mews.enterprises import CANAL, ENTERPRISES
from app.simulators.server import simulators
from tests.bench.figures import Figure

_VENDOR = "mews"
_ARRIVALS = 2_000
_ROUNDS = 5
_MOST = 1.5
_DAYS_AHEAD = 30


@dataclass
class Notebook:
    """Signs requests as the adapter's own credentials do, and writes down what goes out."""

    auth: BodyAuth
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    async def sign(self, request: httpx.Request) -> None:
        """Write a request down."""
        await self.auth.sign(request)
        self.asked.append((str(request.url), request.content))

    def complete(self, content: bytes | None) -> bytes:
        """Put the tokens into a body."""
        return self.auth.complete(content)


def reading_arrivals(pms_url: str) -> Figure:
    """Read a day's arrivals by the adapter, and send the very same requests without it, in turns."""
    return asyncio.run(_measure(pms_url))


async def _measure(pms_url: str) -> Figure:
    door = f"{pms_url}/_control/{_VENDOR}/arrivals"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        made = (await http.put(door, json={"modes": {"rate_limit": "off"}})).raise_for_status().json()
        body = dict(simulators()[_VENDOR].registration(f"{pms_url}{made['path']}", made["api_key"]).body)
        await _fill(http, body)
        registration = _registration(body)
        services = VendorServices.of(EgressPolicy(allow_loopback=True), timeout=30)
        connector = ConnectorFactory(services, SecretResolver(environment={})).open(registration)
        notebook = Notebook(connector.client.auth)  # type: ignore[arg-type] # this vendor's tokens are in the body
        object.__setattr__(connector.client, "auth", notebook)
        query = ReservationQuery(arrival=_day())
        async with connector:
            found = await connector.search_reservations(query)
            ours, bare = [], []
            for _ in range(_ROUNDS):
                notebook.asked.clear()
                ours.append(await _timed(lambda: connector.search_reservations(query)))
                asked = list(notebook.asked)
                bare.append(await _timed(lambda asked=asked: _bare(http, asked)))  # type: ignore[misc]
        await services.pools.aclose()
    ratio = min(ours) / min(bare)
    return Figure(
        name=f"{len(found):,} arrivals by the adapter, against its {len(asked)} bare calls",
        result=f"{ratio:.2f} ({min(ours):.2f} s, {min(bare):.2f} s)",
        target=f"<= {_MOST}",
        reached=ratio <= _MOST and len(found) == _ARRIVALS,
    )


async def _fill(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Make the arrivals, of a guest each ten."""
    tokens = body["credentials"]
    envelope = {"ClientToken": tokens["client_token"], "AccessToken": tokens["access_token"], "Client": "Bench 1.0.0"}
    facts = ENTERPRISES[CANAL.property_id]

    async def send(operation: str, **members: Any) -> Any:
        answer = await http.post(f"{body['base_url']}/api/connector/v1/{operation}", json={**envelope, **members})
        return answer.raise_for_status().json()

    guests = [
        (await send("customers/add", ChainId=facts.chain, LastName=f"Guest{number}", OverwriteExisting=False))["Id"]
        for number in range(_ARRIVALS // 10)
    ]
    start = datetime.combine(_day(), datetime.min.time(), ZoneInfo(CANAL.timezone)) + timedelta(hours=15)
    wish = {
        "StartUtc": start.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "EndUtc": (start + timedelta(days=2)).astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RequestedCategoryId": CANAL.kinds[0].code,
        "RateId": CANAL.plans[0].code,
        "PersonCounts": [{"AgeCategoryId": facts.guid("age", "adult"), "Count": 2}],
        "Notes": "Arrives late",
    }
    for first in range(0, _ARRIVALS, 500):
        wanted = [{**wish, "CustomerId": guests[number % len(guests)]} for number in range(first, first + 500)]
        await send(
            "reservations/add",
            EnterpriseId=CANAL.property_id,
            ServiceId=facts.stay_service,
            Reservations=wanted,
            CheckOverbooking=False,
            SendConfirmationEmail=False,
        )


def _registration(body: dict[str, Any]) -> Registration:
    values = {name: value for name, value in body.items() if name != "credentials"}
    hotel = Hotel(id="arrivals", **{**values, "options": parse_options(_VENDOR, body.get("options", {}))})
    return Registration(hotel, {name: SecretStr(value) for name, value in body["credentials"].items()}, 1)


def _day() -> Any:
    return (datetime.now(ZoneInfo(CANAL.timezone)) + timedelta(days=_DAYS_AHEAD)).date()


async def _bare(http: httpx.AsyncClient, asked: list[tuple[str, bytes]]) -> None:
    for url, content in asked:
        answer = await http.post(url, content=content, headers={"Content-Type": "application/json"})
        orjson.loads(answer.content)


async def _timed(act: Callable[[], Coroutine[Any, Any, object]]) -> float:
    begun = time.perf_counter()
    await act()
    return time.perf_counter() - begun
