"""The read cache: encrypted answers in Redis, valid only while the generations they were read under stand.

A generation is a random token per hotel and resource. An entry carries the tokens that were read *before* the PMS
was asked, and a hit is one MGET of the entry and its tokens, so that an answer that overlaps a write is dead on
arrival. Moving a generation deletes it, which a Redis that is full does, too; who misses one makes it anew. Parameters
enter a key as an HMAC; nothing in Redis can be read without the keys.
"""

import asyncio
import hashlib
import hmac
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from app.core.clock import Clock
from app.store.crypto import DecryptionFailed, Keyring
from app.store.redis_link import PATIENCE_SECONDS, NoAnswer, RedisLink

STALE_SECONDS = 86_400
"""How long a copy is kept for when the PMS is away."""
_GENERATION_SECONDS = 2 * STALE_SECONDS
_MOVES_REMEMBERED = 10_000
_AT_ONCE = 1_000
"""How many generations are moved by one command."""
_TICKET_LENGTH = 20
"""An entry begins with when its answer was asked for, by Redis's time in microseconds; only newer ones replace it."""
WHOLE_HOTEL = "hotel"
"""The generation that every entry of a hotel depends on; moving it is the manual refresh."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where an answer is kept, and which generations make it valid."""

    hotel_id: str
    entry: str
    generations: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What a look at it asks Redis for."""
        return (self.entry, *self.generations)


@dataclass(frozen=True, slots=True)
class CachedCopy:
    """An answer as it was at `as_of`; fresh, or kept for when nothing better can be had."""

    payload: bytes
    as_of: datetime
    fresh: bool
    spent: float = 0.0
    """Which part of its time is over; 1 and more when it is all over."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a look into the cache gave: the copy, if any, and the tokens to store a new answer under.

    `tokens` is None when Redis could not be asked, or keeps nothing; the answer is then not stored.
    """

    copy: CachedCopy | None
    tokens: tuple[bytes, ...] | None
    last_move: int = 0
    """The number of this process's last move of these generations: it tells before from after without tokens."""

    def after(self, other: "Lookup") -> bool:
        """Tell whether a write may have moved the generations since `other`, as far as Redis or this process knows."""
        return self.last_move != other.last_move or (self.tokens is not None and self.tokens != other.tokens)


class Cache:
    """Answers by hotel, kind and parameters. Redis being away is never an error: nothing is found then.

    A move that Redis did not confirm is remembered here and made up for before anything else is asked of it.
    """

    def __init__(self, link: RedisLink, *, keyring: Keyring, secret: bytes, clock: Clock) -> None:
        self._link = link
        self._keyring = keyring
        self._secret = secret
        self._clock = clock
        self._moves = itertools.count(1)
        self._unconfirmed: dict[str, int] = {}
        """Generations that Redis may still have the old token of, and the number of the move."""
        self._moved: OrderedDict[str, int] = OrderedDict()
        """The last moves, whether confirmed or not; those from long ago are forgotten."""
        self._making: dict[tuple[str, ...], asyncio.Task[tuple[bytes, ...] | None]] = {}
        link.before_return(self._make_up)

    def key(self, hotel_id: str, kind: str, params: object, resources: Iterable[str]) -> CacheKey:
        """Name an answer. `params` are JSON-like and leave here only as an HMAC."""
        canonical = orjson.dumps([hotel_id, kind, params], option=orjson.OPT_SORT_KEYS)
        mac = hmac.new(self._secret, canonical, hashlib.sha256).hexdigest()[:32]
        return CacheKey(
            hotel_id, entry_name(hotel_id, mac), tuple(_generation(hotel_id, resource) for resource in resources)
        )

    async def look_up(self, key: CacheKey, *, seconds: float = PATIENCE_SECONDS) -> Lookup:
        """Look for an answer, waiting so many seconds for each of Redis's; missing generations are made."""
        last_move = max(self._moved.get(name, 0) for name in key.generations)
        try:
            await self._make_up_for(key, seconds)
            found = await self._link.mget(key.names, seconds=seconds)
        except NoAnswer:
            return Lookup(None, None, last_move)
        tokens = await self._tokens(key, found[1:], seconds)
        return Lookup(self.open(key, found[0], tokens), tokens, last_move)

    def seal(self, key: CacheKey, payload: bytes, tokens: Sequence[bytes], *, as_of: datetime, ttl: float) -> bytes:
        """Give an answer as it is kept: encrypted, with the tokens that were read before it was asked for."""
        head = {"generations": [token.hex() for token in tokens], "as_of": as_of.timestamp(), "ttl": ttl}
        return self._keyring.encrypt(orjson.dumps(head) + b"\n" + payload, bound_to=key.entry)

    def open(self, key: CacheKey, sealed: bytes | None, tokens: Sequence[bytes] | None) -> CachedCopy | None:
        """Read what is kept; fresh where these are the tokens that stand now."""
        if sealed is None:
            return None
        try:
            head, _, payload = self._keyring.decrypt(sealed[_TICKET_LENGTH:], bound_to=key.entry).partition(b"\n")
            fields: dict[str, Any] = orjson.loads(head)
            as_of = datetime.fromtimestamp(fields["as_of"], UTC)
            valid = tokens is not None and [token.hex() for token in tokens] == fields["generations"]
            age, ttl = (self._clock.now() - as_of).total_seconds(), float(fields["ttl"])
        except (DecryptionFailed, ValueError, KeyError, TypeError, OverflowError):
            return None  # rubbish, or written under a key that is gone
        return CachedCopy(payload, as_of, fresh=valid and age < ttl, spent=age / ttl if ttl > 0 else 1.0)

    async def move(self, hotel_id: str, resources: Iterable[str]) -> bool:
        """Make everything that was read about `resources` outdated, everywhere; false when Redis did not confirm.

        Redis is asked even when it failed a moment ago. Until it confirms, this process takes nothing for fresh that
        depends on `resources`.
        """
        try:
            await self._move([_generation(hotel_id, resource) for resource in resources], PATIENCE_SECONDS)
        except NoAnswer:
            return False
        return True

    async def move_all(self, hotel_id: str) -> bool:
        """Make everything that was read about a hotel outdated; false when Redis did not confirm."""
        return await self.move(hotel_id, (WHOLE_HOTEL,))

    async def _make_up_for(self, key: CacheKey, seconds: float) -> None:
        overdue = [name for name in key.generations if name in self._unconfirmed]
        if overdue and not self._link.is_away:
            await self._move(overdue, seconds)

    async def _make_up(self) -> None:
        """Move all again that was moved of late: Redis may have come back with an older memory."""
        names = tuple(self._unconfirmed.keys() | self._moved.keys())
        for begin in range(0, len(names), _AT_ONCE):
            await self._move(names[begin : begin + _AT_ONCE], PATIENCE_SECONDS)

    async def _move(self, names: Sequence[str], seconds: float) -> None:
        number, confirmed = self._note_move(names), False
        try:
            await self._link.ask(lambda: self._link.client.delete(*names), seconds=seconds, even_when_away=True)
            confirmed = True
        finally:
            if confirmed:
                self._note_confirmed(names, number)
            else:
                self._unconfirmed |= dict.fromkeys(names, number)

    def _note_move(self, names: Sequence[str]) -> int:
        number = next(self._moves)
        for name in names:
            self._moved[name] = number
            self._moved.move_to_end(name)
        while len(self._moved) > _MOVES_REMEMBERED:
            self._moved.popitem(last=False)
        return number

    def _note_confirmed(self, names: Sequence[str], number: int) -> None:
        for name in names:
            if self._unconfirmed.get(name, number) < number:  # not one that failed while this one was under way
                del self._unconfirmed[name]

    async def _tokens(self, key: CacheKey, found: Sequence[bytes | None], seconds: float) -> tuple[bytes, ...] | None:
        """Give the generations, those that are missing made anew; None where that cannot be done now."""
        if all(found):
            return tuple(token for token in found if token)
        names = key.generations
        making = self._making.get(names)
        if making is None:  # all who find the same missing share one making
            making = self._making[names] = asyncio.create_task(self._make(names))
            making.add_done_callback(lambda _: self._making.pop(names))
        hurry = seconds if seconds < PATIENCE_SECONDS else None
        done, _ = await asyncio.wait({making}, timeout=hurry)
        return making.result() if done else None

    async def _make(self, names: Sequence[str]) -> tuple[bytes, ...] | None:
        async def make() -> list[bytes | None]:
            async with self._link.client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.set(name, secrets.token_bytes(16), ex=_GENERATION_SECONDS, nx=True)
                pipe.mget(*names)
                return list((await pipe.execute())[-1])

        try:
            made = await self._link.ask(make)
            if not all(made):  # something else stands under our name
                await self._link.ask(lambda: self._link.client.delete(*names))
        except NoAnswer:
            return None
        return tuple(token for token in made if token) if all(made) else None


def entry_name(hotel_id: str, name: str) -> str:
    """Give the key of an answer: the hotel stands in it, so that all that is kept of one can be removed."""
    return f"entry:{hotel_id}:{name}"


def _generation(hotel_id: str, resource: str) -> str:
    return f"generation:{hotel_id}:{resource}"
