"""Takes jobs out of Postgres and runs them, until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job

Handler = Callable[[str], Awaitable[object]]
"""Does one job; it is given what the job is about."""

BATCH = 10
AT_ONCE = 20
"""Jobs that one worker has under way."""
HEARTBEAT = timedelta(seconds=10)
"""A worker that is silent for so long has died; its jobs are delivered again, at the next look for jobs."""
RESTART_SECONDS = 1.0

log = structlog.get_logger()


class JobRunner:
    """Runs the jobs of one process."""

    def __init__(self, url: str, *, look_every: float = 2.0) -> None:
        """Prepare for a `postgresql://` URL; `look_every` are seconds between looks for jobs that were put off."""
        self._url = url
        self._look_every = look_every

    async def run(self, handlers: Mapping[str, Handler], stop: asyncio.Event, *, grace: float) -> None:
        """Run jobs until `stop`; what is under way then has `grace` seconds, after which others get it.

        With its connection PgQueuer loses its ear for new jobs for good (found by running it, 2026-11); the next look
        finds them all the same.
        """
        while not stop.is_set():
            try:
                await self._run_once(handlers, stop, grace)
            except Exception:
                log.exception("jobs.interrupted")  # whatever it was, jobs have to go on
            if not stop.is_set():
                await _pause(stop, RESTART_SECONDS)

    async def _run_once(self, handlers: Mapping[str, Handler], stop: asyncio.Event, grace: float) -> None:
        async with asyncpg.create_pool(self._url, min_size=1, max_size=4, timeout=2, command_timeout=10) as pool:
            queue = PgQueuer.from_asyncpg_pool(pool)
            for name, handler in handlers.items():
                queue.entrypoint(name)(_entrypoint(handler))
            running = asyncio.create_task(
                queue.run(
                    dequeue_timeout=timedelta(seconds=self._look_every),
                    batch_size=BATCH,
                    max_concurrent_tasks=AT_ONCE,
                    heartbeat_timeout=HEARTBEAT,
                )
            )
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            queue.shutdown.set()
            await asyncio.wait({running}, timeout=grace)
            if not running.done():
                running.cancel()
                log.warning("jobs.handed_back")
            await asyncio.gather(running, return_exceptions=not running.done())


def _entrypoint(handler: Handler) -> Callable[[Job], Awaitable[None]]:
    async def entrypoint(job: Job) -> None:
        await handler((job.payload or b"").decode())

    return entrypoint


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
