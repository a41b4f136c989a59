"""What is refused before anything is sent: what the shop would die on, lose, or do to somebody else."""

import re
import unicodedata
from collections.abc import Mapping
from typing import NoReturn

from app.adapters.qloapps import mapping, wire, xmlforms
from app.adapters.qloapps.profile import QLOAPPS
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported, ConflictRefused, InvalidRequest, VendorLacks
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft
from app.domain.reservation import DraftGuest, Reservation, ReservationDraft, ReservationPatch
from app.domain.text import is_same_text

_LONGEST_NAME = 32
_LONGEST_REMARK = 1600
_LONGEST_SERVICE = 128
_IN_NAMES = frozenset(" '\u2019.-")
_EMAIL = re.compile(r"[A-Za-z0-9!#$&'*+/=?^`{}~_.-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z0-9]+")
_LONGEST_EMAIL = 128
_PHONE = re.compile(r"[+0-9. ()/-]{1,32}")
_CUT = re.compile(r"<|\bon[a-z]+\s*=|script:", re.IGNORECASE)
"""What is taken for HTML: the shop cuts it out of a text, or drops the text (code)."""
_NO_SERVICE_NAME = re.compile(r"[<>;=#{}]")
_COUNTRY = "an address here needs a street, a city and a postcode too"
_GUEST = "a guest is shared by all bookings of the shop; change the profile instead"


def draft(wanted: ReservationDraft) -> None:
    """Refuse a reservation that the shop cannot make as it is."""
    if wanted.rate_code != mapping.BAR:
        raise InvalidRequest.of("rate_code", f"this PMS has one rate plan, {mapping.BAR}")
    if wanted.external_reference is not None:
        reason = "the one field for it holds the gateway's own reference"
        _lacks(Capability.RESERVATION_CREATE, "external_reference", reason)  # Q29
    if wanted.guest.country is not None:
        _lacks(Capability.RESERVATION_CREATE, "guest.country", _COUNTRY)
    guest(wanted.guest, "guest")
    told = remark(wanted) or ""
    text(told, "notes")
    if len(told) > _LONGEST_REMARK:
        raise InvalidRequest.of("notes", f"this PMS takes at most {_LONGEST_REMARK} characters in all")


def remark(wanted: ReservationDraft) -> str | None:
    """Give the notes of a new reservation as the one remark that it may have."""
    return "\n".join(wanted.notes) or None


def guest(wanted: DraftGuest | GuestDraft, *where: str) -> None:
    """Refuse names, an e-mail address or a phone number that PHP dies on (# Q23)."""
    needed = wanted.id is None
    for field in ("first_name", "last_name"):
        _name((*where, field), getattr(wanted, field), needed=needed)
    _shaped((*where, "email"), wanted.email, _EMAIL, needed=needed)
    _shaped((*where, "phone"), wanted.phone, _PHONE, needed=needed)
    if wanted.email and len(wanted.email) > _LONGEST_EMAIL:
        raise InvalidRequest.of((*where, "email"), f"at most {_LONGEST_EMAIL} characters")


def text(value: str, field: str) -> None:
    """Refuse a note of which the shop would lose a part."""
    if _CUT.search(value):  # Q24
        raise InvalidRequest.of(field, "must hold no < and no script: this PMS takes it for HTML and cuts it out")


def note(value: str, field: str) -> None:
    """Refuse a note that would not be found again as it is: a comment holds several, parted by a line (# Q28)."""
    text(value, field)
    if not xmlforms.is_one_note(value):
        raise InvalidRequest.of(field, "must hold no line of --- alone: it parts notes in this PMS")


def profile(wanted: GuestDraft) -> None:
    """Refuse what a customer of the shop has no field for."""
    for field in ("country", "language", "loyalty_tier", "vip"):
        if getattr(wanted, field) is not None:
            _lacks(Capability.GUEST_UPSERT, field, "a customer of this PMS has no such field")
    for field in ("first_name", "last_name", "email", "phone"):
        if field in wanted.model_fields_set and getattr(wanted, field) is None and wanted.id is not None:
            _lacks(Capability.GUEST_UPSERT, field, "it cannot be cleared")
    guest(wanted)


def change(current: Reservation, patch: ReservationPatch) -> None:
    """Refuse a change of what a booking of the shop does not hold."""
    if patch.rate_code not in {None, mapping.BAR}:
        raise InvalidRequest.of("rate_code", f"this PMS has one rate plan, {mapping.BAR}")
    if patch.guest is None:
        return
    for field in patch.guest.model_fields_set:
        if getattr(patch.guest, field) != getattr(current.guest, field):
            _lacks(Capability.RESERVATION_MODIFY, f"guest.{field}", _GUEST)  # Q23


def charge(wanted: ChargeDraft, name: str) -> None:
    """Refuse a charge that the shop would post as another one."""
    if wanted.reference is not None:
        _lacks(Capability.CHARGE_POST, "reference", "a service of this PMS has no field for it")
    if not wanted.tax_included:
        _lacks(Capability.CHARGE_POST, "tax_included", "the shop does not tell which tax it would add")
    if wanted.amount.amount <= 0:
        raise InvalidRequest.of(("amount", "amount"), "this PMS takes only prices above 0")
    if len(name) > _LONGEST_SERVICE or _NO_SERVICE_NAME.search(name) or not _plain(name):
        raise InvalidRequest.of(
            "description",
            f"at most {_LONGEST_SERVICE} characters with the category's word, and none of < > ; = # {{ }} or emoji",
        )


def overlay(booking: wire.Booking) -> None:
    """Refuse to send back a booking that would lose something by it (# Q25)."""
    if booking.associations.cart_rules:
        raise VendorLacks(
            "the booking has a discount, which this PMS would drop with any change", vendor=QLOAPPS.vendor
        )
    if any(room.facilities for kind in booking.associations.room_types for room in kind.rooms):
        raise VendorLacks(
            "the booking has facilities, which this PMS would drop with any change", vendor=QLOAPPS.vendor
        )


def same_guest(wanted: DraftGuest, found: wire.CustomerRow) -> bool:
    """Tell whether a draft's guest is this customer, who would be renamed otherwise."""
    pairs = ((wanted.first_name, found.firstname), (wanted.last_name, found.lastname), (wanted.email, found.email))
    return all(want is None or is_same_text(want, have) for want, have in pairs)


def refuse_rename() -> NoReturn:
    """Refuse a booking that would rename an existing customer (# Q23)."""
    raise ConflictRefused("a profile with this e-mail address has another name")


def _name(loc: tuple[str, ...], value: str | None, *, needed: bool) -> None:
    if value is None:
        _missing(loc, needed=needed)
    elif len(value) > _LONGEST_NAME:
        raise InvalidRequest.of(loc, f"this PMS takes at most {_LONGEST_NAME} characters")
    elif not all(unicodedata.category(char)[0] in "LM" or char in _IN_NAMES for char in value) or not _plain(value):
        raise InvalidRequest.of(loc, "this PMS takes letters, spaces, ' . and - only")


def _shaped(loc: tuple[str, ...], value: str | None, shape: re.Pattern[str], *, needed: bool) -> None:
    if value is None:
        _missing(loc, needed=needed)
    elif not shape.fullmatch(value):
        raise InvalidRequest.of(loc, "this PMS does not take it in this form")


def _missing(loc: tuple[str, ...], *, needed: bool) -> None:
    if needed:
        raise InvalidRequest.of(loc, "this PMS needs it")


def _plain(value: str) -> bool:
    return all(ord(char) <= 0xFFFF for char in value)


def _lacks(capability: Capability, field: str, reason: str) -> NoReturn:
    raise CapabilityNotSupported(capability, reason, vendor=QLOAPPS.vendor, field=field)


def charge_name(wanted: ChargeDraft, codes: Mapping[str, str]) -> str:
    """Give the name under which a guest sees a charge: what it was, after the hotel's own word for its category."""
    word = codes.get(wanted.category) or codes.get("default")
    plain = word is None or is_same_text(word, wanted.description)
    return wanted.description if plain else f"{word}: {wanted.description}"
