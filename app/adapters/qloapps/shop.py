"""What is asked of a QloApps shop: its lists, one order with its rooms, one hotel out of several.

A reservation is an order with its room bookings. `/bookings`, which has both in one, is not to be relied on: in
shops that show prices without tax it answers 500 to every read, so only its remarks are read there (README Q7).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from app.adapters.qloapps import mapping, wire, xmlforms
from app.adapters.qloapps.profile import QLOAPPS, QloAppsOptions
from app.core import xml
from app.core.http import VendorClient
from app.core.paging import by_offset
from app.domain.errors import NotFound
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef
from app.domain.reservation import STAYING, Reservation, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.domain.text import fold_phone, phone_test

R = TypeVar("R", bound=wire.Row)

JSON = {"output_format": "JSON"}
"""Without it the answer is XML; `Accept` is ignored."""
XML_BODY = {"Content-Type": "text/xml"}
"""What is sent to all resources but `/bookings`."""
_IDS_AT_ONCE = 100
"""How many ids one filter names, so that the URL stays short."""
_BOOKINGS_AT_ONCE = 8
"""How many bookings are asked for side by side: a shop often has few PHP workers."""
_NEWEST_GUESTS = 2_000
"""How many guests are looked through for a phone number that no address has (# Q20)."""

UNREADABLE = wire.BookingAnswer.model_construct(remarks=())
NO_BOOKING = wire.BookingAnswer.model_construct(remarks=())
NO_ORDER = wire.OrderAnswer(order=None)


class Shop:
    """One hotel of a QloApps shop, as its webservice shows it."""

    def __init__(self, hotel: Hotel, client: VendorClient) -> None:
        self.hotel = hotel
        self.client = client

    async def kinds(self, room_type: str | None = None, occupancy: Occupancy | None = None) -> list[mapping.Kind]:
        """Give the hotel's room types: one of them, or those that take these guests."""
        limits = await self.rows(wire.RoomTypeLimits)
        sold = await self.rows(wire.RoomTypeRow)
        kinds = mapping.kinds(limits, sold, self.hotel)
        return [kind for kind in kinds if room_type in {None, kind.code} and kind.fits(occupancy)]

    async def ari(self, stay: Stay, room_type: str | None, **more: str) -> Sequence[wire.Ari]:
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
            headers=XML_BODY,
        )
        return answer.aris

    async def order(self, ref: VendorRef) -> tuple[wire.OrderRow, list[wire.RoomBookingRow]]:
        """Give an order and its rooms in this hotel; without such rooms it is none of ours (# Q17)."""
        answer = await self.one_order(ref) if wire.is_number(ref) else NO_ORDER
        rows = await self.ours("id_order", [ref]) if answer.order else []
        if answer.order is None or not rows:
            raise NotFound("QloApps has no such reservation in this hotel", vendor=QLOAPPS.vendor)
        return answer.order, rows

    async def order_ids(self, query: ReservationQuery) -> Iterable[str]:
        """Give the ids of the orders that the narrowest of the query's filters finds."""
        if query.confirmation_number is not None:
            reference = wire.literal("confirmation_number", query.confirmation_number)
            orders = await self.rows(wire.OrderRow, wire.among("reference", [reference]))
            return [order.id for order in orders]
        if query.guest_id is not None:
            rows = await self.ours("id_customer", [query.guest_id] if wire.is_number(query.guest_id) else [])
        elif query.last_name is not None:
            name = wire.literal("last_name", query.last_name)
            rows = await self.ours(
                "id_customer", [row.id for row in await self.among(wire.CustomerRow, "lastname", [name])]
            )
        else:
            rows = await self.rows(wire.RoomBookingRow, _row_filters(query))
        return dict.fromkeys(row.id_order for row in rows)

    async def ours(self, field: str, values: Iterable[str]) -> list[wire.RoomBookingRow]:
        """Give the room bookings of this hotel where `field` is one of `values`."""
        rows = await self.among(wire.RoomBookingRow, field, values)
        return [row for row in rows if row.id_hotel == self.hotel.property_id]  # Q17

    async def guests_here(self, found: Sequence[wire.CustomerRow]) -> list[wire.CustomerRow]:
        """Give those who are there still and have had a room in this hotel: customers are the whole shop's."""
        there = [row for row in found if not row.deleted]
        if isinstance(self.hotel.options, QloAppsOptions) and self.hotel.options.shop_wide_guests:
            return there
        booked = {row.id_customer for row in await self.ours("id_customer", [row.id for row in there])}
        return [row for row in there if row.id in booked]  # Q22

    async def orders(self, ids: Iterable[str]) -> list[wire.OrderRow]:
        """Give these orders; one that the list leaves out may still be there (# Q9)."""
        wanted = list(ids)
        found = {row.id: row for row in await self.among(wire.OrderRow, "id", wanted)}
        for missing in [number for number in wanted if number not in found]:
            if (answer := await self.one_order(missing)).order:
                found[missing] = answer.order
        return [found[number] for number in wanted if number in found]

    async def one_order(self, number: str) -> wire.OrderAnswer:
        """Give an order of whatever hotel, by its id; `order` is None where there is none."""
        return await self.client.ask(
            "GET",
            "api/orders/{id}",
            at={"id": number},
            answer=wire.OrderAnswer,
            params=JSON,
            instead={"404": NO_ORDER},
        )

    async def reservations(
        self, orders: Sequence[wire.OrderRow], rows: Sequence[wire.RoomBookingRow]
    ) -> list[Reservation]:
        """Give these orders with their rooms as reservations."""
        if not orders:
            return []
        legend = await self.legend()
        guests = {
            row.id: row
            for row in await self.among(wire.CustomerRow, "id", dict.fromkeys(order.id_customer for order in orders))
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

    async def legend(self) -> mapping.Legend:
        """Give what the numbers in an order mean in this shop."""
        currencies = await self.rows(wire.CurrencyRow)
        return mapping.Legend(await self.states(), {currency.id: currency.iso_code for currency in currencies})

    async def states(self) -> Mapping[str, str]:
        """Give the names of the states that an order may be in, by their numbers."""
        return {state.id: state.name for state in await self.rows(wire.OrderStateRow)}

    async def _remarks(self, orders: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Give the remarks of each order, or none at all in a shop that cannot show its bookings (# Q7)."""
        first = await self.booking(orders[0])
        if first is UNREADABLE:
            return {}
        answers = [first]
        for start in range(1, len(orders), _BOOKINGS_AT_ONCE):
            answers += await asyncio.gather(*map(self.booking, orders[start : start + _BOOKINGS_AT_ONCE]))
        return {number: answer.remarks for number, answer in zip(orders, answers, strict=True)}

    async def booking(self, number: str) -> wire.BookingAnswer:
        """Give the remarks of a booking, `UNREADABLE` where the shop cannot show it, `NO_BOOKING` where it has none."""
        return await self.client.ask(
            "GET",
            "api/bookings/{id}",
            at={"id": number},
            answer=wire.BookingAnswer,
            params=JSON,
            instead={"3": UNREADABLE, "404": NO_BOOKING},
        )

    async def customers_by_phone(self, phone: str) -> list[wire.CustomerRow]:
        """Look a number up in the addresses, and among the newest guests, whose own number has no filter (# Q20)."""
        is_wanted = phone_test(phone, self.hotel.country)
        variants = self._spellings(wire.literal("phone", phone))
        if not variants:
            return []
        found: dict[str, wire.CustomerRow] = {}
        for field in ("phone", "phone_mobile"):
            homes = await self.among(wire.AddressRow, field, variants)
            owners = await self.among(wire.CustomerRow, "id", dict.fromkeys(row.id_customer for row in homes))
            found |= {row.id: row for row in owners}
        page = {"sort": "[id_DESC]", "limit": f"0,{_NEWEST_GUESTS}"}
        for row in await self.page(wire.CustomerRow, page):
            if is_wanted(row.phone):
                found[row.id] = row
        return list(found.values())

    def _spellings(self, phone: str) -> Iterable[str]:
        """Give how a number may stand in an address; a text without digits is none and stands nowhere."""
        folded = fold_phone(phone, self.hotel.country)
        digits = "".join(char for char in phone if char.isdigit())
        return dict.fromkeys((phone, folded, digits)) if folded else {}

    async def form(self, resource: str, node: str, number: str) -> xmlforms.Form:
        """Read a row as it has to be sent back: whole."""
        path = f"api/{resource}/{{id}}"
        return xmlforms.read(await self.client.ask("GET", path, at={"id": number}, answer=bytes), node)

    async def put(self, resource: str, node: str, number: str, form: Mapping[str, str]) -> str:
        """Send a row back, changed; gives its id."""
        return await self._write("PUT", f"api/{resource}/{{id}}", node, form, {"id": number})

    async def post(self, resource: str, node: str, form: Mapping[str, str]) -> str:
        """Make a row; gives its id."""
        return await self._write("POST", f"api/{resource}", node, form, {})

    async def _write(self, method: str, path: str, node: str, form: Mapping[str, str], at: Mapping[str, str]) -> str:
        content = xmlforms.write(node, form)
        answer = await self.client.act(
            method, path, at=at, params=JSON, content=content, headers=XML_BODY, answer=wire.Written
        )
        return answer.number

    async def among(self, row: type[R], field: str, values: Iterable[str]) -> list[R]:
        """Give the rows where `field` is one of `values`, however many these are."""
        wanted, found = list(values), list[R]()
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            found += await self.rows(row, wire.among(field, wanted[start : start + _IDS_AT_ONCE]))
        return found

    async def rows(self, row: type[R], filters: Mapping[str, str] | None = None) -> list[R]:
        """Give all rows that pass `filters`, page by page."""

        async def fetch(offset: int, count: int) -> Sequence[R]:
            return await self.page(row, {**(filters or {}), "sort": "[id_ASC]", "limit": f"{offset},{count}"})

        return [found async for found in by_offset(fetch, QLOAPPS.page_size)]

    async def rows_if_permitted(self, row: type[R], filters: Mapping[str, str] | None = None) -> Sequence[R]:
        """Give the rows of a short list, or none where the key may not read them (# Q13)."""
        none: wire.Page[R] = wire.Page.of(row).model_construct(rows=())
        asked = {**JSON, "display": row.shown(), **(filters or {})}
        path, without = f"api/{row.resource}", dict.fromkeys(("25", "26"), none)
        return (await self.client.ask("GET", path, answer=wire.Page.of(row), params=asked, instead=without)).rows

    async def page(self, row: type[R], params: Mapping[str, str]) -> Sequence[R]:
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
