"""Writing guests, notes and the state of rooms."""

import re
from collections.abc import Iterable
from typing import Any

from app.simulators.mews import sent_guests, shown_notes, shown_stays
from app.simulators.mews.exchange import Problem, Visit, invalid
from app.simulators.mews.ledger import AccountNote
from app.simulators.mews.lookups_notes import account_notes
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.records import Guest, Housekeeping, Liking

_KEPT = ("Title", "SecondLastName", "Sex", "BirthDate", "Notes", "CarRegistrationNumber", "DietaryRequirements")
_PREFERENCE = re.compile(r"(?P<category>[^:()]+): (?P<value>[^()]+?)(?: \((?P<note>.+)\))?")
"""How the front desk writes down what a guest likes: `category: value (note)`."""
_CLEANING = {
    "Clean": Housekeeping.CLEAN,
    "Dirty": Housekeeping.DIRTY,
    "Inspected": Housekeeping.INSPECTED,
}


def add_customer(visit: Visit) -> Shown:
    """Make a guest, or write over the one of that address."""
    sent = visit.read(sent_guests.CustomerSent)
    premises = visit.of_chain(sent.chain_id)
    known = _of_address(premises, sent.email)
    if known is not None and sent.overwrite_existing:
        return shown_stays.customer(premises, _written(premises, known, sent, sent.last_name))
    if known is not None and visit.is_on("duplicate_email", "refused"):
        raise Problem(403, "There is a customer with this e-mail already.")
    guest = premises.hotel.register(last_name=sent.last_name)
    return shown_stays.customer(premises, _written(premises, guest, sent, sent.last_name))


def update_customer(visit: Visit) -> Shown:
    """Change a guest."""
    sent = visit.read(sent_guests.CustomerUpdateSent)
    premises = visit.of_chain(sent.chain_id)
    guest = premises.guest(sent.customer_id)
    if guest is None:
        raise invalid("CustomerId")
    return shown_stays.customer(premises, _written(premises, guest, sent, sent.last_name))


def _of_address(premises: Premises, email: str | None) -> Guest | None:
    if not email:
        return None
    same = (guest for guest in premises.guests() if (guest.email or "").casefold() == email.casefold())
    return next(same, None)


def _written(premises: Premises, guest: Guest, sent: sent_guests.ProfileSent, last_name: str | None) -> Guest:
    """Write down what is said of a guest; what is not said stays."""
    said: dict[str, Any] = {
        "first_name": sent.first_name,
        "last_name": last_name,
        "email": sent.email,
        "phone": sent.phone,
        "country": sent.nationality_code,
        "language": sent.preferred_language_code,
        "loyalty_tier": sent.loyalty_code,
    }
    changes = {name: value for name, value in said.items() if value}
    if sent.classifications is not None:
        changes["vip"] = not shown_stays.IMPORTANT.isdisjoint(sent.classifications)
    known = premises.ledger.accounts.setdefault(guest.id, {})
    known |= sent.members(*(_python_name(name) for name in _KEPT))
    if sent.classifications is not None:
        known["Classifications"] = list(sent.classifications)
    if sent.options is not None:
        known["Options"] = list(sent.options)
    if sent.address is not None:
        address_id = premises.facts.guid("address of", guest.id)
        known["AddressId"] = address_id
        known["Address"] = {"Id": address_id, **sent.address.model_dump(by_alias=True)}
    return premises.hotel.change_guest(guest, **changes)


def _python_name(member: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", member).lower()


def add_account_notes(visit: Visit) -> Shown:
    """Add notes on guests."""
    sent = visit.read(sent_guests.AccountNotesSent)
    premises = visit.of_chain(sent.chain_id)
    if any(premises.guest(one.account_id) is None for one in sent.account_notes):
        raise invalid("AccountId")
    made = []
    for one in sent.account_notes:
        guest = premises.hotel.guest(one.account_id)
        notes = account_notes(premises, guest)
        note = _note(premises.ledger.note_id(guest.id), one.classifications[0], one.content)
        _keep(premises, guest, [*notes, note])
        made.append(shown_notes.account_note(guest, note))
    return {"AccountNotes": made}


def update_account_notes(visit: Visit) -> Shown:
    """Change notes on guests."""
    sent = visit.read(sent_guests.AccountNoteUpdatesSent)
    premises = visit.of_chain(sent.chain_id)
    wanted = [(*_noted(premises, one.account_note_id), one) for one in sent.account_note_updates]
    changed = []
    for guest, note, update in wanted:
        content = update.content.value if update.content is not None else note.content
        chosen = [name for name, is_set in update.classifications.items() if is_set is not None and is_set.value]
        if not content or len(chosen) > 1:
            raise invalid("Content" if not content else "Classifications")
        fresh = _note(note.id, chosen[0] if chosen else note.classification, content)
        _keep(premises, guest, [fresh if one.id == note.id else one for one in account_notes(premises, guest)])
        changed.append(shown_notes.account_note(guest, fresh))
    return {"AccountNotes": changed}


def delete_account_notes(visit: Visit) -> Shown:
    """Take notes on guests away."""
    sent = visit.read(sent_guests.AccountNoteDeletionsSent)
    premises = visit.of_chain(sent.chain_id)
    wanted = [_noted(premises, one, "AccountNoteIds") for one in sent.account_note_ids]
    for guest, note in wanted:
        _keep(premises, guest, [one for one in account_notes(premises, guest) if one.id != note.id])
    return {}


def _note(note_id: str, classification: str, content: str) -> AccountNote:
    read = _PREFERENCE.fullmatch(content)
    if read is None:
        return AccountNote(note_id, classification, content, Liking(category=classification, value=content))
    return AccountNote(note_id, classification, content, Liking(**read.groupdict()))


def _noted(premises: Premises, note_id: str, member: str = "AccountNoteId") -> tuple[Guest, AccountNote]:
    for guest in premises.guests():
        for note in account_notes(premises, guest):
            if note.id == note_id:
                return guest, note
    raise invalid(member)


def _keep(premises: Premises, guest: Guest, notes: Iterable[AccountNote]) -> None:
    """Make these the notes on a guest, and what they say the guest's preferences."""
    premises.ledger.account_notes[guest.id] = list(notes)
    premises.hotel.set_likings(guest, [note.liking for note in premises.ledger.account_notes[guest.id]])


def add_order_notes(visit: Visit) -> Shown:
    """Add notes to reservations."""
    sent = visit.read(sent_guests.OrderNotesSent)
    wanted = []
    for one in sent.service_order_notes:
        places = ((premises, premises.booking(one.service_order_id)) for premises in visit.premises)
        place = next(((premises, booking) for premises, booking in places if booking is not None), None)
        if place is None:
            raise invalid("ServiceOrderId")
        wanted.append((*place, one.text))
    made = []
    for premises, booking, text in wanted:
        made.append(shown_notes.order_note(booking, premises.hotel.remark(booking, text), "General"))
    return {"ServiceOrderNotes": made}


def update_resources(visit: Visit) -> Shown:
    """Set the states of rooms; taking one out of order is another operation."""
    sent = visit.read(sent_guests.ResourceUpdatesSent)
    wanted = []
    for one in sent.resource_updates:
        places = ((premises, premises.room(one.resource_id)) for premises in visit.premises)
        place = next(((premises, room) for premises, room in places if room is not None), None)
        if place is None:
            raise invalid("ResourceId")
        if one.state is not None and one.state.value not in _CLEANING:
            raise invalid("State")
        if one.state is not None and place[1].out_of_order:
            raise Problem(403, "The resource is out of order.")
        wanted.append((*place, one))
    for premises, room, update in wanted:
        if update.state is not None and update.state.value is not None:
            premises.hotel.clean(room, _CLEANING[update.state.value])
    return {}
