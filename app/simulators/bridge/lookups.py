"""The reading half of the contract."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.domain.text import is_same_text, phone_test
from app.simulators.bridge import sent, shown
from app.simulators.bridge.exchange import Answer, Visit
from app.simulators.bridge.pages import page
from app.simulators.hotel import RoomWish, SimulatedHotel
from app.simulators.records import Booking, Guest, LineType, Plan, Remark, RoomKind, nights_of
from app.simulators.site import Site

CONTRACT_VERSION = "1.0"
REQUIRED = (
    "availability",
    "rates",
    "rate_plans",
    "room_types",
    "reservation.get",
    "reservation.search",
    "reservation.create",
    "reservation.cancel",
)
OPTIONAL = (
    "reservation.modify",
    "reservation.quote",
    "reservation.note",
    "reservation.checkout_time",
    "reservation.check_in",
    "reservation.check_out",
    "guest.get",
    "guest.search",
    "guest.upsert",
    "guest.preferences",
    "charge.post",
    "charge.list",
    "balance",
    "room_status.list",
    "room_status.get",
    "room_status.set",
)


def capabilities(site: Site) -> tuple[str, ...]:
    """Give what an installation has built."""
    return REQUIRED if site.modes["built"] == "required" else REQUIRED + OPTIONAL


def property_facts(visit: Visit) -> Answer:
    """Show the property, and what this installation can do."""
    setup = visit.hotel.setup
    dated = visit.site.modes["business_date"] == "on"
    keys: dict[str, Any] = {"idempotency_keys": visit.site.modes["idempotency"] == "on"}
    if visit.keeps_keys:
        newest = _newest(visit.hotel)
        keys |= {"write_keys": True, "newest_record_at": newest and shown.instant(newest)}
    return Answer(
        {
            "id": setup.property_id,
            "name": setup.name,
            "contract_version": CONTRACT_VERSION,
            "timezone": setup.timezone,
            "currency": setup.currency,
            "country": setup.country,
            "business_date": visit.hotel.business_date.isoformat() if dated else None,
            "checkout_time": setup.checkout_time,
            "capabilities": list(capabilities(visit.site)),
            **keys,
        }
    )


def room_types(visit: Visit) -> Answer:
    """List the room types."""
    hotel = visit.hotel
    return _paged(visit, hotel.kinds.values(), lambda kind: kind.code, lambda kind: shown.room_type(hotel, kind))


def rate_plans(visit: Visit) -> Answer:
    """List the rate plans."""
    hotel = visit.hotel
    return _paged(visit, hotel.plans.values(), lambda plan: plan.code, lambda plan: shown.rate_plan(hotel, plan))


def availability(visit: Visit) -> Answer:
    """Show what can be sold on each night."""
    window, hotel = visit.read_query(sent.Window), visit.hotel
    guests = window.adults + len(window.child_ages)
    kinds = [kind for kind in _kinds(hotel, window.room_type) if kind.max_occupancy >= guests]
    nights, sold = nights_of(window.start, window.end), hotel.sold()
    return Answer(
        {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "room_types": [
                {
                    "room_type": kind.code,
                    "name": kind.name,
                    "max_occupancy": kind.max_occupancy,
                    "nights": [
                        _night(hotel, kind, night, window) | _left(hotel, kind, sold[kind.code, night])
                        for night in nights
                    ],
                }
                for kind in kinds
            ],
        }
    )


def quotes(visit: Visit) -> Answer:
    """Show the price of a stay in each room type and rate plan."""
    asked, hotel = visit.read_query(sent.QuoteQuestion), visit.hotel
    wishes = [
        RoomWish(
            kind=kind.code,
            plan=plan.code,
            arrival=asked.arrival,
            departure=asked.departure,
            adults=asked.adults,
            child_ages=asked.child_ages,
        )
        for kind in _kinds(hotel, asked.room_type)
        for plan in _plans(hotel, asked.rate_code)
        if kind.max_occupancy >= asked.adults + len(asked.child_ages)
    ]
    size = min(asked.limit, int(visit.site.modes["page_size"]))
    return page(
        wishes,
        name=lambda wish: f"{wish.kind} {wish.plan}",
        show=lambda wish: quote(hotel, wish),
        size=size,
        cursor=asked.cursor,
    )


def quote(hotel: SimulatedHotel, wish: RoomWish, *, without: Booking | None = None) -> dict[str, Any]:
    """Show the price of one room; `without` leaves a booking out of the count."""
    nights = hotel.price(wish)
    return {
        "room_type": wish.kind,
        "rate_code": wish.plan,
        "arrival": wish.arrival.isoformat(),
        "departure": wish.departure.isoformat(),
        "adults": wish.adults,
        "child_ages": list(wish.child_ages),
        "nightly": shown.nightly(hotel, nights),
        "total": shown.money(hotel, sum((night.price for night in nights), Decimal())),
        "taxes_included": True,
        "available": hotel.can_host([wish], without=without),
        "cancellation_policy": hotel.plan(wish.plan).description,
    }


def reservation(visit: Visit) -> Answer:
    """Show one reservation."""
    return shown_reservation(visit, visit.hotel.booking(visit.at["reservation_id"]))


def shown_reservation(visit: Visit, booking: Booking, *, status: int = 200) -> Answer:
    """Answer with a reservation."""
    return Answer(reservation_body(visit, booking), status, str(booking.version))


def reservation_body(visit: Visit, booking: Booking) -> dict[str, Any]:
    """Write a reservation as this installation does."""
    body = shown.reservation(visit.hotel, booking, extra_status=visit.site.modes["extra_status"] == "on")
    body |= visit.signature(booking) | {"notes": [signed_note(visit, remark) for remark in booking.remarks]}
    if visit.site.modes["future_members"] == "on":
        body |= {"loyalty_points": 120, "guest": {**body["guest"], "pronouns": "they"}}
    return body


def signed_note(visit: Visit, remark: Remark) -> dict[str, Any]:
    """Write a note with its key."""
    return shown.note(remark) | visit.signature(remark)


def search_reservations(visit: Visit) -> Answer:
    """List the reservations that match all filters."""
    wanted = visit.read(sent.ReservationSearch)
    signed = (one for one in visit.hotel.bookings.values() if visit.is_signed(one, wanted.write_key))
    found = [booking for booking in signed if _fits(wanted, booking)]
    size = min(wanted.limit, int(visit.site.modes["page_size"]))
    return page(
        found,
        name=lambda booking: booking.id,
        show=lambda booking: reservation_body(visit, booking),
        size=size,
        cursor=wanted.cursor,
    )


def folio(visit: Visit) -> Answer:
    """List the lines of a folio."""
    booking = visit.hotel.booking(visit.at["reservation_id"])
    lines = visit.hotel.folio(booking)
    return _paged(
        visit, lines, lambda line: line.id, lambda line: shown.folio_line(visit.hotel, line) | visit.signature(line)
    )


def balance(visit: Visit) -> Answer:
    """Show what is owed."""
    booking = visit.hotel.booking(visit.at["reservation_id"])
    paid = -sum((line.total for line in booking.lines if line.type is LineType.PAYMENT), Decimal())
    owed = visit.hotel.balance(booking)
    return Answer(
        {
            "reservation_id": booking.id,
            "balance": shown.money(visit.hotel, owed),
            "charges": shown.money(visit.hotel, owed + paid),
            "payments": shown.money(visit.hotel, paid),
        }
    )


def guest(visit: Visit) -> Answer:
    """Show one profile."""
    return shown_guest(visit, visit.hotel.guest(visit.at["guest_id"]))


def shown_guest(visit: Visit, profile: Guest, *, status: int = 200) -> Answer:
    """Answer with a profile."""
    return Answer(_guest_body(visit, profile), status, str(profile.version))


def _guest_body(visit: Visit, profile: Guest) -> dict[str, Any]:
    return shown.guest(profile) | visit.signature(profile)


def search_guests(visit: Visit) -> Answer:
    """List the profiles that match all filters."""
    wanted = visit.read(sent.GuestSearch)
    country = visit.hotel.setup.country
    signed = (one for one in visit.hotel.guests.values() if visit.is_signed(one, wanted.write_key))
    found = [profile for profile in signed if _is_meant(wanted, profile, country)]
    size = min(wanted.limit, int(visit.site.modes["page_size"]))
    return page(
        found,
        name=lambda profile: profile.id,
        show=lambda profile: _guest_body(visit, profile),
        size=size,
        cursor=wanted.cursor,
    )


def rooms(visit: Visit) -> Answer:
    """List the rooms."""
    return _paged(visit, visit.hotel.rooms.values(), lambda room: room.number, shown.room)


def room(visit: Visit) -> Answer:
    """Show one room."""
    found = visit.hotel.room(visit.at["room_number"])
    return Answer(shown.room(found), version=str(found.version))


def _paged(visit: Visit, items: Iterable[Any], name: Any, show: Any) -> Answer:
    asked = visit.read_query(sent.Paged)
    size = min(asked.limit, int(visit.site.modes["page_size"]))
    return page(items, name=name, show=show, size=size, cursor=asked.cursor)


def _kinds(hotel: SimulatedHotel, code: str | None) -> list[RoomKind]:
    return list(hotel.kinds.values()) if code is None else [hotel.kind(code)]


def _plans(hotel: SimulatedHotel, code: str | None) -> list[Plan]:
    return list(hotel.plans.values()) if code is None else [hotel.plan(code)]


def _night(hotel: SimulatedHotel, kind: RoomKind, night: date, window: sent.Window) -> dict[str, Any]:
    wishes = [
        RoomWish(
            kind=kind.code,
            plan=plan,
            arrival=night,
            departure=date.fromordinal(night.toordinal() + 1),
            adults=window.adults,
            child_ages=window.child_ages,
        )
        for plan in hotel.plans
    ]
    return {
        "date": night.isoformat(),
        "min_price": shown.money(hotel, min(hotel.price(wish)[0].price for wish in wishes)),
    }


def _left(hotel: SimulatedHotel, kind: RoomKind, sold: int) -> dict[str, int]:
    total = hotel.sellable(kind.code)
    return {"available": max(0, total - sold), "total": total}


def _newest(hotel: SimulatedHotel) -> datetime | None:
    """Give when the newest record was made; all lists here show it at once."""
    bookings = hotel.bookings.values()
    made = [booking.created_at for booking in bookings] + [guest.created_at for guest in hotel.guests.values()]
    noted = [remark.created_at for booking in bookings for remark in booking.remarks]
    posted = [line.posted_at for booking in bookings for line in booking.lines]
    return max(made + noted + posted, default=None)


def _fits(wanted: sent.ReservationSearch, booking: Booking) -> bool:
    exact = (
        (wanted.confirmation_number, booking.confirmation_number),
        (wanted.external_reference, booking.external_reference),
        (wanted.guest_id, booking.contact.guest_id),
        (wanted.arrival, booking.arrival),
        (wanted.departure, booking.departure),
    )
    return (
        all(want is None or want == have for want, have in exact)
        and (wanted.statuses is None or booking.status.value in wanted.statuses)
        and (wanted.last_name is None or is_same_text(wanted.last_name, booking.contact.last_name))
    )


def _is_meant(wanted: sent.GuestSearch, profile: Guest, country: str) -> bool:
    return (
        (wanted.email is None or is_same_text(wanted.email, profile.email))
        and (wanted.phone is None or phone_test(wanted.phone, country)(profile.phone))
        and (wanted.last_name is None or is_same_text(wanted.last_name, profile.last_name))
    )
