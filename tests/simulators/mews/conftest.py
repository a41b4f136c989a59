"""Callers of fresh installations; where the vendor's tables are at hand, every call is held against them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.simulators.mews.service import ROOT
from tests.adapters.mews.spec import judged_sites
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.mews.caller import Connector

MakeConnector = Callable[..., Connector]


@pytest.fixture
async def connect(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[MakeConnector]:
    """Makes installations; `modes` are those of the simulator."""
    async with contextlib.AsyncExitStack() as stack:
        judged = stack.enter_context(judged_sites(fresh_site))

        def make(**modes: str) -> Connector:
            site = judged("mews", modes=modes)
            app: Any = site.app
            url = f"{simulators.base_url(site)}{ROOT}/"
            http = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
            stack.push_async_callback(http.aclose)
            return Connector(site, http, app.state.premises[site.hotel.setup.property_id])

        yield make


@pytest.fixture
def call(connect: MakeConnector) -> Connector:
    """A caller of an installation as it is by default."""
    return connect()
