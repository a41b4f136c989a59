"""The bridge's adapter, connected over real HTTP to a simulated hotel of the test's own."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.adapter import PMSAdapter
from app.core.clock import SystemClock
from app.core.connectors import ConnectorFactory, Registration
from app.core.egress import EgressPolicy
from app.core.operation import Operation
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.hotel import Hotel
from app.domain.ids import OperationId, VendorRef
from app.domain.money import Money
from app.domain.reservation import Reservation, ReservationDraft
from app.simulators.hotel import SimulatedHotel
from app.simulators.records import Booking
from app.simulators.site import Site
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.simulators.openapi import require_fitting_request

_NUMBERS = itertools.count(1)


class ImpatientClock(SystemClock):
    """The machine's clock, except that waiting puts it forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        """Give seconds that only ever grow."""
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Do not wait."""
        self._ahead += seconds


@dataclass
class Bridge:
    """A site and a connector to it."""

    site: Site
    connector: PMSAdapter
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def hotel(self) -> SimulatedHotel:
        """What stands behind the API."""
        return self.site.hotel

    def operation(self) -> Operation:
        """Give a new write."""
        return Operation(OperationId(f"op-{next(_NUMBERS)}"))

    def draft(self, **changes: Any) -> ReservationDraft:
        """Give a draft: a suite for two, two nights, in a month."""
        arrival = self.hotel.business_date + timedelta(days=30)
        values = {
            "arrival": arrival,
            "departure": arrival + timedelta(days=2),
            "room_type": "STE",
            "rate_code": "FLEX",
            "adults": 2,
            "guest": {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test", "country": "GB"},
            **changes,
        }
        return ReservationDraft.model_validate(values)


Connect = Callable[..., Bridge]


def euro(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def seeded(bridge: Bridge, last_name: str) -> Booking:
    return next(one for one in bridge.hotel.bookings.values() if one.contact.last_name == last_name)


def ref(booking: Booking) -> VendorRef:
    return VendorRef(booking.id)


async def made(bridge: Bridge, **changes: object) -> Reservation:
    return await bridge.connector.create_reservation(bridge.draft(**changes), bridge.operation())


@pytest.fixture
async def services() -> AsyncIterator[VendorServices]:
    services = VendorServices.of(EgressPolicy(allow_loopback=True), clock=ImpatientClock(), timeout=5)
    yield services
    await services.pools.aclose()


@pytest.fixture
def connect(simulators: SimulatorServer, fresh_site: FreshSite, services: VendorServices) -> Iterator[Connect]:
    """Connect to a fresh site; whatever was sent to it has to fit the contract."""
    made: list[Site] = []

    def to_site(*, hotel: dict[str, Any] | None = None, **options: object) -> Bridge:
        site = fresh_site("bridge", **options)
        made.append(site)
        registration = dict(simulators.registration(site).body) | (hotel or {})
        credentials = {name: SecretStr(value) for name, value in registration.pop("credentials").items()}
        factory = ConnectorFactory(services, SecretResolver(environment={}))
        known = Hotel.model_validate({"id": "test", **registration})
        return Bridge(site, factory.open(Registration(known, credentials, revision=1)))

    yield to_site
    for site in made:
        for request in site.requests:
            require_fitting_request(request)


@pytest.fixture
def bridge(connect: Connect) -> Bridge:
    return connect()
