"""What can be sold and what it costs: availability by night, and prices of whole stays."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from app.adapters.mews import mapping, wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.house import House
from app.adapters.mews.profile import MEWS
from app.adapters.mews.stays import Stays
from app.domain.errors import VendorContractBroken
from app.domain.hotel import Hotel, RoomType
from app.domain.inventory import AvailabilityGrid, RateQuote
from app.domain.money import Money
from app.domain.reservation import Reservation, ReservationPatch
from app.domain.stay import Occupancy, Stay

_MOST_PRICES = 100
"""Stays of which the price is asked at once; Mews names no limit."""


class Sales:
    """The front of the house."""

    def __init__(self, calls: Calls, house: House, stays: Stays, hotel: Hotel) -> None:
        self._calls = calls
        self._house = house
        self._stays = stays
        self._hotel = hotel

    async def kinds(self, room_type: str | None = None, guests: int = 0) -> list[RoomType]:
        """Give the room types that are sold and take so many guests."""
        language, places = (await self._house.enterprise()).default_language_code, await self._house.places()
        return [
            mapping.room_type(one, places.values(), language)
            for one in await self._house.categories()
            if one.is_active and room_type in {None, one.id} and guests <= one.most
        ]

    async def grid(self, stay: Stay, room_type: str | None, occupancy: Occupancy | None) -> AvailabilityGrid:
        """Give what can be sold on each night."""
        sold = await self.kinds(room_type, occupancy.guests if occupancy else 0)
        return mapping.grid(self._hotel, stay, sold, await self._free(stay) if sold else {})

    async def quotes(
        self, stay: Stay, occupancy: Occupancy, room_type: str | None, rate_code: str | None
    ) -> list[RateQuote]:
        """Give the price of a stay in each room type that takes the guests, at each rate that anybody may book."""
        sold = await self.kinds(room_type, occupancy.guests)
        rates = [one.id for one in await self._house.rates() if rate_code in {None, one.id}]
        wishes = [(kind.room_type, rate) for kind in sold for rate in rates]
        if not wishes:
            return []
        persons = mapping.person_counts(occupancy.adults, occupancy.child_ages, await self._house.ages())
        asked = [
            {**await self._stays.wish(stay.arrival, stay.departure, *wish), "PersonCounts": persons} for wish in wishes
        ]
        free = await self._free(stay)
        return [
            RateQuote(
                room_type=kind,
                rate_code=rate,
                arrival=stay.arrival,
                departure=stay.departure,
                adults=occupancy.adults,
                child_ages=occupancy.child_ages,
                total=total,
                taxes_included=True,
                available=all(free.get((kind, night), 0) for night in stay),
            )
            for (kind, rate), total in zip(wishes, await self._prices(asked), strict=True)
        ]

    async def changed(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what a stay would cost after a patch: its new price, and all else that is charged under it as it is."""
        stay = await self._stays.one(current.id)
        wanted = await self._stays.changes(stay, patch)
        items = await self._stays.items([stay.id])
        total = mapping.total(items)
        if wanted or total is None:
            others = mapping.total(one for one in items if one.type != mapping.STAY_ITEM)
            (price,) = await self._prices([{**mapping.as_sent(stay), **wanted}])
            total = price + others if others and others.currency == price.currency else price
        after = Stay(patch.arrival or current.arrival, patch.departure or current.departure)
        kind = patch.room_type or stay.category_id
        own = set(Stay(current.arrival, current.departure)) if kind == stay.category_id else set()
        new = [night for night in after if night not in own]
        free = await self._free(after) if new else {}
        ages = patch.child_ages if "child_ages" in patch.model_fields_set else current.child_ages
        return RateQuote(
            room_type=kind,
            rate_code=patch.rate_code or stay.rate_id,
            arrival=after.arrival,
            departure=after.departure,
            adults=patch.adults or current.adults or 1,
            child_ages=ages or (),
            total=total,
            taxes_included=True,
            available=all(free.get((kind, night), 0) for night in new),
        )

    async def _prices(self, stays: Sequence[Mapping[str, Any]]) -> list[Money]:
        """Give the price of each of these stays, in their order (# Q7)."""
        service = (await self._house.stays()).id
        told: dict[str, Money] = {}
        numbered = [{**stay, "Identifier": str(number)} for number, stay in enumerate(stays)]
        for first in range(0, len(numbered), _MOST_PRICES):
            asked = {"ServiceId": service, "Reservations": numbered[first : first + _MOST_PRICES]}
            found = await self._calls.ask("reservations/price", wire.Prices, asked)
            told |= {one.identifier: mapping.price(one) for one in found.reservation_prices}
        if len(told) != len(numbered):
            raise VendorContractBroken("Mews did not price every stay that it was asked about", vendor=MEWS.vendor)
        return [told[one["Identifier"]] for one in numbered]

    async def _free(self, stay: Stay) -> Mapping[tuple[str, date], int]:
        """Give how many rooms can be sold, by type and night; the last night is named, not the day after (# Q8)."""
        found = await self._calls.ask(
            "services/getAvailability",
            wire.Availability,
            {
                "ServiceId": (await self._house.stays()).id,
                "FirstTimeUnitStartUtc": mapping.moment(self._hotel.at(stay.arrival)),
                "LastTimeUnitStartUtc": mapping.moment(self._hotel.at(stay.departure - timedelta(days=1))),
            },
        )
        return mapping.free_rooms(found, self._hotel)
