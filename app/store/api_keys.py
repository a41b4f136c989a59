"""API keys: only a hash is kept, beside the prefix by which people tell them apart."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import func, select, update

from app.store.repository import Repository
from app.store.tables import ApiKeyRow

_MARK = "pmsgw"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `hotels` of nothing means every hotel."""

    id: UUID
    client: str
    prefix: str
    key_hash: bytes
    scopes: frozenset[str]
    hotels: frozenset[str] | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made; its token is shown once and known to nobody afterwards."""

    key: ApiKey
    token: SecretStr


def token_hash(token: str) -> bytes:
    """Give what is stored of a token. SHA-256 is enough, as a token is 32 random bytes, not a password."""
    return hashlib.sha256(token.encode()).digest()


class ApiKeys(Repository):
    """The keys of all clients."""

    table = "api_keys"

    async def create(self, *, client: str, scopes: Collection[str], hotels: Collection[str] | None) -> NewApiKey:
        """Make a key `pmsgw_<prefix>_<secret>` for a client."""
        prefix = secrets.token_hex(6)
        token = f"{_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
        row = ApiKeyRow(
            id=uuid4(),
            client=client,
            prefix=prefix,
            key_hash=token_hash(token),
            scopes=sorted(set(scopes)),
            hotels=None if hotels is None else sorted(set(hotels)),
        )
        self._session.add(row)
        await self._session.flush()
        await self._session.refresh(row)
        return NewApiKey(_key(row), SecretStr(token))

    async def all(self, *, client: str | None = None) -> list[ApiKey]:
        """Give every key ever made, or those of a client, oldest first."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        if client is not None:
            query = query.where(ApiKeyRow.client == client)
        return [_key(row) for row in await self._session.scalars(query)]

    async def all_live(self) -> list[ApiKey]:
        """Give every key that is not revoked: what each process keeps a copy of."""
        query = select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
        return [_key(row) for row in await self._session.scalars(query)]

    async def revoke(self, prefix: str) -> bool:
        """Revoke a key by its visible prefix; false where there is none that lives."""
        statement = (
            update(ApiKeyRow)
            .where(ApiKeyRow.prefix == prefix, ApiKeyRow.revoked_at.is_(None))
            .values(revoked_at=func.now())
            .returning(ApiKeyRow.id)
        )
        return await self._session.scalar(statement) is not None


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        client=row.client,
        prefix=row.prefix,
        key_hash=row.key_hash,
        scopes=frozenset(row.scopes),
        hotels=None if row.hotels is None else frozenset(row.hotels),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
