"""QloApps: what is read and written of orders, rooms, guests and prices, one method after the other."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from app.adapters.qloapps import checks, health, mapping, wire
from app.adapters.qloapps.charges import Charges
from app.adapters.qloapps.guests import Guests
from app.adapters.qloapps.profile import QLOAPPS
from app.adapters.qloapps.shop import NO_BOOKING, UNREADABLE, Shop
from app.adapters.qloapps.wanted import Wanted
from app.adapters.qloapps.writing import Bookings
from app.core import xml
from app.core.adapter import GuestUpsert, HealthFinding, PMSAdapter, PropertyFound
from app.core.clock import Clock
from app.core.http import VendorClient
from app.core.operation import Operation
from app.domain.errors import NotFound
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery
from app.domain.hotel import Hotel, RoomStatus, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import Note, Reservation, ReservationDraft, ReservationPatch, ReservationQuery
from app.domain.stay import Occupancy, Stay

T = TypeVar("T")

_CLOCKS_DIFFER = timedelta(minutes=5)


class QloAppsAdapter(PMSAdapter):
    """One hotel of a QloApps shop, by its webservice."""

    profile = QLOAPPS

    def __init__(self, hotel: Hotel, client: VendorClient, clock: Clock) -> None:
        super().__init__(hotel, client, clock)
        self._shop = Shop(hotel, client)
        self._guests = Guests(self._shop)
        self._bookings = Bookings(self._shop, self._guests)
        self._charges = Charges(self._shop, self._bookings)

    async def find_properties(self) -> list[PropertyFound]:
        """Give the shop's hotels; zone and currency are the shop's, where the key may read them."""
        hotels = await self._shop.rows(wire.HotelRow)
        currencies = await self._shop.rows_if_permitted(wire.CurrencyRow)
        zones = await self._shop.rows_if_permitted(wire.ConfigurationRow, wire.among("name", [wire.TIME_ZONE]))
        return health.properties(hotels, currencies, zones)

    async def find_newest_record(self) -> datetime | None:
        """Give when the newest order was made; one from the future tells that the hotel's zone is not the shop's."""
        newest = await self._newest()
        made = self.hotel.instant(newest[0].date_add) if newest else None
        return made if made and made <= self.clock.now() + _CLOCKS_DIFFER else None

    async def list_room_types(self) -> list[RoomType]:
        """Give the room types of this hotel that are active."""
        return [mapping.room_type(kind) for kind in await self._shop.kinds()]

    async def list_rate_plans(self) -> list[RatePlan]:
        """Give the one plan that stands for the daily price."""
        return [mapping.rate_plan(self.hotel)]

    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give the free rooms of each type, night by night, with the price of that night, taxes included."""
        sold = await self._shop.kinds(room_type, occupancy)
        nights: Sequence[wire.Ari] = ()
        if sold:
            nights = await self._shop.ari(stay, room_type, date_wise_breakdown="1")
        return mapping.grid(self.hotel, stay, sold, nights)

    async def quote_rates(
        self, stay: Stay, occupancy: Occupancy, *, room_type: str | None = None, rate_code: str | None = None
    ) -> list[RateQuote]:
        """Give the price of the whole stay, taxes and the services that are added by themselves included."""
        sold = await self._shop.kinds(room_type, occupancy)
        if not sold or rate_code not in {None, mapping.BAR}:
            return []
        (ari,) = await self._shop.ari(stay, room_type)
        return mapping.quotes(stay, occupancy, sold, ari)

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give an order of this hotel."""
        order, rows = await self._shop.order(ref)
        return (await self._shop.reservations([order], rows))[0]

    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give the orders that the narrowest of the query's filters finds; the gateway applies the others."""
        found = await self._shop.order_ids(query)
        rows = await self._shop.ours("id_order", found)
        orders = await self._shop.orders(dict.fromkeys(row.id_order for row in rows))
        return await self._shop.reservations(orders, rows)

    async def create_reservation(self, draft: ReservationDraft, op: Operation) -> Reservation:
        """Make an order of one room."""
        return await self.get_reservation(await self._bookings.create(draft, op))

    async def quote_change(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what a stay would cost, as far as the shop tells: its services at their present price."""
        checks.change(current, patch)
        row = await self._bookings.only_room(current.id)
        wanted = Wanted.after(row, patch)
        ari, sold = await self._bookings.price(wanted.kind, wanted.stay, free=False)
        return mapping.changed_quote(current, row, wanted, (ari, sold))

    async def modify_reservation(self, current: Reservation, patch: ReservationPatch, op: Operation) -> Reservation:
        """Change the dates, the room type or the occupancy of a stay of one room."""
        await self._bookings.modify(current, patch, op)
        return await self.get_reservation(current.id)

    async def cancel_reservation(self, ref: VendorRef, reason: str | None, op: Operation) -> Reservation:
        """Cancel an order with all its rooms."""
        await self._bookings.cancel(ref, reason, op)
        return await self.get_reservation(ref)

    async def add_note(self, ref: VendorRef, text: str, op: Operation) -> Note:
        """Add a note to the comment of the order's first room."""
        return Note(text=await self._bookings.note(ref, text, op))

    async def check_in(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests of all rooms in, now."""
        await self._bookings.move_to(ref, mapping.IN_HOUSE, {"check_in": self._now()}, op)
        return await self.get_reservation(ref)

    async def check_out(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests of all rooms out, now."""
        await self._bookings.move_to(ref, mapping.CHECKED_OUT, {"check_out": self._now()}, op)
        return await self.get_reservation(ref)

    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give a customer who has had a room in this hotel."""
        found = await self._shop.among(wire.CustomerRow, "id", [ref]) if wire.is_number(ref) else []
        return mapping.guest(self.hotel, _only(await self._shop.guests_here(found), "guest"))

    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give the customers that the narrowest of the query's filters finds, active ones first (# Q18)."""
        if query.email is not None:
            found = await self._shop.among(wire.CustomerRow, "email", [wire.literal("email", query.email)])
        elif query.last_name is not None:
            found = await self._shop.among(wire.CustomerRow, "lastname", [wire.literal("last_name", query.last_name)])
        else:
            found = await self._shop.customers_by_phone(str(query.phone))
        ordered = sorted(await self._shop.guests_here(found), key=lambda row: (not row.active, int(row.id)))
        return [mapping.guest(self.hotel, row) for row in ordered]

    async def upsert_guest(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge a customer, or make one."""
        return await self._guests.upsert(draft, existing, op)

    async def post_charge(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Post a service to an order's first room."""
        return await self._charges.post(ref, draft, op)

    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of an order, then its payments."""
        order, _ = await self._shop.order(ref)
        details = await self._shop.rows(wire.OrderDetailRow, wire.among("id_order", [order.id]))
        paid = await self._shop.rows(wire.OrderPaymentRow, wire.among("order_reference", [order.reference]))
        return mapping.folio(self.hotel, await self._shop.legend(), order, details=details, payments=paid)

    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what an order's totals leave to be paid."""
        order, _ = await self._shop.order(ref)
        return mapping.balance(self.hotel, await self._shop.legend(), order)

    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give all rooms, occupied where somebody has been checked in."""
        rooms = await self._shop.rows(wire.RoomRow)
        staying = await self._shop.rows(wire.RoomBookingRow, wire.among("id_status", [mapping.IN_HOUSE]))
        occupied = frozenset(row.id_room for row in staying if not mapping.is_cancelled(row))
        return [
            mapping.room_status(self.hotel, room, occupied) for room in rooms if room.id_hotel == self.hotel.property_id
        ]

    async def get_room_status(self, room_number: str) -> RoomStatus:
        """Give one room."""
        return _only([room for room in await self.list_room_statuses() if room.room_number == room_number], "room")

    async def check_health(self) -> list[HealthFinding]:
        """Look at the key's rights, the hotel, its currency, and whether bookings can be read."""
        missing = health.missing_rights(xml.parse(await self.client.ask("GET", "api/", answer=bytes)))
        if missing:
            return [health.rights(missing)]
        hotels = await self._shop.rows(wire.HotelRow, wire.among("id", [str(self.hotel.property_id)]))
        currencies = await self._shop.rows(wire.CurrencyRow)
        newest = await self._newest()
        remarks = await self._shop.booking(newest[0].id) if newest else NO_BOOKING
        return [
            health.rights(missing),
            health.hotel(self.hotel, hotels, () if hotels else await self._shop.rows(wire.HotelRow)),
            health.currency(self.hotel, currencies),
            health.bookings(tried=bool(newest), readable=remarks is not UNREADABLE),
        ]

    async def _newest(self) -> Sequence[wire.OrderRow]:
        return await self._shop.page(wire.OrderRow, {"sort": "[id_DESC]", "limit": "0,1"})

    def _now(self) -> str:
        """Give the time as the shop writes it, in its own zone (# Q12)."""
        return f"{self.clock.now().astimezone(ZoneInfo(self.hotel.timezone)):%Y-%m-%d %H:%M:%S}"


def _only(found: Sequence[T], what: str) -> T:
    if not found:
        raise NotFound(f"QloApps has no such {what}", vendor=QLOAPPS.vendor)
    return found[0]
