"""A connector to whatever plays QloApps in a test, over real HTTP."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from app.adapters.qloapps import ADAPTER
from app.adapters.qloapps.adapter import QloAppsAdapter
from app.adapters.qloapps.profile import QloAppsOptions
from app.core.clock import SystemClock
from app.core.connectors import ConnectorFactory, Registration
from app.core.egress import EgressPolicy
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.hotel import Hotel
from app.simulators.server import server_config
from tests.fixtures.simulators import QuietServer

KEY = "A" * 32
SHOP_WIDE = QloAppsOptions(shop_wide_guests=True)
"""Shows guests who have no booking, as most of the recorded and registered ones."""


class Impatient(SystemClock):
    """Time as it is, except that waiting puts it forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        """Give seconds that only ever grow."""
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self._ahead += seconds
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def connected(base_url: str, *, key: str = KEY, **fields: Any) -> AsyncIterator[QloAppsAdapter]:
    """Give a connector to the hotel at `base_url`; it is hotel 1 of a shop in New York unless `fields` differ."""
    known = {"timezone": "America/New_York", "currency": "USD", "country": "US", "property_id": "1", **fields}
    hotel = Hotel.model_validate({"id": "prime", "name": "Prime", "vendor": "qloapps", "base_url": base_url, **known})
    services = VendorServices.of(EgressPolicy(allow_loopback=True), clock=Impatient())
    factory = ConnectorFactory(services, SecretResolver(environment={}))
    connector = factory.open(Registration(hotel, {"api_key": SecretStr(key)}, revision=1))
    assert isinstance(connector, ADAPTER)
    try:
        async with connector:
            yield connector
    finally:
        await services.pools.aclose()


class Stage:
    """One server for all that plays a shop in this folder: starting one takes longer than a test does."""

    def __init__(self) -> None:
        self.url = ""
        self._playing: dict[str, ASGIApp] = {}
        self._numbers = itertools.count(1)

    def put_on(self, app: ASGIApp) -> str:
        """Let `app` play, and give the URL at which it does."""
        name = f"shop-{next(self._numbers)}"
        self._playing[name] = app
        return f"{self.url}/{name}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to whom it is for."""
        name, _, path = scope["path"].removeprefix("/").partition("/")
        await self._playing[name]({**scope, "path": f"/{path}", "raw_path": f"/{path}".encode()}, receive, send)


STAGE = Stage()


@contextlib.asynccontextmanager
async def opened_stage() -> AsyncIterator[None]:
    """Serve the stage on a free port of this machine."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.bind(("127.0.0.1", 0))
    server = QuietServer(server_config(STAGE))
    running = asyncio.create_task(server.serve(sockets=[door]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    STAGE.url = f"http://127.0.0.1:{door.getsockname()[1]}"
    yield
    server.should_exit = True
    await running


@contextlib.asynccontextmanager
async def shop(app: ASGIApp, **fields: Any) -> AsyncIterator[QloAppsAdapter]:
    """Let `app` play a shop and give a connector to its hotel."""
    async with connected(STAGE.put_on(app), **fields) as connector:
        yield connector
