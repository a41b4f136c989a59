"""`pms-gateway doctor`, as an operator types it: tables, JSON and exit codes."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from app.domain.capability import Capability
from app.simulators.site import Site
from tests.cli.conftest import CommandLine, Ran
from tests.fixtures.simulators import FreshSite, SimulatorServer

Doctor = Callable[..., Awaitable[Ran]]


@pytest.fixture
def doctor(operator: CommandLine, simulators: SimulatorServer) -> Doctor:
    """Registers a site's first hotel as `house`, and examines it."""

    async def run(site: Site, *arguments: str, **changes: object) -> Ran:
        body = json.dumps({**simulators.registration(site).body, **changes})
        put = await asyncio.to_thread(operator, "hotels", "put", "house", "--file", "-", given=body)
        assert put.status == 0, put.err
        return await asyncio.to_thread(operator, "doctor", "house", *arguments)

    return run


async def test_a_healthy_hotel_is_examined_capability_by_capability_for_people_and_for_machines(
    doctor: Doctor, operator: CommandLine, fresh_site: FreshSite
) -> None:
    done = await doctor(fresh_site("qloapps"))
    assert done.status == 0, done.err
    assert all(capability.value in done.out for capability in Capability)
    assert "not probed" in done.out
    assert done.out.splitlines()[-1] == "healthy"
    told = json.loads((await asyncio.to_thread(operator, "doctor", "house", "--json")).out)
    assert told["healthy"] is True
    assert {"name": "clock", "ok": True, "detail": "the PMS's clock agrees with ours"} in told["checks"]
    assert {one["capability"] for one in told["capabilities"]} == {capability.value for capability in Capability}
    assert {one["result"] for one in told["capabilities"]} == {"ok", "not probed", "not offered"}


async def test_the_connection_alone_is_looked_at_and_what_is_wrong_ends_with_1(
    doctor: Doctor, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    done = await doctor(site, "--connection", credentials={"api_key": "WRONG"})
    assert done.status == 1
    assert "Compare the hotel's credentials" in done.out
    assert "1 thing wrong" in done.out
    assert "room_types" not in done.out
    assert len(site.requests) == 1


def test_a_hotel_that_is_not_there_and_a_database_that_is_away_end_with_2(operator: CommandLine) -> None:
    missing = operator("doctor", "nowhere")
    assert (missing.status, "there is no hotel nowhere" in missing.err) == (2, True)
    away = operator("doctor", "nowhere", DATABASE_URL="postgresql://postgres@127.0.0.1:1/none")
    assert (away.status, "Postgres cannot be used" in away.err) == (2, True)
