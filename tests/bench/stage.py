"""What the bench stands on: durable servers of its own, the simulators, and the servers that are measured."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from app.api.deps import Gateway
from app.cli.console import tell
from app.cli.database import at_gateway
from app.cli.migrate import bring_up_to_date
from app.embedded import EmbeddedServers
from app.embedded.server import free_port
from app.settings import Settings, child_environment, generate_key, generate_secret
from app.simulators.server import simulators
from tests.bench.machine import PROJECT, Child, Cores, child, on

FOLDER = PROJECT / ".local" / "bench"
"""On a disk, as an operator's is: in memory a commit would cost nothing."""
HOTEL = "bench"
_DATABASES = ("bench", "yardstick")
_READY_WITHIN = 60.0  # seconds
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is measured."""

    process: Child
    port: int
    headers: dict[str, str]
    database_url: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that runs, and on which cores."""

    cores: Cores
    servers: EmbeddedServers
    pms: Child
    gateway: Served
    yardstick: Served
    reservations: list[str]
    """Ids of reservations at the hotel, which both write to."""
    durability: dict[str, str]
    """What Postgres says of how lasting a commit is."""


@contextmanager
def stage() -> Iterator[Stage]:
    """Start everything afresh; the data of the last run goes. Must be called from the main thread."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    cores = Cores.divided()
    with on(cores.others), ExitStack() as stack:
        servers = stack.enter_context(EmbeddedServers(FOLDER, durable=True, progress=tell))
        for name in _DATABASES:
            servers.drop_database(name)
        ours, theirs = (servers.create_database(name) for name in _DATABASES)
        pms_port = free_port()
        simulate = ["simulate", "--host", "127.0.0.1", "--port", str(pms_port)]
        pms = stack.enter_context(
            child("app.cli", simulate, environment=child_environment(), log=FOLDER / "simulators.log")
        )
        pms_url = f"http://127.0.0.1:{pms_port}"
        await_answer(pms, f"{pms_url}/_control/")
        gateway = _gateway(stack, cores, servers, ours)
        hotel = simulators()["bridge"].demo_hotel(pms_url)
        _register(gateway, hotel.body)
        yield Stage(
            cores=cores,
            servers=servers,
            pms=pms,
            gateway=gateway,
            yardstick=_yardstick(stack, cores, theirs, hotel.body),
            reservations=_reservations(gateway),
            durability=asyncio.run(_durability(servers.database_url)),
        )


def _gateway(stack: ExitStack, cores: Cores, servers: EmbeddedServers, database_url: str) -> Served:
    port = free_port()
    values = {
        "database_url": database_url,
        "redis_url": servers.redis_url,
        "encryption_keys": generate_key(),
        "index_keys": generate_key(),
        "idempotency_secret": generate_secret(),
        "allow_loopback_pms": "true",
        "host": "127.0.0.1",
        "port": str(port),
    }
    own = Settings(_env_file=None, **values)  # type: ignore[arg-type] # pydantic reads them from text
    bring_up_to_date(own)
    environment = child_environment(**{name.upper(): value for name, value in values.items()})
    with on(cores.server):
        process = stack.enter_context(child("app.cli", ["serve"], environment=environment, log=FOLDER / "gateway.log"))
    await_answer(process, f"http://127.0.0.1:{port}/health/ready")
    token = at_gateway(own, _key)
    return Served(process, port, {"Authorization": f"Bearer {token}"}, database_url)


async def _key(gateway: Gateway) -> str:
    async with gateway.database.unit_of_work() as work:
        made = await work.api_keys.create(client="bench", scopes=["admin", "read", "write"], hotels=None)
    return made.token.get_secret_value()


def _yardstick(stack: ExitStack, cores: Cores, database_url: str, hotel: Any) -> Served:
    port = free_port()
    environment = child_environment(
        DATABASE_URL=database_url,
        PMS_URL=f"{hotel['base_url']}/properties/{hotel['property_id']}",
        PMS_KEY=hotel["credentials"]["api_key"],
        PORT=str(port),
    )
    log = FOLDER / "yardstick.log"
    with on(cores.server):
        process = stack.enter_context(child("tests.bench.yardsticks", [], environment=environment, log=log))
    await_answer(process, f"http://127.0.0.1:{port}/ready")
    return Served(process, port, {}, database_url)


def await_answer(process: Child, url: str) -> None:
    """Wait until a process answers, whatever it thinks of being asked for this.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + _READY_WITHIN
    with httpx.Client(trust_env=False, timeout=5) as http:
        while time.monotonic() < deadline:
            process.require_alive()
            with suppress(httpx.TransportError):
                if not http.get(url).is_server_error:
                    return
            time.sleep(_POLL)
    raise RuntimeError(f"{url} did not answer within {_READY_WITHIN:.0f} s, see {process.log}")


def _client(gateway: Served) -> httpx.Client:
    base = f"http://127.0.0.1:{gateway.port}/v1/hotels"
    return httpx.Client(base_url=base, headers=gateway.headers, trust_env=False, timeout=30)


def _register(gateway: Served, body: Any) -> None:
    with _client(gateway) as http:
        http.put(f"/{HOTEL}", json=dict(body)).raise_for_status()


def _reservations(gateway: Served) -> list[str]:
    with _client(gateway) as http:
        return [one["id"] for one in http.get(f"/{HOTEL}/arrivals").raise_for_status().json()["data"]]


async def _durability(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        return {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()
