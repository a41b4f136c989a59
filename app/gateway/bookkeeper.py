"""Writes things down until they are written: what the PMS has done must not be forgotten with a lost connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from app.domain.errors import StorageUnavailable

WAIT_SECONDS = 1.5
"""How long an answer waits for its record."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries while Postgres is away; the last one again and again."""
FAULTS = 10
"""How often something is tried that fails for another reason."""
LAST_SECONDS = 5.0
"""How long shutdown waits for what is not written yet."""

log = structlog.get_logger()


class Bookkeeper:
    """Owns the records that are still to be written; they belong to the process, not to a request."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[bool]] = set()
        self._closing = asyncio.Event()

    async def write(self, what: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Do `work`, a unit of work that may be done twice, and go on trying behind the caller's back.

        Gives whether it is written by now, after a second and a half at most.
        """
        task = asyncio.create_task(self._until_written(what, work))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS)
        return bool(done) and task.result()

    async def aclose(self) -> None:
        """Give what is not written yet a last chance, now and not after a pause."""
        self._closing.set()
        if self._open:
            await asyncio.wait(self._open, timeout=LAST_SECONDS)
        for task in self._open:
            task.cancel()

    async def _until_written(self, what: str, work: Callable[[], Awaitable[object]]) -> bool:
        faults = tries = 0
        while faults < FAULTS:
            try:
                await work()
            except StorageUnavailable:
                log.warning("record.delayed", kind=what, attempt=tries + 1)
            except Exception:
                faults += 1
                log.exception("record.failed", kind=what, attempt=tries + 1)
            else:
                return True
            await self._pause(tries)
            tries += 1
        return False

    async def _pause(self, tries: int) -> None:
        if self._closing.is_set():
            await asyncio.sleep(PAUSES[0])
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), PAUSES[min(tries, len(PAUSES) - 1)])
