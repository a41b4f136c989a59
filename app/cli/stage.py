"""What the demo stands on: servers, simulators, the gateway, registered hotels and keys, all made afresh."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import httpx
from rich.console import Console
from rich.text import Text

from app.api.deps import Gateway
from app.cli.backstage import Backstage
from app.cli.children import Watched, child
from app.cli.configuration import settings_of
from app.cli.console import CommandError
from app.cli.database import at_gateway
from app.cli.migrate import bring_up_to_date
from app.cli.serving import listening_socket
from app.embedded import EmbeddedServerError, EmbeddedServers, ephemeral_folder
from app.settings import DemoSettings, Settings, child_environment, generate_key, generate_secret
from app.simulators.server import demo_hotels
from app.simulators.site import DemoHotel

HOST = "127.0.0.1"
FOREIGN = "somebody-elses"
"""A hotel that the tour's key may not see."""

_READY_WITHIN = 60.0  # seconds; a slow machine compiles our modules first
_POLL = 0.05
_TOUR_SCOPES = ("read", "write", "charges", "ops")


class Progress:
    """Shows what is being done, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show one step while it lasts; what is given can tell what it is doing."""
        started = time.monotonic()
        with self._console.status(f"{what} …") as status:
            yield lambda doing: status.update(f"{what}: {doing} …")
        told = Text.assemble(("✓", "green"), f" {what} ", (f"{time.monotonic() - started:.1f} s", "dim"))
        self._console.print(told, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running demo. `token` sees the hotels in `hotel_ids` and no other."""

    url: str
    token: str
    hotel_ids: tuple[str, ...]
    backstage: Backstage
    folder: Path
    processes: tuple[Watched, ...]

    @classmethod
    def build(cls, stack: ExitStack, settings: DemoSettings, progress: Progress) -> Self:
        """Start everything; `stack` ends it again, the last first.

        Raises:
            CommandError: a port is taken, or something does not start.
        """
        _require_port(settings.port, "PORT")
        _require_port(settings.simulators_port, "SIMULATORS_PORT")
        url, simulators_url = f"http://{HOST}:{settings.port}", f"http://{HOST}:{settings.simulators_port}"
        with progress.step("Postgres and Redis") as tell:
            folder, servers = _servers(stack, tell)
        given = _settings(servers, settings)
        own = settings_of(Settings, _env_file=None, **given)
        with progress.step("database schema") as tell:
            bring_up_to_date(own, progress=tell)
        simulators, gateway = _children(stack, settings, given, folder)
        with progress.step(f"simulated hotel systems at {simulators_url}"):
            _await(simulators, f"{simulators_url}/_control/")
        with progress.step(f"gateway at {url}"):
            _await(gateway, f"{url}/health/ready", status=200)
        worker = stack.enter_context(child("worker", ["worker"], environment=_told(given), folder=folder))
        with progress.step("hotels and keys"):
            hotels = demo_hotels(simulators_url)
            hotel_ids = tuple(sorted(hotel.hotel_id for hotel in hotels))
            admin, token = at_gateway(own, partial(_make_keys, hotel_ids))
            _register(url, admin, hotels)
        servers_seen = (
            Watched("Postgres", servers.postgres.pid, servers.postgres.log),
            Watched("Redis", servers.redis.pid, servers.redis.log),
        )
        return cls(
            url=url,
            token=token,
            hotel_ids=hotel_ids,
            backstage=stack.enter_context(Backstage.of(simulators_url, hotels)),
            folder=folder,
            processes=(*servers_seen, simulators, gateway, worker),
        )


def _require_port(port: int, variable: str) -> None:
    listening_socket(HOST, port, hint=f"set {variable} to another one").close()


def _servers(stack: ExitStack, progress: Callable[[str], None]) -> tuple[Path, EmbeddedServers]:
    try:
        folder = stack.enter_context(ephemeral_folder("demo"))
        return folder, stack.enter_context(EmbeddedServers(folder, progress=progress))
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error


def _settings(servers: EmbeddedServers, settings: DemoSettings) -> dict[str, str]:
    return {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "encryption_keys": generate_key(),
        "index_keys": generate_key(),
        "idempotency_secret": generate_secret(),
        "allow_loopback_pms": "true",
        "host": HOST,
        "port": str(settings.port),
    }


def _children(
    stack: ExitStack, settings: DemoSettings, given: Mapping[str, str], folder: Path
) -> tuple[Watched, Watched]:
    """Start both at once: most of their time goes into importing."""
    simulate = ["simulate", "--host", HOST, "--port", str(settings.simulators_port)]
    simulators = child("simulators", simulate, environment=child_environment(), folder=folder)
    gateway = child("gateway", ["serve"], environment=_told(given), folder=folder)
    return stack.enter_context(simulators), stack.enter_context(gateway)


def _told(given: Mapping[str, str]) -> dict[str, str]:
    return child_environment(**{name.upper(): value for name, value in given.items()})


def _await(process: Watched, url: str, *, status: int | None = None) -> None:
    """Wait until a process answers, with `status` where it matters.

    Raises:
        CommandError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + _READY_WITHIN
    with httpx.Client(trust_env=False, timeout=5) as http:
        while time.monotonic() < deadline:
            process.require_alive()
            with suppress(httpx.TransportError):
                if status in {None, http.get(url).status_code}:
                    return
            time.sleep(_POLL)
    raise CommandError(f"{process.name} did not answer within {_READY_WITHIN:.0f} s")


async def _make_keys(hotel_ids: Sequence[str], gateway: Gateway) -> tuple[str, str]:
    """Make an operator's key, and one for the tour that sees the demo's hotels alone."""
    async with gateway.database.unit_of_work() as work:
        admin = await work.api_keys.create(client="demo operator", scopes=["admin"], hotels=None)
        tour = await work.api_keys.create(client="demo tour", scopes=_TOUR_SCOPES, hotels=hotel_ids)
    return admin.token.get_secret_value(), tour.token.get_secret_value()


def _register(url: str, admin: str, hotels: Sequence[DemoHotel]) -> None:
    """Register the demo's hotels through the API, and one more that the tour may not see."""
    bodies = {hotel.hotel_id: dict(hotel.body) for hotel in hotels}
    bodies[FOREIGN] = {**hotels[0].body, "name": "Somebody else's house"}
    headers = {"Authorization": f"Bearer {admin}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        for hotel_id, body in bodies.items():
            answer = http.put(f"/v1/hotels/{hotel_id}", json=body)
            if answer.status_code != 201:
                raise CommandError(f"{hotel_id} cannot be registered: {answer.status_code} {answer.text}")
