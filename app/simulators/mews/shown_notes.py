"""Notes, addresses and companions as the vendor's JSON."""

from typing import Any

from app.simulators.mews.ledger import AccountNote
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.mews.times import utc
from app.simulators.records import Booking, Guest, Remark

_BY = {"Discriminator": "Integration", "EnterpriseProfile": None}


def order_note(booking: Booking, remark: Remark, kind: str) -> Shown:
    """Write a note on a reservation."""
    return {
        "Id": remark.id,
        "OrderId": booking.id,
        "Text": remark.text,
        "Type": kind,
        "CreatedUtc": utc(remark.created_at),
        "UpdatedUtc": utc(remark.created_at),
    }


def account_note(guest: Guest, note: AccountNote) -> Shown:
    """Write a note on a guest; nothing tells when it was written."""
    return {
        "Id": note.id,
        "AccountId": guest.id,
        "AccountType": "Customer",
        "Content": note.content,
        "Classifications": [note.classification],
        "IsActive": True,
        "CreatorProfile": _BY,
        "UpdaterProfile": _BY,
    }


def address(premises: Premises, guest: Guest, known: dict[str, Any]) -> Shown:
    """Write where a guest lives."""
    return {
        "Latitude": None,
        "Longitude": None,
        **known,
        "AccountId": guest.id,
        "AccountType": "Customer",
        "ChainId": premises.facts.chain,
        "UpdatedUtc": utc(guest.updated_at),
        "IsActive": True,
    }


def companionship(premises: Premises, booking: Booking) -> Shown:
    """Write who stays in a reservation: its owner, nobody else is named."""
    return {
        "Id": premises.facts.guid("companionship", booking.id),
        "CustomerId": booking.contact.guest_id,
        "ReservationGroupId": premises.group(booking),
        "ReservationId": booking.id,
    }
