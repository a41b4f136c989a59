"""What `serve --embedded` keeps between its runs: data folders, keys, and a note of where its servers are.

The note is a file of `NAME=value` lines that only its owner may read; the other commands find the way by it.
Whoever loses it can no longer read what the database holds.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.cli.console import CommandError
from app.embedded import EmbeddedServerError, EmbeddedServers
from app.settings import generate_key, generate_secret

_PROJECT = Path(__file__).resolve().parents[2]
_NOTE = "environment"
_LASTING = ("encryption_keys", "index_keys", "idempotency_secret")


@dataclass(frozen=True, slots=True)
class Household:
    """The folder of one embedded installation."""

    folder: Path

    @classmethod
    def at(cls, folder: Path | None) -> Self:
        """Name the folder, by default `.local/embedded` of the project."""
        return cls((folder or _PROJECT / ".local" / "embedded").absolute())

    def noted(self) -> dict[str, str]:
        """Give the settings that the last run noted.

        Raises:
            CommandError: there was none.
        """
        values = self._read()
        if "database_url" not in values:
            raise CommandError(f"nothing embedded was started in {self.folder}: run pms-gateway serve --embedded first")
        return values

    @contextmanager
    def running(self, tell: Callable[[str], None]) -> Iterator[Mapping[str, str]]:
        """Start both servers, with the database and the keys made once, and give the settings that name them.

        Raises:
            CommandError: a server cannot be had.
        """
        try:
            with EmbeddedServers(self.folder, durable=True, progress=tell) as servers:
                database_url = servers.postgres.database_url("postgres")
                values = self._keys() | {"database_url": database_url, "redis_url": servers.redis_url}
                self._write(values)
                yield values
        except EmbeddedServerError as error:
            raise CommandError(str(error)) from error

    def _keys(self) -> dict[str, str]:
        values = self._read()
        if missing := [name for name in _LASTING if name not in values]:
            if values:
                raise CommandError(
                    f"{self.folder / _NOTE} lacks {', '.join(missing)}: restore it, or remove the folder"
                )
            values = {"encryption_keys": generate_key(), "index_keys": generate_key()}
            values["idempotency_secret"] = generate_secret()
            self._write(values)
        return {name: values[name] for name in _LASTING}

    def _read(self) -> dict[str, str]:
        try:
            lines = (self.folder / _NOTE).read_text().splitlines()
        except FileNotFoundError:
            return {}
        except PermissionError:
            raise CommandError(f"{self.folder / _NOTE} belongs to another user") from None
        return {name.lower(): value for name, _, value in (line.partition("=") for line in lines)}

    def _write(self, values: Mapping[str, str]) -> None:
        """Write the note in one step that others see whole or not at all; mkstemp makes it ours alone."""
        descriptor, unfinished = tempfile.mkstemp(dir=self.folder, prefix=f"{_NOTE}.")
        with os.fdopen(descriptor, "w") as note:
            note.writelines(f"{name.upper()}={value}\n" for name, value in values.items())
        Path(unfinished).replace(self.folder / _NOTE)
