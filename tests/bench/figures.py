"""What the table says: a name, what was measured, what it has to be, and whether it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.caller import Answered


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    result: str
    target: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What the times of some answers may be at most, in milliseconds; None is not judged."""

    p50: float | None = None
    p99: float | None = None
    longest: float | None = None

    def __str__(self) -> str:
        """Say it as the table does."""
        limits = (("p50", self.p50), ("p99", self.p99), ("max", self.longest))
        return ", ".join(f"{name} <= {_ms(limit)}" for name, limit in limits if limit is not None) + " ms"


@dataclass(frozen=True, slots=True)
class Times:
    """How long some answers took, in milliseconds, and how many of them were not what they should be."""

    p50: float
    p99: float
    longest: float
    wrong: int = 0

    @classmethod
    def of(cls, answers: Sequence[Answered], *, source: str | None = None) -> "Times":
        """Sum up answers; right ones are 200 and come from `source`, where one is named."""
        times = sorted(one.seconds * 1000 for one in answers)
        wrong = sum(one.status != 200 or source not in {None, one.source} for one in answers)
        return cls(times[len(times) // 2], times[int(len(times) * 0.99)], times[-1], wrong)

    def __str__(self) -> str:
        """Say it as the table does."""
        p99 = "" if self.p99 == self.longest else f", p99 {_ms(self.p99)}"
        wrong = f", {self.wrong} WRONG" if self.wrong else ""
        return f"p50 {_ms(self.p50)}{p99}, max {_ms(self.longest)} ms{wrong}"

    def keep_to(self, bound: Bound) -> bool:
        """Tell whether they are as short as they have to be, and all answers right."""
        pairs = ((self.p50, bound.p50), (self.p99, bound.p99), (self.longest, bound.longest))
        return not self.wrong and all(limit is None or time <= limit for time, limit in pairs)

    def figure(self, name: str, bound: Bound) -> Figure:
        """Give the line of the table."""
        return Figure(name=name, result=str(self), target=str(bound), reached=self.keep_to(bound))


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"
