"""`pms-gateway worker` as a process: how it stops, and what becomes of the job that it had."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.settings import Settings
from tests.api.process import environment
from tests.cli.conftest import COMMAND, CommandLine
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate
from tests.fixtures.own_worker import FastHotel
from tests.fixtures.services import PROJECT
from tests.fixtures.stays import eventually, fault, seeded

FACTOR = 0.02
"""How much faster than real life these workers are: the fence stands 1.2 s after the end of an attempt's 1.2 s."""
WORK = (sys.executable, "-c", f"from tests.chaos.process import *; worker(Pace({FACTOR}))")
AWAY = fault(
    "status", method="POST", status=503, body='{"code": "unavailable"}', headers={"Content-Type": "application/json"}
)

Start = Callable[..., "subprocess.Popen[bytes]"]


def test_an_idle_worker_ends_on_sigterm_within_seconds(operator: CommandLine) -> None:
    with operator.start("worker", environment={"LOG_LEVEL": "INFO"}) as worker:
        worker.until(lambda: "worker.started" in worker.said(), "the beginning of work")
        worker.process.terminate()
        assert worker.process.wait(10) == 0, worker.said()
        assert "worker.stopped" in worker.said()
        assert "Traceback" not in worker.said()


def test_a_worker_without_postgres_says_so(operator: CommandLine) -> None:
    refused = operator("worker", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert refused.status == 1
    assert "Postgres cannot be used at 127.0.0.1:1/none" in refused.err


@pytest.fixture
def start(fast_settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts workers as processes, at the hotel of the test; what is left of them is killed."""
    with ExitStack() as stack:

        def one(command: tuple[str, ...] = WORK) -> "subprocess.Popen[bytes]":
            return stack.enter_context(_process(command, fast_settings, tmp_path / "workers.log"))

        yield one


@contextmanager
def _process(command: tuple[str, ...], settings: Settings, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with output.open("ab") as log:
        told = environment(settings) | {"PMS_TIMEOUT": str(settings.pms_timeout)}
        process = subprocess.Popen(command, cwd=PROJECT, env=told, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _held(hotel: HotelUnderTest, gate: Gate) -> dict[str, Any]:
    """Queue a note, and let the send of whoever takes it up be held at the PMS; gives the operation."""
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(AWAY)
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued"), answer.text
    hotel.site.faults.clear()
    gate.stop(hotel.site, method="POST", path="notes$")
    operation: dict[str, Any] = answer.json()["data"]
    return operation


async def _operation(hotel: HotelUnderTest, operation_id: str) -> dict[str, Any]:
    data: dict[str, Any] = (await hotel.client.get(f"/v1/operations/{operation_id}")).json()["data"]
    return data


def _notes(hotel: HotelUnderTest) -> int:
    return [remark.text for remark in seeded(hotel, "Lovelace").remarks].count("Vegan")


async def test_on_sigterm_a_worker_finishes_what_it_has_begun(fast_hotel: FastHotel, start: Start) -> None:
    hotel, gate = await fast_hotel(), Gate()
    operation = await _held(hotel, gate)
    worker = start((*COMMAND, "worker"))  # at its own pace: its send may be held as long as the test needs
    await asyncio.wait_for(gate.arrived.wait(), 30)
    worker.terminate()
    gate.open()
    assert await asyncio.to_thread(worker.wait, 15) == 0
    assert (await _operation(hotel, operation["id"]))["status"] == "succeeded"
    assert _notes(hotel) == 1


async def _owner(settings: Settings, operation_id: str) -> tuple[int, datetime]:
    """Give the process that has an operation, and until when it may send."""
    store = await asyncpg.connect(settings.plain_database_url)
    row = await store.fetchrow("SELECT owner, deadline_at FROM operations WHERE id = $1", operation_id)
    await store.close()
    assert row is not None
    return int(row["owner"].partition("-")[0]), row["deadline_at"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_what_a_worker_had_when_it_ended_is_settled_by_the_other_once_the_fence_allows(
    fast_hotel: FastHotel, fast_settings: Settings, start: Start, ending: signal.Signals
) -> None:
    hotel, gate = await fast_hotel(), Gate()
    operation = await _held(hotel, gate)
    workers = {worker.pid: worker for worker in (start(), start())}
    await asyncio.wait_for(gate.arrived.wait(), 30)
    owner, deadline = await _owner(fast_settings, operation["id"])
    workers[owner].send_signal(ending)
    ended = await asyncio.to_thread(workers[owner].wait, 15)
    assert ended == (0 if ending is signal.SIGTERM else -signal.SIGKILL)
    gate.open()
    done = await eventually(
        lambda: _operation(hotel, operation["id"]), lambda one: one["status"] == "succeeded", within=30
    )
    assert done["result"]["text"] == "Vegan"
    assert _notes(hotel) == 1
    if ending is signal.SIGKILL:
        settled = datetime.fromisoformat(done["updated_at"])
        assert (settled - deadline).total_seconds() >= 60 * FACTOR
