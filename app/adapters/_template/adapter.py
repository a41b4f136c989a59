"""The vendor's adapter: each method asks and translates. No try, no retry, no logging: the floors below have those."""

from app.adapters._template import mapping, wire
from app.adapters._template.profile import TEMPLATE
from app.core.adapter import PMSAdapter
from app.domain.ids import VendorRef
from app.domain.reservation import Reservation

STAY = "houses/{house_id}/stays/{stay_id}"


class TemplateAdapter(PMSAdapter):
    """Overrides one method of `PMSAdapter` for each capability that the ledger claims; all others refuse politely."""

    profile = TEMPLATE

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give one reservation."""
        place = {"house_id": self.hotel.property_id or "", "stay_id": ref}
        found = await self.client.ask("GET", STAY, at=place, answer=wire.Stay)
        return mapping.reservation_from_wire(found, self.hotel)
