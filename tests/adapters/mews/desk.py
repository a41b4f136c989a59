"""A connector to one simulated property, the books behind it, and what was sent."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from app.adapters.mews import ADAPTER
from app.adapters.mews.adapter import MewsAdapter
from app.core.connectors import ConnectorFactory
from app.core.egress import EgressPolicy
from app.core.operation import Operation
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import ReservationDraft
from app.simulators.mews.premises import Premises
from app.simulators.records import Booking
from app.simulators.site import Recorded, Site
from tests.adapters.mews.spec import Contract, Judged
from tests.fixtures.clock import ManualClock
from tests.fixtures.connections import registered
from tests.fixtures.simulators import FreshSite, SimulatorServer

OpenDesk = Callable[..., AbstractAsyncContextManager["Desk"]]


@dataclass
class Desk:
    """The connector of one hotel, and what stands behind it."""

    site: Site
    place: Premises
    hotel: MewsAdapter
    clock: ManualClock
    judge: Judged | None
    _operations: int = field(default=0)

    def operation(self) -> Operation:
        """Give a write of its own."""
        self._operations += 1
        return Operation(OperationId(f"op-{self._operations}"))

    def seeded(self, last_name: str) -> Booking:
        """Give the reservation of somebody."""
        return next(one for one in self.place.hotel.bookings.values() if one.contact.last_name == last_name)

    def ref(self, last_name: str) -> VendorRef:
        """Give the id of somebody's reservation."""
        return VendorRef(self.seeded(last_name).id)

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """Give the bodies of the requests for an operation."""
        return [one.json() for one in self.requests if one.path.endswith(f"/{operation}")]

    @property
    def requests(self) -> list[Recorded]:
        """All that was asked."""
        return self.site.requests

    @property
    def arrival(self) -> date:
        """A day on which nobody arrives yet."""
        return self.place.hotel.business_date + timedelta(days=50)

    def draft(self, **changes: Any) -> ReservationDraft:
        """Give a new reservation of two nights for somebody who is not known yet."""
        guest = {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test", "phone": "+44 20 79460958"}
        house = self.place.hotel
        body = {
            "arrival": str(self.arrival),
            "departure": str(self.arrival + timedelta(days=2)),
            "room_type": list(house.kinds)[1],
            "rate_code": next(iter(house.plans)),
            "adults": 2,
            "guest": {**guest, **changes.pop("guest", {})},
        }
        return ReservationDraft.model_validate(body | changes)


def desks(fresh_site: FreshSite, simulators: SimulatorServer) -> OpenDesk:
    """Give what opens desks; where the vendor's tables are at hand, every call is held against them."""

    @contextlib.asynccontextmanager
    async def open_desk(*, modes: dict[str, str] | None = None, number: int = 1, **changes: Any) -> AsyncIterator[Desk]:
        site, contract = fresh_site("mews", modes=modes or {}), Contract.at_hand()
        app: Any = site.app
        places: dict[str, Premises] = app.state.premises
        place = list(places.values())[number - 1]
        judge = Judged(app, contract) if contract else None
        site.app = judge or app
        setup, clock = place.hotel.setup, ManualClock()
        facts = {"property_id": setup.property_id, "timezone": setup.timezone, "currency": setup.currency}
        registration = registered(simulators, site, **{**facts, **changes})
        services = VendorServices.of(EgressPolicy(allow_loopback=True), clock=clock, timeout=5)
        connector = ConnectorFactory(services, SecretResolver(environment={})).open(registration)
        assert isinstance(connector, ADAPTER)
        async with connector:
            yield Desk(site, place, connector, clock, judge)
        await services.pools.aclose()
        assert judge is None or judge.misfits == []

    return open_desk


def resumed(operation: Operation) -> Operation:
    """Give an operation as another process goes on with it."""
    return replace(operation, doubtful=set(operation.doubtful), sends=0)
