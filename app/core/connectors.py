"""Connectors, made from a hotel's registration and kept per hotel."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.core.adapter import PMSAdapter
from app.core.discovery import adapter_class, parse_credentials
from app.core.http import VendorClient
from app.core.profile import Credentials, RateLimit, VendorProfile
from app.core.references import References
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.core.throttle import QuotaLeft
from app.domain.causes import Cause
from app.domain.errors import CredentialsUnreadable, InvalidRequest, VendorAuthFailed
from app.domain.hotel import Hotel
from app.telemetry import context, metrics


@dataclass(frozen=True, slots=True)
class Registration:
    """A hotel with what is needed to speak for it; `revision` grows with every change.

    `since` says of each credential, as stored, when it was put.
    """

    hotel: Hotel
    credentials: Mapping[str, SecretStr]
    revision: int
    since: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectorFactory:
    """Makes connectors that share the process's pools, breakers and quota."""

    services: VendorServices
    secrets: SecretResolver

    def open(self, registration: Registration) -> PMSAdapter:
        """Make a connector, its references looked up here and now, which blocks; nothing is sent.

        Raises:
            InvalidRequest: the credentials are incomplete or a reference leads nowhere.
        """
        resolved = {name: self.secrets.resolve(name, value) for name, value in registration.credentials.items()}
        return self.make(registration.hotel, resolved)

    async def prepare(self, hotel: Hotel, resolved: Mapping[str, SecretStr]) -> None:
        """Do beside the event loop what takes its time before a connector of these credentials is made.

        Raises:
            InvalidRequest: the credentials are incomplete, or one cannot be used.
        """
        certificate = parse_credentials(hotel.vendor, resolved).client_certificate
        if certificate is not None:
            await self.services.pools.prepare(certificate)

    def make(self, hotel: Hotel, resolved: Mapping[str, SecretStr]) -> PMSAdapter:
        """Make a connector of credentials without references; nothing is sent.

        Raises:
            InvalidRequest: the credentials are incomplete, or one cannot be used.
        """
        adapter = adapter_class(hotel.vendor)
        credentials = parse_credentials(hotel.vendor, resolved)
        profile = profile_of(hotel)
        base_url = hotel.base_url.rstrip("/")
        client = VendorClient(
            profile,
            base_url,
            profile.authenticate(credentials),
            _account(hotel, credentials),
            self.services,
            self.services.pools.of(profile, base_url, credentials.client_certificate),
        )
        return adapter(hotel, client, self.services.clock)


def profile_of(hotel: Hotel) -> VendorProfile:
    """Give the vendor's facts at one hotel, the hotel's own limit added to the vendor's.

    All requests under the same credentials are counted together, whichever hotel they are for. Each hotel keeps to its
    own limit in view of that count, so that hotels which share credentials should be given the same one.
    """
    profile, own = adapter_class(hotel.vendor).profile_at(hotel), hotel.options.rate_limit
    if own is None:
        return profile
    return replace(profile, rate_limits=(*profile.rate_limits, RateLimit(own.requests, own.window_seconds)))


def _account(hotel: Hotel, credentials: Credentials) -> str:
    """Tell sets of credentials apart: hotels that share one share its quota."""
    values = sorted(credentials.sent().items())
    return hashlib.sha256(repr((_place(hotel.base_url), values)).encode()).hexdigest()[:16]


def _place(base_url: str) -> str:
    """Spell a URL in the one way that all spellings of it share (RFC 3986 § 6.2.2.1, § 6.2.3)."""
    parts = urlsplit(base_url)
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    is_default = port is None or port == {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{host}{'' if is_default else f':{port}'}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A connector, and what it was made of."""

    revision: int
    credentials: Mapping[str, SecretStr]
    connector: PMSAdapter


class ConnectorCache:
    """Keeps one connector per hotel: at most `capacity`, replaced when registration or credentials changed.

    A connector that is pushed out is closed as soon as nobody uses it any more.
    """

    def __init__(self, factory: ConnectorFactory, *, capacity: int = 1_000) -> None:
        self._factory = factory
        self._capacity = capacity
        self.references = References(factory.secrets, factory.services.clock)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._used: Counter[int] = Counter()
        self._leaving: dict[int, PMSAdapter] = {}

    @asynccontextmanager
    async def lease(self, registration: Registration) -> AsyncIterator[PMSAdapter]:
        """Lend the hotel's connector.

        Raises:
            VendorAuthFailed: the registered credentials are incomplete by now, or a reference leads nowhere any more.
            CredentialsUnreadable: where a reference leads to cannot be asked now.
        """
        credentials = await self._credentials(registration)
        if not self._is_kept(registration, credentials):
            await self._prepare(registration, credentials)
        connector = self._find(registration, credentials)  # nobody waits between finding and using it
        self._used[id(connector)] += 1
        try:
            await self._close_left()
            yield connector
        finally:
            self._used[id(connector)] -= 1
            await self._close_left()

    async def open_apart(self, hotel: Hotel, credentials: Mapping[str, SecretStr]) -> PMSAdapter:
        """Make a connector of a hotel that may not be registered, to be closed by the caller; nothing is sent.

        Raises:
            InvalidRequest: the credentials are incomplete, or a reference leads nowhere.
            CredentialsUnreadable: where a reference leads to cannot be asked now.
        """
        found = await self.references.look_up(credentials)
        resolved = {name: secret.value for name, secret in found.items()}
        await self._factory.prepare(hotel, resolved)
        return self._factory.make(hotel, resolved)

    async def quota(self, registration: Registration) -> QuotaLeft | None:
        """Give what is left of the vendor's tightest limit for this hotel's credentials; None without a limit."""
        async with self.lease(registration) as connector:
            client = connector.client
            return await client.services.quota.left(
                connector.profile.vendor, client.account, connector.profile.rate_limits
            )

    async def forget(self, hotel_id: str) -> None:
        """Drop the connector of a hotel that is gone."""
        if hotel_id in self._kept:
            self._leave(self._kept.pop(hotel_id).connector)
            await self._close_left()

    async def aclose(self) -> None:
        """Close all connectors."""
        await self.references.aclose()
        for kept in self._kept.values():
            self._leave(kept.connector)
        self._kept.clear()
        self._used.clear()
        await self._close_left()

    async def _credentials(self, registration: Registration) -> Mapping[str, SecretStr]:
        """Give the credentials as they are now; what is wrong with them is no fault of today's request."""
        try:
            found = await self.references.look_up(registration.credentials)
        except InvalidRequest as error:
            raise _unusable(registration, error) from None
        except CredentialsUnreadable as error:
            raise self._counted(registration, error) from None
        return {name: secret.value for name, secret in found.items()}

    @staticmethod
    def _counted(registration: Registration, error: CredentialsUnreadable) -> CredentialsUnreadable:
        error.vendor = registration.hotel.vendor
        metrics.ERRORS.labels(error.vendor, context.current("operation") or "none", type(error).__name__).inc()
        return error

    def _find(self, registration: Registration, credentials: Mapping[str, SecretStr]) -> PMSAdapter:
        hotel_id = registration.hotel.id
        if not self._is_kept(registration, credentials):
            made = self._make(registration, credentials)
            if hotel_id in self._kept:
                self._leave(self._kept[hotel_id].connector)
            self._kept[hotel_id] = _Kept(registration.revision, credentials, made)
        kept = self._kept[hotel_id]
        self._kept.move_to_end(hotel_id)
        if len(self._kept) > self._capacity:
            self._leave(self._kept.popitem(last=False)[1].connector)
        return kept.connector

    def _is_kept(self, registration: Registration, credentials: Mapping[str, SecretStr]) -> bool:
        kept = self._kept.get(registration.hotel.id)
        return kept is not None and (kept.revision, kept.credentials) == (registration.revision, credentials)

    async def _prepare(self, registration: Registration, credentials: Mapping[str, SecretStr]) -> None:
        try:
            await self._factory.prepare(registration.hotel, credentials)
        except InvalidRequest as error:
            raise _unusable(registration, error) from None
        except CredentialsUnreadable as error:
            raise self._counted(registration, error) from None

    def _make(self, registration: Registration, credentials: Mapping[str, SecretStr]) -> PMSAdapter:
        try:
            return self._factory.make(registration.hotel, credentials)
        except InvalidRequest as error:
            raise _unusable(registration, error) from None

    def _leave(self, connector: PMSAdapter) -> None:
        self._leaving[id(connector)] = connector

    async def _close_left(self) -> None:
        idle = [key for key in self._leaving if not self._used[key]]
        for connector in [self._leaving.pop(key) for key in idle]:
            del self._used[id(connector)]
            await connector.aclose()


def _unusable(registration: Registration, error: InvalidRequest) -> VendorAuthFailed:
    detail = f"the credentials that this hotel is registered with cannot be used: {error.detail}"
    return VendorAuthFailed(detail, vendor=registration.hotel.vendor, cause=Cause.CREDENTIALS_UNUSABLE)
