"""The bridge keeps the promises of every vendor."""

from typing import ClassVar

from app.simulators.site import Site
from tests.contract.suite import VendorContract


class TestBridge(VendorContract):
    vendor = "bridge"
    small_pages: ClassVar = {"page_size": "2"}

    def make_unknown(self, site: Site) -> str:
        site.set_modes({"extra_status": "on"})
        return next(one.id for one in site.hotel.bookings.values() if one.status == "tentative")
