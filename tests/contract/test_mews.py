"""Mews keeps the promises of every vendor."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from app.simulators.site import Site
from tests.adapters.mews.spec import Contract, Judged
from tests.contract.suite import Connection, VendorContract
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.simulators import FreshSite
from tests.fixtures.stays import seeded

ODD = "Pondered"
"""A state that the vendor's tables do not have."""


class TestMews(VendorContract):
    vendor = "mews"
    booking: ClassVar[dict[str, str]] = {"path": "reservations/add$"}
    sends_before_booking = 1
    charging: ClassVar[dict[str, str]] = {"path": "orders/add$"}

    @pytest.fixture
    def fresh_site(self, fresh_site: FreshSite) -> Iterator[FreshSite]:
        """Makes installations at which every call is held against the vendor's tables, where these are at hand."""
        contract, judges = Contract.at_hand(), list[Judged]()

        def make(vendor: str, **options: object) -> Site:
            site = fresh_site(vendor, **options)
            if contract is not None:
                judges.append(Judged(site.app, contract))
                site.app = judges[-1]
            return site

        yield make
        assert [one for judge in judges for one in judge.misfits if ODD not in one] == []

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
        premises[site.hotel.setup.property_id].ledger.odd_states[booking.id] = ODD
        return booking.id
