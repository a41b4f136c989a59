"""Clients' limits: exact over two processes, asked for in blocks, and kept in shares while Redis is away."""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from app.core.clock import SystemClock
from app.domain.errors import CallerThrottled
from app.store.client_limits import ClientLimits
from app.store.redis_link import RedisLink
from tests.fixtures.caches import held
from tests.fixtures.clock import ManualClock
from tests.fixtures.stays import eventually
from tests.fixtures.wire import Wire

SECRET = secrets.token_bytes(32)


class Process:
    """What one process has of the clients' limits."""

    def __init__(self, url: str, **options: Any) -> None:
        self.clock = options.setdefault("clock", ManualClock())
        self.link = RedisLink(url)
        self.limits = ClientLimits(self.link, secret=SECRET, **{"processes": 1, **options})

    async def admits(self, client: str, *, seconds: float = 30) -> bool:
        """Send a request; true if it is let in."""
        return await self.refusal(client, seconds=seconds) is None

    async def refusal(self, client: str, *, seconds: float = 30) -> CallerThrottled | None:
        """Send a request; the refusal, if it is one."""
        try:
            await self.limits.admit(client, until=self.clock.monotonic() + seconds)
        except CallerThrottled as refusal:
            return refusal
        return None

    async def aclose(self) -> None:
        """End it."""
        await self.limits.aclose()
        await self.link.aclose()


class Opener:
    """Starts processes with the same settings; the first one's way to Redis is a wire."""

    def __init__(self, stack: AsyncExitStack, redis_url: str, wire: Wire) -> None:
        self._stack = stack
        self._urls = itertools.chain([wire.instead_of(redis_url)], itertools.repeat(redis_url))

    def __call__(self, **options: Any) -> Process:
        """Start one."""
        process = Process(next(self._urls), **options)
        self._stack.push_async_callback(process.aclose)
        return process

    def two(self, **options: Any) -> tuple[Process, Process]:
        """Start two."""
        return self(**options), self(**options)


@pytest.fixture
async def start(redis_url: str, redis_wire: Wire) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:
        yield Opener(stack, redis_url, redis_wire)
        redis_wire.release()


@pytest.fixture
def client() -> str:
    """A client that no other test knows."""
    return f"client-{secrets.token_hex(4)}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as connection:
        yield connection


async def scripts_run(redis: Redis) -> int:
    """Tell how often Redis was asked to run a script."""
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0))


async def let_in(requests: Iterable[Any]) -> int:
    return sum(await asyncio.gather(*requests))


@pytest.mark.parametrize("limit", [1, 2, 5, 20])
async def test_a_small_limit_is_exact_over_two_processes_at_once(start: Opener, client: str, limit: int) -> None:
    processes = start.two(limit=limit, processes=2)
    assert await let_in(process.admits(client) for process in processes for _ in range(30)) == limit


async def test_a_small_limit_is_exact_for_one_request_after_the_other(start: Opener, client: str) -> None:
    ours, theirs = start.two(limit=7)
    answers = [await process.admits(client) for process in (ours, theirs) * 6]
    assert answers == [True] * 7 + [False] * 5


@pytest.mark.parametrize("at_once", [1, 50])
async def test_a_large_limit_is_used_to_its_last_request_and_not_exceeded(
    start: Opener, client: str, at_once: int
) -> None:
    processes = start.two(limit=2_000, processes=2)
    admitted = 0
    for _ in range(1_300 // at_once):
        for process in processes:
            admitted += await let_in(process.admits(client) for _ in range(at_once))
    assert admitted == 2_000


async def test_one_process_has_nearly_the_whole_limit_while_others_hold_blocks_that_they_do_not_use(
    start: Opener, client: str
) -> None:
    ours, theirs = start.two(limit=1_000, processes=2)
    assert await theirs.admits(client)
    admitted = 0
    for _ in range(22):  # not all at once: the wire is served by the same loop as they are
        admitted += await let_in(ours.admits(client) for _ in range(50))
    assert admitted >= 970


async def test_a_clients_limit_is_no_other_clients(start: Opener, client: str) -> None:
    ours, theirs = start.two(limit=1)
    assert [await ours.admits(client), await theirs.admits(client)] == [True, False]
    assert await theirs.admits(f"{client}-other")


async def test_without_a_limit_everybody_is_let_in_and_nobody_counts(start: Opener, client: str, redis: Redis) -> None:
    ours = start(limit=0)
    before = await scripts_run(redis)
    assert await let_in(ours.admits(client) for _ in range(500)) == 500
    assert await scripts_run(redis) == before


async def test_the_minute_is_that_before_each_request_and_a_refusal_says_when_something_is_free(
    start: Opener, client: str
) -> None:
    window = 0.6
    ours = start(limit=3, clock=SystemClock(), window_seconds=window)
    begun = time.monotonic()
    assert await ours.admits(client)
    await asyncio.sleep(window / 2)
    assert [await ours.admits(client) for _ in range(3)] == [True, True, False]
    refusal = await ours.refusal(client)
    assert refusal is not None
    assert refusal.retry_after is not None
    assert begun + window == pytest.approx(time.monotonic() + refusal.retry_after, abs=0.05)
    await asyncio.sleep(refusal.retry_after)
    await eventually(lambda: ours.admits(client), lambda admitted: admitted)
    assert time.monotonic() < begun + 1.4 * window
    assert not await ours.admits(client)  # of the two others the time is not over


async def test_a_block_that_is_used_late_counts_from_then(start: Opener, client: str) -> None:
    window = 0.6
    ours = start(limit=100, clock=SystemClock(), window_seconds=window)
    begun = time.monotonic()
    assert await ours.admits(client)
    await asyncio.sleep(window / 2)
    assert await let_in(ours.admits(client) for _ in range(110)) == 99
    first_in = await eventually(lambda: _admitted_at(ours, client), lambda at: at > 0)
    assert first_in > begun + 1.45 * window


async def _admitted_at(process: Process, client: str) -> float:
    return time.monotonic() if await process.admits(client) else 0.0


async def test_no_window_wherever_it_begins_has_more_than_the_limit(start: Opener, client: str) -> None:
    limit, window = 150, 0.5
    clock, chance = SystemClock(), random.Random(4)  # noqa: S311 - no secret
    processes = start.two(limit=limit, clock=clock, window_seconds=window)
    admitted: list[float] = []
    until = clock.monotonic() + 4 * window
    while clock.monotonic() < until:
        process = chance.choice(processes)
        for _ in range(chance.randrange(40)):
            sent = clock.monotonic()
            if await process.admits(client) and clock.monotonic() - sent < 0.05 * window:
                admitted.append(sent)
        await asyncio.sleep(chance.choice((0, 0.005, 0.03)))
    for first, beyond in zip(admitted, admitted[limit:], strict=False):
        assert beyond - first > 0.9 * window  # what Redis and we measure differs by the way between us
    assert len(admitted) > 2.7 * limit


async def test_a_steady_caller_asks_redis_far_fewer_times_than_it_calls(
    start: Opener, client: str, redis: Redis
) -> None:
    ours = start(limit=6_000)
    assert await ours.admits(client)  # the script is known from here on
    before = await scripts_run(redis)
    for _ in range(1_000):
        assert await ours.admits(client)
        await asyncio.sleep(0)
    assert await scripts_run(redis) - before <= 11


async def test_the_next_block_is_there_before_the_present_one_is_used_up(
    start: Opener, client: str, redis: Redis, redis_wire: Wire
) -> None:
    ours = start(limit=6_000)
    assert await ours.admits(client)
    before = await scripts_run(redis)
    for _ in range(80):
        assert await ours.admits(client)
    await eventually(lambda: scripts_run(redis), lambda asked: asked == before + 1)
    await ours.link.is_up()  # what was answered before this has arrived
    with held(redis_wire):
        assert [await ours.admits(client) for _ in range(60)] == [True] * 60
    assert not ours.link.is_away  # nobody has asked in vain


async def test_a_client_over_its_limit_does_not_trouble_redis(start: Opener, client: str, redis: Redis) -> None:
    ours = start(limit=2)
    assert [await ours.admits(client) for _ in range(3)] == [True, True, False]
    before = await scripts_run(redis)
    assert await let_in(ours.admits(client) for _ in range(500)) == 0
    assert await scripts_run(redis) == before


async def test_while_redis_is_away_each_process_lets_in_its_share_and_nobody_waits_twice(
    start: Opener, client: str, redis_wire: Wire
) -> None:
    ours = start(limit=20, processes=4)
    redis_wire.hold()
    begun = time.monotonic()
    assert [await ours.admits(client) for _ in range(7)] == [True] * 5 + [False] * 2
    assert time.monotonic() - begun < 0.2
    assert ours.link.is_away
    ours.clock.advance(20)
    refusal = await ours.refusal(client)
    assert refusal is not None
    assert refusal.retry_after == 40
    ours.clock.advance(40)
    assert await ours.admits(client)


async def test_when_redis_is_back_the_limit_is_shared_again(start: Opener, client: str, redis_wire: Wire) -> None:
    ours, theirs = start.two(limit=4, processes=4)
    await redis_wire.cut()
    assert [await ours.admits(client), await ours.admits(client)] == [True, False]
    assert await let_in(theirs.admits(client) for _ in range(4)) == 4
    await redis_wire.mend()
    await eventually(ours.link.is_up, lambda up: up)
    await eventually(lambda: _is_back(ours), lambda back: back)
    ours.clock.advance(60)
    assert not await ours.admits(client)  # although a share would be free


async def _is_back(process: Process) -> bool:
    return not process.link.is_away


async def test_what_redis_refuses_to_count_is_taken_from_the_share(start: Opener, client: str, redis: Redis) -> None:
    ours = start(limit=20, processes=4)
    await redis.config_set("min-replicas-to-write", 1)  # it has none, so that it takes no writes
    try:
        assert await let_in(ours.admits(client) for _ in range(30)) == 5
    finally:
        await redis.config_set("min-replicas-to-write", 0)
    assert not ours.link.is_away


async def test_a_full_redis_still_counts_or_leaves_it_to_the_shares(start: Opener, client: str, redis: Redis) -> None:
    ours, theirs = start.two(limit=20, processes=4)
    await redis.config_set("maxmemory", 1)
    try:
        admitted = await let_in(process.admits(client) for process in (ours, theirs) for _ in range(30))
    finally:
        await redis.config_set("maxmemory", 0)
    assert admitted in {10, 20}


@pytest.mark.usefixtures("clean_redis")
@pytest.mark.parametrize("member", [None, b"rubbish"])
async def test_rubbish_under_our_key_is_not_believed(
    start: Opener, client: str, redis: Redis, member: bytes | None
) -> None:
    ours, theirs = start.two(limit=4)
    assert await ours.admits(client)
    (key,) = await redis.keys()
    await redis.delete(key)
    if member is None:
        await redis.set(key, b"rubbish")
    else:
        await redis.zadd(key, {member: 1e15})
    assert await let_in(process.admits(client) for process in (ours, theirs) for _ in range(5)) == 4
    assert 0 < await redis.pttl(key) <= 120_000


@pytest.mark.usefixtures("clean_redis")
async def test_redis_never_sees_a_clients_name_and_forgets_what_is_over(
    start: Opener, client: str, redis: Redis
) -> None:
    ours = start(limit=10, clock=SystemClock(), window_seconds=0.1)
    assert await ours.admits(client)
    (key,) = await redis.keys()
    seen = [key, *await redis.zrange(key, 0, -1)]
    assert all(client.encode() not in one for one in seen)
    await eventually(redis.dbsize, lambda size: size == 0)


async def test_who_hangs_up_takes_nobody_with_it(start: Opener, client: str, redis_wire: Wire) -> None:
    ours = start(limit=1)
    assert await ours.admits(f"{client}-other")  # connected
    with held(redis_wire):
        first = asyncio.create_task(ours.admits(client))
        second = asyncio.create_task(ours.admits(client))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert await second
    assert not ours.link.is_away


async def test_who_has_no_time_left_does_not_wait_for_redis(start: Opener, client: str, redis_wire: Wire) -> None:
    ours = start(limit=20, processes=4)
    redis_wire.hold()
    assert [await ours.admits(client, seconds=0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not ours.link.is_away


async def test_clients_that_stay_away_are_forgotten(start: Opener, client: str) -> None:
    ours = start(limit=20)
    for number in range(50):
        assert await ours.admits(f"{client}-{number}")
    ours.clock.advance(150)
    assert await ours.admits(client)
    assert ours.limits.clients == 1
