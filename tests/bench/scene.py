"""A second gateway over the same Postgres and Redis, all of whose neighbours can be cut off or made to hang."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.bench.caller import Answered, callers
from tests.bench.stage import Served, Stage, await_answer, gateway_process, ready_url
from tests.fixtures.wire import Wire, wire_to

TTL_SECONDS = 1
"""For how long a copy is fresh at a hotel whose copies are to be stale."""
_SOON = 5.0
"""Seconds in which what was mended has to be noticed."""
_POLL = 0.02
_BREAKER_CALLS = "pms_circuit_breaker_calls_total{"


@dataclass(frozen=True, kw_only=True)
class Hotel:
    """A hotel of the scene, whose PMS has a wire of its own."""

    served: Served
    hotel_id: str
    reservations: Sequence[str]
    pms: Wire

    def paths(self, number: int) -> list[str]:
        """Give the paths of so many reads, of all its reservations in turns."""
        ids = self.reservations
        return [self.path(ids[index % len(ids)]) for index in range(number)]

    def path(self, reservation_id: str) -> str:
        """Give the path of a reservation."""
        return f"/v1/hotels/{self.hotel_id}/reservations/{reservation_id}"

    async def one_by_one(self, number: int, *, fresh: bool = False) -> list[Answered]:
        """Read so many times, each when the one before is answered."""
        async with callers(self.served, 1) as (caller,):
            return await caller.get_all(self.paths(number), fresh=fresh)

    async def at_once(self, *, fresh: bool = False) -> list[Answered]:
        """Read each of its reservations, all at the same time."""
        paths = self.paths(len(self.reservations))
        async with callers(self.served, len(paths)) as made:
            asking = [caller.get(path, fresh=fresh) for caller, path in zip(made, paths, strict=True)]
            return await asyncio.gather(*asking)

    async def fill(self) -> None:
        """Let the cache have a copy of each of its reservations, and the process connections to ask all at once."""
        await self.at_once()
        await self.at_once(fresh=True)

    async def blocked(self) -> int:
        """Count the calls to any PMS that the breakers have refused so far."""
        url = f"http://127.0.0.1:{self.served.port}/metrics"
        shown = await asyncio.to_thread(httpx.get, url, trust_env=False)
        lines = shown.raise_for_status().text.splitlines()
        counts = [line for line in lines if line.startswith(_BREAKER_CALLS) and 'result="blocked"' in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    async def hits_again(self) -> None:
        """Wait until the copies are found again.

        Raises:
            RuntimeError: they are not, soon.
        """
        ends = time.monotonic() + _SOON
        while any(answer.source != "cache" for answer in await self.one_by_one(2)):
            if time.monotonic() > ends:
                raise RuntimeError("Redis is back, and the gateway does not use it")
            await asyncio.sleep(_POLL)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The second gateway, and its wires."""

    stage: Stage
    served: Served
    postgres: Wire
    redis: Wire

    @asynccontextmanager
    async def hotel(self, hotel_id: str, *, ttl: int) -> AsyncIterator[Hotel]:
        """Register a hotel at the site of the reads, whose breaker is its own; its copies are fresh for `ttl`."""
        body = self.stage.read_registration
        async with wire_to(body["base_url"]) as pms:
            own = {"base_url": pms.instead_of(body["base_url"]), "cache": {"reservation_ttl": ttl}}
            await asyncio.to_thread(self.stage.gateway.desk.register, hotel_id, body | own)
            yield Hotel(served=self.served, hotel_id=hotel_id, reservations=self.stage.read_reservations, pms=pms)


@asynccontextmanager
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    """Start the second gateway. A silent PMS has little time there, so that the breaker opens soon."""
    async with wire_to(stage.settings["database_url"]) as postgres, wire_to(stage.settings["redis_url"]) as redis:
        settings = stage.settings | {
            "database_url": postgres.instead_of(stage.settings["database_url"]),
            "redis_url": redis.instead_of(stage.settings["redis_url"]),
            "pms_timeout": "2",
        }
        with gateway_process("second", stage.cores, settings, headers=stage.gateway.headers) as served:
            await asyncio.to_thread(await_answer, served.process, ready_url(served))
            yield Scene(stage=stage, served=served, postgres=postgres, redis=redis)
