"""What seldom changes at a hotel, kept in mind: its services, room types, rooms, rates and age categories."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.adapters.mews import wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.profile import MEWS
from app.core.memory import Memory
from app.domain.errors import VendorLacks

ACTIVE = {"ActivityStates": ["Active"]}
_STAYS = ("Bookable", "Day")


@dataclass(frozen=True, slots=True)
class RoomPlace:
    """A room's number and its type."""

    number: str
    category_id: str | None


class House:
    """The facts of one property, read when they are needed and again when something in them is missing."""

    def __init__(self, calls: Calls, memory: Memory) -> None:
        self._calls = calls
        self._memory = memory

    async def enterprise(self) -> wire.Enterprise:
        """Give the property itself."""

        async def read() -> wire.Enterprise:
            return (await self._calls.ask("configuration/get", wire.Configuration, self._calls.place)).enterprise

        return await self._memory.recall("enterprise", read)

    async def chain(self) -> Mapping[str, str]:
        """Name the chain in which guests are kept, for a write."""
        return {"ChainId": (await self.enterprise()).chain_id}

    async def chains(self) -> Mapping[str, list[str]]:
        """Name the chain in which guests are kept, for a list (# Q4)."""
        return {"ChainIds": [(await self.enterprise()).chain_id]}

    async def services(self) -> list[wire.Service]:
        """Give what can be booked or ordered, in the hotel's order."""

        async def read() -> list[wire.Service]:
            found = await self._calls.list_all("services/getAll", wire.Services, self._calls.here)
            return sorted((one for one in found if one.is_active), key=lambda one: one.ordering)

        return await self._memory.recall("services", read)

    async def stays(self) -> wire.Service:
        """Give the service under which rooms are booked."""
        wanted = self._calls.options.service_id
        for one in await self.services():
            kind = (one.data.discriminator, one.data.value.time_unit_period)
            if one.id == wanted or (wanted is None and kind == _STAYS):
                return one
        raise self._missing("bookable by the day", "service_id")

    async def charges(self) -> wire.Service:
        """Give the service under which charges are ordered."""
        wanted = self._calls.options.charge_service_id
        for one in await self.orderable():
            if wanted in {None, one.id}:
                return one
        raise self._missing("that can be ordered", "charge_service_id")

    async def orderable(self) -> list[wire.Service]:
        """Give the services under which things are ordered."""
        return [one for one in await self.services() if one.data.discriminator == "Additional"]

    async def categories(self) -> list[wire.Category]:
        """Give the room types."""

        async def read() -> list[wire.Category]:
            asked = {**self._calls.here, **ACTIVE, "ServiceIds": [(await self.stays()).id]}
            return await self._calls.list_all("resourceCategories/getAll", wire.Categories, asked)

        return await self._memory.recall("categories", read)

    async def rates(self) -> list[wire.Rate]:
        """Give the rate plans that anybody may book."""

        async def read() -> list[wire.Rate]:
            extent = {"Rates": True, "AvailabilityBlockAssignments": False}
            asked = {**self._calls.here, **ACTIVE, "ServiceIds": [(await self.stays()).id], "Extent": extent}
            found = await self._calls.list_all("rates/getAll", wire.Rates, asked)
            return [one for one in found if one.is_sold]

        return await self._memory.recall("rates", read)

    async def places(self, known: Collection[str] = ()) -> Mapping[str, RoomPlace]:
        """Give number and type of each room by its id; rooms that are `known` to be there are among them."""

        async def read() -> Mapping[str, RoomPlace]:
            asked = {**self._calls.here, **ACTIVE, "ResourceCategoryIds": [one.id for one in await self.categories()]}
            listed = await self._calls.list_all("resourceCategoryAssignments/getAll", wire.Assignments, asked)
            kinds = {one.resource_id: one.category_id for one in listed if one.is_active}
            return {one.id: RoomPlace(one.name, kinds.get(one.id)) for one in await self.resources()}

        return await self._memory.recall("places", read, knows=lambda places: set(known) <= set(places))

    async def resources(self, *names: str) -> list[wire.Resource]:
        """Give the rooms as they are now, all or those of these numbers."""
        extent = {"Resources": True, "Inactive": False}
        asked = {**self._calls.here, "Extent": extent, **({"Names": list(names)} if names else {})}
        found = await self._calls.list_all("resources/getAll", wire.Resources, asked)
        return [one for one in found if one.data.discriminator == "Space"]  # Q10

    async def ages(self, known: Collection[str] = ()) -> Sequence[wire.AgeCategory]:
        """Give the age categories; those that are `known` to be there are among them."""

        async def read() -> list[wire.AgeCategory]:
            asked = {**self._calls.here, "ServiceIds": [(await self.stays()).id]}
            return await self._calls.list_all("ageCategories/getAll", wire.AgeCategories, asked)

        return await self._memory.recall(
            "ages", read, knows=lambda ages: set(known) <= {category.id for category in ages}
        )

    async def tax(self, code: str) -> wire.TaxRate:
        """Give a tax rate.

        Raises:
            VendorLacks: the hotel's option names one that there is none of.
        """

        async def read() -> tuple[wire.TaxRate, ...]:
            return (await self._calls.ask("taxations/getAll", wire.Taxations, {})).tax_rates

        for one in await self._memory.recall("taxes", read):
            if one.code == code:
                return one
        raise VendorLacks(f"{MEWS.display_name} has no tax {code}; see options.charge_tax_code", vendor=MEWS.vendor)

    async def hours(self) -> tuple[timedelta, timedelta]:
        """Give at what time of day stays begin and end, as offsets from local midnight (# Q8)."""
        value = (await self.stays()).data.value
        return value.start_offset or timedelta(), value.end_offset or timedelta()

    def _missing(self, what: str, option: str) -> VendorLacks:
        return VendorLacks(
            f"{MEWS.display_name} shows no active service {what}; see options.{option}", vendor=MEWS.vendor
        )
