"""Whose data a row holds: the blind indexes by which erasing and lookups find a guest."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from app.domain.hotel import Hotel
from app.domain.reservation import Reservation
from app.domain.text import fold, fold_phone
from app.store.crypto import BlindIndex, IndexKind, Marks


class Reachable(Protocol):
    """Anything of the domain that says how to reach a guest: a contact, a profile, a draft."""

    @property
    def first_name(self) -> str | None:
        """Their first name."""

    @property
    def last_name(self) -> str | None:
        """Their last name."""

    @property
    def email(self) -> str | None:
        """Their e-mail address."""

    @property
    def phone(self) -> str | None:
        """Their phone number, as given."""


class Identified(Reachable, Protocol):
    """The same, with the vendor's id of the profile."""

    @property
    def id(self) -> str | None:
        """The vendor's id."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One guest, as far as a row names them, or the reservation that a row is about."""

    guest_id: str | None = None
    email: str | None = None
    phone: str | None = None
    reservation_id: str | None = None
    """A reservation of theirs: what is written about it is about them, whoever they are."""
    first_name: str | None = None
    last_name: str | None = None
    """Names are no subjects; they tell those apart who share an address."""

    @classmethod
    def of(cls, guest: Identified) -> "Subject":
        """Take what identifies a contact, a profile or a draft."""
        return replace(cls.reached_by(guest), guest_id=guest.id)

    @classmethod
    def reached_by(cls, guest: Reachable) -> "Subject":
        """Take what reaches a guest who has no id here, as in a change of a reservation."""
        return cls(email=guest.email, phone=guest.phone, first_name=guest.first_name, last_name=guest.last_name)

    @classmethod
    def of_stay(cls, reservation: Reservation) -> "Subject":
        """Take whom a reservation names, and the reservation itself."""
        return replace(cls.of(reservation.guest), reservation_id=reservation.id)


def folded(kind: IndexKind, value: str, hotel: Hotel) -> str:
    """Fold a value to the form in which two of its kind are compared; phones with the hotel's country."""
    match kind:
        case IndexKind.EMAIL | IndexKind.LAST_NAME:
            return fold(value)
        case IndexKind.PHONE:
            return fold_phone(value, hotel.country)
        case IndexKind.GUEST_ID | IndexKind.CONFIRMATION | IndexKind.RESERVATION:
            return str(value)


def index_of(index: BlindIndex, hotel: Hotel, kind: IndexKind, value: str | None) -> bytes | None:
    """Give the index to store for a value; nothing for a value that folds to nothing."""
    text = folded(kind, value, hotel) if value else ""
    return index.index(kind, text, hotel_id=hotel.id) if text else None


def indexes_of(index: BlindIndex, hotel: Hotel, kind: IndexKind, value: str) -> list[bytes]:
    """Give the indexes to look for, one under each live key; none for a value that folds to nothing."""
    text = folded(kind, value, hotel)
    return index.indexes(kind, text, hotel_id=hotel.id) if text else []


def subjects_of(index: BlindIndex, hotel: Hotel, people: Iterable[Subject]) -> list[bytes]:
    """Give the `subjects` of a row that holds data of `people`, under the active key, sorted."""
    found = {index_of(index, hotel, kind, value) for kind, value in _named(people)}
    return sorted(filter(None, found))


def lookups_of(index: BlindIndex, hotel: Hotel, people: Iterable[Subject]) -> list[bytes]:
    """Give every index under which `people` may be stored: what erasing asks for."""
    return sorted({found for kind, value in _named(people) for found in indexes_of(index, hotel, kind, value)})


def marks_of(marks: Marks, hotel: Hotel, people: Iterable[Subject]) -> frozenset[bytes]:
    """Give the marks that `people` have if they are erased: an address counts together with the names beside it."""
    return frozenset(mark for person in people for mark in _marks_of(marks, hotel, person))


def _marks_of(marks: Marks, hotel: Hotel, person: Subject) -> Iterable[bytes]:
    for kind, value in _named([person]):
        text = folded(kind, value, hotel)
        if kind in {IndexKind.EMAIL, IndexKind.PHONE}:
            last = fold(person.last_name or "")
            first = fold(person.first_name or "") if last else ""
            yield from [marks.mark(kind.value, text, last, first, hotel_id=hotel.id)] if text else []
        elif text:
            yield marks.mark(kind.value, text, hotel_id=hotel.id)


def _named(people: Iterable[Subject]) -> Iterable[tuple[IndexKind, str]]:
    for person in people:
        pairs = (
            (IndexKind.GUEST_ID, person.guest_id),
            (IndexKind.EMAIL, person.email),
            (IndexKind.PHONE, person.phone),
            (IndexKind.RESERVATION, person.reservation_id),
        )
        yield from ((kind, value) for kind, value in pairs if value)
