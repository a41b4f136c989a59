"""A simulated shop and a connector to it, for the tests of writes."""

import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from app.adapters.qloapps.adapter import QloAppsAdapter
from app.core.operation import Operation
from app.domain.folio import ChargeDraft
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import Reservation, ReservationDraft
from app.simulators.faults import Fault, FaultKind
from app.simulators.house import RoomWish
from app.simulators.records import Booking, Contact
from app.simulators.site import Site

_NUMBERS = itertools.count(1)
MINIBAR = ChargeDraft.model_validate(
    {"description": "two beers", "amount": {"amount": "6.50", "currency": "USD"}, "quantity": 2, "category": "minibar"}
)


@dataclass
class Desk:
    """A shop and a connector to its first hotel."""

    site: Site
    hotel: QloAppsAdapter

    @property
    def arrival(self) -> date:
        """A day on which the house is empty."""
        return self.site.hotel.business_date + timedelta(days=200)

    @property
    def excluded(self) -> bool:
        """Whether the shop cannot show its bookings."""
        return self.site.modes["price_display"] == "tax_excluded"

    def operation(self) -> Operation:
        """Give a new write."""
        return Operation(OperationId(f"op-{next(_NUMBERS)}"))

    def draft(self, **changes: Any) -> ReservationDraft:
        """Give a draft: a room for two, two nights."""
        guest = {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test", "phone": "+1 555 0100"}
        values = {
            "arrival": self.arrival,
            "departure": self.arrival + timedelta(days=2),
            "room_type": "1",
            "rate_code": "BAR",
            "adults": 2,
            **changes,
        }
        values["guest"] = {**guest, **changes.get("guest", {})}
        return ReservationDraft.model_validate(values)

    async def made(self, **changes: Any) -> Reservation:
        """Make a reservation."""
        return await self.hotel.create_reservation(self.draft(**changes), self.operation())

    def booked(self, *, rooms: int = 1, **fields: Any) -> Booking:
        """Let the front desk book rooms."""
        wish = RoomWish(
            kind="1", plan="BAR", arrival=self.arrival, departure=self.arrival + timedelta(days=2), adults=2
        )
        contact = Contact(first_name="Walter", last_name="Desk", email="walter@example.test", phone="+15550199")
        return self.site.hotel.book([wish] * rooms, contact, **fields)

    def fill(self, *, but: int = 0, days: int = 0) -> None:
        """Let the front desk book all rooms of the type, but some, `days` after the usual arrival."""
        first = self.arrival + timedelta(days=days)
        wish = RoomWish(kind="1", plan="BAR", arrival=first, departure=first + timedelta(days=2), adults=2)
        free = self.site.hotel.free_rooms("1", wish.arrival, wish.departure)
        for _ in free[but:]:
            self.site.hotel.book([wish], Contact(last_name="Crowd"))

    def books(self, last_name: str) -> list[Booking]:
        """Give what the shop has in its books for a guest."""
        return [one for one in self.site.hotel.bookings.values() if one.contact.last_name == last_name]

    def asked(self, method: str, path: str = "") -> int:
        """Count what the shop was asked."""
        return sum(one.method == method and path in one.path for one in self.site.requests)

    def fault(self, kind: FaultKind, method: str, path: str, **fields: Any) -> None:
        """Let one request go wrong."""
        self.site.faults.add(Fault(kind=kind, method=method, path=path, times=1, **fields))


def ref(booking: Booking) -> VendorRef:
    """Name a booking as callers do."""
    return VendorRef(booking.id)
