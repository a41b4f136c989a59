"""What a rule of the contract is, and what can come of holding an implementation against it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.cli.conformance.exchange import Exchange

if TYPE_CHECKING:
    from app.cli.conformance.sandbox import Sandbox

Act = Callable[["Sandbox"], None]
"""Tries one rule out; returns when it is kept."""
Complaint = Callable[[Exchange], str | None]
"""Says what is wrong with one exchange, or nothing."""


GROUND_KINDS = frozenset({"day", "instant", "time", "money", "id", "version"})
"""Kinds of misfit that have a rule of their own; any other is one of the shape that was to be shown."""


class Level(StrEnum):
    """How strict a rule is, as RFC 2119 means it."""

    MUST = "must"
    SHOULD = "should"


class Outcome(StrEnum):
    """What came of a rule."""

    KEPT = "ok"
    BROKEN = "broken"
    ADVICE = "advice"
    """A rule that is only a should is not kept."""
    NOT_BUILT = "not built"
    SKIPPED = "skipped"


class Broken(Exception):
    """The rule is not kept; `exchange` is the one that shows it, the last one unless another is named."""

    def __init__(self, expected: str, came: str | None = None, *, exchange: Exchange | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.came = came
        self.exchange = exchange


class NotTried(Exception):
    """The rule cannot be tried here, for a reason that is nobody's fault."""


class NotBuilt(Exception):
    """What the rule is about is not there, as the property or its answer says."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One sentence of the contract that can be tried out.

    Attributes:
        number: The section of docs/bridge.md, a dot, and the place within it.
        says: The rule as a sentence.
        fix: What an implementer does when it is broken.
        needs: Numbers of the rules without which it can't be tried.
        can: Capabilities without which it is not built.
        writes: Whether it changes anything in the property.
        act: Tries it out; None where it is watched.
        shapes: What must have been seen for it to be judged; empty where any answer will do.
        watches: Judges every exchange of the whole run; None where it is tried out.
    """

    number: str
    says: str
    fix: str
    level: Level = Level.MUST
    needs: tuple[str, ...] = ()
    can: tuple[str, ...] = ()
    writes: bool = False
    act: Act | None = None
    shapes: tuple[str, ...] = ()
    watches: Complaint | None = None

    @property
    def section(self) -> int:
        """The section of the contract that it is of."""
        return int(self.number.split(".")[0])


BASE = "7.1"
"""The property can be read at all: nearly everything needs it."""
FORM = "5.1"
"""Refusals can be read: whatever is to be refused needs it."""
GRID = "8.3"
"""Availability is answered."""
OFFER = "8.8"
"""Quotes are answered."""
MADE = "8.15"
"""A reservation can be made."""
FOUND = "8.16"
"""A reservation that was made can be read."""
CANCELLED = "8.32"
"""A reservation can be cancelled."""


def rule(
    number: str,
    says: str,
    *,
    fix: str,
    needs: tuple[str, ...] = (BASE,),
    can: tuple[str, ...] = (),
    writes: bool = False,
    level: Level = Level.MUST,
) -> Callable[[Act], Rule]:
    """Make a rule of the function below; the rule takes the function's place."""

    def made(act: Act) -> Rule:
        return Rule(number=number, says=says, fix=fix, needs=needs, can=can, writes=writes, level=level, act=act)

    return made


def fitting(number: str, says: str, *shapes: str, can: tuple[str, ...] = ()) -> Rule:
    """Make the rule that every success which shows one of these shapes is as the schema says."""

    def complain(seen: Exchange) -> str | None:
        if not seen.shows(shapes):
            return None
        found = [misfit for misfit in seen.misfits if misfit.kind not in GROUND_KINDS]
        return "; ".join(f"{misfit.place or 'the body'}: {misfit.message}" for misfit in found[:3]) or None

    fix = f"Compare with {' and '.join(shapes)} in bridge.openapi.yaml."
    return watched(number, says, fix=fix, can=can, shapes=shapes)(complain)


def finds(kind: str) -> Complaint:
    """Give what looks in every success for one kind of misfit that a ground rule is about."""

    def complain(seen: Exchange) -> str | None:
        found = [misfit for misfit in seen.misfits if misfit.kind == kind]
        return "; ".join(f"{misfit.place} {misfit.message}" for misfit in found[:3]) or None

    return complain


def watched(
    number: str,
    says: str,
    *,
    fix: str,
    can: tuple[str, ...] = (),
    shapes: tuple[str, ...] = (),
    level: Level = Level.MUST,
) -> Callable[[Complaint], Rule]:
    """Make a rule of a function that judges each exchange of the run, whatever it was sent for."""

    def made(watches: Complaint) -> Rule:
        return Rule(
            number=number, says=says, fix=fix, needs=(BASE,), can=can, shapes=shapes, level=level, watches=watches
        )

    return made
