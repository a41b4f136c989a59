"""The registered hotels, with their credentials."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ColumnElement, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import InvalidRequest
from app.domain.hotel import Hotel, HotelOptions
from app.store.crypto import DecryptionFailed
from app.store.repository import Repository
from app.store.tables import READ_NUMBERS, HotelRow

_SETTINGS = ("name", "vendor", "base_url", "property_id", "timezone", "currency", "country")
_BLOCKS = ("options", "sync", "cache")


@dataclass(frozen=True, slots=True)
class HotelRecord:
    """A hotel as stored. `options` are raw: only its vendor's folder knows their model.

    `revision` grows with every change and is never used again, not even for a hotel that was deleted and
    registered anew; whoever keeps something made of a hotel compares it.
    """

    id: str
    name: str
    vendor: str
    base_url: str
    property_id: str | None
    timezone: str
    currency: str
    country: str | None
    options: Mapping[str, Any]
    sync: Mapping[str, Any]
    cache: Mapping[str, Any]
    credentials: Mapping[str, SecretStr] | None
    """None where no key of this gateway opens them any more."""
    credentials_since: Mapping[str, datetime]
    """Of each credential since when it is what it is; from the hotel's registration on where nobody wrote it down."""
    revision: int
    created_at: datetime
    updated_at: datetime

    def as_hotel(self, options: HotelOptions) -> Hotel:
        """Give the hotel of the domain, with `options` as its vendor's model has read them."""
        settings = {name: getattr(self, name) for name in (*_SETTINGS, "sync", "cache")}
        return Hotel(id=self.id, options=options, **settings)


@dataclass(frozen=True, slots=True)
class HotelPut:
    """What a put did."""

    created: bool
    revision: int


class Hotels(Repository):
    """Hotels by id; credentials are one encrypted value."""

    table = "hotels"

    async def find(self, hotel_id: str, *, lock: bool = False) -> HotelRecord | None:
        """Give one hotel; with `lock` nobody changes it until this unit of work ends."""
        query = select(HotelRow).where(HotelRow.id == hotel_id)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        return None if row is None else self._record(row)

    async def all(self, hotel_ids: Collection[str] | None = None) -> list[HotelRecord]:
        """Give these hotels, or every hotel, sorted by id."""
        query = select(HotelRow)
        if hotel_ids is not None:
            query = query.where(HotelRow.id.in_(hotel_ids))
        records = [self._record(row) for row in await self._session.scalars(query)]
        return sorted(records, key=lambda record: record.id)  # a database's order depends on its collation

    async def revisions(self) -> dict[str, int]:
        """Give the revision of every hotel, which grows with each change of it."""
        return {row.id: row.revision for row in await self._session.execute(select(HotelRow.id, HotelRow.revision))}

    async def put(
        self,
        hotel: Hotel,
        *,
        credentials: Mapping[str, SecretStr] | None,
        since: Mapping[str, datetime] | None = None,
    ) -> HotelPut:
        """Store a hotel; `credentials` of nothing keeps the ones it has.

        `since` says of each credential, by its name, since when it is what it is.

        Raises:
            InvalidRequest: the hotel is new and has no credentials.
        """
        dumped = hotel.model_dump(mode="json")
        values = {name: dumped[name] for name in (*_SETTINGS, *_BLOCKS)}
        values["revision"] = READ_NUMBERS.next_value()
        if credentials is None:
            return await self._put_keeping_credentials(hotel.id, values)
        secrets = {name: secret.get_secret_value() for name, secret in credentials.items()}
        values["credentials"] = self._seal("credentials", secrets, hotel.id, hotel.id)
        values["credentials_since"] = {name: at.isoformat() for name, at in (since or {}).items()}
        was_absent: ColumnElement[bool] = literal_column("(xmax = 0)")  # no older version of the row
        statement = (
            insert(HotelRow)
            .values(id=hotel.id, **values)
            .on_conflict_do_update(index_elements=["id"], set_={**values, "updated_at": func.now()})
        )
        answer = await self._session.execute(statement.returning(HotelRow.revision, was_absent))
        revision, created = answer.one()
        return HotelPut(created=created, revision=revision)

    async def delete(self, hotel_id: str, *, actor: str, correlation_id: str | None) -> bool:
        """Erase a hotel with all data under its id; false where there is none.

        Raises:
            ConflictRefused: it has live operations.
        """
        erased = await self._erase(
            text("SELECT erase_hotel(:hotel, :actor, :correlation)"),
            {"hotel": hotel_id, "actor": actor, "correlation": correlation_id},
            busy="the hotel has operations that are not settled yet",
        )
        return bool(erased)

    async def _put_keeping_credentials(self, hotel_id: str, values: dict[str, Any]) -> HotelPut:
        statement = (
            update(HotelRow)
            .where(HotelRow.id == hotel_id)
            .values(**values, updated_at=func.now())
            .returning(HotelRow.revision)
        )
        revision = await self._session.scalar(statement)
        if revision is None:
            raise InvalidRequest.of("credentials", "is required for a hotel that is new")
        return HotelPut(created=False, revision=revision)

    def _record(self, row: HotelRow) -> HotelRecord:
        credentials = self._credentials(row)
        known = {name: datetime.fromisoformat(at) for name, at in row.credentials_since.items()}
        return HotelRecord(
            id=row.id,
            **{name: getattr(row, name) for name in (*_SETTINGS, *_BLOCKS)},
            credentials=credentials,
            credentials_since={name: known.get(name, row.created_at) for name in credentials or ()},
            revision=row.revision,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def _credentials(self, row: HotelRow) -> dict[str, SecretStr] | None:
        try:
            secrets = self._open("credentials", row.credentials, row.id, row.id)
        except DecryptionFailed:
            return None
        return {name: SecretStr(value) for name, value in secrets.items()}
