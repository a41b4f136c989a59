"""However many processes ask one PMS, and whatever becomes of Redis, it is never asked more than it allows."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from app.core import deadline, priority
from app.core.clock import SystemClock
from app.core.profile import RateLimit
from app.core.throttle import QuotaLeft, Slots
from app.domain.errors import VendorThrottled
from app.store.quota import SharedQuota
from app.store.redis_link import RedisLink
from tests.fixtures.windows import most_within
from tests.fixtures.wire import Wire, wire_to

FORTY_A_SECOND = (RateLimit(40, 1),)
FORTY_A_MINUTE = (RateLimit(40, 60),)
OWN, BIRTH = "quota:scripted:account", "quota:birth"
LOG = f"{OWN}:taken"


@dataclass
class Process:
    """One process's quota, with a wire to Redis of its own."""

    quota: SharedQuota
    wire: Wire
    sent: list[float] = field(default_factory=list)

    async def take(
        self,
        limits: tuple[RateLimit, ...] = FORTY_A_SECOND,
        *,
        account: str = "account",
        within: float = 0.5,
        slots: Slots | None = None,
    ) -> None:
        """Take one, waiting so many seconds at most."""
        with deadline.until(time.monotonic() + within):
            await self.quota.take("scripted", account, limits, slots=slots)
        self.sent.append(time.monotonic())

    async def try_to_take(self, count: int, **options: object) -> int:
        """Try so often at once; gives how many could be taken."""
        results = await asyncio.gather(*(self.take(**options) for _ in range(count)), return_exceptions=True)  # type: ignore[arg-type]
        assert all(isinstance(one, VendorThrottled) for one in results if one is not None), results
        return results.count(None)


Open = Callable[..., Awaitable[list[Process]]]


@pytest.fixture
async def open_processes(clean_redis: str) -> AsyncIterator[Open]:
    """Opens so many processes that know of each other, when all that were before them have told what they sent."""
    async with contextlib.AsyncExitStack() as stack, Redis.from_url(clean_redis) as redis:

        async def open_all(count: int, *, expected: int | None = None) -> list[Process]:
            await redis.set("quota:birth", 1)
            return [await stack.enter_async_context(_process(clean_redis, expected or count)) for _ in range(count)]

        yield open_all


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
                await process.take(limits, within=0.4)
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
        await asyncio.sleep(1.8)
    assert most_within(1, sent_by(processes)) == 40
    assert len(sent_by(processes)) >= 75


async def test_expecting_too_many_costs_nothing_while_redis_answers(open_processes: Open) -> None:
    [busy] = await open_processes(1, expected=50)
    assert await busy.try_to_take(50, limits=FORTY_A_MINUTE) == 40


async def test_of_an_empty_redis_nothing_is_taken_before_all_could_tell(open_processes: Open, clean_redis: str) -> None:
    one, _ = await open_processes(2)
    async with Redis.from_url(clean_redis) as redis:
        await redis.flushdb()
    assert await one.try_to_take(3, within=0.5) == 0
    assert await one.try_to_take(3, within=1.5) == 3


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
        lost = time.monotonic()
        await asyncio.sleep(1.8)
        for process in processes:
            await process.wire.mend() if how == "cut" else process.wire.release()
        back = time.monotonic()
        await asyncio.sleep(3)
    assert most_within(1, sent_by(processes)) <= 40
    alone = [moment for moment in sent_by(processes) if lost + 0.1 < moment < back]
    assert all(moment > lost + 1 for moment in alone), "the others may just have used it up"
    assert len(alone) == 40, "each its share"
    assert len(sent_by(processes, since=back)) >= 50, "it goes on as before"


async def test_a_loss_of_a_moment_is_waited_out(open_processes: Open) -> None:
    one, _ = await open_processes(2)
    await one.take(FORTY_A_MINUTE)
    await one.wire.cut()
    waiting = asyncio.create_task(one.take(FORTY_A_MINUTE, within=5))
    await asyncio.sleep(0.2)
    await one.wire.mend()
    async with asyncio.timeout(3):
        await waiting


async def test_no_window_has_too_many_when_redis_loses_its_memory(open_processes: Open, clean_redis: str) -> None:
    processes = await open_processes(4)
    async with hammering(processes), Redis.from_url(clean_redis) as redis:
        for _ in range(3):
            await asyncio.sleep(0.7)
            await redis.flushdb()
        await asyncio.sleep(2)
    assert most_within(1, sent_by(processes)) == 40


@pytest.mark.parametrize("idle_first", [True, False])
async def test_a_log_that_alone_was_evicted_is_told_anew(
    open_processes: Open, clean_redis: str, *, idle_first: bool
) -> None:
    one, other, idle = await open_processes(3)
    for process in (one, other):
        assert await process.try_to_take(18, limits=FORTY_A_MINUTE) == 18
    async with Redis.from_url(clean_redis) as redis:
        assert await redis.delete(LOG) == 1
    order = [idle, one, other] if idle_first else [one, other, idle]
    assert sum([await process.try_to_take(20, limits=FORTY_A_MINUTE, within=2.5) for process in order]) == 4


async def test_a_log_is_told_anew_also_by_one_process_alone(open_processes: Open, clean_redis: str) -> None:
    [only] = await open_processes(1)
    assert await only.try_to_take(30, limits=FORTY_A_MINUTE) == 30
    async with Redis.from_url(clean_redis) as redis:
        await redis.flushdb()
    assert await only.try_to_take(30, limits=FORTY_A_MINUTE) == 10


@pytest.mark.parametrize(
    ("key", "kind"),
    [(LOG, "string"), (f"{OWN}:background", "list"), (f"{OWN}:state", "list"), (BIRTH, "list"), (BIRTH, "string")],
)
async def test_rubbish_under_its_keys_locks_nobody_out(
    open_processes: Open, clean_redis: str, key: str, kind: str
) -> None:
    one, other = await open_processes(2)
    with priority.background():
        assert await one.try_to_take(15, limits=FORTY_A_MINUTE) == 15
    assert await one.try_to_take(15, limits=FORTY_A_MINUTE) == 15
    async with Redis.from_url(clean_redis) as redis:
        await redis.delete(key)
        await (redis.set(key, "rubbish") if kind == "string" else redis.rpush(key, "rubbish"))
    assert await other.try_to_take(30, limits=FORTY_A_MINUTE, within=2.5) == 10
    left = await one.quota.left("scripted", "account", FORTY_A_MINUTE)
    assert left is not None
    assert left.remaining == 0


async def test_what_redis_says_of_the_future_is_not_believed(open_processes: Open, clean_redis: str) -> None:
    one, other = await open_processes(2)
    assert await one.try_to_take(10, limits=FORTY_A_MINUTE) == 10
    async with Redis.from_url(clean_redis) as redis:
        future = int(time.time() * 1000) + 3_600_000
        await redis.zadd(LOG, {f"other:{number}": future + number for number in range(60)})
        await redis.hset(f"{OWN}:state", mapping={"closed": future, "at": future})
        await redis.set("quota:birth", future)
    assert await other.try_to_take(50, limits=FORTY_A_MINUTE, within=2.5) == 30


async def test_one_process_alone_needs_no_redis(open_processes: Open) -> None:
    [only] = await open_processes(1)
    assert await only.try_to_take(1, limits=(RateLimit(9, 1),)) == 1
    await asyncio.sleep(1.3)
    assert await only.try_to_take(25) == 25
    await only.wire.cut()
    assert await only.try_to_take(25) == 15
    assert await only.quota.left("scripted", "account", FORTY_A_SECOND) == QuotaLeft(40, 1, 0)
    await only.wire.mend()
    async with hammering([only]):
        await asyncio.sleep(1.6)
    assert most_within(1, only.sent) == 40


async def test_a_process_that_has_just_begun_does_not_know_what_one_before_it_sent(open_processes: Open) -> None:
    [only] = await open_processes(1)
    await only.wire.cut()
    with pytest.raises(VendorThrottled, match="Redis is away"):
        await only.take(FORTY_A_MINUTE)
    await only.wire.mend()
    await only.take(FORTY_A_MINUTE, within=3)


async def test_a_limit_smaller_than_the_number_of_processes_says_why_nothing_is_sent(open_processes: Open) -> None:
    processes = await open_processes(4)
    three = (RateLimit(3, 1),)
    assert await processes[0].try_to_take(5, limits=three) == 3
    await processes[1].wire.cut()
    for _ in range(2):
        with pytest.raises(VendorThrottled, match="smaller than the number of processes"):
            await processes[1].take(three, within=1.3)


async def test_without_a_deadline_nobody_hangs(open_processes: Open) -> None:
    one, other = await open_processes(2, expected=50)
    await other.quota.close("scripted", "closed", 9_000)
    await one.wire.cut()
    assert await one.try_to_take(1, limits=(RateLimit(40, 1),), within=1.6) == 0
    async with asyncio.timeout(2):
        with priority.background(), pytest.raises(VendorThrottled):
            await one.quota.take("scripted", "account", (RateLimit(40, 1),))
        for limits in (FORTY_A_SECOND, ()):
            with pytest.raises(VendorThrottled):
                await other.quota.take("scripted", "closed", limits)


async def test_requests_of_a_hotel_without_a_limit_count_for_the_others_of_its_account(open_processes: Open) -> None:
    one, other = await open_processes(2)
    assert await one.try_to_take(1, limits=FORTY_A_MINUTE) == 1
    assert await other.try_to_take(29, limits=()) == 29
    assert await one.try_to_take(20, limits=FORTY_A_MINUTE) == 10


async def test_accounts_without_limits_do_not_pay_a_trip_each(open_processes: Open, clean_redis: str) -> None:
    one, _ = await open_processes(2)
    async with Redis.from_url(clean_redis) as redis:
        before = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
        assert await one.try_to_take(500, limits=()) == 500
        assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before < 20
    one.wire.hold()
    began = time.monotonic()
    await asyncio.sleep(0.15)
    assert await one.try_to_take(500, limits=(), within=0.2) == 500
    assert time.monotonic() - began < 0.8
    one.wire.release()


async def test_who_came_first_is_served_first_and_the_last_leave_the_line(open_processes: Open) -> None:
    [only] = await open_processes(1)
    ten, order = (RateLimit(10, 1),), list[int]()

    async def take(number: int) -> None:
        await only.take(ten, within=1.6)
        order.append(number)

    results = await asyncio.gather(*(take(number) for number in range(40)), return_exceptions=True)
    assert order == list(range(20))
    refused = [one for one in results if one is not None]
    assert all(isinstance(one, VendorThrottled) and 0 < (one.retry_after or 0) <= 1.25 for one in refused)


async def test_the_background_does_not_starve(open_processes: Open) -> None:
    one, other = await open_processes(2)
    four, stop = (RateLimit(4, 1),), time.monotonic() + 9

    async def call() -> None:
        while time.monotonic() < stop:
            with contextlib.suppress(VendorThrottled):
                await one.take(four, within=3)

    callers = [asyncio.create_task(call()) for _ in range(12)]
    await asyncio.sleep(0.1)
    with priority.background():
        assert await other.try_to_take(1, limits=four, within=2) == 0
        assert await other.try_to_take(1, limits=four, within=8) == 1
    for task in callers:
        task.cancel()
    await asyncio.gather(*callers, return_exceptions=True)


class _OneSlot:
    """A pool of one connection."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(1)

    async def acquire(self, seconds: float) -> None:
        assert seconds <= 10 or math.isinf(seconds)
        await self.free.acquire()

    def release(self) -> None:
        self.free.release()


async def test_no_permission_is_taken_before_there_is_a_connection_for_it(open_processes: Open) -> None:
    [only] = await open_processes(1)
    slots = _OneSlot()
    await only.take(FORTY_A_MINUTE, slots=slots)
    waiting = asyncio.create_task(only.take(FORTY_A_MINUTE, slots=slots, within=5))
    await asyncio.sleep(0.1)
    assert await only.quota.left("scripted", "account", FORTY_A_MINUTE) == QuotaLeft(40, 60, 39)
    slots.release()
    await waiting
    assert await only.quota.left("scripted", "account", FORTY_A_MINUTE) == QuotaLeft(40, 60, 38)
    assert slots.free.locked()
    slots.release()
    with pytest.raises(VendorThrottled):
        await only.take((RateLimit(1, 60),), slots=slots)
    assert not slots.free.locked(), "who gets no permission gives the connection back"


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
    await one.take()
    await one.wire.cut()
    assert await one.try_to_take(1, limits=()) == 1
    await one.quota.close("scripted", "account", 30)
    await one.wire.mend()

    async def is_closed() -> bool:
        return await other.try_to_take(1, limits=()) == 0

    async with asyncio.timeout(3):
        await _until(is_closed)
    for process in (one, other):
        assert await process.quota.left("scripted", "account", FORTY_A_SECOND) == QuotaLeft(40, 1, 0)


async def test_a_vendor_that_asks_for_days_is_believed_for_an_hour(open_processes: Open) -> None:
    one, other = await open_processes(2)
    await one.quota.close("scripted", "account", 1e6)
    with pytest.raises(VendorThrottled) as refused:
        await other.take((), within=5)
    assert 3_500 < (refused.value.retry_after or 0) <= 3_600


async def test_the_background_has_at_most_half(open_processes: Open) -> None:
    one, other = await open_processes(2)
    with priority.background():
        assert await one.try_to_take(30) == 20
        assert await other.try_to_take(30) == 0
    assert await other.try_to_take(30) == 20


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
        await asyncio.sleep(1.3)
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


async def test_what_is_kept_ends_by_itself_and_holds_nothing_but_numbers(
    open_processes: Open, clean_redis: str
) -> None:
    one, _ = await open_processes(2)
    with priority.background():
        await one.take()
    await one.quota.close("scripted", "account", 30)
    async with Redis.from_url(clean_redis) as redis:
        names = [name async for name in redis.scan_iter("quota:*")]
        assert len(names) == 4
        assert all([await redis.pttl(name) > 0 for name in names])


async def test_what_is_left_is_the_same_wherever_it_is_asked(open_processes: Open) -> None:
    one, other = await open_processes(2)
    limits = (RateLimit(100, 60), RateLimit(1_000, 3_600))
    assert await one.try_to_take(30, limits=limits) == 30
    left = [await process.quota.left("scripted", "account", limits) for process in (one, other)]
    assert left == [QuotaLeft(100, 60, 70)] * 2
    assert await one.quota.left("scripted", "account", ()) is None
    await other.wire.cut()
    assert await other.try_to_take(1, limits=limits) == 0
    assert await other.quota.left("scripted", "account", limits) == QuotaLeft(100, 60, 0), "nothing can be taken now"


async def test_waiters_are_served_as_soon_as_there_is_room(open_processes: Open) -> None:
    one, other = await open_processes(2)
    five = (RateLimit(5, 1),)
    await asyncio.gather(*(process.take(five, within=10) for process in (one, other) for _ in range(5)))
    sent = sorted([*one.sent, *other.sent])
    assert most_within(1, sent) == 5
    assert max(later - first for first, later in pairwise(sent)) < 1.6
