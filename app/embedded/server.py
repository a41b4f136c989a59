"""One server process whose life hangs on the thread that started it (see `lifeline`)."""

import os
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from app.embedded.folders import reachable_folder, take_lock, unprivileged_account
from app.embedded.lifeline import tied_to_this_process
from app.embedded.terms import EmbeddedServerError, Progress, silent

READY_WITHIN = 60.0
"""Seconds to wait for a server: a crashed database replays its log first."""

_PORT_TRIES = 5
_STOPPED_WITHIN = 15.0
_POLL = 0.01
_PORT_IS_TAKEN = "Address already in use"


def free_port() -> int:
    """Name a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedServer(ABC):
    """One server process in one folder, alive at most as long as the thread that started it."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    """Stops it in good order."""
    orphan_signal: ClassVar[signal.Signals]
    """What the kernel sends to it when its parent is gone."""

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = False,
        progress: Progress = silent,
        ports: Callable[[], int] = free_port,
    ) -> None:
        """Plan a server; nothing happens before `start`.

        Args:
            folder: Where it keeps its files; made when missing.
            durable: Whether what was committed must survive a crash. Tests and demo are faster without.
            progress: Told what takes a moment.
            ports: Proposes a port for each attempt to start.
        """
        self.folder = folder
        self._durable = durable
        self._progress = progress
        self._ports = ports
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._account = unprivileged_account()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            EmbeddedServerError: A wheel is missing, the folder is in use or unusable, or the server died.
        """
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedServerError(
                f"start {self.name} from the main thread: it dies with the thread that started it"
            )
        if self._process is not None:
            raise EmbeddedServerError(f"{self.name} has been started already")
        try:
            self.folder = reachable_folder(self.folder, self._account, self._progress)
            self._lock = take_lock(self.folder / "lock", self._progress)
            self._prepare()
            self._start_on_some_port()
        except OSError as error:
            self.stop()
            raise EmbeddedServerError(f"{self.name} cannot be started in {self.folder}: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server in good order, or by force when that takes too long. Harmless when not running."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.stop_signal)
            try:
                process.wait(_STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that it listens on."""
        if self._process is None or self._port is None:
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the server."""
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server of this start has written."""
        return self.folder / f"{self.name.lower()}.log"

    @abstractmethod
    def _prepare(self) -> None:
        """Bring the folder into the shape that the server expects."""

    @abstractmethod
    def _command(self, port: int) -> Sequence[str | Path]:
        """Say how to run the server in the foreground."""

    @abstractmethod
    def _answers(self, pid: int, port: int) -> bool:
        """Whether this very process, not a stranger on the same port, is ready."""

    def _start_on_some_port(self) -> None:
        for _ in range(_PORT_TRIES):
            self._port = self._ports()
            self._progress(f"starting {self.name} on port {self._port}")
            with self.log.open("wb") as log:
                self._process = self._spawn(self._command(self._port), log.fileno())
            if self._became_ready(self._process, self._port):
                return
            self._process = None
        raise EmbeddedServerError(f"{self.name} found no free port in {_PORT_TRIES} attempts")

    def _spawn(self, command: Sequence[str | Path], output: int) -> subprocess.Popen[bytes]:
        """Run a command of the wheel in its own session, as an account that Postgres accepts.

        The environment is made anew: our secrets are not the server's business, nor are `PG*` variables.
        The child inherits the lock of the folder, so that it ends with the last of them.
        """
        account = self._account
        return subprocess.Popen(  # noqa: S603 - a binary of our own wheel  # nosec B603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            start_new_session=True,
            pass_fds=() if self._lock is None else (self._lock,),
            preexec_fn=tied_to_this_process(self.orphan_signal),  # noqa: PLW1509 - two system calls, no locks
        )

    def _became_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Wait until the server answers; False when it lost the race for its port."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if process.poll() is not None:
                if _PORT_IS_TAKEN in self.log.read_text(errors="replace"):
                    return False
                raise EmbeddedServerError(f"{self.name} died while starting.\n{tail(self.log)}")
            if self._answers(process.pid, port):
                return True
            time.sleep(_POLL)
        raise EmbeddedServerError(f"{self.name} was not ready in {READY_WITHIN:.0f} s.\n{tail(self.log)}")


def tail(log: Path) -> str:
    """Quote the last lines of a log for an error message."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    return "(it wrote no log)"
