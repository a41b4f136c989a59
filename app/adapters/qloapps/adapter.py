"""QloApps: what is read of orders, rooms, guests and prices.

A reservation is an order with its room bookings. `/bookings`, which has both in one, is not to be relied on: in
shops that show prices without tax it answers 500 to every read, so only its remarks are read there (README Q7).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from app.adapters.qloapps import health, mapping, wire
from app.adapters.qloapps.profile import QLOAPPS, QloAppsOptions
from app.core import xml
from app.core.adapter import HealthFinding, PMSAdapter
from app.core.paging import by_offset
from app.domain.errors import NotFound
from app.domain.folio import Balance, FolioLine
from app.domain.guest import GuestProfile, GuestQuery
from app.domain.hotel import RoomStatus, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import STAYING, Reservation, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.domain.text import fold_phone, phone_test

R = TypeVar("R", bound=wire.Row)
T = TypeVar("T")

JSON = {"output_format": "JSON"}
"""Without it the answer is XML; `Accept` is ignored."""
_IDS_AT_ONCE = 100
"""How many ids one filter names, so that the URL stays short."""
_BOOKINGS_AT_ONCE = 8
"""How many bookings are asked for side by side: a shop often has few PHP workers."""
_NEWEST_GUESTS = 2_000
"""How many guests are looked through for a phone number that no address has (# Q20)."""

UNREADABLE = wire.BookingAnswer.model_construct(remarks=())
NO_BOOKING = wire.BookingAnswer.model_construct(remarks=())
NO_ORDER = wire.OrderAnswer(order=None)


class QloAppsAdapter(PMSAdapter):
    """One hotel of a QloApps shop, by its webservice."""

    profile = QLOAPPS

    async def list_room_types(self) -> list[RoomType]:
        """Give the room types of this hotel that are active."""
        return [mapping.room_type(kind) for kind in await self._kinds()]

    async def list_rate_plans(self) -> list[RatePlan]:
        """Give the one plan that stands for the daily price."""
        return [mapping.rate_plan(self.hotel)]

    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give the free rooms of each type, night by night, with the price of that night, taxes included."""
        sold = await self._kinds(room_type, occupancy)
        nights: Sequence[wire.Ari] = ()
        if sold:
            nights = await self._ari(stay, room_type, date_wise_breakdown="1")
        return mapping.grid(self.hotel, stay, sold, nights)

    async def quote_rates(
        self, stay: Stay, occupancy: Occupancy, *, room_type: str | None = None, rate_code: str | None = None
    ) -> list[RateQuote]:
        """Give the price of the whole stay, taxes and the services that are added by themselves included."""
        sold = await self._kinds(room_type, occupancy)
        if not sold or rate_code not in {None, mapping.BAR}:
            return []
        (ari,) = await self._ari(stay, room_type)
        return mapping.quotes(stay, occupancy, sold, ari)

    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give an order of this hotel."""
        order, rows = await self._order(ref)
        return (await self._reservations([order], rows))[0]

    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give the orders that the narrowest of the query's filters finds; the gateway applies the others."""
        found = await self._order_ids(query)
        rows = await self._ours("id_order", found)
        orders = await self._orders(dict.fromkeys(row.id_order for row in rows))
        return await self._reservations(orders, rows)

    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give a customer who has had a room in this hotel."""
        found = await self._among(wire.CustomerRow, "id", [ref]) if wire.is_number(ref) else []
        return mapping.guest(self.hotel, _only(await self._guests_here(found), "guest"))

    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give the customers that the narrowest of the query's filters finds, active ones first (# Q18)."""
        if query.email is not None:
            found = await self._among(wire.CustomerRow, "email", [wire.literal("email", query.email)])
        elif query.last_name is not None:
            found = await self._among(wire.CustomerRow, "lastname", [wire.literal("last_name", query.last_name)])
        else:
            found = await self._customers_by_phone(str(query.phone))
        ordered = sorted(await self._guests_here(found), key=lambda row: (not row.active, int(row.id)))
        return [mapping.guest(self.hotel, row) for row in ordered]

    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of an order, then its payments."""
        order, _ = await self._order(ref)
        details = await self._list(wire.OrderDetailRow, wire.among("id_order", [order.id]))
        paid = await self._list(wire.OrderPaymentRow, wire.among("order_reference", [order.reference]))
        return mapping.folio(self.hotel, await self._legend(), order, details=details, payments=paid)

    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what an order's totals leave to be paid."""
        order, _ = await self._order(ref)
        return mapping.balance(self.hotel, await self._legend(), order)

    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give all rooms, occupied where somebody has been checked in."""
        rooms = await self._list(wire.RoomRow)
        staying = await self._list(wire.RoomBookingRow, wire.among("id_status", [mapping.IN_HOUSE]))
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
        hotels = await self._list(wire.HotelRow, wire.among("id", [str(self.hotel.property_id)]))
        currencies = await self._list(wire.CurrencyRow)
        newest = await self._page(wire.OrderRow, {"sort": "[id_DESC]", "limit": "0,1"})
        remarks = await self._booking(newest[0].id) if newest else NO_BOOKING
        return [
            health.rights(missing),
            health.hotel(self.hotel, hotels),
            health.currency(self.hotel, currencies),
            health.bookings(tried=bool(newest), readable=remarks is not UNREADABLE),
        ]

    # What the reads above are made of

    async def _kinds(self, room_type: str | None = None, occupancy: Occupancy | None = None) -> list[mapping.Kind]:
        limits = await self._list(wire.RoomTypeLimits)
        sold = await self._list(wire.RoomTypeRow)
        kinds = mapping.kinds(limits, sold, self.hotel)
        return [kind for kind in kinds if room_type in {None, kind.code} and kind.fits(occupancy)]

    async def _ari(self, stay: Stay, room_type: str | None, **more: str) -> Sequence[wire.Ari]:
        """Ask for availability and rates: a read by POST whose body has to be XML (# Q19)."""
        dates = {"date_from": f"{stay.arrival}", "date_to": f"{stay.departure}"}
        kind = {"id_room_type": room_type} if room_type else {}
        asked = {"id_hotel": str(self.hotel.property_id), **dates, **kind, **more}
        answer = await self.client.ask(
            "POST",
            "api/hotel_ari",
            answer=wire.AriAnswer,
            params=JSON,
            content=xml.build("qloapps", {"hotel_ari": asked}),
            headers={"Content-Type": "text/xml"},
        )
        return answer.aris

    async def _order(self, ref: VendorRef) -> tuple[wire.OrderRow, list[wire.RoomBookingRow]]:
        """Give an order and its rooms in this hotel; without such rooms it is none of ours (# Q17)."""
        answer = await self._one_order(ref) if wire.is_number(ref) else NO_ORDER
        rows = await self._ours("id_order", [ref]) if answer.order else []
        if answer.order is None or not rows:
            raise NotFound("QloApps has no such reservation in this hotel", vendor=self.profile.vendor)
        return answer.order, rows

    async def _order_ids(self, query: ReservationQuery) -> Iterable[str]:
        if query.confirmation_number is not None:
            reference = wire.literal("confirmation_number", query.confirmation_number)
            orders = await self._list(wire.OrderRow, wire.among("reference", [reference]))
            return [order.id for order in orders]
        if query.guest_id is not None:
            rows = await self._ours("id_customer", [query.guest_id] if wire.is_number(query.guest_id) else [])
        elif query.last_name is not None:
            name = wire.literal("last_name", query.last_name)
            rows = await self._ours(
                "id_customer", [row.id for row in await self._among(wire.CustomerRow, "lastname", [name])]
            )
        else:
            rows = await self._list(wire.RoomBookingRow, _row_filters(query))
        return dict.fromkeys(row.id_order for row in rows)

    async def _ours(self, field: str, values: Iterable[str]) -> list[wire.RoomBookingRow]:
        """Give the room bookings of this hotel where `field` is one of `values`."""
        rows = await self._among(wire.RoomBookingRow, field, values)
        return [row for row in rows if row.id_hotel == self.hotel.property_id]  # Q17

    async def _guests_here(self, found: Sequence[wire.CustomerRow]) -> list[wire.CustomerRow]:
        """Give those who are there still and have had a room in this hotel: customers are the whole shop's."""
        there = [row for row in found if not row.deleted]
        if isinstance(self.options, QloAppsOptions) and self.options.shop_wide_guests:
            return there
        booked = {row.id_customer for row in await self._ours("id_customer", [row.id for row in there])}
        return [row for row in there if row.id in booked]  # Q22

    async def _orders(self, ids: Iterable[str]) -> list[wire.OrderRow]:
        """Give these orders; one that the list leaves out may still be there (# Q9)."""
        wanted = list(ids)
        found = {row.id: row for row in await self._among(wire.OrderRow, "id", wanted)}
        for missing in [number for number in wanted if number not in found]:
            if (answer := await self._one_order(missing)).order:
                found[missing] = answer.order
        return [found[number] for number in wanted if number in found]

    async def _one_order(self, number: str) -> wire.OrderAnswer:
        return await self.client.ask(
            "GET",
            "api/orders/{id}",
            at={"id": number},
            answer=wire.OrderAnswer,
            params=JSON,
            instead={"404": NO_ORDER},
        )

    async def _reservations(
        self, orders: Sequence[wire.OrderRow], rows: Sequence[wire.RoomBookingRow]
    ) -> list[Reservation]:
        if not orders:
            return []
        legend = await self._legend()
        guests = {
            row.id: row
            for row in await self._among(wire.CustomerRow, "id", dict.fromkeys(order.id_customer for order in orders))
        }
        remarks = await self._remarks([order.id for order in orders])
        return [
            mapping.reservation(
                self.hotel,
                legend,
                order,
                [row for row in rows if row.id_order == order.id],
                customer=guests.get(order.id_customer),
                remarks=remarks.get(order.id, ()),
            )
            for order in orders
        ]

    async def _legend(self) -> mapping.Legend:
        states = await self._list(wire.OrderStateRow)
        currencies = await self._list(wire.CurrencyRow)
        return mapping.Legend(
            {state.id: state.name for state in states}, {currency.id: currency.iso_code for currency in currencies}
        )

    async def _remarks(self, orders: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Give the remarks of each order, or none at all in a shop that cannot show its bookings (# Q7)."""
        first = await self._booking(orders[0])
        if first is UNREADABLE:
            return {}
        answers = [first]
        for start in range(1, len(orders), _BOOKINGS_AT_ONCE):
            answers += await asyncio.gather(*map(self._booking, orders[start : start + _BOOKINGS_AT_ONCE]))
        return {number: answer.remarks for number, answer in zip(orders, answers, strict=True)}

    async def _booking(self, number: str) -> wire.BookingAnswer:
        return await self.client.ask(
            "GET",
            "api/bookings/{id}",
            at={"id": number},
            answer=wire.BookingAnswer,
            params=JSON,
            instead={"3": UNREADABLE, "404": NO_BOOKING},
        )

    async def _customers_by_phone(self, phone: str) -> list[wire.CustomerRow]:
        """Look a number up in the addresses, and among the newest guests, whose own number has no filter (# Q20)."""
        is_wanted = phone_test(phone, self.hotel.country)
        variants = self._spellings(wire.literal("phone", phone))
        if not variants:
            return []
        found: dict[str, wire.CustomerRow] = {}
        for field in ("phone", "phone_mobile"):
            homes = await self._among(wire.AddressRow, field, variants)
            owners = await self._among(wire.CustomerRow, "id", dict.fromkeys(row.id_customer for row in homes))
            found |= {row.id: row for row in owners}
        page = {"sort": "[id_DESC]", "limit": f"0,{_NEWEST_GUESTS}"}
        for row in await self._page(wire.CustomerRow, page):
            if is_wanted(row.phone):
                found[row.id] = row
        return list(found.values())

    def _spellings(self, phone: str) -> Iterable[str]:
        """Give how a number may stand in an address; a text without digits is none and stands nowhere."""
        folded = fold_phone(phone, self.hotel.country)
        digits = "".join(char for char in phone if char.isdigit())
        return dict.fromkeys((phone, folded, digits)) if folded else {}

    async def _among(self, row: type[R], field: str, values: Iterable[str]) -> list[R]:
        """Give the rows where `field` is one of `values`, however many these are."""
        wanted, found = list(values), list[R]()
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            found += await self._list(row, wire.among(field, wanted[start : start + _IDS_AT_ONCE]))
        return found

    async def _list(self, row: type[R], filters: Mapping[str, str] | None = None) -> list[R]:
        """Give all rows that pass `filters`, page by page."""

        async def fetch(offset: int, count: int) -> Sequence[R]:
            return await self._page(row, {**(filters or {}), "sort": "[id_ASC]", "limit": f"{offset},{count}"})

        return [found async for found in by_offset(fetch, self.profile.page_size)]

    async def _page(self, row: type[R], params: Mapping[str, str]) -> Sequence[R]:
        """Give one page, with the fields that we read and no others: a customer's row has secrets (# Q10)."""
        asked = {**JSON, "display": row.shown(), **params}
        return (await self.client.ask("GET", f"api/{row.resource}", answer=wire.Page.of(row), params=asked)).rows


def _row_filters(query: ReservationQuery) -> Mapping[str, str]:
    filters: dict[str, str] = {}
    if query.arrival is not None:
        filters |= wire.on_day("date_from", query.arrival)
    if query.departure is not None:
        filters |= wire.on_day("date_to", query.departure)
    if query.statuses == STAYING:
        filters |= wire.among("id_status", [mapping.IN_HOUSE])
    if query.statuses is not None and ReservationStatus.CANCELLED not in query.statuses:
        filters |= wire.among("is_cancelled", ["0"])
    return filters


def _only(found: Sequence[T], what: str) -> T:
    if not found:
        raise NotFound(f"QloApps has no such {what}", vendor=QLOAPPS.vendor)
    return found[0]
