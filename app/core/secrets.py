"""References to secrets that live elsewhere, and the fences around where they may point.

A credential is a literal, `env:NAME` for names that begin with `PMS_CRED_`, or `file:PATH` below `CREDENTIALS_DIR`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from app.domain.errors import InvalidRequest

ENV_PREFIX = "PMS_CRED_"
_SCHEMES = ("env:", "file:", "vault:")
_LARGEST_FILE = 16_384


def is_reference(value: str) -> bool:
    """Tell whether a credential names a place instead of being the secret itself."""
    return value.startswith(_SCHEMES)


@dataclass(frozen=True, slots=True)
class SecretResolver:
    """Looks references up.

    `environment` holds only the variables that begin with `PMS_CRED_`; without `directory` no file is read.
    """

    environment: Mapping[str, str]
    directory: Path | None = None

    def resolve(self, field: str, value: SecretStr) -> SecretStr:
        """Give the secret that `value` is or points to.

        Raises:
            InvalidRequest: the reference is not allowed or leads nowhere; the message names `field`, not the place.
        """
        text = value.get_secret_value()
        if text.startswith("env:"):
            return self._from_environment(field, text.removeprefix("env:"))
        if text.startswith("file:"):
            return self._from_file(field, text.removeprefix("file:"))
        if text.startswith("vault:"):
            raise _refuse(field, "vault: references are not available in this version")
        return value

    def _from_environment(self, field: str, name: str) -> SecretStr:
        if not name.startswith(ENV_PREFIX):
            raise _refuse(field, f"env: may only name variables that begin with {ENV_PREFIX}")
        found = self.environment.get(name)
        if not found:
            raise _refuse(field, "the environment variable is not set or empty")
        return SecretStr(found)

    def _from_file(self, field: str, name: str) -> SecretStr:
        if self.directory is None:
            raise _refuse(field, "file: needs CREDENTIALS_DIR to be set")
        try:
            root = self.directory.resolve()
            path = (root / name).resolve()
        except (OSError, ValueError, RuntimeError):  # a NUL in the name, a circle of links
            raise _refuse(field, "the file cannot be read") from None
        if not path.is_relative_to(root) or path == root:
            raise _refuse(field, "file: may only name files below CREDENTIALS_DIR")
        try:
            if not path.is_file():
                raise _refuse(field, "the file cannot be read")
            if path.stat().st_size > _LARGEST_FILE:
                raise _refuse(field, "the file is too large for a secret")
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError):
            raise _refuse(field, "the file cannot be read") from None
        if not text:
            raise _refuse(field, "the file is empty")
        return SecretStr(text)


def _refuse(field: str, why: str) -> InvalidRequest:
    return InvalidRequest.of(("credentials", field), why)
