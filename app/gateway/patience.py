"""How long a request waits for our own database, which may hang as well as be away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.domain.errors import StorageUnavailable


@asynccontextmanager
async def storage_within(seconds: float) -> AsyncIterator[None]:
    """Give the work inside so many seconds.

    Raises:
        StorageUnavailable: it took longer.
    """
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            yield
    except TimeoutError:
        raise StorageUnavailable("the gateway's database does not answer in time") from None
