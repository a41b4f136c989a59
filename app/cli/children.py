"""Other commands of ours as child processes that never outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.cli.console import CommandError, tell
from app.embedded import tied_to_this_process

_STOPPED_WITHIN = 10.0  # seconds
_COMMAND = (sys.executable, "-P", "-m", "app.cli")
_TAIL_LINES = 20
_LOOK_EVERY = 0.25  # seconds
_PAUSE_BEFORE_RESTART = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Watched:
    """A process of the demo, whoever started it: if it ends, the demo is over."""

    name: str
    pid: int
    log: Path

    def require_alive(self) -> None:
        """Look whether it still runs, without taking its end from whoever waits for it.

        Raises:
            CommandError: it has ended; with the last lines that it wrote.
        """
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            raise CommandError(f"{self.name} has ended unexpectedly. The last lines of its log:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it wrote nothing)"


@contextmanager
def child(name: str, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Iterator[Watched]:
    """Run `pms-gateway <arguments>` in a session of its own; what it says goes to a log in `folder`.

    A Ctrl-C in the terminal does not reach it: it is stopped in order, when the block ends. If we are killed,
    so is it.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter  # nosec B603
            [*_COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,  # no .env of the project is read here
            env=dict(environment),
            start_new_session=True,
            preexec_fn=tied_to_this_process(signal.SIGKILL),  # noqa: PLW1509 - two system calls, no locks
        )
    try:
        yield Watched(name, process.pid, log)
    finally:
        _stop(process, _STOPPED_WITHIN)


@contextmanager
def companion(name: str, arguments: Sequence[str], *, stopped_within: float) -> Iterator[None]:
    """Keep `pms-gateway <arguments>` going beside us while the block lasts; one that dies is replaced.

    It has our settings and speaks where we speak. At the end it is told to stop and has `stopped_within` seconds for
    that; if we are killed, it is told the same.
    """
    ended = threading.Event()

    def keep_going() -> None:
        # The kernel ties a child to the thread that made it: this one lasts as long as the child.
        while not ended.is_set():
            process = subprocess.Popen(  # noqa: S603 - our own interpreter  # nosec B603
                [*_COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=tied_to_this_process(signal.SIGTERM),  # noqa: PLW1509 - two system calls, no locks
            )
            while process.poll() is None and not ended.wait(_LOOK_EVERY):
                pass
            if process.poll() is None:
                _stop(process, stopped_within)
            elif not ended.wait(_PAUSE_BEFORE_RESTART):
                tell(f"the {name} has ended with {process.returncode}; another one is started")

    keeper = threading.Thread(target=keep_going, name=name)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _stop(process: "subprocess.Popen[bytes]", within: float) -> None:
    process.terminate()
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def watch(processes: Sequence[Watched], *, every: float = 0.25) -> None:
    """Stay until one of the processes ends.

    Raises:
        CommandError: one has ended.
    """
    while True:
        for process in processes:
            process.require_alive()
        time.sleep(every)
