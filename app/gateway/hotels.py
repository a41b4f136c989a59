"""The registered hotels: who may see them, and how they are put, changed and erased."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from pydantic import ConfigDict, Field, SecretStr, ValidationError

from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.discovery import adapter_class, parse_credentials, parse_options
from app.core.egress import EgressPolicy
from app.core.references import Secret
from app.domain.errors import (
    CredentialsUnreadable,
    GatewayError,
    InvalidRequest,
    StorageUnavailable,
    UnknownResource,
)
from app.domain.hotel import CachePolicy, Hotel, HotelOptions, SyncResource, SyncSchedule, TimeZoneName, default_sync
from app.domain.model import Request
from app.domain.money import Currency
from app.domain.text import CountryCode, Line
from app.gateway.callers import Caller
from app.gateway.copies import Copies
from app.gateway.sweeps import enqueue_sweep
from app.store.audit import AuditEntry
from app.store.database import Database
from app.store.hotels import HotelPut, HotelRecord
from app.telemetry import context

_HOTELS = "hotels"

log = structlog.get_logger()


class OptionsDraft(HotelOptions):
    """The options that every vendor has; a vendor's own, by its model under `/v1/vendors`, may stand beside them."""

    model_config = ConfigDict(frozen=True, extra="allow")


class HotelDraft(Request):
    """What a hotel is registered with; see the vendor's entry for its options and credentials."""

    name: Line
    vendor: str = Field(max_length=64)
    base_url: str = Field(max_length=500)
    property_id: Line | None = None
    timezone: TimeZoneName
    currency: Currency
    country: CountryCode | None = None
    credentials: dict[str, SecretStr] | None = Field(
        None, description="Literals, or references `env:`, `file:`, `vault:`. Absent keeps what is stored."
    )
    options: OptionsDraft = Field(default_factory=OptionsDraft)
    sync: dict[SyncResource, SyncSchedule] = Field(default_factory=default_sync)
    cache: CachePolicy = Field(default_factory=CachePolicy)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A stored hotel that this version of the gateway, or its keys, can make nothing of."""

    reason: str
    revision: int


class HotelDirectory:
    """All hotels, from a per-process copy; written through to Postgres."""

    def __init__(
        self, database: Database, copies: Copies, policy: EgressPolicy, connectors: ConnectorCache, *, clock: Clock
    ) -> None:
        self._database = database
        self._copies = copies
        self._policy = policy
        self._connectors = connectors
        self._clock = clock
        self._known: dict[str, Registration | Unusable] = {}
        """What was loaded last."""
        self._reported: set[tuple[str, int]] = set()
        """The unusable hotels, by id and revision, that the log knows of."""

    async def get(self, hotel_id: str, caller: Caller, *, until: float = float("inf")) -> Registration:
        """Give a hotel with what is needed to speak for it, by `until` (monotonic seconds).

        Raises:
            UnknownResource: there is none, or the caller may not see it; the two are told alike.
            StorageUnavailable: what is stored of it cannot be used.
        """
        found = await self._find(hotel_id, caller, until)
        if isinstance(found, Unusable):
            raise StorageUnavailable(f"what is stored of this hotel cannot be used: {found.reason}; put it again")
        return found

    async def of_operation(self, hotel_id: str) -> Registration:
        """Give the hotel of a stored operation, for the worker that goes on with it.

        Raises:
            UnknownResource: there is none any more.
            StorageUnavailable: what is stored of it cannot be used.
        """
        found = (await self._all(float("inf"))).get(hotel_id)
        if found is None:
            raise UnknownResource("there is no such hotel")
        if isinstance(found, Unusable):
            raise StorageUnavailable(f"what is stored of this hotel cannot be used: {found.reason}; put it again")
        return found

    async def require(self, hotel_id: str, caller: Caller, *, until: float = float("inf")) -> None:
        """Refuse a hotel that is not there for the caller, by `until` (monotonic seconds); it need not be usable.

        Raises:
            UnknownResource: there is none, or the caller may not see it; the two are told alike.
        """
        await self._find(hotel_id, caller, until)

    def check_place(self, base_url: str) -> None:
        """Refuse where no hotel's PMS may be.

        Raises:
            InvalidRequest: naming `base_url`.
        """
        self._policy.check_url("base_url", base_url)

    async def visible(self, caller: Caller, *, until: float = float("inf")) -> list[Hotel]:
        """Give all hotels that the caller may see and that can be used, by id."""
        found = (await self._all(until)).values()
        hotels = [one.hotel for one in found if isinstance(one, Registration) and caller.may_see(one.hotel.id)]
        return sorted(hotels, key=lambda hotel: hotel.id)

    async def registrations(self) -> list[Registration]:
        """Give all hotels that can be used with what is needed to speak for them, by id."""
        return [one for one in (await self._all(float("inf"))).values() if isinstance(one, Registration)]

    async def put(self, hotel_id: str, draft: HotelDraft, caller: Caller) -> tuple[Hotel, bool]:
        """Register or change a hotel; the PMS is not asked. Gives the hotel and whether it is new.

        Raises:
            InvalidRequest: a field is wrong, a reference leads nowhere, or the host changes without credentials in the
                same body.
            StorageUnavailable: Postgres is away, or where a reference leads to cannot be asked; nothing is stored.
        """
        hotel = self._checked(hotel_id, draft)
        found = {} if draft.credentials is None else await self._found(draft.vendor, draft.credentials)
        try:
            async with self._database.unit_of_work() as work:
                before = await work.hotels.find(hotel_id, lock=True)
                _require_credentials_for_new_host(before, hotel, draft)
                since = _since(before, draft.credentials or {}, found, self._clock.now())
                put: HotelPut = await work.hotels.put(hotel, credentials=draft.credentials, since=since)
                await work.audit.append(
                    AuditEntry(
                        actor=caller.client,
                        hotel_id=hotel_id,
                        operation="hotel.put",
                        target=None,
                        outcome="succeeded",
                        correlation_id=context.current("correlation_id"),
                        before=_recorded(before),
                        after=hotel.model_dump(mode="json"),
                    )
                )
        finally:
            self._copies.forget(_HOTELS)  # who left before the end does not know whether it was stored
        return hotel, put.created

    async def rehearse(self, hotel_id: str, draft: HotelDraft, *, place_known: bool = True) -> PMSAdapter:
        """Make a connector of a hotel as it would be registered, to be closed by the caller; nothing is stored.

        Without `place_known` the `property_id` may still be missing, as it may have to be asked for first. A draft
        without credentials takes those that are stored, within the same fences as `put`.

        Raises:
            InvalidRequest: a field is wrong, or there are no credentials.
            CredentialsUnreadable: where a reference leads to cannot be asked now.
        """
        hotel = self._checked(hotel_id, draft, place_known=place_known)
        credentials = draft.credentials
        if credentials is None:
            async with self._database.unit_of_work() as work:
                before = await work.hotels.find(hotel_id)
            _require_credentials_for_new_host(before, hotel, draft)
            if before is None or before.credentials is None:
                raise InvalidRequest.of("credentials", "are required, as no key opens the stored ones")
            return await self._connectors.open_apart(hotel, before.credentials)
        return await self._connectors.open_apart(hotel, credentials)

    async def delete(self, hotel_id: str, caller: Caller, *, until: float = float("inf")) -> None:
        """Erase a hotel with all data under its id, by `until` (monotonic seconds); the PMS is untouched.

        Raises:
            UnknownResource: there is no such hotel for this caller.
            ConflictRefused: it has operations that are not settled.
        """
        await self.require(hotel_id, caller, until=until)
        try:
            async with self._database.unit_of_work() as work:
                await work.hotels.delete(
                    hotel_id, actor=caller.client, correlation_id=context.current("correlation_id")
                )
                await enqueue_sweep(work, hotel_id)
        finally:
            self._copies.forget(_HOTELS)

    def _checked(self, hotel_id: str, draft: HotelDraft, *, place_known: bool = True) -> Hotel:
        try:
            profile = adapter_class(draft.vendor).profile
        except UnknownResource as error:
            raise InvalidRequest.of("vendor", error.detail) from None
        self.check_place(draft.base_url)
        if place_known and profile.needs_property_id and not draft.property_id:
            raise InvalidRequest.of("property_id", f"is required for {profile.display_name}")
        if draft.credentials is not None:
            parse_credentials(draft.vendor, draft.credentials)
        options = parse_options(draft.vendor, draft.options.model_dump(exclude_unset=True))
        values = draft.model_dump(exclude={"credentials", "options", "sync", "cache"})
        return Hotel(id=hotel_id, options=options, sync=draft.sync, cache=draft.cache, **values)

    async def _found(self, vendor: str, credentials: Mapping[str, SecretStr]) -> dict[str, Secret]:
        """Look references up, so that one that leads nowhere is told now and not at the first call.

        Who cannot be asked is no fault of the request: 503, so that whoever registers hotels by machine tries again.
        """
        try:
            found = await self._connectors.references.look_up(credentials, newest=True)
            parsed = parse_credentials(vendor, {name: secret.value for name, secret in found.items()})
            if (certificate := parsed.client_certificate) is not None:
                await asyncio.to_thread(certificate.require_usable)
        except CredentialsUnreadable as error:
            why = "the credentials cannot be checked now, so that nothing was stored"
            raise StorageUnavailable(f"{why}: {error.detail}", retry_after=error.retry_after) from None
        return found

    async def _find(self, hotel_id: str, caller: Caller, until: float) -> Registration | Unusable:
        found = None
        if caller.may_see(hotel_id):
            found = (await self._all(until)).get(hotel_id) or (await self._all(until, newest=True)).get(hotel_id)
        if found is None:
            raise UnknownResource("there is no such hotel")
        return found

    async def _all(self, until: float, *, newest: bool = False) -> Mapping[str, Registration | Unusable]:
        return await self._copies.get(_HOTELS, self._load, newest=newest, until=until)

    async def _load(self) -> dict[str, Registration | Unusable]:
        """Load the hotels that changed; the others are as they were, and opening their credentials takes its time."""
        async with self._database.unit_of_work() as work:
            revisions = await work.hotels.revisions()
            known = {name: one for name, one in self._known.items() if one.revision == revisions.get(name)}
            changed = await work.hotels.all(revisions.keys() - known.keys()) if revisions.keys() != known.keys() else []
        made = dict(sorted((known | {record.id: _registration(record) for record in changed}).items()))
        self._report(made)
        self._known = made
        return made

    def _report(self, made: Mapping[str, Registration | Unusable]) -> None:
        """Log an unusable hotel once for each of its revisions, not with every load."""
        unusable = {(hotel_id, one.revision): one for hotel_id, one in made.items() if isinstance(one, Unusable)}
        for (hotel_id, revision), one in unusable.items():
            if (hotel_id, revision) not in self._reported:
                log.error("hotel.unusable", hotel_id=hotel_id, reason=one.reason)
        self._reported = set(unusable)


def _registration(record: HotelRecord) -> Registration | Unusable:
    """Make what speaks for a stored hotel; one that is broken must not break the others."""
    if record.credentials is None:
        return Unusable("no key of this gateway opens its credentials", record.revision)
    try:
        hotel = record.as_hotel(parse_options(record.vendor, record.options))
    except GatewayError as error:
        return Unusable(error.detail, record.revision)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        return Unusable(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", record.revision)
    return Registration(hotel, record.credentials, record.revision, record.credentials_since)


def _since(
    before: HotelRecord | None, credentials: Mapping[str, SecretStr], found: Mapping[str, Secret], now: datetime
) -> dict[str, datetime]:
    """Tell of each credential since when it is what it is: as its place says, else since it was put as it is.

    The old value is compared itself, decrypted for this moment: no hash of a secret is stored that could be guessed at.
    """
    old, known = (before.credentials or {}, before.credentials_since) if before else ({}, {})
    put = {name: known[name] if old.get(name) == value else now for name, value in credentials.items()}
    return {name: found[name].since or at for name, at in put.items()}


def _recorded(record: HotelRecord | None) -> Any:
    """Give a stored hotel as the audit keeps it; nothing where there is none that can be used."""
    found = None if record is None else _registration(record)
    return found.hotel.model_dump(mode="json") if isinstance(found, Registration) else None


def _require_credentials_for_new_host(before: HotelRecord | None, hotel: Hotel, draft: HotelDraft) -> None:
    """Keep stored secrets from being sent to a host that somebody without them has chosen."""
    if draft.credentials is not None:
        return
    if before is None:  # told here: another one may register it before we write, and we would change what is theirs
        raise InvalidRequest.of("credentials", "are required when the hotel is new")
    if before.vendor != hotel.vendor:
        raise InvalidRequest.of("credentials", "are required when the vendor changes")
    if _host(before.base_url) != _host(hotel.base_url):
        raise InvalidRequest.of("credentials", "are required when the host of base_url changes")
    if _host(str(before.options.get("token_url", ""))) != _host(str(getattr(hotel.options, "token_url", ""))):
        raise InvalidRequest.of("credentials", "are required when the host of options.token_url changes")


def _host(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
