"""Writing reservations: making, changing, cancelling them, and what happens at the desk."""

from app.core.connectors import Registration
from app.domain.capability import Capability
from app.domain.ids import VendorRef
from app.domain.reservation import CancelRequest, CheckoutTimeChange, NoteDraft, ReservationDraft, ReservationPatch
from app.gateway import changes
from app.gateway.reads import Patience
from app.gateway.reservations import Reservations
from app.gateway.write import Accepted, Order, Settled
from app.gateway.writes import Writes


class Bookings:
    """The writes to a hotel's reservations."""

    def __init__(self, reservations: Reservations, writes: Writes) -> None:
        self._reservations = reservations
        self._writes = writes

    async def create(self, registration: Registration, draft: ReservationDraft, order: Order) -> Settled | Accepted:
        """Make a reservation; `expected_total` is checked by a fresh quote before it is sent."""
        return await self._writes.do(registration, changes.creation(registration.hotel, draft), order)

    async def modify(
        self, registration: Registration, named: str, patch: ReservationPatch, order: Order
    ) -> Settled | Accepted:
        """Change a reservation; `If-Match` is compared with what the PMS says in the same operation."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_MODIFY, order)
        write = changes.modification(registration.hotel, ref, patch, order.if_match)
        return await self._writes.do(registration, write, order)

    async def cancel(
        self, registration: Registration, named: str, request: CancelRequest, order: Order
    ) -> Settled | Accepted:
        """Cancel a reservation; one that is cancelled already is done."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_CANCEL, order)
        return await self._writes.do(registration, changes.cancellation(registration.hotel, ref, request), order)

    async def check_in(self, registration: Registration, named: str, order: Order) -> Settled | Accepted:
        """Check the guests in; in house already is done."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_CHECK_IN, order)
        return await self._writes.do(registration, changes.checking_in(registration.hotel, ref), order)

    async def check_out(self, registration: Registration, named: str, order: Order) -> Settled | Accepted:
        """Check the guests out; checked out already is done."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_CHECK_OUT, order)
        return await self._writes.do(registration, changes.checking_out(registration.hotel, ref), order)

    async def set_checkout_time(
        self, registration: Registration, named: str, wanted: CheckoutTimeChange, order: Order
    ) -> Settled | Accepted:
        """Set the hotel-local time of the check-out."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_CHECKOUT_TIME, order)
        return await self._writes.do(registration, changes.checkout_time(registration.hotel, ref, wanted), order)

    async def add_note(
        self, registration: Registration, named: str, draft: NoteDraft, order: Order
    ) -> Settled | Accepted:
        """Add a note to a reservation."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_NOTE, order)
        return await self._writes.do(registration, changes.note(ref, draft), order)

    async def _resolve(self, registration: Registration, named: str, wanted: Capability, order: Order) -> VendorRef:
        return await self._reservations.resolve(registration, named, wanted, Patience(order.until))
