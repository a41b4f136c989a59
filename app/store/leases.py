"""Who asks the PMS, of all processes: a lease in Redis, which its holder renews and lets go of with the answer.

A lease stands for one question under the generations that stand now, so that nobody waits for an answer that a write
has made outdated. An answer is kept only while those generations stand, and only in place of an older one.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.domain.errors import VendorError
from app.store.cache import STALE_SECONDS, Cache, CachedCopy, CacheKey
from app.store.crypto import DecryptionFailed, Keyring
from app.store.redis_link import NoAnswer, RedisLink, script

LEASE_SECONDS = 2.0
RENEW_SECONDS = 0.5
FAILURE_SECONDS = 0.25
"""For how long a failure is told to those who had waited for the answer."""
_FAILED = b"!"
"""What a lease begins with that ended with a failure; a holder's token never does."""

_TICKET = """
local time = redis.call('TIME')
local ticket = string.format('%020d', time[1] * 1000000 + time[2])
"""
_CLAIM = (
    _TICKET
    + """
local held = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX', 'GET')
if held and held ~= ARGV[1] then
  local kept = redis.pcall('GETRANGE', KEYS[2], 0, 19)
  return {held, type(kept) == 'string' and kept or ''}
end
return {false, ticket, unpack(redis.call('MGET', unpack(KEYS, 2)))}
"""
)
_TAKE = _TICKET + "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return ticket"
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"
_LAND = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
local standing = redis.call('MGET', unpack(KEYS, 3))
for i = 1, #standing do
  if standing[i] ~= ARGV[i + 4] then return 0 end
end
local kept = redis.pcall('GETRANGE', KEYS[2], 0, 19)
if type(kept) == 'string' and string.match(kept, '^%d+$') and kept >= ARGV[4] then return 0 end
redis.call('SET', KEYS[2], ARGV[4] .. ARGV[2], 'EX', ARGV[3])
return 1
"""
_END = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the tokens of the generations that stood before it was."""

    key: CacheKey
    tokens: tuple[bytes, ...]

    @property
    def lease(self) -> str:
        """The name of its lease."""
        digest = hashlib.sha256(b"".join((self.key.entry.encode(), *self.tokens))).hexdigest()[:32]
        return f"lease:{digest}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right, and the duty, to ask: under which token, and since when (a text that only grows, by Redis's time)."""

    token: bytes
    ticket: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is. With a lease it is ours; `copy` is what was kept then. Else another process asks, or failed."""

    lease: Lease | None = None
    copy: CachedCopy | None = None
    failure: VendorError | None = None
    kept: bytes = b""
    """The ticket of what is kept while another process asks: it changes when something newer is."""


class Leases:
    """Leases by question, shared by all processes. Where Redis gives no answer, nobody holds or waits for one."""

    def __init__(self, link: RedisLink, cache: Cache, *, keyring: Keyring) -> None:
        self._link = link
        self._cache = cache
        self._keyring = keyring
        self._claim, self._take = script(link.client, _CLAIM), script(link.client, _TAKE)
        self._renew = script(link.client, _RENEW)
        self._land, self._end = script(link.client, _LAND), script(link.client, _END)

    async def claim(self, question: Question) -> Turn | None:
        """Take the lease if nobody has it; None where Redis cannot be asked."""
        token = secrets.token_hex(16).encode()
        keys = (question.lease, *question.key.names)
        try:
            answer = await self._link.ask(lambda: self._claim(keys=keys, args=[token, _ms(LEASE_SECONDS)]))
        except NoAnswer:
            return None
        if answer[0]:
            return Turn(failure=self._failure(question, answer[0]), kept=answer[1])
        ticket, entry, *standing = answer[1:]
        tokens = tuple(standing) if all(standing) else None
        return Turn(Lease(token, ticket), self._cache.open(question.key, entry, tokens))

    async def take(self, question: Question) -> Lease | None:
        """Take the lease, whoever has it. None where Redis cannot be asked."""
        token = secrets.token_hex(16).encode()
        args = [token, _ms(LEASE_SECONDS)]
        ticket = await self._link.ask_if_there(lambda: self._take(keys=[question.lease], args=args))
        return Lease(token, ticket) if ticket else None

    @contextlib.asynccontextmanager
    async def renewed(self, question: Question, lease: Lease) -> AsyncIterator[None]:
        """Renew a lease while the block runs."""
        renewing = asyncio.create_task(self._renew_for_ever(question.lease, lease.token))
        try:
            yield
        finally:
            renewing.cancel()

    async def land(self, question: Question, lease: Lease, payload: bytes, *, as_of: datetime, ttl: float) -> bool:
        """Keep the answer and let go of the lease, if it is still ours.

        False where it was not kept: a write has made it outdated, something newer is kept, or Redis is away.
        """
        sealed = self._cache.seal(question.key, payload, question.tokens, as_of=as_of, ttl=ttl)
        keys = (question.lease, *question.key.names)
        args: list[bytes | int] = [lease.token, sealed, STALE_SECONDS, lease.ticket, *question.tokens]
        return bool(await self._link.ask_if_there(lambda: self._land(keys=keys, args=args)))

    async def let_go(self, question: Question, lease: Lease, failure: VendorError | None = None) -> None:
        """Let go of a lease without an answer; those who wait for it are told of a vendor's failure."""
        told = b""
        if failure is not None:
            told = _FAILED + self._keyring.encrypt(orjson.dumps(failure.as_shared()), bound_to=question.lease)
        args = (lease.token, told, _ms(FAILURE_SECONDS))
        await self._link.ask_if_there(lambda: self._end(keys=[question.lease], args=args))

    async def _renew_for_ever(self, lease: str, token: bytes) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)  # by the machine's clock, as Redis's own
            await self._link.ask_if_there(lambda: self._renew(keys=[lease], args=[token, _ms(LEASE_SECONDS)]))

    def _failure(self, question: Question, held: bytes) -> VendorError | None:
        if not held.startswith(_FAILED):
            return None
        try:
            return VendorError.shared(
                orjson.loads(self._keyring.decrypt(held[len(_FAILED) :], bound_to=question.lease))
            )
        except (DecryptionFailed, ValueError, KeyError):
            return None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
