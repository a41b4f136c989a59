"""What is measured against a yardstick: each function gives one row."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import asyncpg
import orjson
from redis import Redis

from tests.bench.figures import Figure
from tests.bench.load import Plan, Result, drive
from tests.bench.machine import cpu_seconds
from tests.bench.stage import HOTEL, READ_HOTEL, Served, Stage
from tests.bench.yardsticks import STORED

ROUNDS = 5
"""Ours and the yardstick's take turns, so that what else the machine does meets both."""
_FIRST_WARM_UP = 2.0
_WARM_UP = 0.3
_SECONDS = 2.0
_READ_SECONDS = 1.0
CONNECTIONS = 16
_NOTE = orjson.dumps({"text": "Late arrival, around 23:00; please keep the room and a cold supper"}).decode()


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a row, over all its rounds; what is spent is per request."""

    rate: float
    p50: float
    p99: float
    requests: int
    failed: int
    server_ms: float
    """Milliseconds of processor time that the measured process took."""
    around_ms: float
    """The same of Postgres, Redis and the simulator."""
    server_busy: float
    """Which part of its core the measured process used."""
    others_busy: float
    """Which part of the other cores all the rest used, the load generator included."""
    commits: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure of ours, the yardstick's, and what their ratio has to be."""

    what: str
    ours: Side
    yardstick: Side
    target: float

    @property
    def ratio(self) -> float:
        """How many times the yardstick's rate ours is."""
        return self.ours.rate / self.yardstick.rate

    @property
    def figure(self) -> Figure:
        """Give the line of the table: reached is what has the ratio, without a single failure."""
        return Figure(
            name=self.what,
            result=f"{self.ratio:.2f} x ({self.ours.rate:,.0f}/s against {self.yardstick.rate:,.0f}/s)",
            target=f">= {self.target:g} x",
            reached=self.ratio >= self.target and not self.ours.failed and not self.yardstick.failed,
        )


@dataclass(frozen=True, slots=True)
class _Spent:
    server: float
    around: float
    commits: int

    def since(self, before: "_Spent") -> "_Spent":
        return _Spent(self.server - before.server, self.around - before.around, self.commits - before.commits)


def note_writes(stage: Stage) -> Row:
    """Compare a note, once in effect and on record, with the same call and one INSERT that is committed."""
    paths = [f"/reservations/{one}/notes" for one in stage.reservations]
    return _compared(
        stage,
        _plan(stage.gateway, [f"/v1/hotels/{HOTEL}{path}" for path in paths], body=_NOTE, seconds=_SECONDS),
        _plan(stage.yardstick, paths, body=_NOTE, seconds=_SECONDS),
        what=f"note write, 0 ms PMS, {CONNECTIONS} connections, against the same call and one INSERT commit",
        target=0.5,
    )


def cached_hits(stage: Stage) -> Row:
    """Compare a reservation out of the cache with the same one out of one GET, its caller looked up in a dict."""
    with Redis.from_url(stage.servers.redis_url) as redis:
        for one in stage.read_reservations:
            redis.set(f"{STORED}{one}", orjson.dumps(stage.gateway.desk.read(READ_HOTEL, one)["data"]))
    paths = [f"/reservations/{one}" for one in stage.read_reservations]
    return _compared(
        stage,
        _plan(stage.gateway, [f"/v1/hotels/{READ_HOTEL}{path}" for path in paths], body=None, seconds=_READ_SECONDS),
        _plan(stage.yardstick, paths, body=None, seconds=_READ_SECONDS),
        what=f"cached hit, {CONNECTIONS} connections, against a dict of callers, one Redis GET and orjson",
        target=0.5,
    )


ROWS: tuple[Callable[[Stage], Row], ...] = (note_writes, cached_hits)


def _compared(stage: Stage, ours: Plan, theirs: Plan, *, what: str, target: float) -> Row:
    rounds: list[tuple[tuple[Result, _Spent], tuple[Result, _Spent]]] = []
    for number in range(ROUNDS):
        warm_up = _WARM_UP if number else _FIRST_WARM_UP
        first = _measured(stage, stage.gateway, replace(ours, warm_up=warm_up))
        rounds.append((first, _measured(stage, stage.yardstick, replace(theirs, warm_up=warm_up))))
    return Row(
        what=what,
        ours=_side(stage, [first for first, _ in rounds]),
        yardstick=_side(stage, [second for _, second in rounds]),
        target=target,
    )


def _plan(served: Served, paths: list[str], *, body: str | None, seconds: float) -> Plan:
    return Plan(
        port=served.port,
        paths=paths,
        headers=served.headers,
        body=body,
        status=200 if body is None else 201,
        connections=CONNECTIONS,
        warm_up=_WARM_UP,
        seconds=seconds,
    )


def _measured(stage: Stage, served: Served, plan: Plan) -> tuple[Result, _Spent]:
    """Drive one round. What is spent covers the warm-up, too, and so is scaled to the measured part."""
    served.process.require_alive()
    before = _spent(stage, served)
    result = drive(plan)
    spent = _spent(stage, served).since(before)
    part = plan.seconds / (plan.seconds + plan.warm_up)
    return result, _Spent(spent.server * part, spent.around * part, round(spent.commits * part))


def _spent(stage: Stage, served: Served) -> _Spent:
    around = (stage.servers.postgres.pid, stage.servers.redis.pid, stage.pms.process.pid)
    return _Spent(
        cpu_seconds(served.process.pid), sum(map(cpu_seconds, around)), asyncio.run(_commits(served.database_url))
    )


async def _commits(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


def _side(stage: Stage, rounds: list[tuple[Result, _Spent]]) -> Side:
    results, spent = [result for result, _ in rounds], [one for _, one in rounds]
    requests, seconds = sum(one.requests for one in results), sum(one.seconds for one in results)
    server, around = sum(one.server for one in spent), sum(one.around for one in spent)
    generator = sum(one.cpu for one in results)
    return Side(
        rate=median(one.rate for one in results),
        p50=median(one.p50 for one in results),
        p99=median(one.p99 for one in results),
        requests=requests,
        failed=sum(one.failed for one in results),
        server_ms=server / max(1, requests) * 1000,
        around_ms=around / max(1, requests) * 1000,
        server_busy=server / seconds,
        others_busy=(around + generator) / seconds / len(stage.cores.others),
        commits=sum(one.commits for one in spent) / max(1, requests),
    )
