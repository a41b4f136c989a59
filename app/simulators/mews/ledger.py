"""What an enterprise remembers beside its hotel's books."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail that went to a guest."""

    kind: str
    to: str
    reservation_id: str


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
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Members of customers that the hotel's profiles have no place for, by the guest's id."""
