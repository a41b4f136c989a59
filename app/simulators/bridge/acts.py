"""The writing half of the contract. Each act is done whole or not at all."""

from decimal import Decimal
from typing import Any

from app.simulators.bridge import sent, shown
from app.simulators.bridge.exchange import Answer, Problem, Visit
from app.simulators.bridge.lookups import quote, shown_guest, shown_reservation, signed_note
from app.simulators.hotel import RoomWish
from app.simulators.records import Booking, Contact, Liking, StayStatus

_ROOM_MEMBERS = frozenset({"arrival", "departure", "room_type", "rate_code", "adults", "child_ages"})


def create_reservation(visit: Visit) -> Answer:
    """Make a reservation."""
    draft = visit.read(sent.ReservationSent)
    if draft.guest.last_name is None and draft.guest.id is None:
        raise Problem("invalid", "a guest needs a last name", errors=[("guest.last_name", "is missing")])
    wish = RoomWish(
        kind=draft.room_type,
        plan=draft.rate_code,
        arrival=draft.arrival,
        departure=draft.departure,
        adults=draft.adults,
        child_ages=draft.child_ages,
    )
    booking = visit.hotel.book(
        [wish], _contact(visit, draft.guest), notes=draft.notes, external_reference=draft.external_reference
    )
    visit.sign(booking)
    return shown_reservation(visit, booking, status=201)


def quote_change(visit: Visit) -> Answer:
    """Show what a reservation would cost after a change, and change nothing."""
    booking = _booking(visit)
    change = visit.read(sent.ReservationChange)
    _check_clearing(change)
    return Answer(quote(visit.hotel, _changed_wish(booking, change), without=booking))


def change_reservation(visit: Visit) -> Answer:
    """Change a reservation, when it is at the version that `If-Match` names."""
    booking = _booking(visit)
    change = visit.read(sent.ReservationChange)
    _check_clearing(change)
    if change.model_fields_set & _ROOM_MEMBERS:
        visit.hotel.rebook(booking, [_changed_wish(booking, change)])
    if change.guest is not None:
        fields = change.guest.model_dump(include=change.guest.model_fields_set - {"id"})
        visit.hotel.name_guest(booking, **fields)
    return shown_reservation(visit, booking)


def cancel_reservation(visit: Visit) -> Answer:
    """Cancel a reservation."""
    booking = _booking(visit)
    reason = visit.read(sent.Cancellation).reason
    refused = visit.site.modes["second_cancel"] == "refused"
    if refused and booking.status is StayStatus.CANCELLED:
        raise Problem("conflict", "the reservation is cancelled already")
    return shown_reservation(visit, visit.hotel.cancel(booking, reason))


def add_note(visit: Visit) -> Answer:
    """Add a note to a reservation."""
    booking = _booking(visit)
    remark = visit.hotel.remark(booking, visit.read(sent.NoteSent).text)
    visit.sign(remark)
    return Answer(signed_note(visit, remark), 201)


def set_checkout_time(visit: Visit) -> Answer:
    """Set the time of day until which the guest may stay."""
    booking = _booking(visit)
    wanted = visit.read(sent.CheckoutTimeSent).checkout_time
    return shown_reservation(visit, visit.hotel.set_checkout_time(booking, wanted))


def check_in(visit: Visit) -> Answer:
    """Let the guests in."""
    return shown_reservation(visit, visit.hotel.check_in(_booking(visit)))


def check_out(visit: Visit) -> Answer:
    """Let the guests go."""
    return shown_reservation(visit, visit.hotel.check_out(_booking(visit)))


def post_charge(visit: Visit) -> Answer:
    """Post a charge."""
    booking = _booking(visit)
    draft = visit.read(sent.ChargeSent)
    line = visit.hotel.charge(
        booking,
        description=draft.description,
        amount=_own_money(visit, draft.amount),
        quantity=draft.quantity,
        category=draft.category,
        reference=draft.reference,
    )
    visit.sign(line)
    return Answer(shown.charge(visit.hotel, line), 201)


def create_guest(visit: Visit) -> Answer:
    """Make a profile."""
    draft = visit.read(sent.GuestSent)
    fields = {name: value for name, value in draft.model_dump(exclude_unset=True).items() if value is not None}
    if "last_name" not in fields:
        raise Problem("invalid", "a guest needs a last name", errors=[("last_name", "is missing")])
    profile = visit.hotel.register(**fields)
    visit.sign(profile)
    return shown_guest(visit, profile, status=201)


def change_guest(visit: Visit) -> Answer:
    """Change a profile."""
    profile = visit.hotel.guest(visit.at["guest_id"])
    visit.require_version(profile)
    fields: dict[str, Any] = visit.read(sent.GuestSent).model_dump(exclude_unset=True)
    if fields.get("vip", False) is None:
        fields["vip"] = False
    return shown_guest(visit, visit.hotel.change_guest(profile, **fields))


def set_preferences(visit: Visit) -> Answer:
    """Make these the whole set of a guest's preferences."""
    profile = visit.hotel.guest(visit.at["guest_id"])
    visit.require_version(profile)
    wanted = visit.read(sent.PreferencesSent).preferences
    likings = [Liking(category=one.category, value=one.value, note=one.note) for one in wanted]
    return shown_guest(visit, visit.hotel.set_likings(profile, likings))


def set_room_status(visit: Visit) -> Answer:
    """Set the cleaning state of a room."""
    room = visit.hotel.room(visit.at["room_number"])
    visit.require_version(room)
    visit.hotel.clean(room, visit.read(sent.RoomStatusSent).cleaning)
    return Answer(shown.room(room), version=str(room.version))


def _booking(visit: Visit) -> Booking:
    booking = visit.hotel.booking(visit.at["reservation_id"])
    visit.require_version(booking)
    return booking


def _contact(visit: Visit, guest: sent.ContactSent) -> Contact:
    """Name the guest of a reservation; what the caller leaves out comes from the profile that `id` names."""
    profile = visit.hotel.guests.get(guest.id) if guest.id else None
    given = guest.model_dump(exclude={"id"}, exclude_none=True)
    names = ("first_name", "last_name", "email", "phone", "country")
    known = {name: getattr(profile, name) for name in names} if profile else {}
    return Contact(**{"guest_id": guest.id, "last_name": "", **known, **given})


def _check_clearing(change: sent.ReservationChange) -> None:
    """Refuse, before anything is done, to clear what a stay cannot be without."""
    needed = _ROOM_MEMBERS - {"child_ages"}
    cleared = [name for name in sorted(change.model_fields_set & needed) if getattr(change, name) is None]
    if change.guest is not None and "last_name" in change.guest.model_fields_set and not change.guest.last_name:
        cleared.append("guest.last_name")
    if change.guest is None and "guest" in change.model_fields_set:
        cleared.append("guest")
    if cleared:
        raise Problem("invalid", "a stay needs these", errors=[(name, "cannot be cleared") for name in cleared])


def _changed_wish(booking: Booking, change: sent.ReservationChange) -> RoomWish:
    if len(booking.rooms) != 1:
        raise Problem("conflict", "a reservation of several rooms cannot be changed as one")
    room = booking.rooms[0]
    return RoomWish(
        kind=change.room_type or room.kind,
        plan=change.rate_code or room.plan,
        arrival=change.arrival or room.arrival,
        departure=change.departure or room.departure,
        adults=change.adults or room.adults,
        child_ages=change.child_ages or () if "child_ages" in change.model_fields_set else room.child_ages,
    )


def _own_money(visit: Visit, amount: sent.MoneySent) -> Decimal:
    if amount.currency != visit.hotel.setup.currency:
        raise Problem("invalid", "the hotel has another currency", errors=[("amount.currency", "is not the hotel's")])
    if amount.amount != amount.amount.quantize(Decimal("0.01")):
        raise Problem(
            "invalid", "the amount has too many decimals", errors=[("amount.amount", "has too many decimals")]
        )
    return amount.amount
