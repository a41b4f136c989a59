"""How long things take in the life of a write: one table, so that a test can run the same life faster."""

import random
from dataclasses import dataclass, fields, replace
from datetime import timedelta

MOST_TRIES = 10
"""How often a queued write is sent before a person is asked."""
ABSENCES_NEEDED = 2
"""How often a send has to be seen absent before it counts as never done."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds, all of them; `factor` is what the vendors' own waits are multiplied with."""

    factor: float = 1.0
    takeover_after: float = 60.0
    """After an owner's deadline, until another process takes its operation over."""
    first_replay: float = 5.0
    last_replay: float = 14_400.0
    queue_life: float = 86_400.0
    first_look: float = 2.0
    last_look: float = 300.0
    doubt_shown_after: float = 120.0
    """How long a write may be unknown before staff are told: a short blip is nobody's business."""
    settle_life: float = 86_400.0
    """How long the machine goes on looking."""
    clock_skew: float = 5.0
    """How far the vendor's clock may be from ours when its records are compared with our sends."""
    sweep: float = 60.0
    job_poll: float = 2.0
    """Between looks for jobs that were put off."""
    lock_poll: float = 0.05

    def scaled(self, factor: float) -> "Waits":
        """Give the same life, `factor` times as long."""
        seconds = {one.name: getattr(self, one.name) * factor for one in fields(self)}
        return replace(self, **seconds)

    def of_vendor(self, seconds: float) -> timedelta:
        """Give one of a vendor profile's own waits."""
        return timedelta(seconds=seconds * self.factor)

    def until_replay(self, attempts: int) -> timedelta:
        """Give the pause after so many attempts at a queued write: threefold each time, up to a fifth longer."""
        pause = min(self.last_replay, self.first_replay * 3.0 ** max(0, attempts - 1))
        return timedelta(seconds=pause * (1 + random.random() / 5))  # noqa: S311 - spreads load, guards nothing  # nosec B311

    def until_look(self, looks: int) -> timedelta:
        """Give the pause after so many looks for a lost send."""
        return timedelta(seconds=min(self.last_look, self.first_look * 2.0 ** min(looks, 16)))
