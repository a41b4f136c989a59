"""The cache while Redis is away: what was moved is never fresh again, whoever looks."""

import secrets
import time
from collections.abc import AsyncIterator

import pytest

from app.domain.errors import StorageUnavailable
from app.store.cache import Cache, CacheKey
from app.store.crypto import Keyring
from tests.fixtures.clock import ManualClock
from tests.fixtures.wire import Wire, wire_to

ROOMS = "rooms"


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    async with wire_to(redis_url) as wire:
        yield wire


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def caches(redis_url: str, wire: Wire, clock: ManualClock) -> AsyncIterator[tuple[Cache, Cache]]:
    """The caches of two processes: the first one's way to Redis is the wire."""
    keyring, secret = Keyring({"k": secrets.token_bytes(32)}), secrets.token_bytes(32)
    urls = (wire.instead_of(redis_url), redis_url)
    ours, theirs = (Cache.connect(url, keyring=keyring, secret=secret, clock=clock) for url in urls)
    yield ours, theirs
    wire.release()
    await ours.aclose()
    await theirs.aclose()


@pytest.fixture
def key(caches: tuple[Cache, Cache]) -> CacheKey:
    return caches[0].key(f"hotel-{secrets.token_hex(4)}", "room_status.list", None, [ROOMS])


async def filled(cache: Cache, key: CacheKey, clock: ManualClock) -> None:
    tokens = (await cache.look_up(key)).tokens
    await cache.put(key, b"[]", tokens=tokens, as_of=clock.now(), ttl=60)
    assert await fresh(cache, key)


async def fresh(cache: Cache, key: CacheKey) -> bool | None:
    copy = (await cache.look_up(key)).copy
    return None if copy is None else copy.fresh


async def test_a_move_that_redis_did_not_confirm_is_made_up_for_by_the_next_look(
    caches: tuple[Cache, Cache], key: CacheKey, wire: Wire, clock: ManualClock
) -> None:
    ours, theirs = caches
    await filled(ours, key, clock)
    before = await ours.look_up(key)
    await wire.cut()
    assert not await ours.move(key.hotel_id, [ROOMS])
    assert await fresh(ours, key) is None
    assert (await ours.look_up(key)).last_unconfirmed != before.last_unconfirmed
    await wire.mend()
    assert await fresh(ours, key) is None  # left alone for a second
    clock.advance(2)
    assert await fresh(ours, key) is False
    assert await fresh(theirs, key) is False
    await filled(ours, key, clock)


async def test_redis_is_told_of_a_move_even_when_it_is_left_alone(
    caches: tuple[Cache, Cache], key: CacheKey, wire: Wire, clock: ManualClock
) -> None:
    ours, theirs = caches
    await filled(ours, key, clock)
    await wire.cut()
    assert await fresh(ours, key) is None
    await wire.mend()
    assert await ours.move(key.hotel_id, [ROOMS])
    assert await fresh(theirs, key) is False


async def test_a_move_that_hangs_is_given_up_soon(caches: tuple[Cache, Cache], key: CacheKey, wire: Wire) -> None:
    wire.hold()
    began = time.monotonic()
    assert not await caches[0].move(key.hotel_id, [ROOMS])
    assert time.monotonic() - began < 0.25 + 0.5


async def test_who_is_in_a_hurry_waits_less_and_does_not_speak_for_all(
    caches: tuple[Cache, Cache], key: CacheKey, wire: Wire, clock: ManualClock
) -> None:
    ours, _ = caches
    await filled(ours, key, clock)
    wire.hold()
    began = time.monotonic()
    assert (await ours.look_up(key, seconds=0.02)).tokens is None
    assert time.monotonic() - began < 0.2
    wire.release()
    assert await fresh(ours, key)


async def test_a_list_that_cannot_be_looked_up_is_not_called_gone(
    caches: tuple[Cache, Cache], wire: Wire, clock: ManualClock
) -> None:
    ours, _ = caches
    name = secrets.token_hex(16)
    assert await ours.keep_snapshot(name, b"[1]", seconds=60)
    assert await ours.find_snapshot(secrets.token_hex(16)) is None
    await wire.cut()
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await ours.find_snapshot(name)
    await wire.mend()
    clock.advance(2)
    assert await ours.find_snapshot(name) == b"[1]"
