"""The bridge's adapter: each method asks the contract's one call for it and translates."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from app.adapters.bridge import mapping, settling, wire
from app.adapters.bridge.calls import GUEST, PROPERTY, RESERVATION, ROOM, Calls, Write
from app.adapters.bridge.profile import BRIDGE, facts_at
from app.adapters.bridge.settling import Traces
from app.core.adapter import GuestUpsert, HealthFinding, PMSAdapter, PropertyFound
from app.core.operation import Operation
from app.core.profile import VendorProfile
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import Hotel, RoomStatus, RoomStatusChange, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import (
    Note,
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationQuery,
    ReservationStatus,
)
from app.domain.stay import Occupancy, Stay

Answer = TypeVar("Answer")


class BridgeAdapter(PMSAdapter):
    """Speaks the bridge contract, version 1 (docs/bridge.md)."""

    profile = BRIDGE

    @classmethod
    def profile_at(cls, hotel: Hotel) -> VendorProfile:
        """Give the facts of this hotel's PMS: not every one honours our keys."""
        return facts_at(hotel)

    async def find_business_date(self) -> date | None:
        """Give the PMS's business date, or None where it has none."""
        return (await self._calls.facts()).business_date

    async def find_properties(self) -> list[PropertyFound] | None:
        """Give the one property that the hotel names: the contract has no list of them."""
        if self.hotel.property_id is None:
            return None
        return [mapping.property_from_wire(await self._calls.facts())]

    async def find_newest_record(self) -> datetime | None:
        """Give when the newest record was made that the PMS's lists show (§ 4), or None where it does not say."""
        return (await self._calls.facts()).newest_record_at

    async def check_health(self) -> list[HealthFinding]:
        """Compare what the PMS says of itself with the registration."""
        return mapping.findings(await self._calls.facts(), self.hotel)

    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give what can be sold on each night of `stay`."""
        params = {"start": str(stay.arrival), "end": str(stay.departure), "room_type": room_type}
        params |= mapping.occupancy_to_wire(occupancy)
        found = await self._calls.ask("availability", wire.Availability, params)
        return AvailabilityGrid(
            hotel_id=self.hotel.id, start=stay.arrival, end=stay.departure, room_types=found.room_types
        )

    async def quote_rates(
        self, stay: Stay, occupancy: Occupancy, *, room_type: str | None = None, rate_code: str | None = None
    ) -> list[RateQuote]:
        """Give the price of `stay` in each room type and rate plan asked for."""
        params = {
            "arrival": str(stay.arrival),
            "departure": str(stay.departure),
            "room_type": room_type,
            "rate_code": rate_code,
            **mapping.occupancy_to_wire(occupancy),
        }
        return await self._calls.list_all("quotes", wire.Page[RateQuote], params)

    async def list_rate_plans(self) -> list[RatePlan]:
        """Give all rate plans."""
        return await self._calls.list_all("rate-plans", wire.Page[RatePlan])

    async def list_room_types(self) -> list[RoomType]:
        """Give all room types."""
        return await self._calls.list_all("room-types", wire.Page[RoomType])

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give one reservation."""
        found = await self._calls.ask(RESERVATION, wire.Reservation, reservation_id=ref)
        return mapping.reservation_from_wire(found, self.hotel)

    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give all reservations that match."""
        found = await self._calls.search("reservations", wire.Page[wire.Reservation], mapping.query_to_wire(query))
        once = {reservation.id: reservation for reservation in found}  # Q2
        return [mapping.reservation_from_wire(reservation, self.hotel) for reservation in once.values()]

    async def create_reservation(self, draft: ReservationDraft, op: Operation) -> Reservation:
        """Make a reservation."""
        write = Write("reserve", "POST", "reservations", mapping.draft_to_wire(draft))
        find = partial(self._traces.made_reservation, op.reference(write.step))
        found = await self._write(op, write, wire.Reservation, find)
        return mapping.reservation_from_wire(found, self.hotel)

    async def quote_change(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what `current` would cost after `patch`."""
        return await self.client.ask(
            "POST",
            f"{PROPERTY}/{RESERVATION}/quote",
            at=self._calls.at(reservation_id=current.id),
            json=mapping.patch_to_wire(patch),
            answer=RateQuote,
        )

    async def modify_reservation(self, current: Reservation, patch: ReservationPatch, op: Operation) -> Reservation:
        """Change a reservation, unless it is no longer at the version that was read."""
        headers = {"If-Match": f'"{current.vendor_version}"'} if current.vendor_version else None
        change, country = mapping.patch_to_wire(patch), self.hotel.country
        write = Write("modify", "PATCH", RESERVATION, change, headers)
        return await self._change(op, write, current.id, lambda stay: settling.shows_change(stay, change, country))

    async def cancel_reservation(self, ref: VendorRef, reason: str | None, op: Operation) -> Reservation:
        """Cancel a reservation."""
        write = Write("cancel", "POST", f"{RESERVATION}/cancel", {"reason": reason} if reason else {})
        return await self._change(op, write, ref, lambda stay: stay.status == ReservationStatus.CANCELLED)

    async def add_note(self, ref: VendorRef, text: str, op: Operation) -> Note:
        """Add a note to a reservation."""
        write = Write("note", "POST", f"{RESERVATION}/notes", {"text": text})
        find = partial(self._traces.added_note, ref, op.reference(write.step))
        return mapping.note_from_wire(await self._write(op, write, wire.Note, find, reservation_id=ref))

    async def set_checkout_time(self, ref: VendorRef, time: str, op: Operation) -> Reservation:
        """Set the hotel-local time of day of the check-out."""
        write = Write("checkout_time", "PUT", f"{RESERVATION}/checkout-time", {"checkout_time": time})
        return await self._change(op, write, ref, lambda stay: stay.checkout_time == time)

    async def check_in(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests in."""
        write = Write("check_in", "POST", f"{RESERVATION}/check-in")
        return await self._change(op, write, ref, lambda stay: stay.status == ReservationStatus.IN_HOUSE)

    async def check_out(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests out."""
        write = Write("check_out", "POST", f"{RESERVATION}/check-out")
        return await self._change(op, write, ref, lambda stay: stay.status == ReservationStatus.CHECKED_OUT)

    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give one profile."""
        return mapping.guest_from_wire(await self._calls.ask(GUEST, wire.Guest, guest_id=ref), self.hotel)

    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give all profiles that match."""
        found = await self._calls.search("guests", wire.Page[wire.Guest], query.model_dump(exclude_none=True))
        once = {guest.id: guest for guest in found}  # Q2
        return [mapping.guest_from_wire(guest, self.hotel) for guest in once.values()]

    async def upsert_guest(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge `draft` into `existing`, or make a new profile."""
        fields, country = mapping.guest_to_wire(draft), self.hotel.country
        if existing is None:
            write = Write("guest", "POST", "guests", fields)
            find = partial(self._traces.made_guest, op.reference(write.step))
            made = await self._write(op, write, wire.Guest, find)
            return GuestUpsert(mapping.guest_from_wire(made, self.hotel), created=True)
        write = Write("guest", "PATCH", GUEST, fields)
        holds = partial(settling.shows, wanted=fields, country=country)
        return GuestUpsert(await self._change_guest(op, write, existing.id, holds), created=False)

    async def set_preferences(self, ref: VendorRef, wanted: PreferenceSet, op: Operation) -> GuestProfile:
        """Make `wanted` the whole set of a guest's preferences."""
        likings = mapping.preferences_to_wire(wanted)
        write = Write("preferences", "PUT", f"{GUEST}/preferences", likings)
        return await self._change_guest(op, write, ref, lambda profile: settling.shows_preferences(profile, likings))

    async def post_charge(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Post a charge to a reservation's folio."""
        body = mapping.charge_to_wire(draft, self.options.charge_codes)
        write = Write("charge", "POST", f"{RESERVATION}/charges", body)
        find = partial(self._traces.posted_charge, ref, draft, op.reference(write.step))
        posted = await self._write(op, write, wire.Charge, find, reservation_id=ref)
        return Charge(**posted.model_dump(), reservation_id=ref)

    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of a reservation's folio."""
        lines = await self._calls.list_all(f"{RESERVATION}/folio", wire.Page[wire.FolioLine], reservation_id=ref)
        return [mapping.folio_line_from_wire(line) for line in lines]

    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what is owed on a reservation."""
        found = await self._calls.ask(f"{RESERVATION}/balance", wire.Balance, reservation_id=ref)
        return Balance(**found.model_dump(), reservation_id=ref)

    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give all rooms as they are now."""
        return [mapping.room_from_wire(room) for room in await self._calls.list_all("rooms", wire.Page[wire.Room])]

    async def get_room_status(self, room_number: str) -> RoomStatus:
        """Give one room as it is now."""
        return mapping.room_from_wire(await self._calls.ask(ROOM, wire.Room, room_number=room_number))

    async def set_room_status(self, room_number: str, change: RoomStatusChange, op: Operation) -> RoomStatus:
        """Change the housekeeping state of a room."""
        write = Write("room_status", "PUT", f"{ROOM}/status", {"cleaning": change.cleaning})
        find = partial(self._traces.room, room_number, change.cleaning)
        return mapping.room_from_wire(await self._write(op, write, wire.Room, find, room_number=room_number))

    @property
    def _calls(self) -> Calls:
        return Calls(self.client, self.hotel.property_id or "")

    @property
    def _traces(self) -> Traces:
        return Traces(self._calls)

    async def _change(
        self, op: Operation, write: Write, ref: VendorRef, holds: Callable[[wire.Reservation], bool]
    ) -> Reservation:
        """Do one act on a reservation and give it as it is then; `holds` tells whether it has been done."""
        find = partial(self._traces.reservation, ref, holds)
        found = await self._write(op, write, wire.Reservation, find, reservation_id=ref)
        return mapping.reservation_from_wire(found, self.hotel)

    async def _change_guest(
        self, op: Operation, write: Write, ref: VendorRef, holds: Callable[[wire.Guest], bool]
    ) -> GuestProfile:
        """Do one act on a profile and give it as it is then; `holds` tells whether it has been done."""
        found = await self._write(op, write, wire.Guest, partial(self._traces.guest, ref, holds), guest_id=ref)
        return mapping.guest_from_wire(found, self.hotel)

    async def _write(
        self,
        op: Operation,
        write: Write,
        answer: type[Answer],
        find: Callable[[], Awaitable[Answer | None]],
        **values: str,
    ) -> Answer:
        """Do a write as a durable step; `find` looks for what it left, should its answer be lost."""
        return await op.step(write.step, lambda: self._calls.act(write, answer, **values), returns=answer, find=find)
