"""The cache while Redis is away: what was moved is never fresh again, whoever looks."""

import asyncio
import secrets
import time

import pytest

from app.domain.errors import StorageUnavailable
from app.store.cache import CacheKey
from tests.fixtures.caches import RedisSide
from tests.fixtures.stays import eventually
from tests.fixtures.wire import Wire

Sides = tuple[RedisSide, RedisSide]
ROOMS = "rooms"
SLACK = 0.5
"""Seconds of real time that a busy machine may add."""


async def back(side: RedisSide) -> None:
    """Wait until a process has found out that Redis is back."""

    async def is_away() -> bool:
        return side.link.is_away

    await eventually(is_away, lambda away: not away)


async def test_a_move_that_redis_did_not_confirm_is_made_up_for_before_anybody_looks(
    sides: Sides, rooms_key: CacheKey, redis_wire: Wire
) -> None:
    ours, theirs = sides
    await ours.fill(rooms_key)
    before = await ours.look(rooms_key)
    await redis_wire.cut()
    assert not await ours.cache.move(rooms_key.hotel_id, [ROOMS])
    assert await ours.fresh(rooms_key) is None
    assert (await ours.look(rooms_key)).after(before)
    await redis_wire.mend()
    await back(ours)
    assert await theirs.fresh(rooms_key) is False  # told by the probe, before anybody looked here
    assert await ours.fresh(rooms_key) is False
    await ours.fill(rooms_key)
    assert await theirs.fresh(rooms_key)


async def test_redis_is_told_of_a_move_even_when_it_is_left_alone(
    sides: Sides, rooms_key: CacheKey, redis_wire: Wire
) -> None:
    ours, theirs = sides
    await ours.fill(rooms_key)
    await redis_wire.cut()
    assert await ours.fresh(rooms_key) is None
    await redis_wire.mend()
    assert await ours.cache.move(rooms_key.hotel_id, [ROOMS])
    assert await theirs.fresh(rooms_key) is False


async def test_a_move_that_hangs_is_given_up_soon(sides: Sides, rooms_key: CacheKey, redis_wire: Wire) -> None:
    redis_wire.hold()
    began = time.monotonic()
    assert not await sides[0].cache.move(rooms_key.hotel_id, [ROOMS])
    assert time.monotonic() - began < 0.05 + SLACK


async def test_who_is_in_a_hurry_waits_less_and_does_not_speak_for_all(
    sides: Sides, rooms_key: CacheKey, redis_wire: Wire
) -> None:
    ours, _ = sides
    await ours.fill(rooms_key)
    redis_wire.hold()
    assert (await ours.cache.look_up(rooms_key, seconds=0.005)).tokens is None
    assert not ours.link.is_away
    redis_wire.release()
    assert await ours.fresh(rooms_key)


async def test_a_list_that_cannot_be_looked_up_is_not_called_gone(sides: Sides, redis_wire: Wire) -> None:
    ours, _ = sides
    name = secrets.token_hex(16)
    assert await ours.snapshots.keep(name, b"[1]", seconds=60)
    assert await ours.snapshots.find(secrets.token_hex(16)) is None
    await redis_wire.cut()
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await ours.snapshots.find(name)
    await redis_wire.mend()
    await back(ours)
    assert await ours.snapshots.find(name) == b"[1]"


async def test_only_the_first_waits_for_a_redis_that_hangs(sides: Sides, rooms_key: CacheKey, redis_wire: Wire) -> None:
    ours, _ = sides
    await ours.fill(rooms_key)
    redis_wire.hold()
    assert await ours.fresh(rooms_key) is None
    assert ours.link.is_away
    began = time.monotonic()
    for _ in range(200):
        assert await ours.fresh(rooms_key) is None
    assert time.monotonic() - began < SLACK  # with 50 ms each it would be ten seconds
    redis_wire.release()
    await back(ours)
    assert await ours.fresh(rooms_key)


async def test_who_looks_at_once_shares_one_round_trip(sides: Sides, rooms_key: CacheKey) -> None:
    ours, _ = sides
    await ours.fill(rooms_key)
    before = (await ours.link.client.info("commandstats"))["cmdstat_mget"]["calls"]
    found = await asyncio.gather(*(ours.fresh(rooms_key) for _ in range(500)))
    after = (await ours.link.client.info("commandstats"))["cmdstat_mget"]["calls"]
    assert found == [True] * 500
    assert after - before == 1


async def test_a_redis_that_is_full_gives_what_it_has_and_forgets_what_was_moved(
    sides: Sides, rooms_key: CacheKey
) -> None:
    ours, theirs = sides
    await ours.fill(rooms_key)
    other = ours.cache.key(rooms_key.hotel_id, "guest.get", "g1", ["guests"])
    await ours.link.client.config_set("maxmemory", 1)
    try:
        assert await ours.fresh(rooms_key)
        assert (await ours.look(other)).tokens is None  # nothing new is kept, and that is no error
        assert not ours.link.is_away
        assert await ours.cache.move(rooms_key.hotel_id, [ROOMS])
        assert await theirs.fresh(rooms_key) is False
    finally:
        await ours.link.client.config_set("maxmemory", 0)
    await ours.fill(other)
    assert await theirs.fresh(other)


async def test_a_redis_that_was_flushed_is_empty_and_no_more(sides: Sides, rooms_key: CacheKey) -> None:
    ours, theirs = sides
    await ours.fill(rooms_key)
    await ours.link.client.flushdb()
    await ours.link.client.script_flush()
    assert await theirs.fresh(rooms_key) is None
    await theirs.fill(rooms_key)
    assert await ours.fresh(rooms_key)


@pytest.mark.parametrize("kind", ["text", "list", "a copy of another entry"])
async def test_rubbish_under_our_keys_is_nothing_and_is_written_over(
    sides: Sides, rooms_key: CacheKey, kind: str
) -> None:
    ours, theirs = sides
    await ours.fill(rooms_key)
    client = ours.link.client
    await client.delete(*rooms_key.names)
    if kind == "a copy of another entry":
        other = ours.cache.key(rooms_key.hotel_id, "guest.get", "g1", ["rooms"])
        await ours.fill(other)
        await client.copy(other.entry, rooms_key.entry, replace=True)
    for name in rooms_key.names:
        if kind == "list":
            await client.rpush(name, b"rubbish")
        elif kind == "text":
            await client.set(name, b"\x00rubbish")
    assert not await ours.fresh(rooms_key)
    await ours.look(rooms_key)
    await ours.fill(rooms_key)
    assert await theirs.fresh(rooms_key)


async def test_a_probe_that_fails_in_a_way_that_nobody_thought_of_goes_on(
    sides: Sides, rooms_key: CacheKey, redis_wire: Wire
) -> None:
    ours, _ = sides
    fails = [RuntimeError("the transport is closed")]

    async def act() -> None:
        if fails:
            raise fails.pop()

    ours.link.before_return(act)
    await redis_wire.cut()
    assert await ours.fresh(rooms_key) is None
    await redis_wire.mend()
    await back(ours)
    assert not fails
    await ours.fill(rooms_key)
