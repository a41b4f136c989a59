"""What is owed on a stay: its own items, those of orders that are linked to it, and payments for it."""

from collections.abc import Sequence
from typing import Any

from app.adapters.mews import mapping, wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.house import House
from app.adapters.mews.profile import MEWS
from app.adapters.mews.stays import Stays
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef

_LIVE = {"AccountingStates": ["Open", "Closed"]}


class Folio:
    """The money of stays. Mews keeps it by guest: what is not linked to a stay is on nobody's folio here (# Q12)."""

    def __init__(self, calls: Calls, house: House, stays: Stays, hotel: Hotel) -> None:
        self._calls = calls
        self._house = house
        self._stays = stays
        self._hotel = hotel

    async def lines(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of a stay's folio."""
        items, payments = await self._of(ref)
        return [*map(mapping.folio_item, items), *map(mapping.folio_payment, payments)]

    async def balance(self, ref: VendorRef) -> Balance:
        """Give what is owed on a stay now."""
        return mapping.balance(ref, self._hotel, *await self._of(ref))

    async def post(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Order something under a stay, with our reference on it (# Q14)."""
        if draft.reference is not None:
            reason = "the one member for it holds the gateway's own reference"
            raise CapabilityNotSupported(Capability.CHARGE_POST, reason, vendor=MEWS.vendor, field="reference")
        stay, reference = await self._stays.one(ref), op.reference("charge")
        body = {
            **self._calls.place,
            "ServiceId": (await self._house.charges()).id,
            "AccountId": stay.account_id,
            "LinkedReservationId": ref,
            "Items": [{**await self._item(draft), "ExternalIdentifier": reference}],
        }

        async def order() -> str:
            return (await self._calls.act("orders/add", wire.OrderMade, body)).order_id

        async def ordered() -> str | None:
            found = await self._ordered(ref)
            return next((one.service_order_id for one in found if one.external_identifier == reference), None)

        made = await op.step("charge", order, returns=str, find=ordered)
        line = next(iter(await self._stays.items([made])), None)
        return Charge(
            id=VendorRef(line.id if line else made),
            reservation_id=ref,
            description=draft.description,
            amount=draft.amount,
            quantity=draft.quantity,
            total=draft.total,
            posted_at=line.consumed_utc if line else None,
        )

    async def _item(self, draft: ChargeDraft) -> dict[str, Any]:
        """Say what is ordered, at which price, and as what it is accounted."""
        tax_code, codes = self._calls.options.charge_tax_code, self._hotel.options.charge_codes
        category = codes.get(draft.category) or codes.get("default")
        return {
            "Name": draft.description,
            "UnitCount": draft.quantity,
            "UnitAmount": mapping.unit_amount(
                draft.amount,
                included=draft.tax_included,
                pricing=(await self._house.enterprise()).pricing,
                tax=await self._house.tax(tax_code) if tax_code else None,
            ),
            **({"AccountingCategoryId": category} if category else {}),
        }

    async def _of(self, ref: VendorRef) -> tuple[list[wire.OrderItem], list[wire.Payment]]:
        """Give all that counts of a stay.

        Raises:
            NotFound: the property has no such stay.
        """
        stay = await self._stays.one(ref)
        own = await self._stays.items([stay.id])
        items = [one for one in (*own, *await self._ordered(ref)) if one.accounting_state in _LIVE["AccountingStates"]]
        asked = {**self._calls.here, **_LIVE, "ReservationIds": [ref], "States": ["Charged"]}
        payments = await self._calls.list_all("payments/getAll", wire.Payments, asked)
        return items, payments

    async def _ordered(self, ref: VendorRef) -> Sequence[wire.OrderItem]:
        """Give the items of orders that are linked to a stay."""
        services = [one.id for one in await self._house.orderable()]
        asked = {**self._calls.here, "ServiceIds": services, "LinkedReservationIds": [ref]}
        orders = await self._calls.list_all("productServiceOrders/getAll", wire.ProductOrders, asked)
        return await self._stays.items([one.id for one in orders])
