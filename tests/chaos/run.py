"""One run: a house of its own, writes under a storm, calm, and the reckoning."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app.main import build
from app.settings import Settings
from app.simulators.records import HotelRefused
from app.simulators.server import Simulators
from app.simulators.site import Site
from app.store.crypto import IdempotencyHasher
from tests.api.process import environment
from tests.chaos.callers import Callers, Told
from tests.chaos.crew import Crew, Forge
from tests.chaos.history import History
from tests.chaos.pace import Pace
from tests.chaos.stores import Stores
from tests.chaos.subjects import Subject
from tests.chaos.verdict import Judged, Stored, Verdict
from tests.chaos.weather import Storm, Weather
from tests.chaos.writes import HotelWrites
from tests.fixtures.gateway import EVERY_SCOPE, settings_for
from tests.fixtures.simulators import served

CLIENTS = 12
HOTEL, CLIENT = "chaos", "voice"
STAFF_EVERY = 20.0
"""Seconds of real life between two acts of staff."""
CALM_WITHIN = 900.0
"""Seconds of real life in which everything has to be settled once nothing goes wrong any more."""
CALM_AT_LEAST = 90.0
"""Seconds that a busy machine needs for it, however fast the run is; a quiet one is done long before."""
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run."""

    subject: Subject
    seed: int
    size: int
    pace: Pace


@dataclass(frozen=True)
class House:
    """What every run stands on, made once."""

    stores: Stores
    forge: Forge
    folder: Path


@dataclass(frozen=True)
class Scene:
    """A run under way."""

    plan: Plan
    settings: Settings
    site: Site
    weather: Weather
    writes: HotelWrites
    crew: Crew
    callers: Callers


async def run(house: House, plans: Sequence[Plan]) -> list[Verdict]:
    """Run them abreast and judge each: a run waits more than it works, so they cost little more time than one.

    Each has processes, databases, a PMS and callers of its own. They share the servers, so they have one calm.
    """
    storms_over = asyncio.Barrier(len(plans))
    async with asyncio.TaskGroup() as runs:
        begun = [runs.create_task(_run(house, plan, storms_over)) for plan in plans]
    return [one.result() for one in begun]


async def _run(house: House, plan: Plan, storms_over: asyncio.Barrier) -> Verdict:
    begun = time.monotonic()
    async with _scene(house, plan) as scene:
        writes = list(scene.writes.plan(plan.size))
        storm = Storm(scene.crew, house.stores, plan.pace, plan.seed)
        raging = asyncio.create_task(storm.rage(lambda: len(scene.callers.told) / len(writes)))
        scene.weather.is_calm = False
        await scene.callers.ask_all(writes, at_once=CLIENTS)
        await raging
        await storms_over.wait()
        scene.weather.is_calm = scene.crew.is_calm = True
        await _calm(scene)
        judged = await _judge(scene)
        verdict = Verdict(
            subject=plan.subject.name,
            seed=plan.seed,
            pace=str(plan.pace),
            judged=judged,
            weather=scene.weather.tally,
            deaths=scene.crew.deaths,
            seconds=time.monotonic() - begun,
            scale=1 / plan.pace.factor,
        )
        async with History.of(scene.settings, scene.site, scene.weather) as history:
            for one in verdict.offending:
                operation_id = one.stored.operation["id"] if one.stored else None
                verdict.histories[one.told.write.number] = await history.of_operation(operation_id)
    return verdict


@contextlib.asynccontextmanager
async def _scene(house: House, plan: Plan) -> AsyncIterator[Scene]:
    subject, pace = plan.subject, plan.pace
    number = next(_NUMBERS)
    folder = house.folder / f"run-{number}"
    folder.mkdir()
    settings = settings_for(
        house.stores.make_database(f"chaos_{number}"),
        house.stores.redis_url(number),
        pms_timeout=pace.pms_timeout,
        client_requests_per_minute=0,
    )
    told = environment(settings) | {"PMS_TIMEOUT": str(pace.pms_timeout)}
    crew = Crew(house.forge, pace, environment=_only_strings(told), folder=folder, seed=plan.seed)
    simulators = Simulators(known=lambda: {subject.simulator.vendor: subject.simulator})
    async with served(simulators) as server, contextlib.AsyncExitStack() as stack:
        site = simulators.make_site(subject.simulator.vendor, "chaos", modes=subject.modes)
        weather = site.faults = Weather(site, subject, pace, seed=plan.seed)
        body = {**server.registration(site).body, **subject.registration}
        token = await _key(settings)
        await stack.enter_async_context(crew.at_work())
        callers = Callers([one.url for one in crew.gateways], token, HOTEL, pace, seed=plan.seed)
        stack.push_async_callback(callers.aclose)
        await callers.register(body)
        writes = subject.writes(site.hotel, plan.seed)
        staff = asyncio.create_task(_staff(writes, pace))
        stack.callback(staff.cancel)
        yield Scene(plan, settings, site, weather, writes, crew, callers)


def _only_strings(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


async def _key(settings: Settings) -> str:
    """Make the callers' key, as the command line does."""
    database = build(settings).gateway.database
    async with database.unit_of_work() as work:
        made = await work.api_keys.create(client=CLIENT, scopes=EVERY_SCOPE, hotels=None)
    await database.close()
    return made.token.get_secret_value()


async def _staff(writes: HotelWrites, pace: Pace) -> None:
    while True:
        await asyncio.sleep(pace.seconds(STAFF_EVERY) * random.uniform(0.5, 1.5))  # noqa: S311 - guards nothing
        with contextlib.suppress(HotelRefused):
            writes.staff_act()


async def _calm(scene: Scene) -> None:
    """Wait until everything is settled or with a person; what is not by the end is found by the reckoning."""
    end = time.monotonic() + max(CALM_AT_LEAST, scene.plan.pace.seconds(CALM_WITHIN))
    await scene.site.settled()
    while time.monotonic() < end:
        try:
            connection = await asyncpg.connect(scene.settings.plain_database_url, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            continue
        open_ones = await connection.fetchval(
            "SELECT count(*) FROM operations WHERE status IN ('running', 'queued', 'unknown') AND NOT handed_over"
            " AND NOT (status = 'queued' AND next_attempt_at > now() + make_interval(secs => $1))",
            end - time.monotonic(),
        )
        await connection.close()
        if not open_ones:
            return
        await asyncio.sleep(0.1)


async def _judge(scene: Scene) -> list[Judged]:
    letters = await _letters(scene.callers)
    ids = await _operation_ids(scene.settings)
    hasher = IdempotencyHasher(scene.settings.idempotency_secret_bytes())
    readers = asyncio.Semaphore(CLIENTS)

    async def judge(told: Told) -> Judged:
        key_hash = hasher.key_hash(client=CLIENT, hotel_id=HOTEL, key=told.write.key)
        operation_id = ids.get(key_hash) or told.operation_id
        async with readers:
            answer = operation_id and await scene.callers.get(f"/v1/operations/{operation_id}")
        stored = Stored(answer["data"], letters.get(str(operation_id))) if answer else None
        return Judged(told, stored, told.write.wanted.count())

    every = sorted(scene.callers.told, key=lambda told: told.write.number)
    return list(await asyncio.gather(*map(judge, every)))


async def _letters(callers: Callers) -> dict[str, Any]:
    """Give all dead letters by operation."""
    found: dict[str, Any] = {}
    cursor: str | None = None
    while True:
        page = await callers.get("/v1/dead-letters", limit=200, **({"cursor": cursor} if cursor else {}))
        found |= {letter["operation_id"]: letter for letter in page["data"]}
        cursor = page["meta"].get("next_cursor")
        if not cursor:
            return found


async def _operation_ids(settings: Settings) -> dict[bytes, str]:
    """Give the operations by the hash of their key: not every caller was told which one its write became."""
    connection = await asyncpg.connect(settings.plain_database_url)
    rows = await connection.fetch("SELECT id, key_hash FROM operations")
    await connection.close()
    return {row["key_hash"]: str(row["id"]) for row in rows if row["key_hash"]}
