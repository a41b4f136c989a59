"""Shops for tests that write."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.simulators.site import Site
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.qloapps.caller import Shop


@pytest.fixture
def empty_site(fresh_site: FreshSite) -> Site:
    """A shop as it was installed: no guests but the demo's one."""
    site = fresh_site("qloapps", seeded=False)
    site.hotel.register(first_name="John", last_name="Doe", email="pub@qloapps.com", phone="1234567890")
    return site


@pytest.fixture
async def empty_shop(empty_site: Site, simulators: SimulatorServer) -> AsyncIterator[Shop]:
    """A caller of the shop as it was installed."""
    url = f"{simulators.base_url(empty_site)}/api/"
    async with httpx.AsyncClient(base_url=url, auth=(empty_site.api_key, "")) as http:
        yield Shop(empty_site, http)


@pytest.fixture
async def seeded_shop(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[Shop]:
    """A caller of a shop that has guests already."""
    site = fresh_site("qloapps")
    url = f"{simulators.base_url(site)}/api/"
    async with httpx.AsyncClient(base_url=url, auth=(site.api_key, "")) as http:
        yield Shop(site, http)
