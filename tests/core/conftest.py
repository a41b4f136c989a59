"""A scripted vendor per test, and clients of it."""

from collections.abc import AsyncIterator

import pytest

from tests.core.vendor import Clients, ScriptedVendor, scripted_vendor


@pytest.fixture
async def vendor() -> AsyncIterator[ScriptedVendor]:
    """A vendor on a real socket that answers what the test wrote down."""
    async with scripted_vendor() as running:
        yield running


@pytest.fixture
async def clients(vendor: ScriptedVendor) -> AsyncIterator[Clients]:
    """Clients of that vendor on a manual clock."""
    made = Clients.of(vendor.url)
    yield made
    await made.services.pools.aclose()
