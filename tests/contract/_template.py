"""The vendor keeps the promises of every vendor."""

from app.simulators.site import Site
from tests.contract.suite import VendorContract


class TestTemplate(VendorContract):
    vendor = "_template"

    def make_unknown(self, site: Site) -> str:
        site.set_modes({"odd_state": "on"})
        return next(one.id for one in site.hotel.bookings.values() if one.status == "tentative")
