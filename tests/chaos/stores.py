"""Postgres and Redis of the chaos runs, which are restarted, crashed and paused under the gateway's feet."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError, create_database
from tests.chaos.crew import free_port
from tests.fixtures.services import PROJECT

TEMPLATE = "migrated"
REDIS_DATABASES = 16
"""What the server has unless told otherwise."""


class Stores:
    """Both servers, always at the same ports; what Postgres has committed survives."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(folder / "postgres", durable=True, ports=_always(free_port()))
        self.redis = EmbeddedRedis(folder / "redis", ports=_always(free_port()))
        self._struck = defaultdict[str, asyncio.Lock](asyncio.Lock)
        """One blow at a time for each server; runs abreast share them."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run both, with a migrated database to be copied."""
        with self.postgres, self.redis:
            create_database(self.postgres.url, TEMPLATE)
            _migrate(self.postgres.database_url(TEMPLATE))
            yield

    def make_database(self, name: str) -> str:
        """Make a migrated, empty database and give its URL."""
        create_database(self.postgres.url, name, template=TEMPLATE)
        return self.postgres.database_url(name)

    def redis_url(self, number: int) -> str:
        """Give the URL of one of Redis' own databases, so that runs abreast have nothing in common but the server."""
        return f"{self.redis.url.rsplit('/', 1)[0]}/{number % REDIS_DATABASES}"

    async def restart(self, server: EmbeddedPostgres | EmbeddedRedis, *, away: float, crash: bool = False) -> None:
        """Take a server away for some seconds; crashed it has to recover from its log.

        Starting blocks the event loop for a moment: a server has to be started by the main thread.
        """
        async with self._struck[server.name]:
            if crash:
                os.kill(server.pid, signal.SIGQUIT)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(away)
            await self._start(server)

    async def pause(self, server: EmbeddedPostgres | EmbeddedRedis, *, seconds: float) -> None:
        """Let a server stand still, connections and all."""
        async with self._struck[server.name]:
            stopped = [server.pid, *_children(server.pid)]
            _signal(stopped, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                _signal(stopped, signal.SIGCONT)

    async def _start(self, server: EmbeddedPostgres | EmbeddedRedis) -> None:
        for _ in range(50):
            with suppress(EmbeddedServerError):  # the last of its children has yet to let go of the folder
                server.start()
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{server.name} does not come back")


def _always(port: int) -> Callable[[], int]:
    return lambda: port


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _signal(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


def _migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        timeout=100,
        check=True,
    )
