"""Metrics that have to be counted somewhere: again and again, in the background, whatever becomes of one time."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.domain.errors import StorageUnavailable

log = structlog.get_logger()


async def count_every(seconds: float, what: str, count: Callable[[], Awaitable[None]]) -> None:
    """Count at once and then every so many seconds, until cancelled; where it fails the metrics stay as they were.

    `what` begins the names of the log's events: `{what}.not_counted` while Postgres is away.
    """
    while True:
        try:
            await count()
        except StorageUnavailable:
            log.info(f"{what}.not_counted")  # noqa: G004 - one of the few names that callers give, no text of anybody's
        except Exception:
            log.exception(f"{what}.counting_failed")  # noqa: G004 - the same
        await asyncio.sleep(seconds)
