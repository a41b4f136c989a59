"""What the environment decides. The only reader of it; main, cli and migrations import this, nobody else.

Every field's description is printed into the README's table of configuration.
"""

import base64
import binascii
import os
import re
import secrets
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

KEY_BYTES = 32
MOCK = "mock"
"""The `PMS_TYPE` that is no vendor: a simulated hotel system, which `serve` starts along."""
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_POSTGRES = re.compile(r"^(postgres|postgresql)(\+asyncpg)?://")

_VAULT_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}")

PmsNetwork = IPv4Network | IPv6Network


class DatabaseSettings(BaseSettings):
    """The part that migrations need; they must run where no other secret is known."""

    # A refused value may be a secret, so that an error message never shows it.
    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # a line of .env.example that nobody filled in is no value
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: SecretStr = Field(
        description="Postgres 15 or newer, `postgresql://user:password@host:port/database`."
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        if not _POSTGRES.match(url.get_secret_value()):
            raise ValueError("must begin with postgresql://")
        return url

    @property
    def async_database_url(self) -> str:
        """The URL as SQLAlchemy wants it, naming the asyncpg driver."""
        return _POSTGRES.sub("postgresql+asyncpg://", self.database_url.get_secret_value())

    @property
    def plain_database_url(self) -> str:
        """The URL as asyncpg and PgQueuer want it, without a driver."""
        return _POSTGRES.sub("postgresql://", self.database_url.get_secret_value())


class Settings(DatabaseSettings):
    """Everything a gateway or worker process is told from outside."""

    redis_url: SecretStr = Field(
        description="Redis 7 or newer (or Valkey), `redis://[:password@]host:port/0` or `unix:///path`."
    )
    encryption_keys: SecretStr = Field(
        description="Keys of the encrypted columns, `id:base64-of-32-bytes`, comma-separated. "
        "The first encrypts, all decrypt; docs/operations.md says how to rotate them."
    )
    index_keys: SecretStr = Field(
        description="Keys of the blind indexes that find guests in encrypted rows, written the same way. "
        "The first indexes, all are tried in lookups."
    )
    idempotency_secret: SecretStr = Field(
        description="Base64 of 32 bytes, under which idempotency keys are stored. Never rotate it: "
        "a repeat would no longer meet its first send."
    )
    allow_loopback_pms: bool = Field(
        default=False, description="Whether a hotel's PMS may be at http://127.0.0.1, as in the demo."
    )
    private_pms_networks: Annotated[tuple[PmsNetwork, ...], NoDecode] = Field(
        default=(),
        description="Private networks in which a hotel's PMS may be (behind a VPN), comma-separated CIDRs.",
    )
    credentials_dir: Path | None = Field(
        default=None, description="The folder below which `file:` references to credentials are read."
    )
    vault_addr: str | None = Field(
        default=None,
        description="Where the Vault of `vault:` references is, https unless on loopback with ALLOW_LOOPBACK_PMS.",
    )
    vault_token: SecretStr | None = Field(
        default=None, description="The token for it, renewed while it may be; or one of the next two instead."
    )
    vault_token_file: Path | None = Field(
        default=None, description="A file that holds the token and is kept fresh by somebody else, as by a Vault Agent."
    )
    vault_kubernetes_role: str | None = Field(
        default=None, description="The role as which the pod's service account logs in (Kubernetes auth method)."
    )
    vault_kubernetes_mount: str = Field(default="kubernetes", description="Where that auth method is mounted.")
    vault_kubernetes_token_file: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="The service account's token.",
    )
    vault_namespace: str | None = Field(default=None, description="Namespace, for Vault Enterprise and HCP.")
    vault_mount: str = Field(default="secret", description="Where the KV store (version 2) is mounted.")
    vault_prefix: str = Field(
        default="pms-gateway",
        description="The path below which `vault:` references may name secrets; they begin with it: "
        "`vault:pms-gateway/prime#api_key`.",
    )
    vault_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of who vouches for that Vault, instead of the public authorities."
    )
    credential_max_age_days: int = Field(
        default=90,
        ge=0,
        le=3_650,
        description="Days after which `hotels list`, the doctor and the metrics say that a credential should be "
        "rotated; 0 for never.",
    )
    pms_ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of private authorities that vouch for PMSs, beside the public ones.",
    )
    pms_timeout: float = Field(
        default=10.0, gt=0, le=60, description="Seconds for one attempt at a PMS, unless its profile says less."
    )
    pms_type: str | None = Field(
        default=None,
        description="Vendor of the one hotel that `serve` registers at start, or `mock` for a simulated one.",
    )
    pms_base_url: str | None = Field(default=None, description="Where that hotel's PMS is.")
    pms_api_key: SecretStr | None = Field(
        default=None,
        description="That PMS's API key, or a reference `env:PMS_CRED_…`, `file:…` or `vault:…#…`; stored encrypted.",
    )
    pms_hotel_id: str = Field(default="1", description="Which hotel of that PMS it is: its `property_id`.")
    pms_hotel_name: str | None = Field(
        default=None, description="What that hotel is called; without it, after its vendor and PMS_HOTEL_ID."
    )
    pms_timezone: str | None = Field(
        default=None, description="That hotel's IANA time zone; UTC for a new hotel without it."
    )
    pms_currency: str | None = Field(
        default=None, description="The currency of that hotel's prices; EUR for a new hotel without it."
    )
    simulators_port: int = Field(
        default=8900, ge=1, le=65535, description="Port of 127.0.0.1 for the simulated hotel of `PMS_TYPE=mock`."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Where alerts about dead letters are posted, https unless on loopback with ALLOW_LOOPBACK_PMS; "
        "its host must be public or in PRIVATE_PMS_NETWORKS.",
    )
    alert_webhook_secret: SecretStr | None = Field(
        default=None,
        description="What these posts are signed with (Standard Webhooks): base64 of 24 to 64 bytes, "
        "`whsec_` in front or not; unsigned without it.",
    )
    check_pms_in_readiness: bool = Field(
        default=False, description="Whether /health/ready also reports each vendor's circuit breaker."
    )
    host: str = Field(default="127.0.0.1", description="Address on which the gateway listens.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port on which the gateway listens.")
    database_pool_size: int = Field(
        default=10, ge=1, le=200, description="Postgres connections that each process may hold."
    )
    refresh_ahead: bool = Field(
        default=False,
        description="Whether answers that are often asked for are read anew in the last fifth of their time.",
    )
    expected_processes: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="How many gateway and worker processes there are in all, which matters while Redis is away: each "
        "then keeps to its share of the PMSs' quotas and of the callers' limits. `serve` counts those that it starts "
        "itself.",
    )
    client_requests_per_minute: int = Field(
        default=6000,
        ge=0,
        le=10_000_000,
        description="How many requests each client may make in any minute, with all of its API keys and at all "
        "processes together; 429 beyond that, 0 for no limit.",
    )

    prometheus_multiproc_dir: Path | None = Field(
        default=None, description="Where several processes meet to add up their metrics; `serve --workers` sets it."
    )

    @model_validator(mode="before")
    @classmethod
    def _mock_is_on_loopback(cls, values: Any) -> Any:
        """Let every process of the house reach the simulated hotel, not only the one that has started it."""
        if isinstance(values, dict) and _pms_type(values.get("pms_type")) == MOCK:
            return values | {"allow_loopback_pms": True}
        return values

    @field_validator("pms_type", mode="before")
    @classmethod
    def _without_case(cls, value: object) -> object:
        return _pms_type(value)

    @field_validator("encryption_keys", "index_keys")
    @classmethod
    def _are_keys(cls, text: SecretStr) -> SecretStr:
        parse_keys(text.get_secret_value())
        return text

    @field_validator("idempotency_secret")
    @classmethod
    def _is_one_key(cls, text: SecretStr) -> SecretStr:
        _key_bytes(text.get_secret_value())
        return text

    @field_validator("alert_webhook_secret")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _signing_bytes(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _webhook_is_guarded(self) -> Self:
        url = self.alert_webhook_url and self.alert_webhook_url.get_secret_value()
        if not url:
            return self
        parts = urlsplit(url)
        on_loopback = self.allow_loopback_pms and parts.hostname in _LOOPBACK
        if not parts.hostname or parts.scheme not in ({"http", "https"} if on_loopback else {"https"}):
            raise ValueError("ALERT_WEBHOOK_URL must be an https URL, except on loopback with ALLOW_LOOPBACK_PMS")
        return self

    @model_validator(mode="after")
    def _vault_can_be_used(self) -> Self:
        logins = {
            "VAULT_TOKEN": self.vault_token,
            "VAULT_TOKEN_FILE": self.vault_token_file,
            "VAULT_KUBERNETES_ROLE": self.vault_kubernetes_role,
        }
        given = [name for name, value in logins.items() if value]
        if self.vault_addr is None:
            if given:
                raise ValueError(f"{' and '.join(given)} without VAULT_ADDR: set where the Vault is, or none of them")
            return self
        if len(given) != 1:
            told = " and ".join(given) or "none of them"
            raise ValueError(f"VAULT_ADDR needs one of {', '.join(logins)} to log in with; there is {told}")
        on_loopback = self.allow_loopback_pms and urlsplit(self.vault_addr).hostname in _LOOPBACK
        if not _is_plain_url(self.vault_addr, {"http", "https"} if on_loopback else {"https"}):
            raise ValueError("VAULT_ADDR must be an https URL, except on loopback with ALLOW_LOOPBACK_PMS")
        return self

    @field_validator("vault_mount", "vault_prefix", "vault_kubernetes_mount")
    @classmethod
    def _is_a_path(cls, text: str) -> str:
        path = text.strip("/")
        if not all(_VAULT_SEGMENT.fullmatch(segment) for segment in path.split("/")):
            raise ValueError("must be a path of A-Z a-z 0-9 _ . - and /, and no . or .. in it")
        return path

    @field_validator("vault_ca_file", "pms_ca_file")
    @classmethod
    def _holds_certificates(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                ssl.create_default_context(cafile=path)
            except OSError:
                raise ValueError("must be a file that can be read and holds certificates in PEM form") from None
        return path

    @field_validator("private_pms_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("log_level", mode="before")
    @classmethod
    def _known_level(cls, value: object) -> object:
        level = str(value).upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return level

    def pms_credentials(self) -> dict[str, str]:
        """Give the variables that `env:` references may name: those that begin with `PMS_CRED_`."""
        return pms_credentials()

    def encryption_key_bytes(self) -> dict[str, bytes]:
        """Give the encryption keys by id, the active one first."""
        return parse_keys(self.encryption_keys.get_secret_value())

    def index_key_bytes(self) -> dict[str, bytes]:
        """Give the index keys by id, the active one first."""
        return parse_keys(self.index_keys.get_secret_value())

    def alert_webhook_secret_bytes(self) -> bytes | None:
        """Give what alerts are signed with; nothing where they are not."""
        secret = self.alert_webhook_secret
        return None if secret is None else _signing_bytes(secret.get_secret_value())

    def idempotency_secret_bytes(self) -> bytes:
        """Give the secret under which idempotency keys are stored."""
        return _key_bytes(self.idempotency_secret.get_secret_value())


class DemoSettings(BaseSettings):
    """What may be chosen for the demo; everything else it makes afresh."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    port: int = Field(default=8000, ge=1, le=65535, description="Port on which the demo's gateway listens.")
    simulators_port: int = Field(default=8900, ge=1, le=65535, description="Port of the simulated PMSs.")
    demo_exit: bool = Field(default=False, description="Whether the demo ends after its tour.")


def pms_credentials() -> dict[str, str]:
    """Give the variables that hold credentials of PMSs, for whoever runs without any other setting."""
    return {name: value for name, value in os.environ.items() if name.startswith("PMS_CRED_")}


def set_environment(**values: str) -> None:
    """Change the environment of this process, for itself and for the workers that it starts."""
    os.environ.update(values)


def child_environment(**values: str) -> dict[str, str]:
    """Give the environment for a child that is told everything anew: ours without any setting, then `values`."""
    known = Settings.model_fields.keys() | DemoSettings.model_fields.keys()
    return {name: value for name, value in os.environ.items() if name.lower() not in known} | values


def parse_keys(text: str) -> dict[str, bytes]:
    """Read `id:base64,id:base64`; the order is kept, as the first key is the active one.

    Raises:
        ValueError: a part is malformed or an id stands twice. The message names the id, never the key.
    """
    keys: dict[str, bytes] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key_id, colon, encoded = part.partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError("each key must be written id:base64, the id 1 to 32 of A-Z a-z 0-9 _ . -")
        if key_id in keys:
            raise ValueError(f"the key id {key_id} stands twice")
        try:
            keys[key_id] = _key_bytes(encoded)
        except ValueError as error:
            raise ValueError(f"key {key_id}: {error}") from None
    if not keys:
        raise ValueError("at least one key is needed")
    return keys


def generate_secret() -> str:
    """Make 32 fresh random bytes, written as base64: an `IDEMPOTENCY_SECRET`."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def generate_key(key_id: str = "k1") -> str:
    """Make a fresh key in the form that `ENCRYPTION_KEYS` and `INDEX_KEYS` want."""
    return f"{key_id}:{generate_secret()}"


def _signing_bytes(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"must be 24 to 64 bytes, not {len(key)}")
    return key


def _is_plain_url(url: str, schemes: set[str]) -> bool:
    parts = urlsplit(url)
    extras = parts.username or parts.password or parts.query or parts.fragment
    return bool(parts.hostname) and parts.scheme in schemes and not extras


def _pms_type(value: object) -> object:
    return value.strip().lower() or None if isinstance(value, str) else value


def _key_bytes(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be {KEY_BYTES} bytes, not {len(key)}")
    return key
