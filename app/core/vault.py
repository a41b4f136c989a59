"""HashiCorp Vault: secrets of a KV store, version 2, read over its HTTP API through hvac.

Everything here blocks and runs in threads of its own (`app.core.references`). Neither hvac nor requests below it may
look at the environment: what decides is in `VaultAccess`. Redirects are not followed, as the token would go along.

Sources (read 2026-11-20): https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2,
https://developer.hashicorp.com/vault/api-docs/auth/kubernetes, https://developer.hashicorp.com/vault/api-docs/auth/token
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import hvac
from hvac.exceptions import Forbidden, InvalidPath, VaultError
from pydantic import SecretStr

from app.core.clock import Clock
from app.core.secrets import LARGEST_SECRET, CannotLookNow, Content, LeadsNowhere

CALL_SECONDS = 2.0
"""For connecting, and for each piece of an answer: a Vault is near, and a guest waits for the call behind it."""
_LARGEST_ANSWER = 1_048_576
"""Bytes: what Vault itself takes for one secret at most (its default), so that no answer of it is larger by much."""
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}")
"""No dots alone, nothing escaped, nothing that a proxy or a Vault could read as another path."""
_LOGIN_SECONDS = 60.0
"""How old a token is at least before another policy of the role's is hoped for from a new login."""
_SPENT = 0.66
"""Of its lifetime, after which a token is renewed or a new one is taken."""


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """The pod's service account as a Vault role."""

    role: str
    mount: str = "kubernetes"
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token that somebody else (such as a Vault Agent) keeps fresh in a file."""

    path: Path


VaultLogin = SecretStr | TokenFile | KubernetesLogin


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultAccess:
    """Where the Vault is, who we are there, and what we may read: `path`s below `prefix` of the KV store `mount`."""

    address: str
    login: VaultLogin
    namespace: str | None = None
    mount: str = "secret"
    prefix: str = "pms-gateway"
    ca_file: Path | None = None


@dataclass(slots=True)
class _Token:
    """The token in use; `fresh_until` and `since` by the monotonic clock, `renewable` where Vault lets it live on."""

    text: str
    fresh_until: float
    renewable: bool = False
    since: float = float("-inf")


@dataclass
class Vault:
    """Reads secrets. Threads may share it."""

    access: VaultAccess
    clock: Clock
    _client: Any = field(init=False, repr=False)
    _token: _Token | None = field(default=None, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held by whoever logs in, so that a hundred lookups make one login."""

    def __post_init__(self) -> None:
        ca_file = self.access.ca_file
        # Each of these, left out, would be taken from VAULT_* variables or from the user's home.
        self._client = hvac.Client(
            url=self.access.address,
            token="",  # nosec B106 - none: each request brings its own
            cert=(),
            verify=True if ca_file is None else str(ca_file),
            timeout=CALL_SECONDS,
            proxies={},
            allow_redirects=False,
            namespace=self.access.namespace,
        )
        self._client.session.trust_env = False  # proxies, .netrc, REQUESTS_CA_BUNDLE
        self._client.session.headers["Accept-Encoding"] = "identity"  # nothing that unpacks to more than it is
        self._client.session.hooks["response"].append(_read_bounded)

    def locate(self, text: str) -> tuple[str, str]:
        """Split `path#field`; the path is below the prefix, and nothing in it is escaped or leads upwards.

        Raises:
            LeadsNowhere: it may not point there.
        """
        path, _, name = text.partition("#")
        segments, prefix = path.split("/"), self.access.prefix.split("/")
        if not name or not all(map(_SEGMENT.fullmatch, (*segments, name))):
            raise LeadsNowhere("vault: must be written vault:path/to/secret#field, of A-Z a-z 0-9 _ . - and /")
        if segments[: len(prefix)] != prefix or len(segments) == len(prefix):
            raise LeadsNowhere("vault: may only name secrets below VAULT_PREFIX")
        return path, name

    def read(self, path: str) -> Content:
        """Read the newest version of a secret, with a new login where Vault does not take the token any more.

        Raises:
            LeadsNowhere: there is none, its newest version was deleted, or the gateway's role may not read it.
            CannotLookNow: Vault is away, sealed, or does not let the gateway in.
        """
        token = self._current_token()
        try:
            return _content(self._ask(lambda: self._secret(path, token)))
        except Forbidden:
            renewed = self._another_token(token)
        try:
            return _content(self._ask(lambda: self._secret(path, renewed)))
        except Forbidden:
            raise LeadsNowhere("Vault does not let the gateway read this secret; look at its role's policy") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.adapter.close()

    def _secret(self, path: str, token: _Token) -> Any:
        return self._get(f"/v1/{self.access.mount}/data/{path}", token)

    def _get(self, path: str, token: _Token) -> Any:
        # Not by way of hvac's client, whose token all threads would share.
        return self._client.adapter.get(path, headers={"X-Vault-Token": token.text})

    def _post(self, path: str, body: Mapping[str, str], token: _Token | None = None) -> Any:
        return self._client.adapter.post(
            path, json=body, headers={} if token is None else {"X-Vault-Token": token.text}
        )

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Call Vault and give the JSON of its answer.

        Raises:
            Forbidden: it does not let this token do that.
            LeadsNowhere: there is nothing under that path.
            CannotLookNow: it does not answer, or with what is no answer.
        """
        try:
            answer = call()
        except Forbidden:
            raise
        except InvalidPath:
            raise LeadsNowhere("there is no such secret in Vault, or its newest version was deleted") from None
        except VaultError as error:  # its words name the path
            raise CannotLookNow(_REASONS.get(type(error).__name__, "Vault answers with an error")) from None
        except OSError:  # all that requests raises
            raise CannotLookNow("Vault does not answer") from None
        except (AttributeError, TypeError, ValueError):  # what hvac makes of an error that is not in Vault's form
            answer = None
        if not isinstance(answer, dict):  # hvac gives what is no JSON of a 200, and a redirect, as it came
            raise CannotLookNow("what answers at VAULT_ADDR is no active Vault")
        return answer

    def _current_token(self) -> _Token:
        """Give the token, renewed or taken anew where most of its life is over."""
        with self._turn:
            token, now = self._token, self.clock.monotonic()
            if token is not None and now < token.fresh_until:
                return token
            if token is not None and token.renewable and (renewed := self._renewed(token)) is not None:
                self._token = renewed
            else:
                self._token = self._log_in()
            return self._token

    def _another_token(self, refused: _Token) -> _Token:
        """Log in again, unless somebody has done so meanwhile.

        Raises:
            LeadsNowhere: the token is good, so that it is the secret that it may not read.
            CannotLookNow: there is no other token, and Vault does not take this one.
        """
        # Each login is a lease that Vault keeps as long as the token lives: not one for each look at what is forbidden.
        is_new = self.clock.monotonic() - refused.since < _LOGIN_SECONDS
        if is_new and isinstance(self.access.login, KubernetesLogin) and self._is_accepted(refused):
            raise LeadsNowhere("Vault does not let the gateway read this secret; look at its role's policy")
        with self._turn:
            if self._token is refused or self._token is None:
                self._token = self._log_in()
            if self._token.text != refused.text:
                return self._token
            self._token = None
        if not self._is_accepted(refused):
            raise CannotLookNow("Vault does not accept the gateway's token")
        raise LeadsNowhere("Vault does not let the gateway read this secret; look at its token's policy")

    def _is_accepted(self, token: _Token) -> bool:
        try:
            self._ask(lambda: self._get("/v1/auth/token/lookup-self", token))
        except (Forbidden, LeadsNowhere):
            return False
        return True

    def _log_in(self) -> _Token:
        match self.access.login:
            case KubernetesLogin() as login:
                return self._log_in_by_kubernetes(login)
            case TokenFile(path):
                return self._with_lifetime(_text_of(path, "VAULT_TOKEN_FILE"))
            case SecretStr() as token:
                return self._with_lifetime(token.get_secret_value())

    def _log_in_by_kubernetes(self, login: KubernetesLogin) -> _Token:
        body = {"role": login.role, "jwt": _text_of(login.token_file, "VAULT_KUBERNETES_TOKEN_FILE")}
        try:
            answer = self._ask(lambda: self._post(f"/v1/auth/{login.mount}/login", body))
        except (Forbidden, LeadsNowhere):
            raise CannotLookNow("Vault does not let the gateway log in by its Kubernetes role") from None
        return self._token_of(answer)

    def _renewed(self, token: _Token) -> _Token | None:
        try:
            return self._token_of(self._ask(lambda: self._post("/v1/auth/token/renew-self", {}, token)))
        except (Forbidden, LeadsNowhere):
            return None

    def _token_of(self, answer: Mapping[str, Any]) -> _Token:
        match answer.get("auth"):
            case {"client_token": str(text), "lease_duration": int(seconds), **more}:
                return self._lasting(text, seconds, renewable=more.get("renewable") is True)
        raise CannotLookNow("Vault answers a login with something else")

    def _with_lifetime(self, text: str) -> _Token:
        """Find out how long a given token lives; one that may not even ask is used as it is."""
        token = _Token(text, float("inf"))
        try:
            answer = self._ask(lambda: self._get("/v1/auth/token/lookup-self", token))
        except (Forbidden, LeadsNowhere):
            return token
        match answer.get("data"):
            case {"ttl": int(seconds), **more} if seconds > 0:
                return self._lasting(text, seconds, renewable=more.get("renewable") is True)
        return token

    def _lasting(self, text: str, seconds: int, *, renewable: bool) -> _Token:
        fresh = float("inf") if seconds <= 0 else self.clock.monotonic() + seconds * _SPENT
        return _Token(text, fresh, renewable, since=self.clock.monotonic())


_REASONS = {
    "VaultDown": "Vault is sealed or in maintenance",
    "VaultNotInitialized": "Vault is not initialized",
    "RateLimitExceeded": "Vault asks for fewer lookups",
}


def _read_bounded(response: Any, **_: Any) -> None:
    """Read an answer as `requests` would, which waits for each piece anew and takes all that there is.

    Raises:
        CannotLookNow: it does not end, or not in time.
    """
    end, found = time.monotonic() + CALL_SECONDS, bytearray()
    try:
        while piece := response.raw.read1(65_536, decode_content=True):
            found += piece
            if len(found) > _LARGEST_ANSWER:
                raise CannotLookNow("what answers at VAULT_ADDR is no active Vault")
            if time.monotonic() > end:
                raise CannotLookNow("Vault does not answer in time")
    except CannotLookNow:
        response.close()
        raise
    except Exception:  # noqa: BLE001 - of several libraries; their words may name the path
        response.close()
        raise CannotLookNow("Vault does not answer") from None
    response._content = bytes(found)  # noqa: SLF001 - where `requests` itself puts what it has read
    response.raw.release_conn()


def _content(answer: Mapping[str, Any]) -> Content:
    """Read a secret out of an answer; what is no text, empty or too long is no credential and is left out."""
    match answer.get("data"):
        case {"data": dict(found), "metadata": {"created_time": str(created)}}:
            texts = {name: value for name, value in found.items() if isinstance(value, str)}
            fit = {name: SecretStr(value) for name, value in texts.items() if 0 < len(value) <= LARGEST_SECRET}
            return Content(fit, _instant(created))
    raise LeadsNowhere("what VAULT_MOUNT names is no KV store of version 2")


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _text_of(path: Path, setting: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        text = ""
    if not text:
        raise CannotLookNow(f"the file of {setting} cannot be read or is empty")
    return text
