"""Questions about reservations and guests."""

from datetime import datetime

from app.simulators.mews import sent, shown_stays
from app.simulators.mews.exchange import Problem, Visit
from app.simulators.mews.lookups_house import among
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.records import Booking, Guest


def reservations(visit: Visit) -> Shown:
    """Reservations, those made last first."""
    asked = visit.read(sent.ReservationsQuestion)
    if asked.scheduled_start_utc and asked.actual_start_utc:
        raise Problem(400, "Invalid ActualStartUtc: it cannot be combined with ScheduledStartUtc.")
    there = visit.among(asked.enterprise_ids)
    candidates = [(premises, booking) for premises in there for booking in _candidates(premises, asked)]
    candidates.sort(key=lambda one: one[1].created_at, reverse=True)
    found = [
        (booking.id, (premises, booking))
        for premises, booking in candidates
        if _is_named(premises, booking, asked) and _is_timed(premises, booking, asked)
    ]
    rows, cursor = visit.page(found, asked.limitation, order=[booking.id for _, booking in candidates])
    return {"Reservations": [shown_stays.reservation(*row) for row in rows], "Cursor": cursor}


def _candidates(premises: Premises, asked: sent.ReservationsQuestion) -> list[Booking]:
    if asked.reservation_ids is None:
        return premises.bookings()
    named = [premises.booking(one) for one in dict.fromkeys(asked.reservation_ids)]
    return [booking for booking in named if booking is not None]


def _is_named(premises: Premises, booking: Booking, asked: sent.ReservationsQuestion) -> bool:
    number = booking.rooms[0].room_number
    return (
        among(premises.facts.stay_service, asked.service_ids)
        and among(booking.contact.guest_id, asked.account_ids)
        and among(booking.confirmation_number, asked.numbers)
        and (asked.states is None or shown_stays.state(premises, booking) in asked.states)
        and (asked.reservation_group_ids is None or premises.group(booking) in asked.reservation_group_ids)
        and among(premises.ledger.channel_numbers.get(booking.id), asked.channel_numbers)
        and among(premises.resource_id(number) if number else None, asked.assigned_resource_ids)
    )


def _is_timed(premises: Premises, booking: Booking, asked: sent.ReservationsQuestion) -> bool:
    colliding = asked.colliding_utc
    return (
        _holds(asked.created_utc, booking.created_at)
        and _holds(asked.updated_utc, booking.updated_at)
        and _holds(asked.scheduled_start_utc, premises.start(booking))
        and _holds(asked.scheduled_end_utc, premises.end(booking))
        and (asked.actual_start_utc is None or asked.actual_start_utc.holds(premises.started(booking)))
        and (asked.actual_end_utc is None or asked.actual_end_utc.holds(premises.ended(booking)))
        and (colliding is None or premises.collides(booking, colliding.start_utc, colliding.end_utc))
    )


def _holds(interval: sent.Interval | None, moment: datetime | None) -> bool:
    return interval is None or interval.holds(moment)


def customers(visit: Visit) -> Shown:
    """Guests by what they are exactly called; capitals do not count."""
    asked = visit.read(sent.CustomersQuestion)
    if not asked.filters():
        raise Problem(400, "Invalid request: at least one filter is needed.")
    active = asked.activity_states is None or sent.ActivityState.ACTIVE in asked.activity_states
    found = [
        (guest.id, (premises, guest))
        for premises in visit.of_chains(asked.chain_ids)
        for guest in _guests(premises, asked)
        if active and _is_meant(guest, asked)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    told = [shown_stays.customer(*row) for row in rows] if asked.extent.customers else []
    return {"Customers": told, "Documents": None, "Cursor": cursor}


def _guests(premises: Premises, asked: sent.CustomersQuestion) -> list[Guest]:
    if asked.customer_ids is None:
        return premises.guests()
    named = [premises.guest(one) for one in dict.fromkeys(asked.customer_ids)]
    return [guest for guest in named if guest is not None]


def _is_meant(guest: Guest, asked: sent.CustomersQuestion) -> bool:
    return (
        asked.company_ids is None
        and asked.deleted_utc is None
        and _holds(asked.created_utc, guest.created_at)
        and _holds(asked.updated_utc, guest.updated_at)
        and _is_called(guest.email, asked.emails)
        and _is_called(guest.first_name, asked.first_names)
        and _is_called(guest.last_name, asked.last_names)
        and _is_called(guest.loyalty_tier, asked.loyalty_codes)
    )


def _is_called(value: str | None, wanted: list[str] | None) -> bool:
    return wanted is None or (value is not None and value.casefold() in {one.casefold() for one in wanted})
