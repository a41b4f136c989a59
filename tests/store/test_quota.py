"""However many processes ask one PMS, and whatever becomes of Redis, it is never asked more than it allows."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from app.core import deadline, priority
from app.core.clock import SystemClock
from app.core.profile import RateLimit
from app.core.throttle import QuotaLeft
from app.domain.errors import VendorThrottled
from app.store.quota import SharedQuota
from app.store.redis_link import RedisLink
from tests.fixtures.windows import most_within
from tests.fixtures.wire import Wire, wire_to

FORTY_A_SECOND = (RateLimit(40, 1),)
LOCAL_AFTER = 1.0 + 1.25
"""Seconds after which a process that lost Redis sends its share: the others miss it, and its window is over."""


@dataclass
class Process:
    """One process's quota, with a wire to Redis of its own."""

    quota: SharedQuota
    wire: Wire
    sent: list[float] = field(default_factory=list)

    async def take(
        self, limits: tuple[RateLimit, ...] = FORTY_A_SECOND, *, account: str = "account", within: float = 0.5
    ) -> None:
        """Take one, waiting so many seconds at most."""
        with deadline.until(time.monotonic() + within):
            await self.quota.take("scripted", account, limits)
        self.sent.append(time.monotonic())

    async def try_to_take(self, count: int, **options: object) -> int:
        """Try so often at once; gives how many could be taken."""
        results = await asyncio.gather(*(self.take(**options) for _ in range(count)), return_exceptions=True)  # type: ignore[arg-type]
        assert all(isinstance(one, VendorThrottled) for one in results if one is not None), results
        return results.count(None)


Open = Callable[[int], Awaitable[list[Process]]]


@pytest.fixture
async def open_processes(clean_redis: str) -> AsyncIterator[Open]:
    """Opens so many processes that know of each other, once all of them are there."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_all(count: int) -> list[Process]:
            made = [await stack.enter_async_context(_process(clean_redis, count)) for _ in range(count)]
            async with asyncio.timeout(3):
                await _until(lambda: _all_present(clean_redis, count))
            return made

        yield open_all


async def _all_present(redis_url: str, count: int) -> bool:
    async with Redis.from_url(redis_url) as redis:
        return count == 1 or bool(await redis.zcard(f"quota:present:{count}") == count)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():  # noqa: ASYNC110 - Redis has no event for it
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _process(redis_url: str, count: int) -> AsyncIterator[Process]:
    async with wire_to(redis_url) as wire:
        link = RedisLink(wire.instead_of(redis_url))
        quota = SharedQuota(link, processes=count, clock=SystemClock())
        watch = asyncio.create_task(quota.watch())
        try:
            yield Process(quota, wire)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await link.aclose()


@contextlib.asynccontextmanager
async def hammering(processes: list[Process], limits: tuple[RateLimit, ...] = FORTY_A_SECOND) -> AsyncIterator[None]:
    """Have all of them send as much as they may while the block runs."""

    async def hammer(process: Process) -> None:
        while True:
            with contextlib.suppress(VendorThrottled):
                await process.take(limits, within=0.2)
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(hammer(process)) for process in processes for _ in range(5)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sent_by(processes: list[Process], *, since: float = 0.0) -> list[float]:
    return [moment for process in processes for moment in process.sent if moment >= since]


async def test_processes_share_one_quota_and_use_all_of_it(open_processes: Open) -> None:
    processes = await open_processes(4)
    async with hammering(processes):
        await asyncio.sleep(1.6)
    assert 36 <= most_within(1, sent_by(processes)) <= 40
    assert len(sent_by(processes)) >= 60


async def test_a_busy_process_may_use_what_the_others_leave(open_processes: Open) -> None:
    busy, *_ = await open_processes(4)
    assert await busy.try_to_take(50) == 36


async def test_all_windows_are_taken_from_at_once_or_not_at_all(open_processes: Open) -> None:
    one, other = await open_processes(2)
    both = (RateLimit(3, 1), RateLimit(4, 60))
    assert await one.try_to_take(3, limits=both) == 3
    assert await other.try_to_take(3, limits=both) == 0
    await other.take(both, within=2)
    assert await one.try_to_take(3, limits=both, within=2) == 0
    left = await one.quota.left("scripted", "account", both)
    assert left is not None
    assert left.remaining == 0


async def test_a_wait_that_is_too_long_is_refused_at_once_and_says_how_long(open_processes: Open) -> None:
    one, other = await open_processes(2)
    await one.take((RateLimit(1, 60),))
    began = time.monotonic()
    with pytest.raises(VendorThrottled) as refused:
        await other.take((RateLimit(1, 60),), within=5)
    assert 55 < (refused.value.retry_after or 0) <= 62
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("how", ["cut", "held"])
async def test_no_window_has_too_many_while_redis_goes_and_comes(open_processes: Open, how: str) -> None:
    processes = await open_processes(4)
    async with hammering(processes):
        await asyncio.sleep(0.3)
        for process in processes:
            await process.wire.cut() if how == "cut" else process.wire.hold()
        await asyncio.sleep(0.3)
        for process in processes:
            await process.wire.mend() if how == "cut" else process.wire.release()
        await asyncio.sleep(1.5)
    assert 36 <= most_within(1, sent_by(processes)) <= 40
    assert len(sent_by(processes)) >= 60, "it goes on as before"


async def test_each_process_keeps_to_its_share_while_redis_is_away(open_processes: Open) -> None:
    processes = await open_processes(4)
    async with hammering(processes):
        await asyncio.sleep(0.2)
        for process in processes:
            await process.wire.cut()
        lost = time.monotonic()
        await asyncio.sleep(LOCAL_AFTER + 0.4)
        back = time.monotonic()
        for process in processes[1:]:
            await process.wire.mend()
        await asyncio.sleep(1.2)
    assert most_within(1, sent_by(processes)) <= 40
    for process in processes:
        alone = [moment for moment in process.sent if lost + 0.1 < moment < back]
        assert most_within(1, [moment for moment in alone if moment < lost + LOCAL_AFTER - 0.2]) <= 1, "its reserve"
        assert most_within(1, alone) == 10, "its share"


async def test_the_others_leave_its_share_to_the_one_that_lost_redis(open_processes: Open) -> None:
    processes = await open_processes(4)
    lonely, *others = processes
    async with hammering(processes):
        await asyncio.sleep(0.1)
        await lonely.wire.cut()
        lost = time.monotonic()
        await asyncio.sleep(LOCAL_AFTER + 0.7)
    assert most_within(1, sent_by(processes)) <= 40
    assert most_within(1, sent_by([lonely], since=lost + LOCAL_AFTER)) == 10
    assert 0 < most_within(1, sent_by(others, since=lost + LOCAL_AFTER)) <= 40 - 10 - 3


async def test_no_window_has_too_many_when_redis_loses_its_memory(open_processes: Open, clean_redis: str) -> None:
    processes = await open_processes(4)
    async with hammering(processes), Redis.from_url(clean_redis) as redis:
        for _ in range(3):
            await asyncio.sleep(0.5)
            await redis.flushall()
        await asyncio.sleep(1)
    assert 36 <= most_within(1, sent_by(processes)) <= 40


async def test_what_is_missing_when_redis_loses_its_memory_may_have_sent_anything(
    open_processes: Open, clean_redis: str
) -> None:
    busy, other = processes = await open_processes(2)
    assert await busy.try_to_take(40) == 36
    await busy.wire.cut()
    async with Redis.from_url(clean_redis) as redis:
        await redis.flushall()
    assert await other.try_to_take(30, within=0.5) <= 2
    assert most_within(1, sent_by(processes)) <= 40


async def test_one_process_alone_needs_no_redis(open_processes: Open) -> None:
    [only] = await open_processes(1)
    assert await only.try_to_take(25) == 25
    await only.wire.cut()
    assert await only.try_to_take(25) == 15
    assert await only.quota.left("scripted", "account", FORTY_A_SECOND) == QuotaLeft(40, 1, 0)
    await only.wire.mend()
    async with hammering([only]):
        await asyncio.sleep(1.4)
    assert most_within(1, only.sent) == 40


async def test_a_limit_smaller_than_the_number_of_processes_says_why_nothing_is_sent(open_processes: Open) -> None:
    processes = await open_processes(4)
    three = (RateLimit(3, 1),)
    assert await processes[0].try_to_take(5, limits=three) == 3
    await processes[1].wire.cut()
    with pytest.raises(VendorThrottled, match="smaller than the number of processes"):
        await processes[1].take(three, within=5)


async def test_what_the_vendor_says_closes_the_gate_for_all(open_processes: Open) -> None:
    one, other = await open_processes(2)
    await one.quota.close("scripted", "account", 0.6)
    closed = time.monotonic()
    for limits in (FORTY_A_SECOND, ()):
        with pytest.raises(VendorThrottled) as refused:
            await other.take(limits, within=0.1)
        assert 0.3 < (refused.value.retry_after or 0) <= 0.6
    await other.take(account="another")
    await other.wire.cut()
    with pytest.raises(VendorThrottled):
        await other.take((), within=0.1)
    await asyncio.gather(one.take((), within=2), other.take((), within=2))
    assert all(0.5 < moment - closed < 1.5 for moment in (one.sent[-1], other.sent[-1]))


async def test_a_gate_that_was_closed_without_redis_is_closed_for_all_when_it_is_back(open_processes: Open) -> None:
    one, other = await open_processes(2)
    await one.wire.cut()
    assert await one.try_to_take(1, limits=()) == 1
    await one.quota.close("scripted", "account", 30)
    await one.wire.mend()

    async def is_closed() -> bool:
        return await other.try_to_take(1, limits=()) == 0

    async with asyncio.timeout(3):
        await _until(is_closed)
    assert await other.quota.left("scripted", "account", FORTY_A_SECOND) == QuotaLeft(40, 1, 0)


async def test_a_vendor_that_asks_for_days_is_believed_for_an_hour(open_processes: Open) -> None:
    one, other = await open_processes(2)
    await one.quota.close("scripted", "account", 1e6)
    with pytest.raises(VendorThrottled) as refused:
        await other.take((), within=5)
    assert 3_500 < (refused.value.retry_after or 0) <= 3_600


async def test_the_background_has_at_most_half(open_processes: Open) -> None:
    one, other = await open_processes(2)
    with priority.background():
        assert await one.try_to_take(30) == 18
        assert await other.try_to_take(30) == 0
    assert await other.try_to_take(30) == 18


async def test_a_limit_of_one_leaves_the_background_its_turn(open_processes: Open) -> None:
    [only] = await open_processes(1)
    with priority.background():
        assert await only.try_to_take(3, limits=(RateLimit(1, 60),)) == 1


@pytest.mark.parametrize("redis_is_there", [True, False])
async def test_a_caller_who_waits_goes_before_the_background(open_processes: Open, *, redis_is_there: bool) -> None:
    processes = await open_processes(2 if redis_is_there else 1)
    one, other = processes[0], processes[-1]
    if not redis_is_there:
        await one.wire.cut()
    two = (RateLimit(2, 1),)
    assert await one.try_to_take(2, limits=two) == 2
    order: list[str] = []

    async def wait_as(name: str, process: Process) -> None:
        await process.take(two, within=10)
        order.append(name)

    with priority.background():
        behind = asyncio.create_task(wait_as("background", one))
    await asyncio.sleep(0.05)
    await asyncio.gather(*(wait_as("caller", process) for process in (one, other)))
    assert order == ["caller", "caller"]
    await behind


async def test_rubbish_under_its_keys_is_thrown_away(open_processes: Open, clean_redis: str) -> None:
    one, other = await open_processes(2)
    assert await one.try_to_take(30) == 30
    async with Redis.from_url(clean_redis) as redis:
        for name in [name async for name in redis.scan_iter("quota:scripted:*")]:
            await redis.set(name, "rubbish")
    assert await other.try_to_take(30, within=0.8) == 6
    assert most_within(1, sent_by([one, other])) == 36


async def test_what_is_kept_ends_by_itself_and_holds_nothing_but_numbers(
    open_processes: Open, clean_redis: str
) -> None:
    one, _ = await open_processes(2)
    with priority.background():
        await one.take()
    await one.quota.close("scripted", "account", 30)
    async with Redis.from_url(clean_redis) as redis:
        names = [name async for name in redis.scan_iter("quota:*")]
        assert len(names) == 5
        assert all([await redis.pttl(name) > 0 for name in names])


async def test_what_is_left_is_the_same_wherever_it_is_asked(open_processes: Open) -> None:
    one, other = await open_processes(2)
    limits = (RateLimit(100, 60), RateLimit(1_000, 3_600))
    assert await one.try_to_take(30, limits=limits) == 30
    left = [await process.quota.left("scripted", "account", limits) for process in (one, other)]
    assert left == [QuotaLeft(100, 60, 100 - 2 * 5 - 30)] * 2
    assert await one.quota.left("scripted", "account", ()) is None
    await other.wire.cut()
    assert await other.quota.left("scripted", "account", limits) == QuotaLeft(100, 60, 50)


async def test_waiters_are_served_as_soon_as_there_is_room(open_processes: Open) -> None:
    one, other = await open_processes(2)
    five = (RateLimit(5, 1),)
    await asyncio.gather(*(process.take(five, within=10) for process in (one, other) for _ in range(5)))
    sent = sorted([*one.sent, *other.sent])
    assert most_within(1, sent) == 5
    assert max(later - first for first, later in pairwise(sent)) < 1.6
