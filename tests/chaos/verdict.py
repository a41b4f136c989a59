"""The books against what callers were told: the five zeros, and the history of whatever breaks one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tests.chaos.callers import Told

LIVE = frozenset({"running", "queued", "unknown"})
FAULT_KINDS = 12
FEWEST_DEATHS = 8
PARKED = frozenset({"dead", "expired"})
"""Ended undone, though nobody has said no: a dead letter has to say why."""
FAILED = PARKED | {"rejected", "withdrawn"}


class Fault(StrEnum):
    """What may not be: writes.md, Proof."""

    DUPLICATE = "duplicates"
    LOST = "lost"
    FAILED_BUT_EXISTS = 'told "failed" that exist'
    DONE_BUT_NOT = 'told "done" that don\'t'
    UNSETTLED = "neither settled nor in a dead letter with its reason"


@dataclass(frozen=True, slots=True)
class Stored:
    """An operation as the gateway tells of it, and its dead letter, if it has one."""

    operation: Mapping[str, Any]
    letter: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        """Where it stands."""
        return str(self.operation["status"])

    @property
    def is_told_to_a_person(self) -> bool:
        """Whether a person has been handed it, with a reason."""
        letter = self.letter
        return letter is not None and letter["status"] == "pending" and bool(letter["error"]["code"])

    @property
    def settle_seconds(self) -> float:
        """Seconds from its begin to its last change."""
        begun, ended = (datetime.fromisoformat(self.operation[name]) for name in ("created_at", "updated_at"))
        return (ended - begun).total_seconds()


@dataclass(frozen=True, slots=True)
class Judged:
    """One write at the end of a run."""

    told: Told
    stored: Stored | None
    """None where the gateway knows of no such operation."""
    effects: int
    """How often it is in the books."""

    @property
    def faults(self) -> list[Fault]:
        """What may not be, and is."""
        checks = {
            Fault.DUPLICATE: self.effects > 1,
            Fault.LOST: self._is_lost,
            Fault.FAILED_BUT_EXISTS: self.effects > 0 and self._is_called_failed,
            Fault.DONE_BUT_NOT: self.effects == 0 and any(one.is_done for one in self.told.answers),
            Fault.UNSETTLED: self._is_unsettled,
        }
        return [fault for fault, holds in checks.items() if holds]

    @property
    def is_handed_over(self) -> bool:
        """Whether it is for a person to decide."""
        stored = self.stored
        return stored is not None and stored.is_told_to_a_person and not (stored.letter or {})["auto_retry"]

    @property
    def is_queued(self) -> bool:
        """Whether it waits to be sent, and a dead letter says why; the pauses grow to hours."""
        return self.stored is not None and self.stored.status == "queued" and self.stored.is_told_to_a_person

    @property
    def _is_lost(self) -> bool:
        """Accepted and then forgotten, or called done by its operation, and in no book."""
        if self.stored is None:
            return self.told.was_accepted
        if self.stored.status == "succeeded":
            return self.effects == 0
        return self.told.was_accepted and self.stored.status in PARKED and self.stored.letter is None

    @property
    def _is_called_failed(self) -> bool:
        if self.stored is None:
            return True
        return self.stored.status in FAILED or self.told.is_told_failed

    @property
    def _is_unsettled(self) -> bool:
        stored = self.stored
        if stored is None or stored.status in {"succeeded", "rejected", "expired", "withdrawn"}:
            return False
        return not (self.is_handed_over or self.is_queued)


@dataclass(frozen=True)
class Verdict:
    """What a run has shown."""

    subject: str
    seed: int
    pace: str
    judged: Sequence[Judged]
    weather: Mapping[str, int]
    deaths: Sequence[str]
    seconds: float
    scale: float
    """Seconds of real life for a second of the run."""
    histories: dict[int, str] = field(default_factory=dict)

    @property
    def faults(self) -> Counter[Fault]:
        """The five numbers."""
        return Counter(dict.fromkeys(Fault, 0)) + Counter(fault for one in self.judged for fault in one.faults)

    @property
    def offending(self) -> list[Judged]:
        """The writes that break a zero."""
        return [one for one in self.judged if one.faults]

    @property
    def was_rough(self) -> bool:
        """Whether enough went wrong for the zeros to mean something: every kind of fault, and many a process."""
        return len(self.weather) >= FAULT_KINDS and len(self.deaths) >= FEWEST_DEATHS

    def line(self) -> str:
        """Give the one line of this run."""
        faults = self.faults
        zeros = " · ".join(f"{faults[fault]} {fault}" for fault in Fault)
        later = [one for one in self.judged if one.told.was_accepted and one.stored]
        settled = sorted(one.stored.settle_seconds for one in later if one.stored and one.stored.status not in LIVE)
        half, nearly = (_quantile(settled, share) * self.scale for share in (0.5, 0.99))
        return (
            f"{self.subject} seed {self.seed} at {self.pace}: {len(self.judged)} writes: {zeros} | "
            f"{sum(self.weather.values())} faults, {len(self.deaths)} processes killed or stopped, "
            f"{len(later)} answered 202, settled after {half:.0f} s (p50), {nearly:.0f} s (p99) of real life, "
            f"{sum(one.is_handed_over for one in self.judged)} handed to a person, "
            f"{sum(one.is_queued for one in self.judged)} still queued, {self.seconds:.0f} s"
        )

    def report(self) -> str:
        """Tell of every write that breaks a zero all that there is to be told."""
        told = [self.line(), f"faults: {dict(self.weather)}", *self.deaths]
        for one in self.offending:
            told.append(f"\n== {', '.join(one.faults)}: {one.told.write}")
            told.append(f"in effect: {one.effects}; told: {[str(answer) for answer in one.told.answers]}")
            told.append(f"operation: {one.stored and dict(one.stored.operation)}")
            told.append(f"letter: {one.stored and one.stored.letter}")
            told.append(self.histories.get(one.told.write.number, ""))
        return "\n".join(told)


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
