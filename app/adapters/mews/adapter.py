"""Mews: each method asks and translates. What several of them need stands in the modules beside this one."""

from datetime import datetime, timedelta

from app.adapters.mews import health, mapping, wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.folio import Folio
from app.adapters.mews.guests import Guests
from app.adapters.mews.house import House
from app.adapters.mews.profile import MEWS
from app.adapters.mews.sales import Sales
from app.adapters.mews.stays import Stays
from app.core.adapter import GuestUpsert, HealthFinding, PMSAdapter, PropertyFound
from app.core.clock import Clock
from app.core.http import VendorClient
from app.core.memory import Memory
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported, NotFound
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import Cleaning, Hotel, RoomStatus, RoomStatusChange, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import Note, Reservation, ReservationDraft, ReservationPatch, ReservationQuery
from app.domain.stay import Occupancy, Stay
from app.domain.text import PersonalText


class MewsAdapter(PMSAdapter):
    """One property, by the Connector API. Everything is POST, tokens travel in the body (# Q1)."""

    profile = MEWS

    def __init__(self, hotel: Hotel, client: VendorClient, clock: Clock) -> None:
        super().__init__(hotel, client, clock)
        self._calls = Calls(client, hotel)
        self._house = House(self._calls, Memory(clock))
        self._guests = Guests(self._calls, self._house, hotel)
        self._stays = Stays(self._calls, self._house, self._guests, hotel)
        self._sales = Sales(self._calls, self._house, self._stays, hotel)
        self._folio = Folio(self._calls, self._house, self._stays, hotel)

    async def find_properties(self) -> list[PropertyFound]:
        """Give the property of the token; one that opens several tells of the property that is named (# Q4)."""
        found = await self._calls.ask("configuration/get", wire.Configuration, self._calls.place)
        return [mapping.property_found(found.enterprise)]

    async def find_newest_record(self) -> datetime | None:
        """Give when the newest stay was made, as the lists of stays show it."""
        return await self._stays.newest()

    async def check_health(self) -> list[HealthFinding]:
        """Compare the property with the registration, and see which lists the tokens may use."""
        found = await self._calls.ask("configuration/get", wire.Configuration, self._calls.place)
        active = await self._house.services()
        return [
            *health.properties(self.hotel, found.enterprise),
            health.services(active),
            await health.rights(self._calls, (await self._house.stays()).id, await self._house.chains()),
        ]

    async def list_room_types(self) -> list[RoomType]:
        """Give the room types of the stay service."""
        return await self._sales.kinds()

    async def list_rate_plans(self) -> list[RatePlan]:
        """Give the rates that anybody may book."""
        language = (await self._house.enterprise()).default_language_code
        return [mapping.rate_plan(rate, self.hotel, language) for rate in await self._house.rates()]

    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give what can be sold on each night; room types that are too small are left out."""
        return await self._sales.grid(stay, room_type, occupancy)

    async def quote_rates(
        self, stay: Stay, occupancy: Occupancy, *, room_type: str | None = None, rate_code: str | None = None
    ) -> list[RateQuote]:
        """Give the price of the whole stay, taxes included."""
        return await self._sales.quotes(stay, occupancy, room_type, rate_code)

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give a stay."""
        return (await self._stays.told([await self._stays.one(ref)]))[0]

    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give the stays that the narrowest of the query's filters finds."""
        return await self._stays.told(await self._stays.found(query))

    async def create_reservation(self, draft: ReservationDraft, op: Operation) -> Reservation:
        """Make a stay, and its guest's profile where there is none."""
        return await self.get_reservation(VendorRef(await self._stays.create(draft, op)))

    async def quote_change(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what a stay would cost after a change."""
        return await self._sales.changed(current, patch)

    async def modify_reservation(self, current: Reservation, patch: ReservationPatch, op: Operation) -> Reservation:
        """Change dates, room type, rate or party of a stay."""
        await self._stays.change(current, patch, op)
        return await self.get_reservation(current.id)

    async def cancel_reservation(self, ref: VendorRef, reason: str | None, op: Operation) -> Reservation:
        """Cancel a stay, without a fee."""
        await self._stays.cancel(ref, reason, op)
        return await self.get_reservation(ref)

    async def add_note(self, ref: VendorRef, text: str, op: Operation) -> Note:
        """Add a note to a stay."""
        note = await self._stays.note(ref, text, op)
        return Note(text=PersonalText(note.text or text), created_at=note.created_utc)

    async def set_checkout_time(self, ref: VendorRef, time: str, op: Operation) -> Reservation:
        """Set the time of day at which a stay ends."""
        hours, minutes = map(int, time.split(":"))
        await self._stays.set_end(ref, timedelta(hours=hours, minutes=minutes), op)
        return await self.get_reservation(ref)

    async def check_in(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests in."""
        await self._stays.start(ref, op)
        return await self.get_reservation(ref)

    async def check_out(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests out."""
        await self._stays.process(ref, op)
        return await self.get_reservation(ref)

    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give a profile, or the one that it was merged into."""
        return await self._guests.profile(ref)

    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give who has this e-mail address or last name."""
        return await self._guests.search(query)

    async def upsert_guest(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge a draft into a profile, or make a new one."""
        return await self._guests.upsert(draft, existing, op)

    async def set_preferences(self, ref: VendorRef, wanted: PreferenceSet, op: Operation) -> GuestProfile:
        """Make `wanted` the notes on a guest that read like preferences."""
        return await self._guests.prefer(ref, wanted, op)

    async def post_charge(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Order something under a stay."""
        return await self._folio.post(ref, draft, op)

    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give what is charged and paid under a stay."""
        return await self._folio.lines(ref)

    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what is owed on a stay."""
        return await self._folio.balance(ref)

    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give the rooms of the stay service."""
        return await self._statuses(await self._house.resources())

    async def get_room_status(self, room_number: str) -> RoomStatus:
        """Give one room."""
        return (await self._statuses([await self._room(room_number)]))[0]

    async def set_room_status(self, room_number: str, change: RoomStatusChange, op: Operation) -> RoomStatus:
        """Set the housekeeping state of a room."""
        state = next((word for word, ours in mapping.CLEANING.items() if ours == Cleaning(change.cleaning)), None)
        if state is None:
            reason = f"this PMS knows no {change.cleaning}"
            raise CapabilityNotSupported(
                Capability.ROOM_STATUS_SET, reason, vendor=self.profile.vendor, field="cleaning"
            )
        room = await self._room(room_number)

        async def done() -> wire.Done | None:
            return wire.Done() if (await self._room(room_number)).state == state else None

        body = {"ResourceUpdates": [{"ResourceId": room.id, "State": {"Value": state}}]}
        await op.step(
            "room_status",
            lambda: self._calls.act("resources/update", wire.Done, body),
            returns=wire.Done,
            find=done,
        )
        return await self.get_room_status(room_number)

    async def _room(self, number: str) -> wire.Resource:
        places = await self._house.places()
        found = [one for one in await self._house.resources(number) if one.id in places]
        if not found:
            raise NotFound(f"{MEWS.display_name} has no room of that number", vendor=MEWS.vendor)
        return found[0]

    async def _statuses(self, rooms: list[wire.Resource]) -> list[RoomStatus]:
        """Give rooms as they are now: those that belong to a room type, by whoever is in the house (# Q10)."""
        places = await self._house.places({room.id for room in rooms})
        occupied = frozenset(stay.assigned_resource_id or "" for stay in await self._stays.started())
        sold = [room for room in rooms if (place := places.get(room.id)) and place.category_id]
        return [mapping.room_status(room, places.get(room.id), occupied) for room in sold]
