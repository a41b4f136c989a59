"""What an enterprise remembers beside its hotel's books."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.simulators.mews.enterprises import guid
from app.simulators.records import Liking, Line


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail that went to a guest."""

    kind: str
    to: str
    reservation_id: str


@dataclass
class AccountNote:
    """A note on a guest; `liking` is what the hotel's profile says instead."""

    id: str
    classification: str
    content: str
    liking: Liking


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Things that were ordered together."""

    id: str
    account_id: str
    reservation_id: str | None
    created_at: datetime
    notes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a line of a folio is beyond the hotel's books; `tax` is the code of its rate."""

    order_id: str
    consumed_at: datetime
    tax: str | None
    category_id: str | None = None
    product_id: str | None = None


@dataclass
class Ledger:
    """All that one enterprise remembers; keys are ids of reservations unless told otherwise."""

    starts: dict[str, str] = field(default_factory=dict)
    """Times of day of arrival other than the service's."""
    groups: dict[str, str] = field(default_factory=dict)
    channel_numbers: dict[str, str] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    """Those whose room may not be changed."""
    odd_states: dict[str, str] = field(default_factory=dict)
    """States that no page documents, for tests."""
    mails: list[Mail] = field(default_factory=list)
    contended: set[str] = field(default_factory=set)
    """Those that were changed by somebody else just before."""
    closed: set[str] = field(default_factory=set)
    """Those whose bills are closed."""
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Members of customers that the hotel's profiles have no place for, by the guest's id."""
    note_types: dict[str, str | None] = field(default_factory=dict)
    """Types of notes that are not general, by the note's id; None for those that are shown nowhere."""
    account_notes: dict[str, list[AccountNote]] = field(default_factory=dict)
    """By the guest's id."""
    orders: dict[str, Order] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    """By the line that they are on the folio."""
    loose: list[Line] = field(default_factory=list)
    """Lines that no reservation owes."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def note_id(self, guest_id: str) -> str:
        """Give the id of the next note on a guest."""
        return guid("account note", guest_id, next(self._numbers))
