"""Mews keeps the promises of every vendor."""

from typing import Any, ClassVar

import pytest

from app.simulators.site import Site
from tests.contract.suite import Connection, VendorContract
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.stays import seeded


class TestMews(VendorContract):
    vendor = "mews"
    booking: ClassVar[dict[str, str]] = {"path": "reservations/add$"}
    sends_before_booking = 1
    charging: ClassVar[dict[str, str]] = {"path": "orders/add$"}

    @pytest.fixture
    def hotel(self, connection: Connection) -> HotelUnderTest:
        """Gives the connected hotel, where she who leaves has paid: Mews lets nobody go who owes something."""
        leaving = seeded(connection.hotel, "Hopper")
        house = connection.site.hotel
        house.pay(leaving, house.balance(leaving))
        return connection.hotel

    def make_unknown(self, site: Site) -> str:
        booking = next(one for one in site.hotel.bookings.values() if one.contact.last_name == "Lamarr")
        premises: Any = site.app.state.premises  # type: ignore[attr-defined] # the simulator's application has them
        premises[site.hotel.setup.property_id].ledger.odd_states[booking.id] = "Pondered"
        return booking.id
