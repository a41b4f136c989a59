"""Who is who: tells what stored JSON says of one guest from what it says of others.

An address alone is no identity: couples share one, and a travel agent's stands in the reservations of hundreds. What
names a guest is their profile's id, or an address of theirs beside the same names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.hotel import Hotel
from app.domain.ids import unescape_ref
from app.domain.text import fold, fold_phone
from app.store.crypto import IndexKind, Marks
from app.store.subjects import Subject

_PERSONAL = frozenset({"first_name", "last_name", "email", "phone"})


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody whom stored JSON names, everything folded; what is missing is empty."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str

    @classmethod
    def of(cls, members: Mapping[str, Any], hotel: Hotel) -> "Contact":
        """Read an object that has at least one member of a person."""
        texts = {name: value for name, value in members.items() if isinstance(value, str)}
        return cls(
            id=unescape_ref(texts.get("id", "")),
            first_name=fold(texts.get("first_name", "")),
            last_name=fold(texts.get("last_name", "")),
            email=fold(texts.get("email", "")),
            phone=fold_phone(texts["phone"], hotel.country) if texts.get("phone") else "",
        )


@dataclass(frozen=True, slots=True)
class Person:
    """One guest of a hotel, as far as they are known: every id, name and address of theirs, and their stays."""

    ids: frozenset[str]
    first_names: frozenset[str] = frozenset()
    last_names: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    stays: frozenset[str] = frozenset()
    """The PMS's ids of their reservations."""

    @property
    def sure(self) -> list[Subject]:
        """What is theirs alone: ids of profiles and of reservations."""
        return [*(Subject(guest_id=ref) for ref in self.ids), *(Subject(reservation_id=ref) for ref in self.stays)]

    @property
    def addresses(self) -> list[Subject]:
        """What others may share with them."""
        return [*(Subject(email=one) for one in self.emails), *(Subject(phone=one) for one in self.phones)]

    def is_named_by(self, contact: Contact) -> bool:
        """Tell whether a contact is this guest.

        Another profile at the same address is somebody else unless both names agree; a contact without a profile may
        leave out the first name, or both.
        """
        if contact.id in self.ids:
            return True
        reached = contact.email in self.emails or contact.phone in self.phones
        return reached and self._agrees(contact)

    def _agrees(self, contact: Contact) -> bool:
        if contact.id:
            return contact.last_name in self.last_names and contact.first_name in self.first_names
        if not contact.last_name:
            return True
        first = not contact.first_name or not self.first_names or contact.first_name in self.first_names
        return contact.last_name in self.last_names and first

    def learning(self, values: Iterable[Any], hotel: Hotel, *, is_theirs: bool) -> "Person":
        """Give the same guest with what stored JSON says of them besides.

        In what is surely theirs a contact without a profile need not share an address: the draft of their own booking
        names them, too.
        """
        known = self
        for contact, stay in people_in(list(values), hotel):
            same_name = is_theirs and not contact.id and bool(contact.last_name) and known._agrees(contact)
            if known.is_named_by(contact) or same_name:
                known = known._with(contact, stay)
        return known

    def _with(self, contact: Contact, stay: str) -> "Person":
        return replace(
            self,
            ids=self.ids | _present(contact.id),
            first_names=self.first_names | _present(contact.first_name),
            last_names=self.last_names | _present(contact.last_name),
            emails=self.emails | _present(contact.email),
            phones=self.phones | _present(contact.phone),
            stays=self.stays | _present(stay),
        )

    def marks(self, marks: Marks, hotel: Hotel) -> list[bytes]:
        """Give all marks by which rows name this guest: with both names beside an address, with the last, with none."""
        found = {marks.mark(IndexKind.GUEST_ID.value, ref, hotel_id=hotel.id) for ref in self.ids}
        found |= {marks.mark(IndexKind.RESERVATION.value, ref, hotel_id=hotel.id) for ref in self.stays}
        names = {("", ""), *((last, first) for last in self.last_names for first in {"", *self.first_names})}
        for kind, values in ((IndexKind.EMAIL, self.emails), (IndexKind.PHONE, self.phones)):
            found |= {marks.mark(kind.value, value, *pair, hotel_id=hotel.id) for value in values for pair in names}
        return sorted(found)

    def without_others(self, value: Any, hotel: Hotel) -> Any:
        """Give stored JSON with nothing in the place of every other person, and of every reservation of theirs."""
        if isinstance(value, list):
            return [self.without_others(one, hotel) for one in value]
        if not isinstance(value, dict):
            return value
        named = [one for one in (value, value.get("guest")) if isinstance(one, dict) and _is_person(one)]
        if any(self._is_other(Contact.of(one, hotel)) for one in named):
            return None
        return {name: self.without_others(one, hotel) for name, one in value.items()}

    def _is_other(self, contact: Contact) -> bool:
        if self.is_named_by(contact):
            return False
        return bool(contact.id) or bool(contact.last_name and contact.last_name not in self.last_names)


def people_in(value: Any, hotel: Hotel) -> Iterator[tuple[Contact, str]]:
    """Give everybody whom stored JSON names, each with the id of the reservation that is theirs, or nothing."""
    if isinstance(value, list):
        for one in value:
            yield from people_in(one, hotel)
    elif isinstance(value, dict):
        if _is_person(value):
            yield Contact.of(value, hotel), ""
        for name, one in value.items():
            if name == "guest" and _is_person(one):
                yield Contact.of(one, hotel), _stay(value)
            else:
                yield from people_in(one, hotel)


def _stay(reservation: Mapping[str, Any]) -> str:
    ref = reservation.get("id")
    return unescape_ref(ref) if isinstance(ref, str) and "arrival" in reservation else ""


def _is_person(value: object) -> bool:
    return isinstance(value, dict) and not _PERSONAL.isdisjoint(value)


def _present(text: str) -> frozenset[str]:
    return frozenset({text} if text else ())
