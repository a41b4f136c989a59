"""The adapter, connected over real HTTP to a simulated hotel of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from pydantic import SecretStr

from app.core.adapter import PMSAdapter
from app.core.connectors import ConnectorFactory, Registration
from app.core.egress import EgressPolicy
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.hotel import Hotel
from app.simulators.records import Booking
from app.simulators.site import Site
from tests.fixtures.clock import ManualClock
from tests.fixtures.simulators import FreshSite, SimulatorServer


@dataclass
class Connected:
    """An adapter, and the PMS that it is connected to."""

    connector: PMSAdapter
    site: Site

    def seeded(self, last_name: str) -> Booking:
        """Give the reservation that the PMS has for somebody."""
        return next(one for one in self.site.hotel.bookings.values() if one.contact.last_name == last_name)


class Connect(Protocol):
    """Connects to a fresh site; `changes` are to its registration, `options` those of `Site`."""

    def __call__(self, *, changes: dict[str, Any] | None = None, **options: object) -> Connected: ...


@pytest.fixture
async def connect(simulators: SimulatorServer, fresh_site: FreshSite) -> AsyncIterator[Connect]:
    # Waiting takes no time on this clock: retries come at once.
    services = VendorServices.of(EgressPolicy(allow_loopback=True), clock=ManualClock(), timeout=5)
    factory = ConnectorFactory(services, SecretResolver(environment={}))

    def to_site(*, changes: dict[str, Any] | None = None, **options: object) -> Connected:
        site = fresh_site("_template", **options)
        body = {**simulators.registration(site).body, **(changes or {})}
        credentials = {name: SecretStr(value) for name, value in body.pop("credentials").items()}
        hotel = Hotel.model_validate({"id": "test", **body})
        return Connected(factory.open(Registration(hotel, credentials, revision=1)), site)

    yield to_site
    await services.pools.aclose()


@pytest.fixture
def connected(connect: Connect) -> Connected:
    return connect()
