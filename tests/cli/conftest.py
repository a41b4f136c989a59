"""The command line as an operator has it: processes of their own, with an environment and a folder of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.settings import generate_key, generate_secret

COMMAND = [sys.executable, "-P", "-m", "app.cli"]
_PROJECT = Path(__file__).resolve().parents[2]
_WITHIN = 90.0  # seconds; the demo takes half a minute on an idle machine

FreePorts = Callable[[int], list[int]]


@dataclass(frozen=True)
class Ran:
    """What a command that has ended said."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Running:
    """A command that runs."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def ends(self) -> int:
        """Wait for its end; gives the status."""
        return self.process.wait(_WITHIN)

    def said(self) -> str:
        """Give all that it has written so far."""
        return self.log.read_text(errors="replace")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds while it runs."""
        deadline = time.monotonic() + _WITHIN
        while not holds():
            assert self.process.poll() is None, f"it ended before {what}:\n{self.said()}"
            assert time.monotonic() < deadline, f"{what} did not happen:\n{self.said()}"
            time.sleep(0.02)

    def answers(self, url: str) -> None:
        """Wait until a URL answers 200."""

        def ready() -> bool:
            with suppress(httpx.TransportError):
                return httpx.get(url, trust_env=False).status_code == 200
            return False

        self.until(ready, f"an answer of {url}")


@dataclass(frozen=True)
class CommandLine:
    """Runs commands of ours in one folder, under one environment."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, given: str = "", **environment: str) -> Ran:
        """Run a command to its end; `given` is its standard input."""
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=given,
            capture_output=True,
            start_new_session=True,  # without a terminal, where a hidden question would be asked instead
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(
        self, *arguments: str, launcher: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        """Run a command while the block lasts; what is left of it is killed then."""
        log = self.folder / f"{arguments[0]}.out"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [*launcher, *COMMAND, *arguments],
                cwd=self.folder,
                env={**self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield Running(process, log)
        finally:
            left = family(process.pid)
            process.kill()
            process.wait()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def bare(tmp_path: Path) -> CommandLine:
    """The command line without any setting."""
    return CommandLine(tmp_path, {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(_PROJECT)})


@pytest.fixture
def operator(bare: CommandLine, database_url: str, redis_url: str) -> CommandLine:
    """The command line of an operator at a migrated, empty database."""
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": generate_key(),
        "INDEX_KEYS": generate_key(),
        "IDEMPOTENCY_SECRET": generate_secret(),
        "ALLOW_LOOPBACK_PMS": "true",
        "LOG_LEVEL": "WARNING",
    }
    return CommandLine(bare.folder, {**bare.environment, **settings})


@pytest.fixture
def free_ports() -> FreePorts:
    """Names ports of 127.0.0.1 on which nobody listens."""

    def find(count: int) -> list[int]:
        probes = [socket.socket() for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [int(probe.getsockname()[1]) for probe in probes]
        for probe in probes:
            probe.close()
        return ports

    return find


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def family(pid: int) -> set[int]:
    """Give all processes that descend from one, in whatever session they are."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {pid}


def all_gone(pids: set[int]) -> bool:
    """Wait until processes have ended; one that only waits to be reaped counts as gone."""
    deadline = time.monotonic() + _WITHIN
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
