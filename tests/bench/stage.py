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
from tests.bench.hotels import VENDOR, Desk, Pms
from tests.bench.machine import PROJECT, Child, Cores, child, on

FOLDER = PROJECT / ".local" / "bench"
"""On a disk, as an operator's is: in memory a commit would cost nothing."""
HOTEL = "bench"
"""The hotel of the writes, whose notes grow."""
READ_HOTEL = "reads"
"""The hotel of the reads, at the site of the same name, where nothing is written."""
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

    @property
    def desk(self) -> Desk:
        """Who registers hotels at it."""
        return Desk(self.port, self.headers)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that runs, and on which cores."""

    cores: Cores
    servers: EmbeddedServers
    pms: Pms
    gateway: Served
    settings: dict[str, str]
    """What the gateway was started with, for others beside it."""
    yardstick: Served
    reservations: list[str]
    """Ids of reservations at the hotel, which both write to."""
    read_registration: dict[str, Any]
    """What the hotel of the reads is registered with."""
    read_reservations: list[str]
    """Ids of reservations there."""
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
        pms = _simulators(stack)
        settings = _settings(servers, ours)
        gateway = _gateway(stack, cores, settings)
        hotel = dict(simulators()[VENDOR].demo_hotel(pms.url).body)
        gateway.desk.register(HOTEL, hotel)
        read_registration = pms.fresh_site(READ_HOTEL)
        gateway.desk.register(READ_HOTEL, read_registration)
        yield Stage(
            cores=cores,
            servers=servers,
            pms=pms,
            gateway=gateway,
            settings=settings,
            yardstick=_yardstick(stack, cores, servers, theirs, hotel),
            reservations=gateway.desk.reservations(HOTEL),
            read_registration=read_registration,
            read_reservations=gateway.desk.reservations(READ_HOTEL),
            durability=asyncio.run(_durability(servers.database_url)),
        )


def _simulators(stack: ExitStack) -> Pms:
    port = free_port()
    arguments = ["simulate", "--host", "127.0.0.1", "--port", str(port)]
    process = stack.enter_context(
        child("app.cli", arguments, environment=child_environment(), log=FOLDER / "simulators.log")
    )
    pms = Pms(process, f"http://127.0.0.1:{port}")
    await_answer(process, f"{pms.url}/_control/")
    return pms


def _settings(servers: EmbeddedServers, database_url: str) -> dict[str, str]:
    return {
        "database_url": database_url,
        "redis_url": servers.redis_url,
        "encryption_keys": generate_key(),
        "index_keys": generate_key(),
        "idempotency_secret": generate_secret(),
        "allow_loopback_pms": "true",
        "client_requests_per_minute": "10000000",  # counted as everywhere, and never reached
        "host": "127.0.0.1",
    }


def _gateway(stack: ExitStack, cores: Cores, settings: dict[str, str]) -> Served:
    own = Settings(_env_file=None, **settings)  # type: ignore[arg-type] # pydantic reads them from text
    bring_up_to_date(own)
    token = at_gateway(own, _key)
    headers = {"Authorization": f"Bearer {token}"}
    served = stack.enter_context(gateway_process("gateway", cores, settings, headers=headers))
    await_answer(served.process, ready_url(served))
    return served


@contextmanager
def gateway_process(name: str, cores: Cores, settings: dict[str, str], *, headers: dict[str, str]) -> Iterator[Served]:
    """Start a gateway; it is not ready yet."""
    values = {**settings, "port": str(free_port())}
    environment = child_environment(**{name.upper(): value for name, value in values.items()})
    with ExitStack() as stack:
        with on(cores.server):
            started = child("app.cli", ["serve"], environment=environment, log=FOLDER / f"{name}.log")
            process = stack.enter_context(started)
        yield Served(process, int(values["port"]), headers, settings["database_url"])


def ready_url(served: Served) -> str:
    """Give where a gateway says that it is ready."""
    return f"http://127.0.0.1:{served.port}/health/ready"


async def _key(gateway: Gateway) -> str:
    async with gateway.database.unit_of_work() as work:
        made = await work.api_keys.create(client="bench", scopes=["admin", "read", "write"], hotels=None)
    return made.token.get_secret_value()


def _yardstick(
    stack: ExitStack, cores: Cores, servers: EmbeddedServers, database_url: str, hotel: dict[str, Any]
) -> Served:
    port = free_port()
    token = generate_secret()
    environment = child_environment(
        DATABASE_URL=database_url,
        REDIS_URL=servers.redis_url,
        API_KEY=token,
        PMS_URL=f"{hotel['base_url']}/properties/{hotel['property_id']}",
        PMS_KEY=hotel["credentials"]["api_key"],
        PORT=str(port),
    )
    log = FOLDER / "yardstick.log"
    with on(cores.server):
        process = stack.enter_context(child("tests.bench.yardsticks", [], environment=environment, log=log))
    await_answer(process, f"http://127.0.0.1:{port}/ready")
    return Served(process, port, {"Authorization": f"Bearer {token}"}, database_url)


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


async def _durability(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        return {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()
