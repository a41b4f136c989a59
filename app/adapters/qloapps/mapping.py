"""From QloApps' rows to our words: pure functions, no calls."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.adapters.qloapps import wire, xmlforms
from app.adapters.qloapps.wanted import Wanted
from app.domain.errors import VendorContractBroken
from app.domain.folio import Balance, FolioLine, LineKind
from app.domain.guest import GuestContact, GuestProfile
from app.domain.hotel import Cleaning, Hotel, RoomOccupancy, RoomStatus, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, NightAvailability, RatePlan, RateQuote, RoomTypeAvailability
from app.domain.money import Money
from app.domain.reservation import Note, Reservation, ReservationStatus, ReservedRoom
from app.domain.stay import Occupancy, Stay

BAR = "BAR"
"""The one rate plan: QloApps sells each room type at one price a day."""

ROOM_STATES = {
    "1": ReservationStatus.CONFIRMED,
    "2": ReservationStatus.IN_HOUSE,
    "3": ReservationStatus.CHECKED_OUT,
}
"""`room_bookings.id_status`: allotted, checked in, checked out."""
IN_HOUSE = "2"

ALLOTTED = "1"
CHECKED_OUT = "3"

_CANCELLED = frozenset(
    {"canceled", "cancelled", "storniert", "annulé", "annulée", "cancelado", "annullato", "geannuleerd", "anulowane"}
)
"""Names, folded, of the state of a cancelled order; a shop may be in another language (# Q8)."""
_CANCELLED_STATES = _CANCELLED | {"refunded"}
"""States under which no room is held."""
_OWN_REFERENCE = re.compile(r"[0-9a-f]{32}")
_ROOM_STATUS = {"1": "active", "2": "inactive", "3": "temporarily inactive"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A room type: how many it takes, and under what name it is sold."""

    limits: wire.RoomTypeLimits
    sold: wire.RoomTypeRow

    @property
    def code(self) -> str:
        """The id by which everything else names it."""
        return self.sold.id

    @property
    def total(self) -> int:
        """How many rooms there are."""
        return len(self.limits.rooms)

    def fits(self, occupancy: Occupancy | None) -> bool:
        """Tell whether these guests may stay in one room; the PMS itself does not look (# Q4)."""
        if occupancy is None:
            return True
        return (
            occupancy.adults <= self.limits.max_adults
            and len(occupancy.child_ages) <= self.limits.max_children
            and occupancy.guests <= self.limits.max_guests
        )


@dataclass(frozen=True, slots=True)
class Legend:
    """What the numbers in an order mean in this shop."""

    states: Mapping[str, str]
    currencies: Mapping[str, str]

    def money(self, amount: Decimal, order: wire.OrderRow, hotel: Hotel) -> Money:
        """Make money of an amount of an order, in the order's own currency.

        Raises:
            VendorContractBroken: the shop does not list that currency.
        """
        currency = self.currencies.get(order.id_currency)
        if currency is None:
            raise VendorContractBroken(
                "QloApps counts an order in a currency that it does not list", vendor=hotel.vendor
            )
        return Money.rounded(amount, currency)


def cancelled_state(states: Mapping[str, str]) -> str | None:
    """Give the number of the state of a cancelled order, by its name."""
    return next((number for number, name in states.items() if name.strip().casefold() in _CANCELLED), None)


def kinds(limits: Iterable[wire.RoomTypeLimits], sold: Iterable[wire.RoomTypeRow], hotel: Hotel) -> list[Kind]:
    """Give the hotel's room types that are sold; services answer as room types without a hotel (# Q6)."""
    by_id = {row.id: row for row in sold if row.active and row.id_hotel == hotel.property_id}
    ours = (row for row in limits if row.id_hotel == hotel.property_id and row.id_product in by_id)
    return [Kind(row, by_id[row.id_product]) for row in ours]


def room_type(kind: Kind) -> RoomType:
    """Give a room type."""
    return RoomType(
        room_type=kind.code,
        name=kind.sold.name,
        description=kind.sold.description or None,
        max_occupancy=kind.limits.max_guests,
        total=kind.total,
    )


def rate_plan(hotel: Hotel) -> RatePlan:
    """Give the one rate plan."""
    return RatePlan(
        rate_code=BAR,
        name="Best available rate",
        description="The price of the room type on each day, the shop's price rules included",
        currency=hotel.currency,
    )


def grid(hotel: Hotel, stay: Stay, sold: Iterable[Kind], nights: Iterable[wire.Ari]) -> AvailabilityGrid:
    """Give what can be sold on each night; a type that is not mentioned for a night cannot be sold then."""
    answers = {(night.date_from, kind.id_room_type): (night, kind) for night in nights for kind in night.room_types}

    def availability(kind: Kind) -> Iterable[NightAvailability]:
        for date in stay:
            night, answer = answers.get((date, kind.code), (None, None))
            if night is None or answer is None:
                yield NightAvailability(date=date, available=0, total=kind.total)
                continue
            price = Money.rounded(answer.base_price_with_tax, night.currency)
            count = len(answer.free)  # Q3
            yield NightAvailability(date=date, available=count, total=kind.total, min_price=price)

    return AvailabilityGrid(
        hotel_id=hotel.id,
        start=stay.arrival,
        end=stay.departure,
        room_types=tuple(
            RoomTypeAvailability(
                room_type=kind.code,
                name=kind.sold.name,
                max_occupancy=kind.limits.max_guests,
                nights=tuple(availability(kind)),
            )
            for kind in sold
        ),
    )


def quotes(stay: Stay, occupancy: Occupancy, sold: Iterable[Kind], ari: wire.Ari) -> list[RateQuote]:
    """Give the price of a stay in each of these room types that the answer mentions."""
    asked = {kind.code for kind in sold}
    adults, ages = occupancy.adults, occupancy.child_ages
    return [
        _quote(Wanted(stay.arrival, stay.departure, kind.id_room_type, adults, len(ages), ages), ari, kind)
        for kind in ari.room_types
        if kind.id_room_type in asked
    ]


def changed_quote(
    current: Reservation, row: wire.PlacedRow, stay: Wanted, sold: tuple[wire.Ari, wire.AriRoomType]
) -> RateQuote:
    """Give what a reservation would cost if its room became another one; what else was charged stays as it is."""
    ari, answer = sold
    quote = _quote(stay, ari, answer)
    price = answer.total_price_with_tax - row.total_price_tax_incl if not stay.is_at(row) else Decimal()
    now = current.total.amount if current.total else row.total_price_tax_incl
    total = Money.rounded(now + price, ari.currency)
    return quote.model_copy(update={"total": total, "available": stay.is_at(row) or quote.available})


def _quote(wanted: Wanted, ari: wire.Ari, kind: wire.AriRoomType) -> RateQuote:
    return RateQuote(
        room_type=wanted.kind,
        rate_code=BAR,
        arrival=wanted.arrival,
        departure=wanted.departure,
        adults=wanted.adults,
        child_ages=wanted.child_ages,
        total=Money.rounded(kind.total_price_with_tax, ari.currency),
        taxes_included=True,
        available=bool(kind.free),
        indicative=True,  # Q5
    )


def reservation(
    hotel: Hotel,
    legend: Legend,
    order: wire.OrderRow,
    rows: Sequence[wire.RoomBookingRow],
    *,
    customer: wire.CustomerRow | None,
    remarks: Iterable[str],
) -> Reservation:
    """Give an order with its rooms (at least one) as a reservation.

    Its dates and flat room fields come from the rooms that are not cancelled, as long as there are any.
    """
    rooms = tuple(_room(row) for row in rows)
    live = [room for room in rooms if room.status is not ReservationStatus.CANCELLED]
    made = Reservation.of_rooms(
        live or rooms,
        id=VendorRef(order.id),
        hotel_id=hotel.id,
        confirmation_number=order.reference,
        booking_id=order.id,
        status=_status(rooms, legend.states.get(order.current_state)),
        guest=_contact(order, customer),
        total=legend.money(order.total_paid_tax_incl, order, hotel),
        balance=legend.money(order.total_paid_tax_incl - order.total_paid_real, order, hotel),
        checkout_time=_checkout_time(rows),
        notes=tuple(Note(text=text) for text in _notes(remarks, rows)),
        external_reference=_source(order),
        vendor_status=legend.states.get(order.current_state, order.current_state),
        created_at=hotel.instant(order.date_add),  # Q12
        updated_at=hotel.instant(order.date_upd),
    )
    return made.model_copy(update={"rooms": rooms})


def guest(hotel: Hotel, row: wire.CustomerRow) -> GuestProfile:
    """Give a customer's profile."""
    return GuestProfile(
        id=VendorRef(row.id),
        hotel_id=hotel.id,
        first_name=row.firstname or None,
        last_name=row.lastname or None,
        email=row.email or None,
        phone=row.phone or None,
        external_ids={"pms": row.id},
        updated_at=hotel.instant(row.date_upd),
    )


def folio(
    hotel: Hotel,
    legend: Legend,
    order: wire.OrderRow,
    *,
    details: Sequence[wire.OrderDetailRow],
    payments: Sequence[wire.OrderPaymentRow],
) -> list[FolioLine]:
    """Give the lines of an order, with its payments as negative amounts.

    Lines may outlive what they stood for, discounts have none, and payments are kept by a reference that several
    orders may share: what is missing to the order's own totals is a line of its own (# Q16).
    """

    def line(number: str, kind: LineKind, text: str, amount: Decimal) -> FolioLine:
        return FolioLine(id=VendorRef(number), kind=kind, description=text, amount=legend.money(amount, order, hotel))

    rest = order.total_paid_tax_incl - sum(row.total_price_tax_incl for row in details)
    unlisted = order.total_paid_real - sum(row.amount for row in payments)
    lines = [
        *(line(f"charge-{row.id}", LineKind.CHARGE, _described(row), row.total_price_tax_incl) for row in details),
        line(f"rest-{order.id}", LineKind.OTHER, "Discounts and corrections", rest),
        *(
            _payment(hotel, row, line(f"payment-{row.id}", LineKind.PAYMENT, row.payment_method, -row.amount))
            for row in payments
        ),
        line(f"paid-{order.id}", LineKind.PAYMENT, "Payments without a line of their own", -unlisted),
    ]
    return [line for line in lines if line.amount.amount]


def balance(hotel: Hotel, legend: Legend, order: wire.OrderRow) -> Balance:
    """Give what is owed on an order."""
    return Balance(
        reservation_id=VendorRef(order.id),
        balance=legend.money(order.total_paid_tax_incl - order.total_paid_real, order, hotel),
        charges=legend.money(order.total_paid_tax_incl, order, hotel),
        payments=legend.money(-order.total_paid_real, order, hotel),
    )


def room_status(hotel: Hotel, row: wire.RoomRow, occupied: frozenset[str]) -> RoomStatus:
    """Give a room; `occupied` are the ids of the rooms that somebody stays in. Of cleaning nothing is known."""
    return RoomStatus(
        room_number=row.room_num,
        room_type=row.id_product,
        floor=row.floor or None,
        cleaning=Cleaning.UNKNOWN,
        occupancy=RoomOccupancy.OCCUPIED if row.id in occupied else RoomOccupancy.VACANT,
        out_of_order=row.id_status != "1",
        updated_at=hotel.instant(row.date_upd),
        vendor_status=_ROOM_STATUS.get(row.id_status, row.id_status),
    )


def is_cancelled(row: wire.RoomBookingRow) -> bool:
    """Tell whether a room of an order is free again: cancelled, refunded, or never given because sold out."""
    return row.is_cancelled or row.is_refunded


def _room(row: wire.RoomBookingRow) -> ReservedRoom:
    status = ROOM_STATES.get(row.id_status, ReservationStatus.UNKNOWN)
    return ReservedRoom(
        room_type=row.id_product,
        rate_code=BAR,
        room_number=row.room_num or None,
        arrival=row.date_from,
        departure=row.date_to,
        adults=row.adults,
        child_ages=row.child_ages if len(row.child_ages) == row.children else None,  # Q21
        status=ReservationStatus.CANCELLED if is_cancelled(row) else status,
    )


def _status(rooms: Iterable[ReservedRoom], state: str | None) -> ReservationStatus:
    """Tell where an order stands by its rooms first; `state` is the name of its own state, if it is known (# Q8)."""
    live = {room.status for room in rooms} - {ReservationStatus.CANCELLED}
    if not live or (state or "").strip().casefold() in _CANCELLED_STATES:
        return ReservationStatus.CANCELLED
    if ReservationStatus.IN_HOUSE in live:
        return ReservationStatus.IN_HOUSE
    if live == {ReservationStatus.CHECKED_OUT}:
        return ReservationStatus.CHECKED_OUT
    if state is None or ReservationStatus.UNKNOWN in live:
        return ReservationStatus.UNKNOWN
    return ReservationStatus.CONFIRMED


def _contact(order: wire.OrderRow, customer: wire.CustomerRow | None) -> GuestContact:
    if customer is None:
        return GuestContact(id=VendorRef(order.id_customer))
    return GuestContact(
        id=VendorRef(customer.id),
        first_name=customer.firstname or None,
        last_name=customer.lastname or None,
        email=customer.email or None,
        phone=customer.phone or None,
    )


def _notes(remarks: Iterable[str], rows: Iterable[wire.RoomBookingRow]) -> list[str]:
    """Give the remarks, then the notes in each room's comment that stand nowhere before (# Q28)."""
    told = list(remarks)
    for row in rows:
        before = set(told)
        told += [note for note in xmlforms.notes(row.comment) if note not in before]
    return told


def _source(order: wire.OrderRow) -> str | None:
    """Give where an order came from, unless that is the gateway's own reference (# Q29)."""
    return None if _OWN_REFERENCE.fullmatch(order.source or "") else order.source or None


def _checkout_time(rows: Iterable[wire.RoomBookingRow]) -> str | None:
    times = {f"{row.planned_check_out:%H:%M}" for row in rows if row.planned_check_out}
    return times.pop() if len(times) == 1 else None


def _payment(hotel: Hotel, row: wire.OrderPaymentRow, line: FolioLine) -> FolioLine:
    return line.model_copy(update={"posted_at": hotel.instant(row.date_add), "reference": row.transaction_id or None})


def _described(row: wire.OrderDetailRow) -> str:
    return row.product_name if row.product_quantity == 1 else f"{row.product_quantity} x {row.product_name}"
