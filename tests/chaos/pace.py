"""How much faster than real life a run is: one factor for every wait, handed to all of its processes."""

import asyncio
from dataclasses import dataclass, replace

from app.core.clock import SystemClock
from app.core.profile import RateLimit
from app.gateway.waits import Waits

SHORTEST_SLEEP = 0.02
"""Seconds; polling more often than this only warms the machine."""


class HurriedClock(SystemClock):
    """The machine's own clock, except that waiting is shorter."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    async def sleep(self, seconds: float) -> None:
        """Wait, but not for long."""
        await asyncio.sleep(max(min(seconds, SHORTEST_SLEEP), seconds * self._factor))


@dataclass(frozen=True, slots=True)
class Pace:
    """Every wait of real life is multiplied with `factor`."""

    factor: float

    def __str__(self) -> str:
        return "unscaled" if self.factor == 1 else f"1/{1 / self.factor:g}"

    def seconds(self, real: float) -> float:
        """Give so many seconds of real life in those of the run."""
        return real * self.factor

    def limit(self, real: RateLimit) -> RateLimit:
        """Give a vendor's quota in the run's time: a window is a wait like any other."""
        return replace(real, window_seconds=max(1, round(self.seconds(real.window_seconds))))

    @property
    def waits(self) -> Waits:
        """What the gateway and its workers wait for."""
        scaled = Waits().scaled(self.factor)
        return replace(scaled, lock_poll=max(SHORTEST_SLEEP, scaled.lock_poll), job_poll=max(0.25, scaled.job_poll))

    @property
    def clock(self) -> HurriedClock:
        """What their retries wait by."""
        return HurriedClock(self.factor)

    @property
    def pms_timeout(self) -> float:
        """Seconds for one attempt at the PMS; two busy cores need their time, however fast the run is."""
        return max(0.5, self.seconds(10))

    @property
    def patience(self) -> float:
        """Seconds that a patient caller waits for an answer."""
        return max(2.0, self.seconds(30))

    @property
    def settle_after(self) -> float:
        """Seconds from which a send that is not seen counts as never done."""
        return self.seconds(120)

    @property
    def takeover(self) -> float:
        """Seconds after its begin from which an operation surely has another owner, if somebody wants it."""
        return self.seconds(60) + self.waits.takeover_after
