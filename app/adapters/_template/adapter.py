"""The vendor's adapter: each method asks and translates. No try, no retry, no logging: the floors below have those."""

from app.adapters._template import mapping, wire
from app.adapters._template.profile import TEMPLATE
from app.core.adapter import PMSAdapter
from app.domain.ids import VendorRef
from app.domain.reservation import Reservation

HOUSE = "houses/{house_id}"


class TemplateAdapter(PMSAdapter):
    """Overrides one method of `PMSAdapter` for each capability that the ledger claims; all others refuse politely."""

    profile = TEMPLATE

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give one reservation."""
        found = await self.client.ask("GET", f"{HOUSE}/stays/{{stay_id}}", at=self._at(stay_id=ref), answer=wire.Stay)
        return mapping.reservation_from_wire(found, self.hotel)

    def _at(self, **values: str) -> dict[str, str]:
        """Give the values of a path; they are escaped when it is sent."""
        return {"house_id": self.hotel.property_id or "", **values}
