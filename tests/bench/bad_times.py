"""How long reads take when something is broken, against what they may."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.bench.caller import Answered, callers
from tests.bench.figures import Bound, Figure, Times
from tests.bench.scene import TTL_SECONDS, Hotel, Scene
from tests.fixtures.wire import Wire

FIRST_STALE_MS = 1_600.0
"""Until a copy is given in place of a PMS that is silent."""
BREAKER_OPEN_MS = 20.0
"""Until a copy is given when the PMS is known not to answer; a copy that is fresh may take no longer."""
REDIS_PATIENCE_MS = 50.0
"""What Redis may cost the first who gets no answer of it."""
NOISE, NOISE_MS = 1.2, 1.0
"""By how much two medians of the same may differ."""
KEYS_PATIENCE_MS, OLD_KEYS_PATIENCE_MS = 250.0, 1_000.0
"""What Postgres may cost who would renew the copies of keys and hotels; more, when these are older than 5 s."""
READ_NUMBER_PATIENCE_MS = 250.0
"""What it may cost a read of the PMS on top of that."""
_LONG = 300
_OPEN_WITHIN = 10.0
_ROUNDS = 5
_FOLLOWING = 10
_MANY = 200
_PACE = 0.05
_KEYS_ARE_OLD = 2.1
"""Seconds after which the copies of keys and hotels are to be renewed."""


async def silent_pms(scene: Scene) -> list[Figure]:
    """Let the PMS take connections and say nothing."""
    async with _stale_hotel(scene, "silent") as hotel:
        hotel.pms.hold()
        return await _first_and_later(hotel, "PMS silent, with a copy")


async def refusing_pms(scene: Scene) -> list[Figure]:
    """Let the PMS refuse connections."""
    async with _stale_hotel(scene, "refusing") as hotel:
        await hotel.pms.cut()
        return await _first_and_later(hotel, "PMS refusing connections, with a copy")


async def redis_away(scene: Scene) -> list[Figure]:
    """Let Redis refuse connections."""
    return await _without_redis(scene, "Redis away", scene.redis.cut, scene.redis.mend)


async def redis_hanging(scene: Scene) -> list[Figure]:
    """Let Redis take connections and say nothing."""
    return await _without_redis(scene, "Redis hanging", *_held(scene.redis))


async def postgres_away(scene: Scene) -> list[Figure]:
    """Let Postgres refuse connections, for longer than keys and hotels count as fresh."""
    async with scene.hotel("no-postgres", ttl=_LONG) as fresh, _stale_hotel(scene, "no-postgres-no-pms") as stale:
        await fresh.fill()
        await stale.pms.cut()
        await stale.at_once()
        await _breaker_open(stale)
        await scene.postgres.cut()
        hits = await _at_a_pace(fresh, 3.0)
        copies = await stale.one_by_one(_MANY)
        await scene.postgres.mend()
    bound = Bound(p99=BREAKER_OPEN_MS)
    return [
        Times.of(hits, source="cache").figure("Postgres away: fresh copies", bound),
        Times.of(copies, source="cache").figure("Postgres away, breaker open: stale copies", bound),
    ]


async def postgres_hanging(scene: Scene) -> list[Figure]:
    """Let Postgres take connections and say nothing: copies, then reads of the PMS."""
    hold, release = _held(scene.postgres)
    async with scene.hotel("hanging-postgres", ttl=_LONG) as hotel:
        await hotel.fill()
        live = Times.of(await _at_a_pace(hotel, 2.0, fresh=True))
        first, following = await _first_and_following(hotel, hold, release, seconds=4.5, fresh=False)
        first_live, following_live = await _first_and_following(hotel, hold, release, seconds=2.5, fresh=True)
    keys, number = KEYS_PATIENCE_MS + BREAKER_OPEN_MS, READ_NUMBER_PATIENCE_MS
    once_a_second = OLD_KEYS_PATIENCE_MS + BREAKER_OPEN_MS
    return [
        first.figure("Postgres hanging: the first fresh copy", Bound(longest=keys)),
        following.figure(
            "Postgres hanging: those that follow, one in a second trying",
            Bound(p50=BREAKER_OPEN_MS, longest=once_a_second),
        ),
        first_live.figure("Postgres hanging: the first read of the PMS", Bound(longest=live.longest + keys + number)),
        following_live.figure(
            "Postgres hanging: reads of the PMS that follow",
            Bound(p50=_as_much_as(live.p50), longest=live.longest + once_a_second + number),
        ),
    ]


ACTS: tuple[Callable[[Scene], Awaitable[list[Figure]]], ...] = (
    silent_pms,
    refusing_pms,
    redis_away,
    redis_hanging,
    postgres_away,
    postgres_hanging,
)


@asynccontextmanager
async def _stale_hotel(scene: Scene, hotel_id: str) -> AsyncIterator[Hotel]:
    """Register a hotel with copies of all its reservations that are stale by now."""
    async with scene.hotel(hotel_id, ttl=TTL_SECONDS) as hotel:
        await hotel.fill()
        await asyncio.sleep(TTL_SECONDS + 0.1)
        yield hotel


async def _first_and_later(hotel: Hotel, what: str) -> list[Figure]:
    first = Times.of(await hotel.at_once(), source="cache")
    await _breaker_open(hotel)
    later = Times.of(await hotel.one_by_one(_MANY), source="cache")
    return [
        first.figure(f"{what}: the first answers", Bound(longest=FIRST_STALE_MS)),
        later.figure(f"{what}: with the breaker open", Bound(p99=BREAKER_OPEN_MS)),
    ]


async def _breaker_open(hotel: Hotel) -> None:
    """Read until none of it is sent to the PMS any more.

    Raises:
        RuntimeError: the breaker stays closed.
    """
    ends = time.monotonic() + _OPEN_WITHIN
    blocked = await hotel.blocked()
    while True:
        await hotel.at_once()
        before, blocked = blocked, await hotel.blocked()
        if blocked - before >= len(hotel.reservations):
            return
        if time.monotonic() > ends:
            raise RuntimeError("the breaker does not open")


async def _without_redis(
    scene: Scene, what: str, cut: Callable[[], Awaitable[None]], mend: Callable[[], Awaitable[None]]
) -> list[Figure]:
    """Compare the first read and those that follow with reads that go round the cache while all is well.

    The first one goes to the PMS after a pause, in which Redis was waited for; a read after a pause is what it is to be
    compared with, as a process that was idle is slower than one that is at work.
    """
    paused: list[Answered] = []
    live: list[Answered] = []
    first: list[Answered] = []
    following: list[Answered] = []
    async with scene.hotel(what.lower().replace(" ", "-"), ttl=_LONG) as hotel:
        await hotel.fill()
        for _ in range(_ROUNDS):  # in turns, so that what else the machine does meets both
            paused += (await _at_a_pace(hotel, 5 * _PACE, fresh=True))[1:]
            live += await hotel.one_by_one(_FOLLOWING, fresh=True)
            await cut()
            answers = await hotel.one_by_one(1 + _FOLLOWING)
            first.append(answers[0])
            following += answers[1:]
            await mend()
            await hotel.hits_again()
    alone, well, more = Times.of(paused, source="pms"), Times.of(live, source="pms"), REDIS_PATIENCE_MS
    once, never = Bound(p50=_as_much_as(alone.p50) + more), Bound(p50=_as_much_as(well.p50))
    return [
        Times.of(first, source="pms").figure(f"{what}: the first read", once),
        Times.of(following, source="pms").figure(f"{what}: those that follow", never),
    ]


def _as_much_as(median: float) -> float:
    return median * NOISE + NOISE_MS


async def _first_and_following(
    hotel: Hotel,
    hold: Callable[[], Awaitable[None]],
    release: Callable[[], Awaitable[None]],
    *,
    seconds: float,
    fresh: bool,
) -> tuple[Times, Times]:
    """Read when keys and hotels are to be renewed, and on from there."""
    await hotel.one_by_one(1, fresh=fresh)
    await hold()
    await asyncio.sleep(_KEYS_ARE_OLD)
    first = await hotel.one_by_one(1, fresh=fresh)
    following = await _at_a_pace(hotel, seconds, fresh=fresh)
    await release()
    await hotel.hits_again()
    source = "pms" if fresh else "cache"
    return Times.of(first, source=source), Times.of(following, source=source)


async def _at_a_pace(hotel: Hotel, seconds: float, *, fresh: bool = False) -> list[Answered]:
    answers: list[Answered] = []
    ends = time.monotonic() + seconds
    async with callers(hotel.served, 1) as (caller,):
        for path in hotel.paths(int(seconds / _PACE)):
            answers.append(await caller.get(path, fresh=fresh))
            if time.monotonic() > ends:
                break
            await asyncio.sleep(_PACE)
    return answers


def _held(wire: Wire) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    async def hold() -> None:
        wire.hold()

    async def release() -> None:
        wire.release()

    return hold, release
