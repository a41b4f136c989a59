"""How a request shows who sends it, as values a vendor's profile picks from."""

import base64
from dataclasses import dataclass
from typing import Protocol

import httpx
from pydantic import SecretStr


class Auth(Protocol):
    """Puts credentials on a request, right before it is sent."""

    async def sign(self, request: httpx.Request) -> None:
        """Add what the vendor asks for to `request`."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <token>` (RFC 6750 § 2.1)."""

    token: SecretStr

    async def sign(self, request: httpx.Request) -> None:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic` (RFC 7617)."""

    user: SecretStr
    password: SecretStr

    async def sign(self, request: httpx.Request) -> None:
        """Add the header."""
        pair = f"{self.user.get_secret_value()}:{self.password.get_secret_value()}"
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A key in a header of the vendor's own, such as `X-Api-Key`."""

    header: str
    key: SecretStr

    async def sign(self, request: httpx.Request) -> None:
        """Add the header."""
        request.headers[self.header] = self.key.get_secret_value()
