"""A vendor's facts as data: what differs between vendors and needs no code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from app.core.auth import Auth
from app.core.tls import CERT, KEY, ClientCertificate
from app.domain.capability import Capability
from app.domain.causes import Cause
from app.domain.errors import VendorError
from app.domain.hotel import HotelOptions


class Credentials(BaseModel):
    """What a hotel has to give so that we may speak for it; each vendor declares its own, all `SecretStr`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_cert: SecretStr | None = Field(
        None, min_length=1, description="Certificate (PEM) that the PMS asks for, where it does; with `client_key`."
    )
    client_key: SecretStr | None = Field(
        None, min_length=1, description="Private key (PEM, no passphrase) of `client_cert`."
    )

    @field_validator("*")
    @classmethod
    def _fits_a_header(cls, value: object, info: ValidationInfo) -> object:
        # A request that cannot be written would count against the vendor, and at a shared host against every hotel.
        if info.field_name in {CERT, KEY} or not isinstance(value, SecretStr):
            return value
        if not value.get_secret_value().isprintable():
            raise ValueError("must not contain line breaks or control characters")
        return value

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """Give what is shown in the TLS handshake, where the hotel's PMS wants to see a certificate."""
        if self.client_cert is None or self.client_key is None:
            return None
        return ClientCertificate(self.client_cert, self.client_key)

    def sent(self) -> dict[str, str]:
        """Give what goes along with requests, by its names: what the PMS tells its callers apart by."""
        values = ((name, value) for name, value in self if name not in {CERT, KEY})
        return {name: value.get_secret_value() for name, value in values if isinstance(value, SecretStr)}


@dataclass(frozen=True, slots=True)
class VendorAnswer:
    """What came back from a vendor, read to its end; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Give the body as JSON, or None where it is none: error bodies may be anything."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class VendorFault:
    """What a vendor says went wrong, in its own code and words; either may be missing.

    `fields` names the parts of the request that it complains about, as it names them. `advice` is a sentence of
    ours on what to do about it; it is shown to callers, so it holds nothing of a guest and no secret. `cause` is what
    the words say of the connection, where the status alone would say something else.
    """

    code: str | None = None
    message: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    advice: str | None = None
    cause: Cause | None = None


def no_fault(_: VendorAnswer) -> VendorFault:
    """Read nothing out of an error answer, for vendors that say nothing."""
    return VendorFault()


def any_2xx(answer: VendorAnswer) -> bool:
    """Take every 2xx for a success."""
    return 200 <= answer.status < 300


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A vendor's quota: `requests` per `window_seconds` for one set of credentials."""

    requests: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """How a vendor honours a key of ours: the header, and for how long it remembers; 0 means that it does not."""

    header: str
    lifetime_seconds: int

    @property
    def is_honoured(self) -> bool:
        """Whether a repeat under the same key does nothing twice."""
        return self.lifetime_seconds > 0


@dataclass(frozen=True, kw_only=True)
class VendorProfile:
    """The facts of one vendor. Every value with a source outside has it in the vendor folder's README."""

    vendor: str
    display_name: str
    credentials: type[Credentials]
    authenticate: Callable[[Any], Auth]
    """Makes the signer of requests from an instance of `credentials`."""
    options: type[HotelOptions] = HotelOptions
    needs_property_id: bool = True
    """Whether a hotel must name its `property_id`."""
    shared_host: bool
    """Whether all hotels share the vendor's hosts, or each runs its own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    correlation_header: str | None = None
    """Where the vendor takes our correlation id, if anywhere."""
    request_id_header: str | None = None
    """Where the vendor gives its own id of a request, if anywhere."""
    idempotency_key: IdempotencyKey | None = None
    is_success: Callable[[VendorAnswer], bool] = any_2xx
    """For vendors that answer 200 to what went wrong."""
    read_fault: Callable[[VendorAnswer], VendorFault] = no_fault
    faults: Mapping[str, type[VendorError]] = field(default_factory=dict)
    """The vendor's own error codes; what is not named here is told by the HTTP status."""
    rate_limits: tuple[RateLimit, ...] = ()
    connect_timeout: float = 2.0
    timeout: float | None = None
    """Seconds for one attempt; None takes the gateway's `PMS_TIMEOUT`."""
    read_budget: float = 30.0
    """Seconds for one read with all its pages and attempts."""
    write_budget: float = 60.0
    """Seconds for one attempt at an operation (writes.md, step 2)."""
    settle_after: float = 120.0
    """Seconds after the last send from which absence counts (writes.md, Settling)."""
    max_response_bytes: int = 10_000_000
    max_connections: int = 20
    page_size: int = 100
    traits: frozenset[Capability] = frozenset()
    """Capabilities that are no method."""
