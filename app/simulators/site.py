"""One installation of a simulated PMS: its hotels, key, modes, faults, and what it was asked."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import ASGIApp

from app.simulators.faults import Fault, FaultPlan
from app.simulators.hotel import Now, SimulatedHotel
from app.simulators.rules import Setup
from app.simulators.seed import seed

Wait = Callable[[float], Awaitable[object]]

DEMO = "demo"
"""The site that is there from the start."""


def api_key(vendor: str, site: str) -> str:
    """Give a site's key: 32 letters and digits, always the same ones, for demos and tests; it guards nothing."""
    return hashlib.sha256(f"{vendor}/{site}".encode()).hexdigest()[:32].upper()


@dataclass(frozen=True, slots=True)
class DemoHotel:
    """A hotel to be registered with the gateway: its id, and the body of `PUT /v1/hotels/{hotel_id}`."""

    hotel_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """What a vendor's module gives as `SIMULATOR`; everything else is the same for all vendors."""

    vendor: str
    app: Callable[["Site"], ASGIApp]
    """Makes the vendor's API over one site; paths begin after `/{vendor}/{site}`."""
    registration: Callable[[str, str], DemoHotel]
    """Gives the registration of a site's first hotel, for the site's URL and its API key."""
    modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ways in which installations differ, with their values; the first is the default."""
    setups: tuple[Setup, ...] = (Setup(),)
    """The hotels of each new site; at least one."""

    def demo_hotel(self, root_url: str) -> DemoHotel:
        """Give the registration of the demo hotel; `root_url` is the server's, without a path."""
        return self.registration(f"{root_url.rstrip('/')}/{self.vendor}/{DEMO}", api_key(self.vendor, DEMO))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived; `path` is the one within the site, header names are lower case."""

    method: str
    path: str
    template: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    arrived: float = field(default_factory=time.monotonic)
    """Seconds that only ever grow, of this machine and not of a clock that tests own: for counting in windows."""

    def json(self) -> Any:
        """Give the body as JSON."""
        return orjson.loads(self.body)


class Site:
    """One isolated installation. `hotel` is the first of its hotels."""

    def __init__(
        self,
        simulator: Simulator,
        name: str,
        *,
        now: Now,
        modes: Mapping[str, str] | None = None,
        faults: tuple[Fault, ...] = (),
        fault_seed: int = 0,
        seeded: bool = True,
    ) -> None:
        self.simulator = simulator
        self.name = name
        self.api_key = api_key(simulator.vendor, name)
        self.now = now
        self.wait: Wait = asyncio.sleep
        """How faults wait; tests may put a clock of their own here."""
        self.modes = {mode: values[0] for mode, values in simulator.modes.items()}
        self.set_modes(modes or {})
        self.hotels = {setup.property_id: SimulatedHotel(setup, now) for setup in simulator.setups}
        self.faults = FaultPlan(faults, seed=fault_seed)
        self.requests: list[Recorded] = []
        self.late: set[asyncio.Task[None]] = set()
        """Commits that were answered before they were done."""
        self.done_before: set[bytes] = set()
        """Digests of requests whose repeat is refused."""
        if seeded:
            for hotel in self.hotels.values():
                seed(hotel)
        self.app = simulator.app(self)

    @property
    def hotel(self) -> SimulatedHotel:
        """The site's first hotel."""
        return next(iter(self.hotels.values()))

    @property
    def path(self) -> str:
        """Where the site is on the simulators' server."""
        return f"/{self.simulator.vendor}/{self.name}"

    def set_modes(self, modes: Mapping[str, str]) -> None:
        """Change how this installation behaves.

        Raises:
            ValueError: the vendor's simulator has no such mode or value.
        """
        for mode, value in modes.items():
            allowed = self.simulator.modes.get(mode)
            if allowed is None or value not in allowed:
                known = {name: list(values) for name, values in self.simulator.modes.items()}
                raise ValueError(f"no mode {mode}={value}; there are: {known}")
        self.modes.update(modes)

    def registration(self, root_url: str) -> DemoHotel:
        """Give the registration of the first hotel; `root_url` is the server's, without a path."""
        return self.simulator.registration(root_url.rstrip("/") + self.path, self.api_key)

    def request_counts(self) -> dict[str, int]:
        """Count the requests by method and path template."""
        return dict(Counter(f"{request.method} {request.template}" for request in self.requests))

    async def settled(self) -> None:
        """Wait until all late commits are done."""
        while self.late:
            await asyncio.gather(*self.late)
