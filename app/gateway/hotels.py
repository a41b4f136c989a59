"""The registered hotels: who may see them, and how they are put, changed and erased."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr

from app.core.connectors import ConnectorFactory, Registration
from app.core.discovery import adapter_class, parse_credentials, parse_options
from app.core.egress import EgressPolicy
from app.domain.errors import InvalidRequest, UnknownResource
from app.domain.hotel import CachePolicy, Hotel, HotelOptions, SyncResource, SyncSchedule, TimeZoneName, default_sync
from app.domain.model import Request
from app.domain.money import Currency
from app.domain.text import CountryCode, Line
from app.gateway.callers import Caller
from app.gateway.copies import Copies
from app.store.audit import AuditEntry
from app.store.database import Database
from app.store.hotels import HotelPut, HotelRecord
from app.telemetry import context

_HOTELS = "hotels"


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
        None, description="Literals, or references `env:`, `file:`. Absent keeps what is stored."
    )
    options: OptionsDraft = Field(default_factory=OptionsDraft)
    sync: dict[SyncResource, SyncSchedule] = Field(default_factory=default_sync)
    cache: CachePolicy = Field(default_factory=CachePolicy)


class HotelDirectory:
    """All hotels, from a per-process copy; written through to Postgres."""

    def __init__(self, database: Database, copies: Copies, policy: EgressPolicy, factory: ConnectorFactory) -> None:
        self._database = database
        self._copies = copies
        self._policy = policy
        self._factory = factory

    async def get(self, hotel_id: str, caller: Caller) -> Registration:
        """Give a hotel with what is needed to speak for it.

        Raises:
            UnknownResource: there is none, or the caller may not see it; the two are told alike.
        """
        found = (await self._all()).get(hotel_id) if caller.may_see(hotel_id) else None
        if found is None and caller.may_see(hotel_id):
            found = (await self._all(newest=True)).get(hotel_id)
        if found is None:
            raise UnknownResource("there is no such hotel")
        return found

    async def visible(self, caller: Caller) -> list[Hotel]:
        """Give all hotels that the caller may see, by id."""
        return [one.hotel for one in (await self._all()).values() if caller.may_see(one.hotel.id)]

    async def put(self, hotel_id: str, draft: HotelDraft, caller: Caller) -> tuple[Hotel, bool]:
        """Register or change a hotel; the PMS is not asked. Gives the hotel and whether it is new.

        Raises:
            InvalidRequest: a field is wrong, or the host changes without credentials in the same body.
        """
        hotel = self._checked(hotel_id, draft)
        async with self._database.unit_of_work() as work:
            before = await work.hotels.find(hotel_id, lock=True)
            _require_credentials_for_new_host(before, hotel, draft)
            if draft.credentials is not None:
                self._factory.open(Registration(hotel, draft.credentials, revision=0))
            put: HotelPut = await work.hotels.put(hotel, credentials=draft.credentials)
            await work.audit.append(
                AuditEntry(
                    actor=caller.client,
                    hotel_id=hotel_id,
                    operation="hotel.put",
                    target=None,
                    outcome="succeeded",
                    correlation_id=context.current("correlation_id"),
                    after=hotel.model_dump(mode="json"),
                )
            )
        self._copies.forget(_HOTELS)
        return hotel, put.created

    async def delete(self, hotel_id: str, caller: Caller) -> None:
        """Erase a hotel with all data under its id.

        Raises:
            UnknownResource: there is no such hotel for this caller.
            ConflictRefused: it has operations that are not settled.
        """
        await self.get(hotel_id, caller)
        async with self._database.unit_of_work() as work:
            await work.hotels.delete(hotel_id, actor=caller.client, correlation_id=context.current("correlation_id"))
        self._copies.forget(_HOTELS)

    def _checked(self, hotel_id: str, draft: HotelDraft) -> Hotel:
        try:
            profile = adapter_class(draft.vendor).profile
        except UnknownResource as error:
            raise InvalidRequest.of("vendor", error.detail) from None
        self._policy.check_url("base_url", draft.base_url)
        if profile.needs_property_id and not draft.property_id:
            raise InvalidRequest.of("property_id", f"is required for {profile.display_name}")
        if draft.credentials is not None:
            parse_credentials(draft.vendor, draft.credentials)
        options = parse_options(draft.vendor, draft.options.model_dump(exclude_unset=True))
        values = draft.model_dump(exclude={"credentials", "options", "sync", "cache"})
        return Hotel(id=hotel_id, options=options, sync=draft.sync, cache=draft.cache, **values)

    async def _all(self, *, newest: bool = False) -> Mapping[str, Registration]:
        return await self._copies.get(_HOTELS, self._load, newest=newest)

    async def _load(self) -> dict[str, Registration]:
        async with self._database.unit_of_work() as work:
            records = await work.hotels.all()
        return {record.id: _registration(record) for record in records}


def _registration(record: HotelRecord) -> Registration:
    hotel = record.as_hotel(parse_options(record.vendor, record.options))
    return Registration(hotel, record.credentials, record.revision)


def _require_credentials_for_new_host(before: HotelRecord | None, hotel: Hotel, draft: HotelDraft) -> None:
    """Keep stored secrets from being sent to a host that somebody without them has chosen."""
    if before is None or draft.credentials is not None:
        return
    if before.vendor != hotel.vendor:
        raise InvalidRequest.of("credentials", "are required when the vendor changes")
    if _host(before.base_url) != _host(hotel.base_url):
        raise InvalidRequest.of("credentials", "are required when the host of base_url changes")
    if _host(str(before.options.get("token_url", ""))) != _host(str(getattr(hotel.options, "token_url", ""))):
        raise InvalidRequest.of("credentials", "are required when the host of options.token_url changes")


def _host(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
