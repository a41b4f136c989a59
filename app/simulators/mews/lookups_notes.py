"""Questions about notes, addresses and companions."""

from app.simulators.mews import sent_guests, shown_notes, shown_stays
from app.simulators.mews.exchange import Visit
from app.simulators.mews.ledger import AccountNote
from app.simulators.mews.lookups_house import among
from app.simulators.mews.premises import Premises
from app.simulators.mews.sent import ActivityState
from app.simulators.mews.shown import Shown
from app.simulators.records import Guest, Liking

_SHOWN_UNASKED = ("General", "ChannelManager")


def order_notes(visit: Visit) -> Shown:
    """Notes on reservations, the last first."""
    asked = visit.read(sent_guests.OrderNotesQuestion)
    wanted = asked.types or _SHOWN_UNASKED
    found = [
        (remark.id, shown_notes.order_note(booking, remark, kind))
        for premises in visit.among(asked.enterprise_ids)
        for booking in filter(None, map(premises.booking, dict.fromkeys(asked.service_order_ids)))
        for remark in reversed(booking.remarks)
        if (kind := premises.ledger.note_types.get(remark.id, "General")) is not None
        and kind in wanted
        and among(remark.id, asked.service_order_note_ids)
        and (asked.updated_utc is None or asked.updated_utc.holds(remark.created_at))
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"ServiceOrderNotes": rows, "Cursor": cursor}


def guest_notes(visit: Visit) -> Shown:
    """Notes on guests, the last first."""
    asked = visit.read(sent_guests.AccountNotesQuestion)
    active = asked.activity_states is None or ActivityState.ACTIVE in asked.activity_states
    found = [
        (note.id, shown_notes.account_note(guest, note))
        for premises in visit.of_chains(asked.chain_ids)
        for guest in premises.guests()
        if active and among(guest.id, asked.account_ids)
        for note in reversed(account_notes(premises, guest))
        if among(note.id, asked.account_note_ids)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"AccountNotes": rows, "Cursor": cursor}


def account_notes(premises: Premises, guest: Guest) -> list[AccountNote]:
    """Give the notes on a guest; what the front desk knows of their likings without one is written down now."""
    known = {id(note.liking): note for note in premises.ledger.account_notes.get(guest.id, [])}
    notes = [known.get(id(liking)) or _written(premises, guest, liking) for liking in guest.likings]
    premises.ledger.account_notes[guest.id] = notes
    return notes


def _written(premises: Premises, guest: Guest, liking: Liking) -> AccountNote:
    note = f" ({liking.note})" if liking.note else ""
    content = f"{liking.category}: {liking.value}{note}"
    return AccountNote(premises.ledger.note_id(guest.id), "General", content, liking)


def addresses(visit: Visit) -> Shown:
    """Where guests live."""
    asked = visit.read(sent_guests.AddressesQuestion)
    found = [
        (known["Id"], shown_notes.address(premises, guest, known))
        for premises in visit.of_chains(asked.chain_ids)
        for guest in premises.guests()
        if (known := premises.ledger.accounts.get(guest.id, {}).get("Address"))
        and among(guest.id, asked.account_ids)
        and among(known["Id"], asked.address_ids)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    return {"Addresses": rows, "Cursor": cursor}


def companionships(visit: Visit) -> Shown:
    """Who stays in which reservation."""
    asked = visit.read(sent_guests.CompanionshipsQuestion)
    found = [
        (one["Id"], (premises, booking, one))
        for premises in visit.among(asked.enterprise_ids)
        for booking in premises.bookings()
        if among(booking.id, asked.reservation_ids)
        and among(booking.contact.guest_id, asked.customer_ids)
        and among(premises.group(booking), asked.reservation_group_ids)
        and among((one := shown_notes.companionship(premises, booking))["Id"], asked.companionship_ids)
    ]
    rows, cursor = visit.page(found, asked.limitation)
    extent = asked.extent
    people = {booking.contact.guest_id: premises for premises, booking, _ in rows}
    guests = [
        shown_stays.customer(premises, guest) for one, premises in people.items() if (guest := premises.guest(one))
    ]
    stays = [shown_stays.old_reservation(premises, booking) for premises, booking, _ in rows]
    groups = dict.fromkeys(premises.group(booking) for premises, booking, _ in rows)
    return {
        "Companionships": [one for _, _, one in rows],
        "Reservations": stays if extent.reservations else None,
        "ReservationGroups": [{"Id": one, "Name": None} for one in groups] if extent.reservation_groups else None,
        "Customers": guests if extent.customers else None,
        "Cursor": cursor,
    }
