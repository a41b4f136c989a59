"""Writing reservations. What is wrong with one of several is found before any is done."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from app.simulators.hotel import RoomWish
from app.simulators.mews import sent_stays, shown_stays
from app.simulators.mews.exchange import Problem, Visit, invalid
from app.simulators.mews.ledger import Mail
from app.simulators.mews.lookups_house import of_service, party, wish
from app.simulators.mews.money import gross
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.records import Booking, Contact, Guest, Housekeeping, Night, StayRoom, StayStatus

T = TypeVar("T")


def add(visit: Visit) -> Shown:
    """Make reservations, all of one group."""
    sent = visit.read(sent_stays.ReservationsSent)
    premises = of_service(visit, sent.service_id)
    if visit.one(sent.enterprise_id or premises.id) is not premises:
        raise invalid("ServiceId")
    wanted = [(one, wish(premises, one), _owner(premises, one)) for one in sent.reservations]
    hotel = premises.hotel
    wishes = [room for _, room, _ in wanted]
    for room in wishes:
        hotel.price(room)
    if sent.check_overbooking is not False and not hotel.can_host(wishes):
        raise Problem(403, "There is not enough availability for the reservation.")
    group = sent.group_id or premises.facts.guid("group", "of", len(hotel.bookings))
    made = []
    for one, room, guest in wanted:
        booking = _booked(premises, room, guest, checked=sent.check_overbooking is not False)
        premises.ledger.groups[booking.id] = group
        _dress(visit, premises, booking, one)
        if sent.send_confirmation_email is not False:
            _mail(premises, booking, "confirmation")
        made.append({"Identifier": one.identifier, "Reservation": shown_stays.old_reservation(premises, booking)})
    return {"Reservations": made}


def _owner(premises: Premises, one: sent_stays.ReservationSent) -> Guest:
    guest = premises.guest(one.customer_id)
    if guest is None:
        raise invalid("CustomerId")
    return guest


def _contact(guest: Guest) -> Contact:
    return Contact(
        guest_id=guest.id,
        first_name=guest.first_name,
        last_name=guest.last_name,
        email=guest.email,
        phone=guest.phone,
        country=guest.country,
    )


def _booked(premises: Premises, room: RoomWish, guest: Guest, *, checked: bool) -> Booking:
    hotel = premises.hotel
    if checked:
        return hotel.book([room], _contact(guest))
    stay = StayRoom(
        id=hotel.new_id("room"),
        kind=room.kind,
        plan=room.plan,
        arrival=room.arrival,
        departure=room.departure,
        adults=room.adults,
        child_ages=room.child_ages,
        nights=hotel.price(room),
    )
    return hotel.enter([stay], _contact(guest))


def _dress(visit: Visit, premises: Premises, booking: Booking, one: sent_stays.ReservationSent) -> None:
    """Add what a reservation is beyond its room and guest."""
    if one.state != "Confirmed":
        booking.status = StayStatus.TENTATIVE
    if one.state == "Enquired":
        premises.ledger.odd_states[booking.id] = "Inquired"
    if one.channel_number:
        premises.ledger.channel_numbers[booking.id] = one.channel_number
    if one.time_unit_prices:
        _reprice(visit, premises, booking, one.time_unit_prices)
    _set_clocks(premises, booking, start=one.start_utc, end=one.end_utc)
    if one.notes:
        note = premises.hotel.remark(booking, one.notes)
        places = {"general": "General", "special_request": "SpecialRequest", "apart": None}
        premises.ledger.note_types[note.id] = places[visit.site.modes["new_notes"]]


def update(visit: Visit) -> Shown:
    """Change reservations."""
    sent = visit.read(sent_stays.ReservationUpdatesSent)
    premises = visit.one(sent.enterprise_id)
    changes = [(_found(premises, one.reservation_id, "ReservationId"), one) for one in sent.reservation_updates]
    for booking, _ in changes:
        _contend(visit, premises, booking)
    for booking, change in changes:
        _change(visit, premises, booking, change, sent)
    return _all_null() | {"Reservations": [shown_stays.old_reservation(premises, booking) for booking, _ in changes]}


def _contend(visit: Visit, premises: Premises, booking: Booking) -> None:
    """Let somebody else change a reservation first, once."""
    if visit.is_on("contention") and booking.id not in premises.ledger.contended:
        premises.ledger.contended.add(booking.id)
        premises.hotel.touch(booking)
        raise Problem(409, "Data has changed.")


def _change(
    visit: Visit,
    premises: Premises,
    booking: Booking,
    change: sent_stays.ReservationUpdate,
    sent: sent_stays.ReservationUpdatesSent,
) -> None:
    wanted = _changed_wish(premises, booking, change)
    kept = booking.rooms[0].nights if sent.reprice is False else ()
    prices = {night.date: night.price for night in (*premises.hotel.price(wanted), *kept)}
    total = sum((prices[night.date] for night in premises.hotel.price(wanted)), Decimal())
    if not sent.reason and (total != booking.total or change.time_unit_prices):
        raise Problem(400, "Invalid Reason: a change of the price needs one.")
    _rebook(premises, booking, wanted)
    if kept:
        _set_prices(premises, booking, prices)
    if prices_told := _value(change.time_unit_prices):
        _reprice(visit, premises, booking, prices_told)
    _set_clocks(premises, booking, start=_value(change.start_utc), end=_value(change.end_utc))
    _mark(premises, booking, change)


def _value(update: sent_stays.Update[T] | None) -> T | None:
    return None if update is None else update.value


def _changed_wish(premises: Premises, booking: Booking, change: sent_stays.ReservationUpdate) -> RoomWish:
    room, day, hotel = booking.rooms[0], premises.clock.day, premises.hotel
    kind, plan = _value(change.requested_category_id), _value(change.rate_id)
    start, end, counts = _value(change.start_utc), _value(change.end_utc), _value(change.person_counts)
    if kind and kind not in hotel.kinds:
        raise invalid("RequestedCategoryId")
    if plan and plan not in hotel.plans:
        raise invalid("RateId")
    adults, child_ages = room.adults, room.child_ages
    if counts:
        adults, child_ages = party(premises, counts)
    return RoomWish(
        kind=kind or room.kind,
        plan=plan or room.plan,
        arrival=day(start) if start else room.arrival,
        departure=day(end) if end else room.departure,
        adults=adults,
        child_ages=child_ages,
    )


def _rebook(premises: Premises, booking: Booking, wanted: RoomWish) -> None:
    """Give a reservation another room or other days; who asks for what they have, asks for nothing."""
    room = booking.rooms[0]
    has = RoomWish(
        kind=room.kind,
        plan=room.plan,
        arrival=room.arrival,
        departure=room.departure,
        adults=room.adults,
        child_ages=room.child_ages,
    )
    if wanted == has:
        if not booking.holds_room:
            raise Problem(403, "The reservation cannot be changed any more.")
        premises.hotel.touch(booking)
        return
    if booking.id in premises.ledger.locked and wanted.kind != room.kind:
        raise Problem(403, "The assigned resource is locked.")
    premises.hotel.rebook(booking, [wanted])


def _mark(premises: Premises, booking: Booking, change: sent_stays.ReservationUpdate) -> None:
    ledger = premises.ledger
    if change.assigned_resource_locked is not None:
        (ledger.locked.add if change.assigned_resource_locked.value else ledger.locked.discard)(booking.id)
    if change.assigned_resource_id is not None:
        _assign(premises, booking, change.assigned_resource_id.value)
    if change.channel_number is not None:
        ledger.channel_numbers.pop(booking.id, None)
        if change.channel_number.value:
            ledger.channel_numbers[booking.id] = change.channel_number.value


def _assign(premises: Premises, booking: Booking, resource_id: str | None) -> None:
    stay = booking.rooms[0]
    if booking.id in premises.ledger.locked:
        raise Problem(403, "The assigned resource is locked.")
    if resource_id is None:
        stay.room_number = None
        return
    room = premises.room(resource_id)
    if room is None:
        raise invalid("AssignedResourceId")
    free = premises.hotel.free_rooms(room.kind, stay.arrival, stay.departure, without=booking)
    if room.number not in {one.number for one in free}:
        raise Problem(403, "The resource is not free.")
    stay.room_number = room.number


def _set_clocks(premises: Premises, booking: Booking, *, start: datetime | None, end: datetime | None) -> None:
    """Set the hours at which a stay begins and ends, where they are not those that it has already."""
    if start is not None and start != premises.start(booking):
        premises.ledger.starts[booking.id] = premises.clock.clock(start)
    if end is not None and end != premises.end(booking):
        premises.hotel.set_checkout_time(booking, premises.clock.clock(end))


def _reprice(visit: Visit, premises: Premises, booking: Booking, prices: list[sent_stays.TimeUnitPrice]) -> None:
    nights = booking.rooms[0].nights
    if any(one.index >= len(nights) for one in prices):
        raise invalid("TimeUnitPrices")
    told = {nights[one.index].date: gross(visit, premises, one.amount) for one in prices if one.amount is not None}
    _set_prices(premises, booking, {night.date: night.price for night in nights} | told)


def _set_prices(premises: Premises, booking: Booking, prices: dict[date, Decimal]) -> None:
    room = booking.rooms[0]
    booking.rooms = [replace(room, nights=tuple(Night(night.date, prices[night.date]) for night in room.nights))]
    premises.hotel.touch(booking)


def update_interval(visit: Visit) -> Shown:
    """Change when a stay begins or ends."""
    sent = visit.read(sent_stays.IntervalSent)
    premises = visit.one(sent.enterprise_id)
    booking = _found(premises, sent.reservation_id, "ReservationId")
    _contend(visit, premises, booking)
    change = sent_stays.ReservationUpdate(
        ReservationId=booking.id,
        StartUtc=sent_stays.Update(Value=sent.start_utc),
        EndUtc=sent_stays.Update(Value=sent.end_utc),
    )
    _rebook(premises, booking, _changed_wish(premises, booking, change))
    _set_clocks(premises, booking, start=sent.start_utc, end=sent.end_utc)
    return {}


def cancel(visit: Visit) -> Shown:
    """Cancel reservations that have not begun."""
    sent = visit.read(sent_stays.CancellationSent)
    premises = visit.one(sent.enterprise_id)
    bookings = [_found(premises, one, "ReservationIds") for one in sent.reservation_ids]
    if any(one.status not in {StayStatus.CONFIRMED, StayStatus.TENTATIVE} for one in bookings):
        raise Problem(403, "The reservation cannot be cancelled.")
    for booking in bookings:
        premises.hotel.cancel(booking, sent.notes)
        if sent.send_email is not False:
            _mail(premises, booking, "cancellation")
    return {"ReservationIds": [one.id for one in bookings]}


def confirm(visit: Visit) -> Shown:
    """Make reservations that were optional firm."""
    sent = visit.read(sent_stays.ConfirmationSent)
    premises = visit.one(sent.enterprise_id)
    bookings = [_found(premises, one, "ReservationIds") for one in sent.reservation_ids]
    if any(one.status is not StayStatus.TENTATIVE for one in bookings):
        raise Problem(403, "The reservation is not optional.")
    for booking in bookings:
        booking.status = StayStatus.CONFIRMED
        premises.ledger.odd_states.pop(booking.id, None)
        premises.hotel.touch(booking)
        if sent.send_confirmation_email is not False:
            _mail(premises, booking, "confirmation")
    return {"ReservationIds": [one.id for one in bookings]}


def start(visit: Visit) -> Shown:
    """Let guests in: on their day, into a room that was inspected."""
    sent = visit.read(sent_stays.StartSent)
    premises = visit.one(sent.enterprise_id)
    booking = _found(premises, sent.reservation_id, "ReservationId")
    if booking.status is not StayStatus.CONFIRMED:
        raise Problem(403, "The reservation is not confirmed.")
    early = premises.start(booking) > visit.site.now()
    today = premises.hotel.business_date
    if booking.arrival > today or (early and visit.is_on("early_start", "refused")):
        raise Problem(403, "The reservation starts in the future.")
    number = booking.rooms[0].room_number
    if number is None or premises.hotel.room(number).cleaning is not Housekeeping.INSPECTED:
        raise Problem(403, "No inspected resource is assigned to the reservation.")
    premises.hotel.check_in(booking)
    return {}


def process(visit: Visit) -> Shown:
    """Let guests go, who owe nothing unless that is said to be right."""
    sent = visit.read(sent_stays.ProcessSent)
    premises = visit.one(sent.enterprise_id)
    booking = _found(premises, sent.reservation_id, "ReservationId")
    if sent.allow_open_balance and not sent.notes:
        raise Problem(400, "Invalid Notes: an open balance needs a word.")
    if booking.status is not StayStatus.IN_HOUSE:
        raise Problem(403, "The reservation is not started.")
    is_even = premises.hotel.balance(booking) == 0
    if not is_even and not sent.allow_open_balance:
        raise Problem(403, "The balance of the reservation is not zero.")
    premises.hotel.check_out(booking)
    if sent.close_bills and is_even:
        premises.ledger.closed.add(booking.id)
    return {}


def update_customer(visit: Visit) -> Shown:
    """Give a reservation to another guest."""
    sent = visit.read(sent_stays.OwnerSent)
    premises = visit.one(sent.enterprise_id)
    booking = _found(premises, sent.reservation_id, "ReservationId")
    guest = premises.guest(sent.customer_id)
    if guest is None:
        raise invalid("CustomerId")
    booking.contact = _contact(guest)
    premises.hotel.touch(booking)
    return {}


def _found(premises: Premises, reservation_id: str, member: str) -> Booking:
    booking = premises.booking(reservation_id)
    if booking is None:
        raise invalid(member)
    return booking


def _mail(premises: Premises, booking: Booking, kind: str) -> None:
    guest = premises.guest(booking.contact.guest_id)
    if guest is not None and guest.email:
        premises.ledger.mails.append(Mail(kind, guest.email, booking.id))


def _all_null() -> Shown:
    """Give the members that this answer has and never fills."""
    names = (
        "ReservationGroups Customers Services Products Resources ResourceCategories ResourceCategoryAssignments "
        "BusinessSegments Rates RateGroups Items OrderItems Notes QrCodeData Companies ResourceAccessTokens Cursor"
    )
    return dict.fromkeys(names.split())
