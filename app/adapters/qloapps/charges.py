"""Charges: services of a booked room, posted by sending the booking back whole, proved by what was there before."""

from collections import Counter
from collections.abc import Iterable

from app.adapters.qloapps import checks, mapping, overlay, wire
from app.adapters.qloapps.profile import QLOAPPS
from app.adapters.qloapps.shop import Shop
from app.adapters.qloapps.writing import Bookings
from app.core.operation import Operation
from app.domain.errors import CannotBeSeen, Conflict, ConflictRefused, InvalidRequest, VendorLacks
from app.domain.folio import Charge, ChargeDraft
from app.domain.ids import VendorRef


class Charges:
    """What is charged to the rooms of an order."""

    def __init__(self, shop: Shop, bookings: Bookings) -> None:
        self._shop = shop
        self._bookings = bookings

    async def post(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Add a service to the order's first room that is not cancelled.

        Raises:
            VendorLacks: the shop cannot show the booking, or would drop a part of it.
            Conflict: the shop answered well and did not post it, or changed another charge by it.
        """
        name = checks.charge_name(draft, self._shop.hotel.options.charge_codes)
        checks.charge(draft, name)
        rows = await self._bookings.require_own(ref)
        live = [row for row in rows if not mapping.is_cancelled(row)]
        if not live:
            raise ConflictRefused("the reservation is cancelled")
        if len(live) < len(rows):
            raise VendorLacks(
                "a room of the booking is cancelled, and this PMS may give it back with any change",
                vendor=QLOAPPS.vendor,
            )
        async with op.alone(f"order {ref}", until_settled=True):
            before = await op.remember("booking", lambda: self._bookings.whole(ref), returns=wire.Booking)
            if before.currency != draft.amount.currency:
                raise InvalidRequest.of(("amount", "currency"), f"the booking is counted in {before.currency}")
            await self._post(before, live[0], overlay.charge(name, draft.total, draft.quantity), op)
        return Charge(
            id=await self._line(ref, name),
            reservation_id=ref,
            description=draft.description,
            amount=draft.amount,
            quantity=draft.quantity,
            total=draft.total,
        )

    async def _post(self, before: wire.Booking, row: wire.RoomBookingRow, service: overlay.Body, op: Operation) -> None:
        number, had, ours = before.id, overlay.services(before), overlay.as_charged(service)
        now = await self._bookings.whole(number)

        def like_ours(new: Iterable[overlay.Charged]) -> overlay.Charged | None:
            return ours if ours in new else next((one for one in new if one[0] == ours[0]), None)

        async def posted() -> str | None:
            found = like_ours(overlay.services(await self._bookings.whole(number)) - had)
            if found not in {None, ours}:
                raise CannotBeSeen("a charge of that name, but not of that price, was posted meanwhile")
            return number if found else None

        async def undo() -> str | None:
            now = await self._bookings.whole(number)
            found = like_ours(overlay.services(now) - had)
            return await self._bookings.put_whole(number, overlay.without(now, found)) if found else None

        await op.step(
            "charge",
            lambda: self._bookings.put_whole(number, overlay.charged(now, row, service)),
            returns=str,
            undo=undo,
            find=posted,
        )
        missing = had + Counter([ours]) - overlay.services(await self._bookings.whole(number))
        if missing:
            raise Conflict("QloApps answered well, but did not post the charge as it was sent", vendor=QLOAPPS.vendor)

    async def _line(self, ref: VendorRef, name: str) -> VendorRef:
        """Give the id of the folio's newest line of that name."""
        lines = await self._shop.rows(wire.OrderDetailRow, wire.among("id_order", [ref]))
        same = [int(line.id) for line in lines if line.product_name == name]
        return VendorRef(f"charge-{max(same)}" if same else f"charges-{ref}")
