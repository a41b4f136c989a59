"""What a hit costs Redis."""

import asyncio
from typing import Any, cast

from redis import Redis

from tests.bench.caller import callers
from tests.bench.figures import Figure, Times
from tests.bench.stage import READ_HOTEL, Stage

_HITS = 500
_MOST = 1.05
"""One for the copy, and a block of the client's limit now and then."""
_WITHIN_SCRIPTS = frozenset({"time", "zremrangebyscore", "zadd", "zrange", "pexpire"})
"""What the script of the client limits does inside: Redis counts it, and it is no trip of its own."""
_PREFIX = "cmdstat_"


def round_trips(stage: Stage) -> list[Figure]:
    """Count what one caller's hits ask Redis, the blocks of the client limits included, and time them one by one."""
    return asyncio.run(_count(stage))


async def _count(stage: Stage) -> list[Figure]:
    ids = stage.read_reservations
    paths = [f"/v1/hotels/{READ_HOTEL}/reservations/{ids[number % len(ids)]}" for number in range(_HITS)]
    with Redis.from_url(stage.servers.redis_url, protocol=2) as redis:
        async with callers(stage.gateway, 1) as (caller,):
            await caller.get_all(paths[: len(ids)])
            before = _trips(redis)
            answers = await caller.get_all(paths)
        per_hit = (_trips(redis) - before) / _HITS
    times = Times.of(answers, source="cache")
    return [
        Figure(
            name="cached hit, one connection: round trips to Redis",
            result=f"{per_hit:.2f} ({times})",
            target=f"<= {_MOST}",
            reached=per_hit <= _MOST and not times.wrong,
        )
    ]


def _trips(redis: "Redis") -> int:
    stats = cast("dict[str, dict[str, Any]]", redis.info("commandstats"))
    counted = {name.removeprefix(_PREFIX): int(values["calls"]) for name, values in stats.items()}
    return sum(calls for name, calls in counted.items() if name not in _WITHIN_SCRIPTS | {"info"})
