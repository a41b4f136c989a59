"""Redis away, slow, full, flushed and full of rubbish: what is served, and that nobody waits for it twice."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.store.redis_link import PATIENCE_SECONDS
from tests.fixtures.own_gateway import Wired
from tests.fixtures.stays import asked, eventually, seeded

ONE = "/reservations/{reservation_id}"
SLACK = 1.0
"""Seconds of real time that a busy machine may add."""
EVERYTHING = (
    "/reservations/{id}",
    "/arrivals",
    "/rooms",
    "/room-types",
    "/rate-plans",
    "/reservations?last_name=Lovelace",
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Redis, past the gateway."""
    async with Redis.from_url(redis_url) as client:
        yield client


def paths(wired: Wired) -> list[str]:
    """Give a read of each kind."""
    return [path.format(id=seeded(wired.hotel, "Lovelace").id) for path in EVERYTHING]


async def caches(wired: Wired) -> list[str]:
    """Read everything, which always succeeds; gives where it came from."""
    answers = [await wired.hotel.send("GET", path) for path in paths(wired)]
    assert [one.status_code for one in answers] == [200] * len(answers)
    return [one.headers["X-Cache"] for one in answers]


@pytest.mark.parametrize("how", ["away", "slow"])
async def test_a_redis_that_is_no_use_costs_one_reader_a_moment_and_the_next_nothing(wired: Wired, how: str) -> None:
    await caches(wired)
    if how == "away":
        await wired.redis.cut()
    else:
        wired.redis.hold()
    assert set(await caches(wired)) == {"MISS"}
    began = time.monotonic()
    for _ in range(10):
        await caches(wired)
    # Sixty reads of some milliseconds each; with a look at Redis in each they would take three seconds more.
    assert time.monotonic() - began < 60 * PATIENCE_SECONDS
    wired.redis.release()
    if how == "away":
        await wired.redis.mend()
    await eventually(lambda: caches(wired), lambda found: set(found) == {"HIT"})


async def test_a_redis_that_is_full_gives_what_it_has_and_reads_and_writes_go_on(wired: Wired, redis: Redis) -> None:
    path = f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    await wired.hotel.get(path)
    await redis.config_set("maxmemory", 1)
    try:
        assert (await wired.hotel.get(path)).headers["X-Cache"] == "HIT"
        for _ in range(2):
            assert (await wired.hotel.get("/rooms")).headers["X-Cache"] == "MISS"
        done = await wired.hotel.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"})
        assert done.status_code == 200
        seen = await wired.hotel.get(path)
        assert (seen.headers["X-Cache"], seen.json()["data"]["checkout_time"]) == ("MISS", "13:00")
        listed = await wired.hotel.get("/rooms", limit=1)
        assert [one["code"] for one in listed.json()["meta"]["warnings"]] == ["paging_unavailable"]
        assert listed.json()["meta"]["complete"] is False
    finally:
        await redis.config_set("maxmemory", 0)
    assert [(await wired.hotel.get("/rooms")).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]


async def test_a_redis_that_was_flushed_in_mid_traffic_is_filled_again(wired: Wired, redis: Redis) -> None:
    await caches(wired)
    await redis.flushall()
    await redis.script_flush()
    assert set(await caches(wired)) == {"MISS"}
    assert set(await caches(wired)) == {"HIT"}


@pytest.mark.parametrize("kind", ["text", "list", "hash"])
async def test_rubbish_under_all_our_keys_is_no_answer_and_no_error(wired: Wired, redis: Redis, kind: str) -> None:
    await caches(wired)
    cursor = (await wired.hotel.get("/rooms", limit=1)).json()["meta"]["next_cursor"]
    for name in await redis.keys("*"):
        await redis.delete(name)
        if kind == "text":
            await redis.set(name, b"\xffrubbish:generation")
        elif kind == "list":
            await redis.rpush(name, b"rubbish")
        else:
            await redis.hset(name, "rubbish", "1")
    assert "HIT" not in await caches(wired)
    assert (await wired.hotel.get("/rooms", limit=1, cursor=cursor)).status_code in {422, 503}
    await eventually(lambda: caches(wired), lambda found: set(found) == {"HIT"})
    await redis.flushall()


async def test_without_redis_the_pms_is_asked_once_by_all_who_ask_at_once(wired: Wired) -> None:
    path = f"/reservations/{seeded(wired.hotel, 'Lovelace').id}"
    await wired.redis.cut()
    answers = await asyncio.gather(*(wired.hotel.get(path) for _ in range(100)))
    assert {one.status_code for one in answers} == {200}
    assert asked(wired.hotel.site, ONE) <= 2  # those who looked before it was known, and those who looked after


async def test_without_redis_and_postgres_reads_of_a_known_caller_go_on(wired: Wired) -> None:
    await caches(wired)
    await wired.redis.cut()
    await wired.postgres.cut()
    assert set(await caches(wired)) == {"MISS"}
    note = await wired.hotel.send("POST", f"{paths(wired)[0]}/notes", {"text": "late"}, key="both")
    assert (note.status_code, note.json()["code"]) == (503, "storage_unavailable")
    assert not [one for one in wired.hotel.site.requests if one.path.endswith("/notes")]


async def test_with_everything_away_there_is_an_answer_all_the_same(wired: Wired) -> None:
    await caches(wired)
    for wire in (wired.redis, wired.postgres, wired.pms):
        await wire.cut()
    began = time.monotonic()
    answers = [await wired.hotel.send("GET", path, headers={"X-Request-Timeout": "1"}) for path in paths(wired)]
    assert {one.status_code for one in answers} <= {503, 504}
    assert time.monotonic() - began < len(answers) * (1 + SLACK)
