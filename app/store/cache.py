"""The read cache: encrypted answers in Redis, valid only while the generations they were read under stand.

A generation is a random token per hotel and resource. An entry carries the tokens that were read *before* the PMS
was asked, and a hit is one MGET of the entry and its tokens, so that an answer that overlaps a write is dead on
arrival. Parameters enter a key as an HMAC; nothing in Redis can be read without the keys.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import orjson
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from app.core.clock import Clock
from app.store.crypto import DecryptionFailed, Keyring

T = TypeVar("T")

STALE_SECONDS = 86_400
"""How long a copy is kept for when the PMS is away."""
_GENERATION_SECONDS = 2 * STALE_SECONDS
_PAUSE_SECONDS = 1.0
"""After a failure Redis is left alone for this long, so that its absence costs each request nothing."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where an answer is kept, and which generations make it valid."""

    hotel_id: str
    entry: str
    generations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CachedCopy:
    """An answer as it was at `as_of`; fresh, or kept for when nothing better can be had."""

    payload: bytes
    as_of: datetime
    fresh: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a look into the cache gave: the copy, if any, and the tokens to store a new answer under.

    `tokens` is None when Redis could not be asked; the answer is then not stored.
    """

    copy: CachedCopy | None
    tokens: tuple[bytes, ...] | None


class Cache:
    """Answers by hotel, kind and parameters. Redis being away is never an error: nothing is found then."""

    def __init__(self, redis: Redis, *, keyring: Keyring, secret: bytes, clock: Clock) -> None:
        self._redis = redis
        self._keyring = keyring
        self._secret = secret
        self._clock = clock
        self._away_until = float("-inf")

    @classmethod
    def connect(cls, url: str, *, keyring: Keyring, secret: bytes, clock: Clock) -> "Cache":
        """Make a cache; connections are opened when they are needed."""
        pool = BlockingConnectionPool.from_url(
            url, max_connections=256, timeout=0.5, socket_connect_timeout=0.5, socket_timeout=0.5, protocol=3
        )
        return cls(Redis.from_pool(pool), keyring=keyring, secret=secret, clock=clock)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def is_up(self) -> bool:
        """Tell whether Redis answers now."""
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    def key(self, hotel_id: str, kind: str, params: object, resources: Iterable[str]) -> CacheKey:
        """Name an answer. `params` are JSON-like and leave here only as an HMAC."""
        canonical = orjson.dumps([hotel_id, kind, params], option=orjson.OPT_SORT_KEYS)
        mac = hmac.new(self._secret, canonical, hashlib.sha256).hexdigest()[:32]
        return CacheKey(hotel_id, f"entry:{mac}", tuple(_generation(hotel_id, resource) for resource in resources))

    async def look_up(self, key: CacheKey) -> Lookup:
        """Look for an answer; missing generations are made."""
        answer = await self._try(lambda: self._redis.mget(key.entry, *key.generations))
        if answer is None:
            return Lookup(None, None)
        found = cast("Sequence[bytes | None]", answer)  # this connection decodes nothing
        tokens = await self._tokens(key, found[1:])
        copy = self._open(key, found[0], tokens) if found[0] is not None else None
        return Lookup(copy, tokens)

    async def put(
        self, key: CacheKey, payload: bytes, *, tokens: tuple[bytes, ...] | None, as_of: datetime, ttl: float
    ) -> None:
        """Keep an answer under the tokens that were read before it was asked for."""
        if tokens is None:
            return
        head = {"generations": [token.hex() for token in tokens], "as_of": as_of.timestamp(), "ttl": ttl}
        sealed = self._keyring.encrypt(orjson.dumps(head) + b"\n" + payload, bound_to=key.entry)
        await self._try(lambda: self._redis.set(key.entry, sealed, ex=STALE_SECONDS))

    async def move(self, hotel_id: str, resources: Iterable[str]) -> bool:
        """Make everything that was read about `resources` outdated, everywhere; false when Redis did not confirm."""

        async def send() -> bool:
            async with self._redis.pipeline(transaction=False) as pipe:
                for resource in resources:
                    pipe.set(_generation(hotel_id, resource), secrets.token_bytes(16), ex=_GENERATION_SECONDS)
                await pipe.execute()
            return True

        return await self._try(send) is True

    async def move_all(self, hotel_id: str) -> bool:
        """Make everything that was read about a hotel outdated; false when Redis did not confirm."""
        return await self.move(hotel_id, (WHOLE_HOTEL,))

    async def keep_snapshot(self, name: str, payload: bytes, *, seconds: int) -> bool:
        """Keep a list so that it can be paged through; false when Redis did not confirm."""
        key = f"snapshot:{name}"
        sealed = self._keyring.encrypt(payload, bound_to=key)
        return await self._try(lambda: self._redis.set(key, sealed, ex=seconds)) is not None

    async def find_snapshot(self, name: str) -> bytes | None:
        """Give a kept list, if it is still there."""
        key = f"snapshot:{name}"
        sealed = cast("bytes | None", await self._try(lambda: self._redis.get(key)))
        try:
            return None if sealed is None else self._keyring.decrypt(sealed, bound_to=key)
        except DecryptionFailed:
            return None

    async def _tokens(self, key: CacheKey, found: Sequence[bytes | None]) -> tuple[bytes, ...] | None:
        if all(found):
            return tuple(token for token in found if token)

        async def make() -> list[bytes | None]:
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in key.generations:
                    pipe.set(name, secrets.token_bytes(16), ex=_GENERATION_SECONDS, nx=True)
                pipe.mget(*key.generations)
                return list((await pipe.execute())[-1])

        made = await self._try(make)
        return tuple(token for token in made if token) if made and all(made) else None

    def _open(self, key: CacheKey, sealed: bytes, tokens: tuple[bytes, ...] | None) -> CachedCopy | None:
        try:
            head, _, payload = self._keyring.decrypt(sealed, bound_to=key.entry).partition(b"\n")
            fields: dict[str, Any] = orjson.loads(head)
            as_of = datetime.fromtimestamp(fields["as_of"], UTC)
            valid = tokens is not None and [token.hex() for token in tokens] == fields["generations"]
        except (DecryptionFailed, ValueError, KeyError, TypeError):
            return None  # rubbish, or written under a key that is gone
        age = (self._clock.now() - as_of).total_seconds()
        return CachedCopy(payload, as_of, fresh=valid and age < fields["ttl"])

    async def _try(self, call: Callable[[], Awaitable[T]]) -> T | None:
        if self._clock.monotonic() < self._away_until:
            return None
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock.monotonic() + _PAUSE_SECONDS
            log.warning("cache.unavailable", error_type=type(error).__name__)
            return None


WHOLE_HOTEL = "hotel"
"""The generation that every entry of a hotel depends on; moving it is the manual refresh."""


def _generation(hotel_id: str, resource: str) -> str:
    return f"generation:{hotel_id}:{resource}"
