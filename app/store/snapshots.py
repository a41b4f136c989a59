"""Lists that are paged through, kept encrypted in Redis for a while."""

from redis.asyncio import Redis

from app.domain.errors import StorageUnavailable
from app.store.crypto import DecryptionFailed, Keyring
from app.store.redis_link import PATIENCE_SECONDS, NoAnswer, RedisLink


class Snapshots:
    """Lists by name; whoever knows the name may read one. A hotel's stand under its id: so all can be removed."""

    def __init__(self, link: RedisLink, *, keyring: Keyring) -> None:
        self._link = link
        self._redis: Redis = link.client
        self._keyring = keyring

    async def keep(
        self, name: str, payload: bytes, *, seconds: int, hotel_id: str = "", patience: float = PATIENCE_SECONDS
    ) -> bool:
        """Keep a list for `seconds`, of one hotel or of none; false when Redis did not confirm in time."""
        key = snapshot_name(hotel_id, name)
        sealed = self._keyring.encrypt(payload, bound_to=key)
        kept = await self._link.ask_if_there(lambda: self._redis.set(key, sealed, ex=seconds), seconds=patience)
        return kept is not None

    async def find(self, name: str, *, hotel_id: str = "", patience: float = PATIENCE_SECONDS) -> bytes | None:
        """Give a kept list, if it is still there.

        Raises:
            StorageUnavailable: Redis does not answer, and the list may still be there.
        """
        key = snapshot_name(hotel_id, name)
        try:
            sealed = await self._link.ask(lambda: self._redis.get(key), seconds=patience)
            return self._keyring.decrypt(sealed, bound_to=key) if isinstance(sealed, bytes) else None
        except NoAnswer:
            raise StorageUnavailable("the rest of the list cannot be looked up now; repeat later") from None
        except DecryptionFailed:
            return None


def snapshot_name(hotel_id: str, name: str) -> str:
    """Give the key of a list."""
    return f"snapshot:{hotel_id}:{name}"
