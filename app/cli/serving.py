"""How a server of ours is run: its socket, its signals, its workers."""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from app.cli.console import CommandError, take_signals, tell
from app.cli.stopping import GracefulServer, GracefulWorkers

_STARTUP_FAILED = 3  # uvicorn's own exit status for it


@contextmanager
def stops_quietly() -> Iterator[None]:
    """Take SIGTERM and Ctrl-C for the wish that they are: a stop in good order, status 0."""
    take_signals()
    try:
        yield
    except KeyboardInterrupt:
        tell("stopped")


def listening_socket(host: str, port: int, *, hint: str) -> socket.socket:
    """Take a port before anything dear is started.

    Raises:
        CommandError: it cannot be had; `hint` says how to choose another one.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CommandError(f"{host} is no address of this machine: {error.strerror}") from error
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of closed connections only; a listener still wins
    try:
        taken.bind(address)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"port {port} of {host} is taken: {hint}") from error
        raise CommandError(f"port {port} of {host} cannot be had ({error.strerror}): {hint}") from error
    return taken


class _AnnouncingServer(GracefulServer):
    """Says that it serves once it does, and its handlers for signals stand."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def run_server(
    config: uvicorn.Config, listening: socket.socket, *, announce: Callable[[], None] = lambda: None
) -> None:
    """Serve in this process until a signal comes; requests that run are finished.

    Raises:
        CommandError: the application did not start.
    """
    server = _AnnouncingServer(config, announce)
    server.run(sockets=[listening])
    if not server.started:
        raise CommandError("the application did not start", status=_STARTUP_FAILED)


def run_workers(config: uvicorn.Config, listening: socket.socket) -> None:
    """Serve with several processes until a signal comes; a worker that dies is replaced.

    Raises:
        CommandError: the application did not start.
    """
    master = GracefulWorkers(config, sockets=[listening])
    master.run()
    if any(worker.exitcode == _STARTUP_FAILED for worker in master.processes):
        raise CommandError("the application did not start", status=_STARTUP_FAILED)
