"""How a request shows who sends it, as values a vendor's profile picks from."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import httpx
import orjson
from pydantic import SecretStr


class Auth(Protocol):
    """Puts credentials on a request, right before it is sent."""

    async def sign(self, request: httpx.Request) -> None:
        """Add what the vendor asks for to `request`."""


@runtime_checkable
class BodyAuth(Auth, Protocol):
    """Credentials that travel in the body: they are put there when nothing but the wire sees it any more."""

    def complete(self, content: bytes | None) -> bytes:
        """Give the body with the credentials in it."""


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


@dataclass(frozen=True, slots=True)
class BodyTokens:
    """Tokens as members of every JSON body, which has to be an object; by their names in the vendor's JSON."""

    tokens: Mapping[str, SecretStr]

    async def sign(self, request: httpx.Request) -> None:
        """Add nothing: no header shows who sends it."""

    def complete(self, content: bytes | None) -> bytes:
        """Put the tokens before the other members; without a body they are all of it.

        Raises:
            ValueError: the body is no JSON object, which is a fault of the adapter.
        """
        tokens = orjson.dumps({name: token.get_secret_value() for name, token in self.tokens.items()})
        rest = (content or b"{}").strip()
        if not (rest.startswith(b"{") and rest.endswith(b"}")):
            raise ValueError("tokens can be put into a JSON object only")
        members = rest[1:].lstrip()
        return tokens if members == b"}" else tokens[:-1] + b"," + members
