"""Desks at simulated properties."""

from collections.abc import AsyncIterator

import pytest

from tests.adapters.mews.desk import Desk, OpenDesk, desks
from tests.fixtures.simulators import FreshSite, SimulatorServer


@pytest.fixture
def open_desk(fresh_site: FreshSite, simulators: SimulatorServer) -> OpenDesk:
    """Opens desks, each at an installation of its own."""
    return desks(fresh_site, simulators)


@pytest.fixture
async def desk(open_desk: OpenDesk) -> AsyncIterator[Desk]:
    """A desk at the first property, as it is by default."""
    async with open_desk() as opened:
        yield opened
