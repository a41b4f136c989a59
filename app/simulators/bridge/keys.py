"""Remembers answers by `Idempotency-Key`, as section 4 of the contract asks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.simulators.bridge.exchange import Answer, Problem, Visit

LIFETIME = timedelta(days=8)
"""A day more than the contract asks for."""
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a key was used for, and what was answered."""

    fingerprint: str
    answer: Answer
    at: datetime


@dataclass
class KeyMemory:
    """The keys of one property. Only what was done is remembered: a refusal may be asked again."""

    _known: dict[str, Remembered] = field(default_factory=dict)

    def find(self, visit: Visit) -> Answer | None:
        """Give the first answer to this request again, or None when it is new."""
        key = self._key(visit)
        known = self._known.get(key)
        if known is None or visit.site.now() - known.at > LIFETIME:
            return None
        if known.fingerprint != visit.fingerprint:
            raise Problem("idempotency_key_reused", "this key stands for another request")
        return known.answer

    def keep(self, visit: Visit, answer: Answer) -> None:
        """Remember an answer, in the same breath as the change it tells of."""
        self._known[self._key(visit)] = Remembered(visit.fingerprint, answer, visit.site.now())

    def _key(self, visit: Visit) -> str:
        key = visit.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= _LONGEST:
            raise Problem("idempotency_key_required", "every write carries an Idempotency-Key of 1 to 255 characters")
        return key
