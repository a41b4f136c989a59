"""Callers of fresh installations; where the vendor's tables are at hand, every call is held against them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.simulators.mews.service import ROOT
from tests.adapters.mews.spec import Contract, Judged
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.mews.caller import Connector

MakeConnector = Callable[..., Connector]


@pytest.fixture
async def connect(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[MakeConnector]:
    """Makes installations; `modes` are those of the simulator."""
    contract = Contract.at_hand()
    judges: list[Judged] = []
    async with contextlib.AsyncExitStack() as stack:

        def make(**modes: str) -> Connector:
            site = fresh_site("mews", modes=modes)
            app: Any = site.app
            if contract is not None:
                judges.append(Judged(app, contract))
                site.app = judges[-1]
            url = f"{simulators.base_url(site)}{ROOT}/"
            http = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
            stack.push_async_callback(http.aclose)
            return Connector(site, http, app.state.premises[site.hotel.setup.property_id])

        yield make
    assert [misfit for judge in judges for misfit in judge.misfits] == []


@pytest.fixture
def call(connect: MakeConnector) -> Connector:
    """A caller of an installation as it is by default."""
    return connect()
