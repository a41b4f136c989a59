"""Who calls: API keys, their scopes and the hotels they may see."""

import hmac
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Forbidden, Unauthorized
from app.gateway.copies import Copies
from app.store.api_keys import ApiKey, token_hash
from app.store.database import Database


class Scope(StrEnum):
    """What a key may do; none includes another."""

    READ = "read"
    WRITE = "write"
    CHARGES = "charges"
    OPS = "ops"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid key. `hotels` of None means every hotel."""

    client: str
    scopes: frozenset[str]
    hotels: frozenset[str] | None

    def require(self, scope: Scope) -> None:
        """Refuse a caller without `scope`.

        Raises:
            Forbidden: the key lacks it.
        """
        if scope.value not in self.scopes:
            raise Forbidden(f"this API key lacks the scope {scope.value}")

    def may_see(self, hotel_id: str) -> bool:
        """Tell whether the hotel exists for this caller."""
        return self.hotels is None or hotel_id in self.hotels


class Callers:
    """Tells who calls, from a copy of all live keys that is at most two seconds old while Postgres answers."""

    def __init__(self, database: Database, copies: Copies) -> None:
        self._database = database
        self._copies = copies

    async def authenticate(self, token: str, *, until: float = float("inf")) -> Caller:
        """Find the holder of `token`, by `until` (monotonic seconds).

        Raises:
            Unauthorized: no live key has this token.
            StorageUnavailable: the keys cannot be read and no copy is recent enough.
        """
        presented = token_hash(token)
        keys = await self._copies.get("api_keys", self._load, until=until)
        key = keys.get(presented)
        if key is None:
            keys = await self._copies.get("api_keys", self._load, newest=True, until=until)
            key = keys.get(presented)
        if key is None or not hmac.compare_digest(key.key_hash, presented):
            raise Unauthorized("this API key is not valid")
        return Caller(key.client, key.scopes, key.hotels)

    async def _load(self) -> dict[bytes, ApiKey]:
        async with self._database.unit_of_work() as work:
            return {key.key_hash: key for key in await work.api_keys.all_live()}
