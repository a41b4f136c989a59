"""QloApps keeps the promises of every vendor."""

from typing import Any, ClassVar

from app.simulators.site import Site
from tests.contract.suite import VendorContract


class TestQloApps(VendorContract):
    vendor = "qloapps"
    booking: ClassVar[dict[str, str]] = {"method": "POST", "path": "bookings$"}
    charging: ClassVar[dict[str, str]] = {"method": "PUT", "path": "bookings/"}

    def make_unknown(self, site: Site) -> str:
        booking = next(one for one in site.hotel.bookings.values() if one.contact.last_name == "Lamarr")
        tables: Any = site.app.state.tables  # type: ignore[attr-defined] # the simulator's application has them
        rows, order = tables.rows, int(booking.id)
        odd = {"id_status": 9}
        tables.rows = lambda *asked: [row | odd if row.get("id_order") == order else row for row in rows(*asked)]
        return booking.id
