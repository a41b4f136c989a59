"""The processes of a run: two gateways and two workers, killed, stopped, and started again."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded import tied_to_this_process
from tests.chaos.deaths import BOUNDARIES, Fate
from tests.chaos.pace import Pace
from tests.fixtures.services import PROJECT

LOOK_EVERY = 0.05
"""Seconds between looks at the processes."""
STOPPED_FOR = 150.0
"""Seconds of real life for which a process stands still that is to be overtaken: budget, take-over and more."""


def free_port() -> int:
    """Name a port of this machine that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Forge:
    """Makes processes, by forking one that has imported everything."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.process"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=tied_to_this_process(signal.SIGKILL),  # noqa: PLW1509 - two system calls, no locks
        )

    def make(self, **order: object) -> int:
        """Make a process and give its id."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        asked.write(json.dumps(order) + "\n")
        asked.flush()
        return int(answered.readline())

    def close(self) -> None:
        """End all processes that were made."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Member:
    """One process and those that take its place; a worker has no port."""

    name: str
    port: int | None
    pid: int = 0
    fate: Fate | None = None
    deaths: list[str] = field(default_factory=list)
    wakes_at: float | None = None

    @property
    def url(self) -> str:
        """Where a gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> str:
        """How the kernel has it: `T` is stopped, nothing is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def send(self, what: signal.Signals) -> None:
        """Send a signal to it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, what)


class Crew:
    """Looks after the processes: whoever died is started again, whoever stands still is woken."""

    def __init__(self, forge: Forge, pace: Pace, *, environment: dict[str, str], folder: Path, seed: int) -> None:
        self._forge = forge
        self._pace = pace
        self._environment = environment
        self._folder = folder
        self._chance = random.Random(f"crew {seed}")  # noqa: S311 - repeatable on purpose
        self._fates = {name: self._fated(first, last) for name, first, last in (("gateway", 8, 24), ("worker", 2, 8))}
        self.is_calm = False
        self.gateways = [Member(f"gateway-{number}", free_port()) for number in (1, 2)]
        self.workers = [Member(f"worker-{number}", None) for number in (1, 2)]

    @property
    def members(self) -> list[Member]:
        """All of them."""
        return [*self.gateways, *self.workers]

    @property
    def deaths(self) -> list[str]:
        """Where they died or stopped."""
        return [death for member in self.members for death in member.deaths]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Have all of them at work while the block runs; one gateway will be overtaken in its sleep."""
        for member in self.members:
            self._start(member, self._next_fate(member))
        await self._all_listen()
        looking = asyncio.create_task(self._look_after())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            for member in self.members:
                member.send(signal.SIGKILL)

    def stop(self, member: Member, real_seconds: float) -> None:
        """Let a process stand still for so many seconds of real life."""
        member.wakes_at = time.monotonic() + self._pace.seconds(real_seconds)
        member.deaths.append(f"{member.name} stopped for {real_seconds:.0f} s")
        member.send(signal.SIGSTOP)

    def kill(self, member: Member) -> None:
        """Kill a process."""
        member.fate = None
        member.send(signal.SIGKILL)

    async def _all_listen(self) -> None:
        async with asyncio.timeout(30):
            for member in self.gateways:
                while not await _listens(member):  # noqa: ASYNC110 - another process has no event for us
                    await asyncio.sleep(LOOK_EVERY)

    async def _look_after(self) -> None:
        while True:
            for member in self.members:
                self._look_at(member)
            await asyncio.sleep(LOOK_EVERY)

    def _look_at(self, member: Member) -> None:
        match member.state:
            case "":
                member.deaths.append(f"{member.name} killed at {member.fate or 'a random moment'}")
                self._start(member, None if self.is_calm else self._next_fate(member))
            case "T" if member.wakes_at is None:
                member.deaths.append(f"{member.name} stopped at {member.fate}")
                member.wakes_at = time.monotonic() + self._pace.seconds(STOPPED_FOR)
            case "T" if time.monotonic() >= (member.wakes_at or 0):
                member.wakes_at = None
                member.send(signal.SIGCONT)

    def _start(self, member: Member, fate: Fate | None) -> None:
        member.fate, member.wakes_at = fate, None
        member.pid = self._forge.make(
            port=member.port,
            factor=self._pace.factor,
            fate=str(fate) if fate else None,
            environment=self._environment,
            log=str(self._folder / f"{member.name}.log"),
        )

    def _next_fate(self, member: Member) -> Fate:
        return next(self._fates[member.name.partition("-")[0]])

    def _fated(self, first: int, last: int) -> Iterator[Fate]:
        """Give one fate after the other, so that every boundary has its turn; the first of each round stands still."""
        while True:
            yield Fate("started", self._chance.randint(first, last), signal.SIGSTOP)
            for boundary in self._chance.sample(BOUNDARIES, len(BOUNDARIES)):
                yield Fate(boundary, self._chance.randint(first, last))


async def _listens(member: Member) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", member.port)
    except OSError:
        return False
    writer.close()
    return True
