"""Where a process ends, or stops for a while: between any two steps of a write, chosen before it starts.

The boundaries are laid around the gateway's own functions from outside, in the processes of the chaos tests alone.
"""

import functools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from app.gateway.attempts import Attempts
from app.gateway.operation import DurableOperation
from app.gateway.record import Recorder

BEFORE: dict[str, tuple[type, str]] = {
    "begun": (Attempts, "run"),
    "answered": (DurableOperation, "_finished"),
    "refused": (DurableOperation, "_failed"),
    "ended": (Recorder, "_write_success"),
}
"""Committed intent, nothing sent · answered, not recorded · failed, not recorded · recorded, no outcome."""
AFTER: dict[str, tuple[type, str]] = {
    "started": (DurableOperation, "_started"),
    "finished": (DurableOperation, "_finished"),
    "outcome": (Recorder, "_write_success"),
    "doubted": (Recorder, "_write_failure"),
}
"""Step committed, not sent · step recorded · outcome committed, nobody told · failure committed, nobody told."""
BOUNDARIES = (*BEFORE, *AFTER)


@dataclass
class Fate:
    """What happens to a process when it passes a boundary for the `nth` time."""

    boundary: str
    nth: int
    blow: signal.Signals = signal.SIGKILL

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `boundary:nth:SIGNAL`."""
        boundary, nth, name = text.split(":")
        return cls(boundary, int(nth), signal.Signals[name])

    def __str__(self) -> str:
        return f"{self.boundary}:{self.nth}:{self.blow.name}"

    def passes(self, boundary: str) -> None:
        """Count a passage, and strike at the one that was chosen."""
        if boundary == self.boundary:
            self.nth -= 1
            if self.nth == 0:
                os.kill(os.getpid(), self.blow)

    def lay(self) -> None:
        """Lay this fate's boundary into the running process."""
        for table, wrap in ((BEFORE, self._before), (AFTER, self._after)):
            if self.boundary in table:
                owner, name = table[self.boundary]
                setattr(owner, name, wrap(getattr(owner, name)))

    def _before(self, act: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(act)
        async def passed(*args: Any, **options: Any) -> Any:
            self.passes(self.boundary)
            return await act(*args, **options)

        return passed

    def _after(self, act: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(act)
        async def passed(*args: Any, **options: Any) -> Any:
            result = await act(*args, **options)
            self.passes(self.boundary)
            return result

        return passed
