"""The shop's tables, drawn from its hotels whenever asked for: rows as the webservice shows them in JSON."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps import rows
from app.simulators.qloapps.building import CURRENCY, ORDER_STATES, PAID
from app.simulators.qloapps.keys import EVERYTHING, Keys
from app.simulators.qloapps.ledger import Ledger, Service, without_tax
from app.simulators.qloapps.rows import Row, local, price, reference
from app.simulators.records import Booking, Guest, LineType, StayRoom
from app.simulators.site import Site


class Tables:
    """All tables of one shop, and the ledger of what no hotel has in its books."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._hotels = list(site.hotels.values())
        self.ledger = Ledger()
        self._given: dict[str, str] = {}
        """Rooms once given: a cancelled room keeps its number here."""
        self._draw: dict[str, Callable[[Keys], Iterator[Row]]] = {
            "hotels": self._hotel_rows,
            "room_types": self._room_type_rows,
            "hotel_room_types": self._limit_rows,
            "hotel_rooms": self._room_rows,
            "order_states": _order_state_rows,
            "currencies": _currency_rows,
            "configurations": _configuration_rows,
            "services": self._service_rows,
            "orders": self._order_rows,
            "order_histories": self._history_rows,
            "order_details": self._detail_rows,
            "order_payments": self._payment_rows,
            "customers": self._customer_rows,
            "addresses": self._address_rows,
            "room_bookings": self._room_booking_rows,
        }
        self._open()

    def _open(self) -> None:
        """Count all records of the shop together, and write down what is in the books already."""
        last = next((hotel for hotel in reversed(self._hotels) if hotel.guests), self._hotels[0])
        for hotel in self._hotels:
            hotel.number_like(last)
            for booking in hotel.bookings.values():
                self.note_details(booking)
                self.ledger.set_state(booking, self.ledger.state(booking), booking.created_at)

    def note_details(self, booking: Booking) -> None:
        """Give ids to the details and payments of an order that have none yet."""
        for room in booking.rooms:
            self.ledger.detail(f"room {room.id}")
        for line in booking.lines:
            if line.type is LineType.CHARGE:
                self.ledger.detail(f"line {line.id}")
            elif line.type is LineType.PAYMENT:
                self.ledger.payment(line)

    @property
    def resources(self) -> Iterable[str]:
        """The resources that have rows."""
        return self._draw.keys()

    def rows(self, resource: str, keys: Keys = EVERYTHING) -> list[Row]:
        """Give the rows of a resource, by id: at least those that have these keys."""
        return sorted(self._draw[resource](keys), key=lambda row: int(row["id"]))

    def listed(self, resource: str, keys: Keys) -> list[Row]:
        """Give the rows that lists show: at least those that have these keys."""
        return [row for row in self.rows(resource, keys) if self._is_listed(resource, row)]

    def fields(self, resource: str) -> Sequence[str]:
        """Name the fields of a resource, unless lists show no row of it."""
        return list(next((row for row in self._draw[resource](EVERYTHING) if self._is_listed(resource, row)), ()))

    def one(self, resource: str, number: str) -> Row | None:
        """Give one row by its id; services answer as room types too, without a hotel."""
        found = next((row for row in self.rows(resource, Keys.only(id=number)) if str(row["id"]) == number), None)
        if found is None and resource == "room_types" and (service := self.one("services", number)):
            return {**service, "id_hotel": False}
        return found

    def _is_listed(self, resource: str, row: Row) -> bool:
        mark = self.ledger.orders.get(str(row["id"])) if resource == "orders" else None
        return mark is None or not mark.unlisted

    def bookings(self) -> Iterator[tuple[SimulatedHotel, Booking]]:
        """Give all bookings with their hotels."""
        for hotel in self._hotels:
            for booking in hotel.bookings.values():
                yield hotel, booking

    @property
    def first_hotel(self) -> SimulatedHotel:
        """The one that keeps the profiles of new customers, and the shop's clock."""
        return self._hotels[0]

    def booking(self, number: str) -> tuple[SimulatedHotel, Booking] | None:
        """Give an order with its hotel."""
        return next(((hotel, hotel.bookings[number]) for hotel in self._hotels if number in hotel.bookings), None)

    def hotel(self, property_id: str) -> SimulatedHotel | None:
        """Give the hotel of that number."""
        return next((hotel for hotel in self._hotels if hotel.setup.property_id == property_id), None)

    def room_id(self, number: str) -> int:
        """Give the id of a room; rooms are numbered through all hotels."""
        return self._room_ids[number]

    @cached_property
    def _room_ids(self) -> dict[str, int]:
        numbers = [room for hotel in self._hotels for room in hotel.rooms]
        return {number: place for place, number in reversed(list(enumerate(numbers, start=1)))}

    def room_number(self, hotel: SimulatedHotel, room: StayRoom) -> str:
        """Give the room of an order, or the one that it had before it was cancelled."""
        given = room.room_number or self._given.get(room.id)
        if given is None:
            given = next(one.number for one in hotel.rooms.values() if one.kind == room.kind)
        self._given[room.id] = given
        return given

    def customer(self, guest_id: str) -> int:
        """Give the id of a guest's one account in the shop: the first hotel's, where the e-mail address is the same."""
        return self._account(guest_id, self._first_by_email)

    def customers(self) -> Iterator[tuple[SimulatedHotel, Guest]]:
        """Give the shop's customers, each with the hotel that keeps the profile."""
        known = cache(self._first_by_email)  # for the length of one look through the books
        for hotel in self._hotels:
            for guest in hotel.guests.values():
                if self._account(guest.id, known) == int(guest.id):
                    yield hotel, guest

    def _account(self, guest_id: str, known: Callable[[], Mapping[str, str]]) -> int:
        first, *others = self._hotels
        if guest_id in first.guests:
            return int(guest_id)
        elsewhere = next((hotel.guests[guest_id] for hotel in others if guest_id in hotel.guests), None)
        return int(known().get(elsewhere.email or "", guest_id) if elsewhere else guest_id)

    def _first_by_email(self) -> Mapping[str, str]:
        return {guest.email: guest.id for guest in reversed(self._hotels[0].guests.values()) if guest.email}

    def _hotel_rows(self, _: Keys) -> Iterator[Row]:
        for hotel in self._hotels:
            setup = hotel.setup
            yield {
                "id": int(setup.property_id),
                "phone": "0987654321",
                "city": "Demo City",
                "zipcode": "00042",
                "email": "front@hotel.test",
                "rating": 3,
                "check_in": "12:00",
                "check_out": setup.checkout_time,
                "active": 1,
                "hotel_name": setup.name,
            }

    def _room_type_rows(self, _: Keys) -> Iterator[Row]:
        for hotel in self._hotels:
            for kind in hotel.kinds.values():
                yield {
                    "id": int(kind.code),
                    "id_hotel": int(hotel.setup.property_id),
                    "adults": 2,
                    "children": 2,
                    "price": price(without_tax(kind.price)),
                    "active": 1,
                    "name": kind.name,
                    "description": kind.description,
                }

    def _limit_rows(self, _: Keys) -> Iterator[Row]:
        for hotel in self._hotels:
            for kind in hotel.kinds.values():
                rooms = [room.number for room in hotel.rooms.values() if room.kind == kind.code]
                yield {
                    "id": int(kind.code),
                    "id_product": int(kind.code),
                    "id_hotel": int(hotel.setup.property_id),
                    "adults": 2,
                    "children": 2,
                    "max_adults": 3,
                    "max_children": 2,
                    "max_guests": kind.max_occupancy,
                    "min_los": 1,
                    "max_los": 0,
                    "associations": {"hotel_rooms": [{"id": self.room_id(number)} for number in rooms]},
                }

    def _room_rows(self, _: Keys) -> Iterator[Row]:
        for hotel in self._hotels:
            for room in hotel.rooms.values():
                yield {
                    "id": self.room_id(room.number),
                    "id_product": int(room.kind),
                    "id_hotel": int(hotel.setup.property_id),
                    "room_num": room.number,
                    "id_status": 2 if room.out_of_order else 1,
                    "floor": room.floor,
                    "comment": "",
                    "date_upd": local(hotel, room.updated_at),
                    **self.ledger.room_facts.get(room.number, {}),
                }

    def _service_rows(self, _: Keys) -> Iterator[Row]:
        return (rows.service(product) for product in self.ledger.products.values())

    def _history_rows(self, keys: Keys) -> Iterator[Row]:
        shop = self._hotels[0]
        for change in self.ledger.histories:
            if keys.admit(id=change.id, id_order=change.order):
                yield rows.history(shop, change)

    def _order_rows(self, keys: Keys) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            if keys.admit(id=booking.id, source=booking.external_reference or "", reference=reference(booking)):
                yield rows.order(hotel, booking, self.ledger, customer=self.customer(str(booking.contact.guest_id)))

    def _detail_rows(self, keys: Keys) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            self.note_details(booking)
            if not keys.admit(id_order=booking.id):
                continue
            for room in booking.rooms:
                number = self.ledger.detail(f"room {room.id}")
                yield rows.room_detail(number, booking, room, hotel.kinds[room.kind].name, self.ledger.room_tax(room))
            for service in self.ledger.services_of(booking):
                yield self._service_detail(booking.id, service)
        for order, service in self.ledger.leftovers:
            if keys.admit(id_order=order):
                yield self._service_detail(order, service)

    def _service_detail(self, order: str, service: Service) -> Row:
        return rows.service_detail(self.ledger.detail(f"line {service.line}"), order, service)

    def _payment_rows(self, keys: Keys) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            if not keys.admit(order_reference=reference(booking)):
                continue
            for line in booking.lines:
                if line.type is LineType.PAYMENT:
                    yield rows.payment(hotel, self.ledger.payment(line), reference(booking), line)

    def _customer_rows(self, keys: Keys) -> Iterator[Row]:
        for hotel, guest in self.customers():
            if keys.admit(id=guest.id, email=guest.email or ""):
                yield rows.customer(hotel, guest, self.ledger.accounts.get(guest.id))

    def _address_rows(self, keys: Keys) -> Iterator[Row]:
        for _, guest in self.customers():
            if guest.country and keys.admit(id=guest.id, id_customer=guest.id):
                yield {
                    "id": int(guest.id),
                    "id_customer": int(guest.id),
                    "lastname": guest.last_name,
                    "phone": guest.phone or "",
                    "phone_mobile": "",
                }

    def _room_booking_rows(self, keys: Keys) -> Iterator[Row]:
        for hotel, booking in self.bookings():
            for room in booking.rooms:
                number = self.room_number(hotel, room)
                if keys.admit(id=room.id, id_order=booking.id, id_room=self.room_id(number)):
                    yield self._room_booking(hotel, booking, room, number)

    def _room_booking(self, hotel: SimulatedHotel, booking: Booking, room: StayRoom, number: str) -> Row:
        shown = rows.room_booking(hotel, booking, room, self.ledger)
        return {
            **shown,
            "id_room": self.room_id(number),
            "room_num": number,
            "id_customer": self.customer(str(booking.contact.guest_id)),
        }


def _order_state_rows(_: Keys) -> Iterator[Row]:
    for number, name in enumerate(ORDER_STATES, start=1):
        yield {"id": number, "invoice": 0, "logable": 0, "paid": int(number == PAID), "name": name}


def _currency_rows(_: Keys) -> Iterator[Row]:
    yield {
        "id": CURRENCY,
        "name": "Dollar",
        "iso_code": "USD",
        "conversion_rate": "1.000000",
        "deleted": 0,
        "active": 1,
    }


def _configuration_rows(_: Keys) -> Iterator[Row]:
    yield {"id": 1, "name": "PS_TIMEZONE", "value": "America/New_York"}
    yield {"id": 2, "name": "PS_CURRENCY_DEFAULT", "value": str(CURRENCY)}
