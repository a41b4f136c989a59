"""What can be sold, and for how much."""

from collections.abc import Sequence
from typing import Any

from app.core.connectors import Registration
from app.domain.capability import Capability
from app.domain.hotel import RoomType
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.stay import Occupancy, Stay
from app.gateway import invalidation
from app.gateway.reads import Answer, Patience, Read, Reads

CATALOGUE_TTL = 3600.0
QUOTE_TTL = 60.0


class Inventory:
    """Availability, rates, rate plans and room types of a hotel."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def availability(
        self,
        registration: Registration,
        stay: Stay,
        patience: Patience,
        *,
        room_type: str | None,
        occupancy: Occupancy | None,
    ) -> Answer[AvailabilityGrid]:
        """Give what can be sold on each night of `stay`."""
        read = Read[AvailabilityGrid](
            capability=Capability.AVAILABILITY,
            kind=AvailabilityGrid,
            ask=lambda connector: connector.get_availability(stay, room_type=room_type, occupancy=occupancy),
            params=[stay.arrival, stay.departure, room_type, _party(occupancy)],
            resources=tuple(invalidation.availability(stay)),
            ttl=registration.hotel.cache.availability_ttl,
        )
        return await self._reads.answer(registration, read, patience)

    async def rates(
        self,
        registration: Registration,
        stay: Stay,
        occupancy: Occupancy,
        patience: Patience,
        *,
        room_type: str | None,
        rate_code: str | None,
    ) -> Answer[list[RateQuote]]:
        """Give the price of `stay`, the cheapest first."""

        async def ask(connector: Any) -> list[RateQuote]:
            quotes = await connector.quote_rates(stay, occupancy, room_type=room_type, rate_code=rate_code)
            wanted = [quote for quote in quotes if _is_wanted(quote, room_type, rate_code)]
            return sorted(wanted, key=lambda quote: (quote.total.amount, quote.room_type, quote.rate_code))

        read = Read[list[RateQuote]](
            capability=Capability.RATES,
            kind=list[RateQuote],
            ask=ask,
            params=[stay.arrival, stay.departure, _party(occupancy), room_type, rate_code],
            resources=tuple(invalidation.rates(stay)),
            ttl=QUOTE_TTL,
        )
        return await self._reads.answer(registration, read, patience)

    async def rate_plans(self, registration: Registration, patience: Patience) -> Answer[list[RatePlan]]:
        """Give all rate plans, by code."""

        async def ask(connector: Any) -> list[RatePlan]:
            return sorted(await connector.list_rate_plans(), key=lambda plan: plan.rate_code)

        return await self._reads.answer(registration, _catalogue(Capability.RATE_PLANS, list[RatePlan], ask), patience)

    async def room_types(self, registration: Registration, patience: Patience) -> Answer[list[RoomType]]:
        """Give all room types, by code."""

        async def ask(connector: Any) -> list[RoomType]:
            return sorted(await connector.list_room_types(), key=lambda kind: kind.room_type)

        return await self._reads.answer(registration, _catalogue(Capability.ROOM_TYPES, list[RoomType], ask), patience)


def _catalogue(capability: Capability, kind: Any, ask: Any) -> Read[Any]:
    return Read(capability=capability, kind=kind, ask=ask, resources=(invalidation.CATALOGUE,), ttl=CATALOGUE_TTL)


def _party(occupancy: Occupancy | None) -> Sequence[int] | None:
    return None if occupancy is None else [occupancy.adults, *occupancy.child_ages]


def _is_wanted(quote: RateQuote, room_type: str | None, rate_code: str | None) -> bool:
    return room_type in {None, quote.room_type} and rate_code in {None, quote.rate_code}
