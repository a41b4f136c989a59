"""The stage on which recordings play a shop, open as long as the tests run."""

from collections.abc import AsyncIterator

import pytest

from tests.adapters.qloapps.shop import opened_stage


@pytest.fixture(scope="session", autouse=True)
async def stage() -> AsyncIterator[None]:
    """Open the stage once."""
    async with opened_stage():
        yield
