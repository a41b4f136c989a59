"""The bridge's adapter: each method asks the contract's one call for it and translates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from app.adapters.bridge import mapping, wire
from app.adapters.bridge.profile import BRIDGE, facts_at
from app.adapters.bridge.wire import Item
from app.core.adapter import GuestUpsert, HealthFinding, PMSAdapter
from app.core.operation import Operation
from app.core.paging import by_cursor
from app.core.profile import VendorProfile
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import Hotel, RoomStatus, RoomStatusChange, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import Note, Reservation, ReservationDraft, ReservationPatch, ReservationQuery
from app.domain.stay import Occupancy, Stay

_PROPERTY = "properties/{property_id}"
_RESERVATION = "reservations/{reservation_id}"
_GUEST = "guests/{guest_id}"
_ROOM = "rooms/{room_number}"

_Params = Mapping[str, str | int | None]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Write:
    """One call that changes something, as a durable step."""

    step: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] | None = None


class BridgeAdapter(PMSAdapter):
    """Speaks the bridge contract, version 1 (docs/bridge.md)."""

    profile = BRIDGE

    @classmethod
    def profile_at(cls, hotel: Hotel) -> VendorProfile:
        """Give the facts of this hotel's PMS: not every one honours our keys."""
        return facts_at(hotel)

    async def find_business_date(self) -> date | None:
        """Give the PMS's business date, or None where it has none."""
        return (await self._property()).business_date

    async def check_health(self) -> list[HealthFinding]:
        """Compare what the PMS says of itself with the registration."""
        return mapping.findings(await self._property(), self.hotel)

    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give what can be sold on each night of `stay`."""
        params = {"start": str(stay.arrival), "end": str(stay.departure), "room_type": room_type}
        params |= mapping.occupancy_to_wire(occupancy)
        found = await self._ask("availability", wire.Availability, params)
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
        return await self._list("quotes", wire.Page[RateQuote], params)

    async def list_rate_plans(self) -> list[RatePlan]:
        """Give all rate plans."""
        return await self._list("rate-plans", wire.Page[RatePlan])

    async def list_room_types(self) -> list[RoomType]:
        """Give all room types."""
        return await self._list("room-types", wire.Page[RoomType])

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give one reservation."""
        found = await self._ask(_RESERVATION, wire.Reservation, reservation_id=ref)
        return mapping.reservation_from_wire(found, self.hotel)

    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give all reservations that match."""
        found = await self._search("reservations", wire.Page[wire.Reservation], mapping.query_to_wire(query))
        once = {reservation.id: reservation for reservation in found}  # Q2
        return [mapping.reservation_from_wire(reservation, self.hotel) for reservation in once.values()]

    async def create_reservation(self, draft: ReservationDraft, op: Operation) -> Reservation:
        """Make a reservation."""
        write = _Write("reserve", "POST", "reservations", mapping.draft_to_wire(draft))
        return mapping.reservation_from_wire(await self._write(op, write, wire.Reservation), self.hotel)

    async def quote_change(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what `current` would cost after `patch`."""
        return await self.client.ask(
            "POST",
            f"{_PROPERTY}/{_RESERVATION}/quote",
            at=self._at(reservation_id=current.id),
            json=mapping.patch_to_wire(patch),
            answer=RateQuote,
        )

    async def modify_reservation(self, current: Reservation, patch: ReservationPatch, op: Operation) -> Reservation:
        """Change a reservation, unless it is no longer at the version that was read."""
        headers = {"If-Match": f'"{current.vendor_version}"'} if current.vendor_version else None
        write = _Write("modify", "PATCH", _RESERVATION, mapping.patch_to_wire(patch), headers)
        return await self._change(op, write, current.id)

    async def cancel_reservation(self, ref: VendorRef, reason: str | None, op: Operation) -> Reservation:
        """Cancel a reservation."""
        body = {"reason": reason} if reason else {}
        return await self._change(op, _Write("cancel", "POST", f"{_RESERVATION}/cancel", body), ref)

    async def add_note(self, ref: VendorRef, text: str, op: Operation) -> Note:
        """Add a note to a reservation."""
        write = _Write("note", "POST", f"{_RESERVATION}/notes", {"text": text})
        return mapping.note_from_wire(await self._write(op, write, wire.Note, reservation_id=ref))

    async def set_checkout_time(self, ref: VendorRef, time: str, op: Operation) -> Reservation:
        """Set the hotel-local time of day of the check-out."""
        write = _Write("checkout_time", "PUT", f"{_RESERVATION}/checkout-time", {"checkout_time": time})
        return await self._change(op, write, ref)

    async def check_in(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests in."""
        return await self._change(op, _Write("check_in", "POST", f"{_RESERVATION}/check-in"), ref)

    async def check_out(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests out."""
        return await self._change(op, _Write("check_out", "POST", f"{_RESERVATION}/check-out"), ref)

    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give one profile."""
        return mapping.guest_from_wire(await self._ask(_GUEST, wire.Guest, guest_id=ref), self.hotel)

    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give all profiles that match."""
        found = await self._search("guests", wire.Page[wire.Guest], query.model_dump(exclude_none=True))
        once = {guest.id: guest for guest in found}  # Q2
        return [mapping.guest_from_wire(guest, self.hotel) for guest in once.values()]

    async def upsert_guest(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge `draft` into `existing`, or make a new profile."""
        body = mapping.guest_to_wire(draft)
        if existing is None:
            made = await self._write(op, _Write("guest", "POST", "guests", body), wire.Guest)
            return GuestUpsert(mapping.guest_from_wire(made, self.hotel), created=True)
        merged = await self._write(op, _Write("guest", "PATCH", _GUEST, body), wire.Guest, guest_id=existing.id)
        return GuestUpsert(mapping.guest_from_wire(merged, self.hotel), created=False)

    async def set_preferences(self, ref: VendorRef, wanted: PreferenceSet, op: Operation) -> GuestProfile:
        """Make `wanted` the whole set of a guest's preferences."""
        write = _Write("preferences", "PUT", f"{_GUEST}/preferences", mapping.preferences_to_wire(wanted))
        return mapping.guest_from_wire(await self._write(op, write, wire.Guest, guest_id=ref), self.hotel)

    async def post_charge(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Post a charge to a reservation's folio."""
        body = mapping.charge_to_wire(draft, self.options.charge_codes)
        write = _Write("charge", "POST", f"{_RESERVATION}/charges", body)
        posted = await self._write(op, write, wire.Charge, reservation_id=ref)
        return Charge(**posted.model_dump(), reservation_id=ref)

    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of a reservation's folio."""
        lines = await self._list(f"{_RESERVATION}/folio", wire.Page[wire.FolioLine], reservation_id=ref)
        return [mapping.folio_line_from_wire(line) for line in lines]

    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what is owed on a reservation."""
        found = await self._ask(f"{_RESERVATION}/balance", wire.Balance, reservation_id=ref)
        return Balance(**found.model_dump(), reservation_id=ref)

    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give all rooms as they are now."""
        return [mapping.room_from_wire(room) for room in await self._list("rooms", wire.Page[wire.Room])]

    async def get_room_status(self, room_number: str) -> RoomStatus:
        """Give one room as it is now."""
        return mapping.room_from_wire(await self._ask(_ROOM, wire.Room, room_number=room_number))

    async def set_room_status(self, room_number: str, change: RoomStatusChange, op: Operation) -> RoomStatus:
        """Change the housekeeping state of a room."""
        write = _Write("room_status", "PUT", f"{_ROOM}/status", {"cleaning": change.cleaning})
        return mapping.room_from_wire(await self._write(op, write, wire.Room, room_number=room_number))

    def _at(self, **values: str) -> Mapping[str, str]:
        return {"property_id": self.hotel.property_id or "", **values}

    async def _property(self) -> wire.Property:
        return await self.client.ask("GET", _PROPERTY, at=self._at(), answer=wire.Property)

    async def _ask(self, path: str, answer: type[Answer], params: _Params | None = None, **values: str) -> Answer:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return await self.client.ask("GET", f"{_PROPERTY}/{path}", at=self._at(**values), params=given, answer=answer)

    async def _list(
        self, path: str, page: type[wire.Page[Item]], params: _Params | None = None, **values: str
    ) -> list[Item]:
        """Read a list to its end."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Item], str | None]:
            query = {"limit": self.profile.page_size, "cursor": cursor, **(params or {})}
            found = await self._ask(path, page, query, **values)
            return found.items, found.next_cursor

        return [item async for item in by_cursor(fetch)]

    async def _search(self, path: str, page: type[wire.Page[Item]], filters: Mapping[str, Any]) -> list[Item]:
        """Read a search to its end; the filters travel in a body, so that no name is in an access log."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Item], str | None]:
            body = {**filters, "limit": self.profile.page_size, **({"cursor": cursor} if cursor else {})}
            url = f"{_PROPERTY}/{path}/search"
            found = await self.client.ask("POST", url, at=self._at(), json=body, answer=page)  # Q1
            return found.items, found.next_cursor

        return [item async for item in by_cursor(fetch)]

    async def _change(self, op: Operation, write: _Write, ref: VendorRef) -> Reservation:
        """Do one act on a reservation and give it as it is then."""
        changed = await self._write(op, write, wire.Reservation, reservation_id=ref)
        return mapping.reservation_from_wire(changed, self.hotel)

    async def _write(self, op: Operation, write: _Write, answer: type[Answer], **values: str) -> Answer:
        return await op.step(
            write.step,
            lambda: self.client.act(
                write.method,
                f"{_PROPERTY}/{write.path}",
                at=self._at(**values),
                json=write.body,
                headers=write.headers,
                answer=answer,
            ),
            returns=answer,
        )
