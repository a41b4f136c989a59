"""How many requests a client may make in a minute, of all gateway processes together.

Redis keeps for each client the blocks of requests that were leased in the last minute, and never gives out more than
the limit. A process takes a block at once and serves it without asking again; the next one is fetched while the
present one is nearly used up, so that a steady caller does not wait for it. A block counts until a minute after its
last request, or, where some of it was never used, after its end: in no minute at all are there more requests than the
limit. Where a block is one request, as it is for small limits, every request that is free can be used.

A script of our own, and not the library `limits`, as one trip has to lease what is left of a block that does not fit
whole, to say when something is free again, and to read the time from Redis.
"""

import asyncio
import hashlib
import hmac
import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field

from app.core.clock import Clock
from app.domain.errors import CallerThrottled
from app.store.redis_link import PATIENCE_SECONDS, NoAnswer, RedisLink, script
from app.telemetry import metrics

WINDOW_SECONDS = 60.0
LARGEST_BLOCK = 100
_BLOCKS_IN_A_LIMIT = 50
"""A process that leaves a block unused costs its client this part of the limit, and so do all processes together."""
_PARTS_BELIEVED = 60
"""In which part of a window Redis is not asked again that has just said no: another process may give something back."""

_LEASE = """
local limit, window, life = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, waiting = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local swept = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if type(swept) == 'table' and swept.err then redis.call('DEL', KEYS[1]) end
for i = 7, #ARGV do redis.call('ZADD', KEYS[1], 'XX', 'LT', now + window, ARGV[i]) end
local used = 0
for _, block in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  used = used + (tonumber(string.match(block, ':(%d+)$')) or 0)
end
local given = math.min(wanted, limit - used)
if given < 1 then return {0, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] - now} end
local counts_for = window
if given > waiting then counts_for = window + life end
redis.call('ZADD', KEYS[1], now + counts_for, ARGV[6] .. ':' .. given)
redis.call('PEXPIRE', KEYS[1], window + life)
return {given, 0}
"""
"""Times in milliseconds. The members are blocks, `<name>:<requests>`; the scores, when they no longer count."""


@dataclass(slots=True)
class _Block:
    """Requests that Redis has counted already, to be used before `ends` (monotonic seconds)."""

    name: str
    left: int
    ends: float


@dataclass(slots=True)
class _Account:
    """What this process knows of one client's minute."""

    key: str
    seen: float
    blocks: deque[_Block] = field(default_factory=deque)
    used_up: list[str] = field(default_factory=list)
    """Blocks to the last request of which Redis may count from now on."""
    waiting: int = 0
    asking: "asyncio.Task[bool] | None" = None
    free_at: float = 0.0
    refused_until: float = 0.0
    share_ends: float = 0.0
    share_left: int = 0

    def take(self, now: float) -> bool:
        """Take one request that is leased; what its time is over for is lost."""
        while self.blocks and now >= self.blocks[0].ends:
            self.blocks.popleft()
        if not self.blocks:
            return False
        block = self.blocks[0]
        block.left -= 1
        if not block.left:
            self.used_up.append(self.blocks.popleft().name)
        return True


class ClientLimits:
    """Lets requests in, by client. While Redis gives no answer, each process lets in its own share."""

    def __init__(
        self,
        link: RedisLink,
        *,
        limit: int,
        processes: int,
        secret: bytes,
        clock: Clock,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        """Make limits of `limit` requests in a window for each client; 0 is none. `processes` are to share them."""
        self._link = link
        self._limit = limit
        self._share = max(1, limit // processes)
        self._block = min(LARGEST_BLOCK, max(1, limit // (_BLOCKS_IN_A_LIMIT * processes)))
        self._secret = secret
        self._clock = clock
        self._window = window_seconds
        self._accounts: dict[str, _Account] = {}
        self._next_sweep = 0.0
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._lease_script = script(link.client, _LEASE)

    @property
    def clients(self) -> int:
        """How many clients this process remembers."""
        return len(self._accounts)

    async def admit(self, client: str, *, until: float) -> None:
        """Count one request of a client, waiting for Redis by `until` (monotonic seconds) at the latest.

        Raises:
            CallerThrottled: the client has used up its limit; with the seconds until something is free.
        """
        if not self._limit:
            return
        account = self._account(client)
        if not account.take(self._clock.monotonic()):
            await self._wait_for_more(account, until)
        self._lease_ahead(account)

    async def aclose(self) -> None:
        """Let go of what is being asked."""
        asking = [account.asking for account in self._accounts.values() if account.asking is not None]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _account(self, client: str) -> _Account:
        now = self._clock.monotonic()
        account = self._accounts.get(client)
        if account is None:
            self._forget_the_absent(now)
            mac = hmac.new(self._secret, f"client:{client}".encode(), hashlib.sha256).hexdigest()[:32]
            account = self._accounts[client] = _Account(f"client-limit:{mac}", now)
        account.seen = now
        return account

    def _forget_the_absent(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep = now + self._window
        oldest = now - 2 * self._window
        self._accounts = {
            client: account
            for client, account in self._accounts.items()
            if account.seen > oldest or account.waiting or account.asking
        }

    async def _wait_for_more(self, account: _Account, until: float) -> None:
        account.waiting += 1
        try:
            while not account.take(now := self._clock.monotonic()):
                if now < account.refused_until:
                    raise _refusal(account.free_at - now)
                if not await self._has_answered(account, until - now):
                    return self._take_of_the_share(account)
        finally:
            account.waiting -= 1

    async def _has_answered(self, account: _Account, seconds: float) -> bool:
        """Ask Redis for more, or wait with those who did; false where it says nothing in time."""
        if self._link.is_away:
            return False
        task = account.asking or self._ask(account)
        done, _ = await asyncio.wait({task}, timeout=max(0.0, min(seconds, 2 * PATIENCE_SECONDS)))
        return bool(done) and task.result()

    def _lease_ahead(self, account: _Account) -> None:
        """Fetch the next block while the present one lasts."""
        if self._block == 1 or account.asking is not None or self._link.is_away:
            return
        left = sum(block.left for block in account.blocks)
        if left <= max(1, self._block // 4) and self._clock.monotonic() >= account.refused_until:
            self._ask(account)

    def _ask(self, account: _Account) -> "asyncio.Task[bool]":
        """Ask apart from whoever needs it first, who may hang up."""
        account.asking = task = asyncio.create_task(self._lease(account))
        return task

    async def _lease(self, account: _Account) -> bool:
        """Lease a block, or as much as all need who wait, or what there is; false where Redis gives no answer."""
        asked_at, used_up = self._clock.monotonic(), account.used_up
        account.used_up = []
        name, wanted = f"{self._process}:{next(self._numbers)}", max(self._block, account.waiting)
        window = int(self._window * 1000)
        args = [self._limit, window, window, wanted, account.waiting, name, *used_up]
        try:
            given, wait = await self._link.ask(lambda: self._lease_script(keys=[account.key], args=args))
        except NoAnswer:
            return False
        finally:
            account.asking = None
        if given:
            account.blocks.append(_Block(f"{name}:{given}", given, asked_at + self._window))
        else:
            now, seconds = self._clock.monotonic(), wait / 1000
            account.free_at = now + seconds
            account.refused_until = now + min(seconds, self._window / _PARTS_BELIEVED)
        return True

    def _take_of_the_share(self, account: _Account) -> None:
        now = self._clock.monotonic()
        if now >= account.share_ends:
            account.share_ends, account.share_left = now + self._window, self._share
        if not account.share_left:
            raise _refusal(account.share_ends - now)
        account.share_left -= 1


def _refusal(seconds: float) -> CallerThrottled:
    metrics.CLIENT_REFUSALS.inc()
    return CallerThrottled("this client has used up its requests of this minute", retry_after=seconds)
