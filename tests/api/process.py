"""Gateways in processes of their own, as an operator runs them: for what one sees only from outside."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.main import build
from app.settings import Settings
from tests.fixtures.gateway import EVERY_SCOPE, Client, settings_for
from tests.fixtures.services import PROJECT

_SERVE = """
import uvicorn
uvicorn.run("app.main:create_app", factory=True, port={port}, http="httptools", access_log=False, log_config=None)
"""


@dataclass(frozen=True)
class GatewayProcess:
    """One gateway that listens on this machine."""

    url: str
    settings: Settings
    output: Path
    http: httpx.AsyncClient
    _process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()

    async def client(self, *, name: str = "a-client") -> Client:
        """Make a key for every hotel, as the command line does, and the caller that holds it."""
        database = build(self.settings).gateway.database
        async with database.unit_of_work() as work:
            made = await work.api_keys.create(client=name, scopes=EVERY_SCOPE, hotels=None)
        await database.close()
        return Client(self.http, made.token.get_secret_value())

    async def execute(self, statement: str) -> None:
        """Send one statement to its database."""
        connection = await asyncpg.connect(self.settings.plain_database_url)
        await connection.execute(statement)
        await connection.close()

    def log(self) -> bytes:
        """Give all that it wrote to its standard output and error so far."""
        return self.output.read_bytes()


def environment(settings: Settings) -> dict[str, str]:
    """Give the environment that says what `settings` say."""
    told = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "ENCRYPTION_KEYS": settings.encryption_keys,
        "INDEX_KEYS": settings.index_keys,
        "IDEMPOTENCY_SECRET": settings.idempotency_secret,
    }
    values = {name: secret.get_secret_value() for name, secret in told.items()}
    values |= {"ALLOW_LOOPBACK_PMS": "true", "LOG_LEVEL": settings.log_level}
    values |= {"CLIENT_REQUESTS_PER_MINUTE": str(settings.client_requests_per_minute)}
    if settings.prometheus_multiproc_dir:
        values["PROMETHEUS_MULTIPROC_DIR"] = str(settings.prometheus_multiproc_dir)
    return os.environ | values


@contextmanager
def _started(settings: Settings, port: int, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _SERVE.format(port=port)],
            cwd=PROJECT,
            env=environment(settings),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(http: httpx.AsyncClient, output: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if (await http.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_process(settings: Settings, output: Path) -> AsyncIterator[GatewayProcess]:
    """Run a gateway until the block ends; what it writes goes to `output`."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        process = stack.enter_context(_started(settings, port, output))
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            await _ready(http, output)
            yield GatewayProcess(url, settings, output, http, process)


@pytest.fixture
async def gateway_process(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway with an empty database, logging everything that it can."""
    settings = settings_for(database_url, redis_url, log_level="DEBUG")
    async with running_process(settings, tmp_path / "gateway.log") as process:
        yield process
