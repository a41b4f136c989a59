"""Who runs on which core, and how much of it each process has used."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded import tied_to_this_process

PROJECT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_STOPPED_WITHIN = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server that is measured, the others for everything around it."""

    server: frozenset[int]
    others: frozenset[int]

    @classmethod
    def divided(cls) -> "Cores":
        """Divide what this process may use; of a single core everybody gets that one."""
        *others, server = sorted(os.sched_getaffinity(0))
        return cls(frozenset({server}), frozenset(others or {server}))

    @property
    def are_apart(self) -> bool:
        """Whether the server has a core for itself."""
        return self.server.isdisjoint(self.others)


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Let what is started inside run on these cores: a child has its parent's from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the bench."""

    pid: int
    log: Path

    def require_alive(self) -> None:
        """Look whether it still runs, without taking its end from whoever waits for it.

        Raises:
            RuntimeError: it has ended; with the last lines that it wrote.
        """
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError("\n".join([f"{self.log.stem} has ended:", *lines]))


@contextmanager
def child(module: str, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Iterator[Child]:
    """Run `python -m module`; what it says goes to `log`. It ends with the block, and with us if we are killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=tied_to_this_process(signal.SIGKILL),  # noqa: PLW1509 - two system calls, no locks
        )
    try:
        yield Child(process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """Give the processor time that a process and its children have used; those that ended are counted, too."""
    return sum(map(_own_cpu_seconds, [pid, *_children(pid)]))


def _children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _own_cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # a child that has ended since it was listed
        return 0.0
    user, system, user_of_ended, system_of_ended = stat.rpartition(")")[2].split()[11:15]
    return (int(user) + int(system) + int(user_of_ended) + int(system_of_ended)) / _TICKS
