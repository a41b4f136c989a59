"""Postgres and Redis of the chaos runs, which are restarted, crashed and paused under the gateway's feet."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError, create_database
from tests.chaos.crew import free_port
from tests.fixtures.services import PROJECT

TEMPLATE = "migrated"


class Stores:
    """Both servers, always at the same ports; what Postgres has committed survives."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(folder / "postgres", durable=True, ports=_always(free_port()))
        self.redis = EmbeddedRedis(folder / "redis", ports=_always(free_port()))

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

    async def restart(self, server: EmbeddedPostgres | EmbeddedRedis, *, away: float, crash: bool = False) -> None:
        """Take a server away for some seconds; crashed it has to recover from its log.

        Starting blocks the event loop for a moment: a server has to be started by the main thread.
        """
        if crash:
            os.kill(server.pid, signal.SIGQUIT)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(away)
        for _ in range(50):
            with suppress(EmbeddedServerError):  # the last of its children has yet to let go of the folder
                server.start()
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{server.name} does not come back")

    async def pause(self, server: EmbeddedPostgres | EmbeddedRedis, *, seconds: float) -> None:
        """Let a server stand still, connections and all."""
        stopped = [server.pid, *_children(server.pid)]
        _signal(stopped, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            _signal(stopped, signal.SIGCONT)


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
