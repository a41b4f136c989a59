"""References to secrets that live elsewhere, and the fences around where they may point.

A credential is a literal, `env:NAME` for names that begin with `PMS_CRED_`, `file:PATH` below `CREDENTIALS_DIR`, or
`vault:path#field` below `VAULT_PREFIX`. Looking one up blocks; `app.core.references` does it beside the event loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from app.domain.errors import InvalidRequest

ENV_PREFIX = "PMS_CRED_"
LARGEST_SECRET = 16_384
"""Bytes of a file, characters of a field in Vault: more than any key, and any chain of certificates, needs."""
_SCHEMES = ("env:", "file:", "vault:")


def is_reference(value: str) -> bool:
    """Tell whether a credential names a place instead of being the secret itself."""
    return value.startswith(_SCHEMES)


class LeadsNowhere(Exception):
    """There is no secret where a reference points, or it may not point there. Says why, and never names the place."""


class CannotLookNow(Exception):
    """Whoever holds the secret cannot be asked now. Says who and why, and never names the place."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is kept: a scheme, and a name by its rules. Two fields of one secret in Vault are one place."""

    scheme: str
    name: str


@dataclass(frozen=True, slots=True)
class Content:
    """What was found at a place: the secrets by the names of their fields, and since when they are what they are.

    A place that holds one secret has it under the empty name. `since` is None where the place does not tell.
    """

    fields: Mapping[str, SecretStr]
    since: datetime | None = None


class SecretStore(Protocol):
    """A place of secrets that is not on this machine."""

    def locate(self, text: str) -> tuple[str, str]:
        """Split what stands behind `vault:` into path and field; raises LeadsNowhere where it may not point there."""

    def read(self, path: str) -> Content:
        """Read what is kept under a path that was located; raises LeadsNowhere and CannotLookNow. It blocks."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class SecretResolver:
    """Looks references up.

    `environment` holds only the variables that begin with `PMS_CRED_`; without `directory` no file is read, and
    without `vault` none of its secrets.
    """

    environment: Mapping[str, str]
    directory: Path | None = None
    vault: SecretStore | None = None

    def resolve(self, field: str, value: SecretStr) -> SecretStr:
        """Give the secret that `value` is or points to; it blocks.

        Raises:
            InvalidRequest: the reference is not allowed or leads nowhere; the message names `field`, not the place.
        """
        try:
            located = self.locate(value)
            return value if located is None else part_of(self.fetch(located[0]), located[1])
        except (LeadsNowhere, CannotLookNow) as error:
            raise refusal(field, error) from None

    def locate(self, value: SecretStr) -> tuple[Place, str] | None:
        """Give the place that a credential points to and its field there; None where it is the secret itself.

        Raises:
            LeadsNowhere: it may not point there.
        """
        scheme, _, name = value.get_secret_value().partition(":")
        match f"{scheme}:":
            case "env:":
                if not name.startswith(ENV_PREFIX):
                    raise LeadsNowhere(f"env: may only name variables that begin with {ENV_PREFIX}")
                return Place("env", name), ""
            case "file:":
                if self.directory is None:
                    raise LeadsNowhere("file: needs CREDENTIALS_DIR to be set")
                return Place("file", name), ""
            case "vault:":
                if self.vault is None:
                    raise LeadsNowhere("vault: needs VAULT_ADDR to be set")
                path, field = self.vault.locate(name)
                return Place("vault", path), field
            case _:
                return None

    def fetch(self, place: Place) -> Content:
        """Look at a place; it blocks.

        Raises:
            LeadsNowhere: there is nothing.
            CannotLookNow: it cannot be asked now.
        """
        match place.scheme:
            case "env":
                return self._from_environment(place.name)
            case "file":
                return self._from_file(place.name)
            case "vault" if self.vault is not None:
                return self.vault.read(place.name)
            case _:
                raise LeadsNowhere("nobody can look there")

    def _from_environment(self, name: str) -> Content:
        found = self.environment.get(name)
        if not found:
            raise LeadsNowhere("the environment variable is not set or empty")
        return Content({"": SecretStr(found)})

    def _from_file(self, name: str) -> Content:
        if self.directory is None:
            raise LeadsNowhere("file: needs CREDENTIALS_DIR to be set")
        try:
            root = self.directory.resolve()
            path = (root / name).resolve()
        except (OSError, ValueError, RuntimeError):  # a NUL in the name, a circle of links
            raise LeadsNowhere("the file cannot be read") from None
        if not path.is_relative_to(root) or path == root:
            raise LeadsNowhere("file: may only name files below CREDENTIALS_DIR")
        try:
            if not path.is_file():
                raise LeadsNowhere("the file cannot be read")
            state = path.stat()
            if state.st_size > LARGEST_SECRET:
                raise LeadsNowhere("the file is too large for a secret")
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError):
            raise LeadsNowhere("the file cannot be read") from None
        if not text:
            raise LeadsNowhere("the file is empty")
        return Content({"": SecretStr(text)}, datetime.fromtimestamp(state.st_mtime, UTC))


def part_of(content: Content, field: str) -> SecretStr:
    """Give one field of what was found.

    Raises:
        LeadsNowhere: it has no such field.
    """
    found = content.fields.get(field)
    if found is None:
        raise LeadsNowhere("the secret in Vault has no such field, or it is empty or no text")
    return found


def refusal(field: str, why: Exception) -> InvalidRequest:
    """Tell the credential whose reference was of no use, and not where it pointed."""
    return InvalidRequest.of(("credentials", field), str(why))
