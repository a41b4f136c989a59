"""What goes wrong in a run: at the PMS by chance, around it by a plan; the seed decides both."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.simulators.faults import Fault, FaultKind, FaultPlan, Strike
from app.simulators.site import Site
from tests.chaos.crew import Crew
from tests.chaos.pace import Pace
from tests.chaos.stores import Stores
from tests.chaos.subjects import Subject

WRITES_STRUCK, READS_STRUCK = 0.20, 0.05
REPEATS_REFUSED = 0.4
"""Of the requests to where an answer was lost last."""
_LOST = frozenset({FaultKind.DROP_AFTER, FaultKind.CUT_BODY, FaultKind.STATUS_AFTER, FaultKind.GARBAGE})
"""Done, and the answer does not say so."""


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault that struck."""

    at: float
    request: int
    """The place of the request among those of the site."""
    kind: str


class Weather(FaultPlan):
    """The faults of a site: by chance, until it is calm."""

    def __init__(self, site: Site, subject: Subject, pace: Pace, *, seed: int) -> None:
        super().__init__(seed=seed)
        self._site = site
        self._subject = subject
        self._pace = pace
        self._dice = random.Random(f"weather {seed}")  # noqa: S311 - repeatable on purpose
        self._lost: set[tuple[str, str]] = set()
        self._deck: list[str] = []
        """What strikes next: no kind comes twice before every kind has come."""
        self.is_calm = True
        self.times: list[float] = []
        """When each request of the site came, Unix seconds."""
        self.struck: list[Struck] = []

    @property
    def tally(self) -> Counter[str]:
        """How often each fault struck."""
        return Counter(one.kind for one in self.struck)

    def strike(self, method: str, path: str) -> Strike:
        """Give what goes wrong with this request."""
        self.times.append(time.time())
        if self.is_calm:
            return Strike(0, None)
        name, fault = self._of(method, path)
        if name:
            self.struck.append(Struck(time.time(), len(self._site.requests) - 1, name))
        if fault is not None and fault.kind in _LOST:
            self._lost.add((method, path))
        if fault is not None and fault.kind is FaultKind.LATENCY:
            return Strike(fault.seconds, None)
        return Strike(0, fault)

    def _of(self, method: str, path: str) -> tuple[str, Fault | None]:
        is_write = self._subject.is_write(method, path)
        if is_write and (method, path) in self._lost and self._subject.refusal:
            self._lost.discard((method, path))
            if self._dice.random() < REPEATS_REFUSED:
                return "refuse_repeat", Fault(kind=FaultKind.STATUS, **self._subject.refusal)
        if self._dice.random() >= (WRITES_STRUCK if is_write else READS_STRUCK):
            return "", None
        if not self._deck:
            self._deck = self._dice.sample(list(self._makers), len(self._makers))
        name = self._deck.pop()
        return name, self._makers[name]()

    @property
    def _makers(self) -> dict[str, Callable[[], Fault]]:
        soon, dice = self._pace.settle_after, self._dice
        return {
            "drop_before": lambda: Fault(kind=FaultKind.DROP_BEFORE),
            "drop_after": lambda: Fault(kind=FaultKind.DROP_AFTER),
            "cut_body": lambda: Fault(kind=FaultKind.CUT_BODY),
            "500 undone": lambda: Fault(kind=FaultKind.STATUS, status=500),
            "503 undone": lambda: Fault(kind=FaultKind.STATUS, status=503),
            "500 after commit": lambda: Fault(kind=FaultKind.STATUS_AFTER, status=500),
            "late commit": lambda: Fault(kind=FaultKind.LATE_COMMIT, seconds=soon * dice.uniform(0.05, 0.7)),
            "garbage": lambda: Fault(kind=FaultKind.GARBAGE),
            "garbage undone": lambda: Fault(kind=FaultKind.GARBAGE_UNDONE),
            "429": lambda: Fault(kind=FaultKind.STATUS, status=429, headers={"retry-after": str(dice.randint(1, 5))}),
            "slow": lambda: Fault(kind=FaultKind.LATENCY, seconds=soon * dice.uniform(0.2, 0.6)),
            "slow body": lambda: Fault(kind=FaultKind.SLOW_BODY, seconds=soon * dice.uniform(0.1, 0.4)),
        }


@dataclass(frozen=True)
class Storm:
    """What happens to the processes and the stores, spread over a run."""

    crew: Crew
    stores: Stores
    pace: Pace
    seed: int

    async def rage(self, progress: Callable[[], float]) -> None:
        """Let it happen as the run goes on; `progress` goes from 0 to 1."""
        chance = random.Random(f"storm {self.seed}")  # noqa: S311 - repeatable on purpose
        acts = self._acts(chance)
        chance.shuffle(acts)
        for number, act in enumerate(acts, start=1):
            while progress() < number / (len(acts) + 1):  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.02)
            await act()

    def _acts(self, chance: random.Random) -> list[Callable[[], Awaitable[None]]]:
        crew, stores = self.crew, self.stores
        postgres, redis = stores.postgres, stores.redis

        async def kill() -> None:
            crew.kill(chance.choice(crew.members))

        async def stop_for_a_moment() -> None:
            crew.stop(chance.choice(crew.members), chance.uniform(10, 50))

        return [
            lambda: stores.restart(postgres, away=chance.uniform(0.1, 0.6)),
            lambda: stores.restart(postgres, away=chance.uniform(0.1, 0.6), crash=True),
            lambda: stores.pause(postgres, seconds=chance.uniform(0.3, 1.0)),
            lambda: stores.pause(postgres, seconds=chance.uniform(1.5, 2.5)),
            lambda: stores.restart(redis, away=chance.uniform(0.1, 0.6)),
            lambda: stores.pause(redis, seconds=chance.uniform(0.3, 1.5)),
            *(kill for _ in range(5)),
            *(stop_for_a_moment for _ in range(3)),
        ]
