"""Faults on purpose: what goes wrong, for which requests, how often."""

import random
import re
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The answer comes `seconds` later; goes together with any other fault."""
    STATUS = "status"
    """`status`, `headers` and `body` are the answer; nothing is done."""
    DROP_BEFORE = "drop_before"
    """The connection ends without an answer; nothing is done."""
    DROP_AFTER = "drop_after"
    """It is done, then the connection ends without an answer."""
    CUT_BODY = "cut_body"
    """It is done, then the connection ends in the middle of the answer."""
    STATUS_AFTER = "status_after"
    """It is done, and the answer is `status` all the same: the 500 after a commit."""
    GARBAGE = "garbage"
    """It is done, and the answer is a 200 whose body is `body`, which nobody understands."""
    GARBAGE_UNDONE = "garbage_undone"
    """Nothing is done, and the answer is a 200 whose body is `body`."""
    SLOW_BODY = "slow_body"
    """It is done, and the answer takes `seconds`, byte by byte."""
    LATE_COMMIT = "late_commit"
    """The answer is `status` at once, and it is done `seconds` later."""
    REFUSE_REPEAT = "refuse_repeat"
    """It is done once; the same request again is answered with `status` and not done."""


class Fault(BaseModel):
    """One thing that goes wrong for the requests that it matches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    method: str = Field(".*", description="A regular expression for the whole method.")
    path: str = Field(".*", description="A regular expression found anywhere in the path within the site.")
    nth: int = Field(1, ge=1, description="The first matching request that it strikes.")
    times: int | None = Field(
        None, ge=1, description="How many matching requests it strikes from there on; all if null."
    )
    probability: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(0.0, ge=0)
    status: int = Field(500, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = "Fatal error"

    def matches(self, method: str, path: str) -> bool:
        """Tell whether it speaks of such a request."""
        return re.fullmatch(self.method, method) is not None and re.search(self.path, path) is not None


class FaultPlan:
    """The faults of one site; the same seed and the same requests give the same faults."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self._faults: list[Fault] = list(faults)
        self._met: dict[int, int] = {}
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose  # nosec B311

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is planned."""
        return tuple(self._faults)

    def add(self, *faults: Fault) -> None:
        """Plan more; each counts its own matching requests from now on."""
        self._faults.extend(faults)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._faults.clear()
        self._met.clear()

    def strike(self, method: str, path: str) -> "Strike":
        """Give what goes wrong with this request; of several faults the first counts, latencies add up."""
        struck = [fault for index, fault in enumerate(self._faults) if self._strikes(index, fault, method, path)]
        seconds = sum(fault.seconds for fault in struck if fault.kind is FaultKind.LATENCY)
        return Strike(seconds, next((fault for fault in struck if fault.kind is not FaultKind.LATENCY), None))

    def _strikes(self, index: int, fault: Fault, method: str, path: str) -> bool:
        if not fault.matches(method, path):
            return False
        met = self._met[index] = self._met.get(index, 0) + 1
        last = fault.nth + fault.times if fault.times is not None else None
        in_turn = met >= fault.nth and (last is None or met < last)
        return in_turn and (fault.probability >= 1 or self._chance.random() < fault.probability)


class Strike:
    """What goes wrong with one request: a wait, a fault, both or nothing."""

    __slots__ = ("fault", "latency")

    def __init__(self, latency: float, fault: Fault | None) -> None:
        self.latency = latency
        self.fault = fault
