"""The simulators' one server: every vendor under a path of its own, each of its sites an installation apart.

`/{vendor}/{site}/…` is a vendor's API. The site `demo` is there from the start; others are made through the
control door, `PUT /_control/{vendor}/{site}`. Vendors are found by scanning this package for `SIMULATOR`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.simulators.control import control_door
from app.simulators.delivery import receive_and_answer
from app.simulators.hotel import Now
from app.simulators.site import DEMO, DemoHotel, Simulator, Site

DEFAULT_PORT = 8900
_PACKAGE = "app.simulators"


@lru_cache(maxsize=1)
def simulators() -> Mapping[str, Simulator]:
    """Give the simulator of every module or package here that has one, by vendor; what begins with `_` is none."""
    package = importlib.import_module(_PACKAGE)
    found: dict[str, Simulator] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        simulator = getattr(importlib.import_module(f"{_PACKAGE}.{module.name}"), "SIMULATOR", None)
        if isinstance(simulator, Simulator):
            found[simulator.vendor] = simulator
    return MappingProxyType(dict(sorted(found.items())))


def _system_now() -> datetime:
    return datetime.now(UTC)


class Simulators:
    """The server's ASGI application, and the way to its sites for tests in the same process."""

    def __init__(self, *, now: Now = _system_now, known: Callable[[], Mapping[str, Simulator]] = simulators) -> None:
        self._now = now
        self._known = known()
        self._sites: dict[tuple[str, str], Site] = {}
        self._control: ASGIApp = control_door(self)
        for vendor in self._known:
            self.make_site(vendor, DEMO)

    @property
    def sites(self) -> Mapping[tuple[str, str], Site]:
        """All sites, by vendor and name."""
        return MappingProxyType(self._sites)

    def site(self, vendor: str, name: str = DEMO) -> Site:
        """Give a site.

        Raises:
            KeyError: there is none.
        """
        return self._sites[vendor, name]

    def make_site(self, vendor: str, name: str, **options: object) -> Site:
        """Make a site, fresh; one of that name is replaced. `options` are those of `Site`.

        Raises:
            KeyError: there is no such vendor.
            ValueError: a mode is unknown.
        """
        site = Site(self._known[vendor], name, now=self._now, **options)  # type: ignore[arg-type] # Site checks them
        self._sites[vendor, name] = site
        return site

    def drop_site(self, vendor: str, name: str) -> None:
        """Forget a site.

        Raises:
            KeyError: there is none.
        """
        del self._sites[vendor, name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        vendor, _, rest = scope["path"].removeprefix("/").partition("/")
        if vendor == "_control":
            await self._control(_below(scope, rest), receive, send)
            return
        name, _, path = rest.partition("/")
        site = self._sites.get((vendor, name))
        if site is None:
            await JSONResponse({"error": "no such simulator or site"}, 404)(scope, receive, send)
            return
        await receive_and_answer(site, _below(scope, path), receive, send)


def _below(scope: Scope, path: str) -> Scope:
    return {**scope, "path": f"/{path}", "raw_path": f"/{path}".encode(), "root_path": ""}


def server_config(app: ASGIApp, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> uvicorn.Config:
    """Give the configuration under which the simulators are served."""
    return uvicorn.Config(
        app, host=host, port=port, http="httptools", lifespan="off", log_level="warning", access_log=False
    )


def serve(host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
    """Serve the simulators until the process is told to end."""
    uvicorn.Server(server_config(Simulators(), host=host, port=port)).run()


def demo_hotels(root_url: str) -> list[DemoHotel]:
    """Give a registration for the demo hotel of every vendor; `root_url` is the server's, without a path."""
    return [simulator.demo_hotel(root_url) for simulator in simulators().values()]
