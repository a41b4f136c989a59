"""The read cache: encrypted answers in Redis, valid only while the generations they were read under stand.

A generation is a random token per hotel and resource. An entry carries the tokens that were read *before* the PMS
was asked, and a hit is one MGET of the entry and its tokens, so that an answer that overlaps a write is dead on
arrival. Parameters enter a key as an HMAC; nothing in Redis can be read without the keys.
"""

import asyncio
import hashlib
import hmac
import itertools
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
from app.domain.errors import StorageUnavailable
from app.store.crypto import DecryptionFailed, Keyring

T = TypeVar("T")

STALE_SECONDS = 86_400
"""How long a copy is kept for when the PMS is away."""
_GENERATION_SECONDS = 2 * STALE_SECONDS
PATIENCE_SECONDS = 0.25
"""How long Redis may take for one answer, connecting included."""
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
    last_unconfirmed: int = 0
    """The number of the last move that Redis did not confirm by then: it tells before from after without tokens."""


class _NoAnswer(Exception):
    """Redis did not answer, or is left alone for now."""


class Cache:
    """Answers by hotel, kind and parameters. Redis being away is never an error: nothing is found then.

    A move that Redis did not confirm is remembered here and made up for before the next look at what it concerns.
    """

    def __init__(self, redis: Redis, *, keyring: Keyring, secret: bytes, clock: Clock) -> None:
        self._redis = redis
        self._keyring = keyring
        self._secret = secret
        self._clock = clock
        self._away_until = float("-inf")
        self._moves = itertools.count(1)
        self._unconfirmed: dict[str, int] = {}
        """Generations that Redis may still have the old token of, and the number of the move."""
        self._last_unconfirmed = 0

    @classmethod
    def connect(cls, url: str, *, keyring: Keyring, secret: bytes, clock: Clock) -> "Cache":
        """Make a cache; connections are opened when they are needed."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=256,
            timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            socket_timeout=PATIENCE_SECONDS,
            protocol=3,
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

    async def look_up(self, key: CacheKey, *, seconds: float = PATIENCE_SECONDS) -> Lookup:
        """Look for an answer, waiting so many seconds for each of Redis's; missing generations are made."""
        last_unconfirmed = self._last_unconfirmed
        try:
            copy, tokens = await self._look_up(key, seconds)
        except _NoAnswer:
            return Lookup(None, None, last_unconfirmed)
        return Lookup(copy, tokens, last_unconfirmed)

    async def _look_up(self, key: CacheKey, seconds: float) -> tuple[CachedCopy | None, tuple[bytes, ...] | None]:
        if overdue := [name for name in key.generations if name in self._unconfirmed]:
            self._require_not_away()
            await self._move(overdue, seconds)
        answer = await self._ask(lambda: self._redis.mget(key.entry, *key.generations), seconds)
        found = cast("Sequence[bytes | None]", answer)  # this connection decodes nothing
        tokens = await self._tokens(key, found[1:], seconds)
        copy = self._open(key, found[0], tokens) if found[0] is not None else None
        return copy, tokens

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
        """Make everything that was read about `resources` outdated, everywhere; false when Redis did not confirm.

        Redis is asked even when it failed a moment ago. Until it confirms, this process takes nothing for fresh that
        depends on `resources`.
        """
        try:
            await self._move([_generation(hotel_id, resource) for resource in resources], PATIENCE_SECONDS)
        except _NoAnswer:
            return False
        return True

    async def _move(self, names: Sequence[str], seconds: float) -> None:
        async def send() -> None:
            if len(names) == 1:
                await self._redis.set(names[0], secrets.token_bytes(16), ex=_GENERATION_SECONDS)
                return
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.set(name, secrets.token_bytes(16), ex=_GENERATION_SECONDS)
                await pipe.execute()

        number, confirmed = next(self._moves), False
        try:
            await self._ask(send, seconds, even_when_away=True)
            confirmed = True
        finally:
            if confirmed:
                self._note_confirmed(names, number)
            else:
                self._last_unconfirmed = number
                self._unconfirmed |= dict.fromkeys(names, number)

    def _note_confirmed(self, names: Sequence[str], number: int) -> None:
        for name in names:
            if self._unconfirmed.get(name, number) < number:  # not one that failed while this one was under way
                del self._unconfirmed[name]

    async def move_all(self, hotel_id: str) -> bool:
        """Make everything that was read about a hotel outdated; false when Redis did not confirm."""
        return await self.move(hotel_id, (WHOLE_HOTEL,))

    async def keep_snapshot(
        self, name: str, payload: bytes, *, seconds: int, patience: float = PATIENCE_SECONDS
    ) -> bool:
        """Keep a list for `seconds`, so that it can be paged through; false when Redis did not confirm in time."""
        key = f"snapshot:{name}"
        sealed = self._keyring.encrypt(payload, bound_to=key)
        return await self._try(lambda: self._redis.set(key, sealed, ex=seconds), patience) is not None

    async def find_snapshot(self, name: str, *, patience: float = PATIENCE_SECONDS) -> bytes | None:
        """Give a kept list, if it is still there.

        Raises:
            StorageUnavailable: Redis does not answer, and the list may still be there.
        """
        key = f"snapshot:{name}"
        try:
            sealed = cast("bytes | None", await self._ask(lambda: self._redis.get(key), patience))
        except _NoAnswer:
            raise StorageUnavailable("the rest of the list cannot be looked up now; repeat later") from None
        try:
            return None if sealed is None else self._keyring.decrypt(sealed, bound_to=key)
        except DecryptionFailed:
            return None

    async def _tokens(self, key: CacheKey, found: Sequence[bytes | None], seconds: float) -> tuple[bytes, ...] | None:
        if all(found):
            return tuple(token for token in found if token)

        async def make() -> list[bytes | None]:
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in key.generations:
                    pipe.set(name, secrets.token_bytes(16), ex=_GENERATION_SECONDS, nx=True)
                pipe.mget(*key.generations)
                return list((await pipe.execute())[-1])

        made = await self._ask(make, seconds)
        return tuple(token for token in made if token) if all(made) else None

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

    async def _try(self, call: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T | None:
        try:
            return await self._ask(call, seconds)
        except _NoAnswer:
            return None

    async def _ask(self, call: Callable[[], Awaitable[T]], seconds: float, *, even_when_away: bool = False) -> T:
        """Ask Redis for so many seconds at most.

        Raises:
            _NoAnswer: it does not answer, or did not a moment ago.
        """
        if not even_when_away:
            self._require_not_away()
        try:
            async with asyncio.timeout(min(seconds, PATIENCE_SECONDS)):
                return await call()
        except (RedisError, OSError, TimeoutError) as error:
            if seconds >= PATIENCE_SECONDS or not isinstance(error, TimeoutError):  # a hurry proves nothing
                self._away_until = self._clock.monotonic() + _PAUSE_SECONDS
                log.warning("cache.unavailable", error_type=type(error).__name__)
            raise _NoAnswer from None

    def _require_not_away(self) -> None:
        if self._clock.monotonic() < self._away_until:
            raise _NoAnswer


WHOLE_HOTEL = "hotel"
"""The generation that every entry of a hotel depends on; moving it is the manual refresh."""


def _generation(hotel_id: str, resource: str) -> str:
    return f"generation:{hotel_id}:{resource}"
