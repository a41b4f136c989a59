"""How long a request waits for our own database, which may hang as well as be away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.domain.errors import StorageUnavailable

T = TypeVar("T")

_abandoned: set[asyncio.Task[Any]] = set()
"""Work that nobody waits for any more; a task without a reference may vanish half-way."""


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Give `work` so many seconds, then leave it: a connection that hangs takes its time to be given up, too.

    Raises:
        StorageUnavailable: it took longer; it is being cancelled, and whether it took effect is not known.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
    finally:
        if not task.done():
            _abandoned.add(task)
            task.add_done_callback(_forget)
            task.cancel()
    if not done:
        raise StorageUnavailable("the gateway's database does not answer in time")
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # seen here, so that nobody complains about it
