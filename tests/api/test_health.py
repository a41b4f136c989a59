"""Liveness, readiness and metrics: always quick, and honest about what is away."""

import re
import time
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.main import create_app
from tests.api.process import GatewayProcess, running_process
from tests.api.tour import Tour
from tests.fixtures.gateway import MakeHotel, RunningGateway, settings_for
from tests.fixtures.own_gateway import OpenGateway, OpenHotel, Wired
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import eventually, fault

NOWHERE = ("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0")
NAMES = {
    "pms_operations_total": {"vendor", "operation", "status"},
    "pms_errors_total": {"vendor", "operation", "error_type"},
    "pms_api_latency_seconds_count": {"vendor", "endpoint", "method"},
    "pms_cache_hits_total": {"operation"},
    "pms_cache_misses_total": {"operation"},
    "pms_stale_reads_total": {"operation"},
    "pms_coalesced_reads_total": {"operation"},
    "pms_circuit_breaker_state": {"vendor", "service"},
    "pms_circuit_breaker_calls_total": {"vendor", "state", "result"},
    "pms_reservations_total": {"vendor", "event"},
    "pms_reservation_revenue_total": {"currency"},
    "pms_reservation_lead_time_days_count": set(),
    "pms_ready": {"check"},
    "pms_job_oldest_due_seconds": set(),
    "pms_audit_partitions_missing": set(),
    "http_request_duration_seconds_count": {"method", "route", "status"},
}
"""Names and labels that api.md pins, dead letters aside: they come with a later version."""
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(exposition: str) -> list[tuple[str, dict[str, str], float]]:
    """Read the text format of Prometheus."""
    lines = (_SAMPLE.fullmatch(line) for line in exposition.splitlines() if line and not line.startswith("#"))
    return [(line["name"], dict(_LABEL.findall(line["labels"] or "")), float(line["value"])) for line in lines if line]


async def readiness(http: httpx.AsyncClient) -> tuple[int, str, dict[str, bool]]:
    """Give the status, the word for it, and which checks are well; it is always told within a second."""
    began = time.monotonic()
    answer = await http.get("/health/ready")
    assert time.monotonic() - began < 1.0
    told = answer.json()
    assert all(check["detail"] for check in told["checks"].values())
    return answer.status_code, told["status"], {name: check["ok"] for name, check in told["checks"].items()}


async def checked(gateway: RunningGateway) -> tuple[int, str, dict[str, bool]]:
    """Let the background check happen now, and ask."""
    await gateway.app.state.readiness.check()
    return await readiness(gateway.http)


async def test_it_is_ready_while_everything_is_there(gateway: RunningGateway) -> None:
    assert await readiness(gateway.http) == (200, "ok", {"postgres": True, "redis": True})
    assert (await gateway.http.get("/health/live")).json() == {"status": "ok"}


async def test_without_redis_it_is_degraded_and_reads_go_on(wired: Wired) -> None:
    await wired.redis.cut()
    assert await checked(wired.hotel.gateway) == (200, "degraded", {"postgres": True, "redis": False})
    assert (await wired.hotel.get("/rooms")).status_code == 200
    await wired.redis.mend()
    assert (await checked(wired.hotel.gateway))[1] == "ok"


async def test_without_postgres_it_is_degraded_and_reads_go_on(wired: Wired) -> None:
    assert (await wired.hotel.get("/rooms")).status_code == 200
    await wired.postgres.cut()
    assert await checked(wired.hotel.gateway) == (200, "degraded", {"postgres": False, "redis": True})
    assert (await wired.hotel.get("/availability", start="2027-03-01", end="2027-03-02")).status_code == 200
    await wired.postgres.mend()
    assert (await checked(wired.hotel.gateway))[1] == "ok"


async def test_without_both_it_is_not_ready_and_still_alive(wired: Wired) -> None:
    await wired.redis.cut()
    await wired.postgres.cut()
    gateway = wired.hotel.gateway
    assert await checked(gateway) == (503, "unavailable", {"postgres": False, "redis": False})
    assert (await gateway.http.get("/health/live")).status_code == 200
    assert (await gateway.http.get("/metrics")).status_code == 200


async def test_neighbours_that_are_silent_do_not_keep_the_asker_waiting(wired: Wired) -> None:
    wired.redis.hold()
    wired.postgres.hold()
    assert (await checked(wired.hotel.gateway))[:2] == (503, "unavailable")
    wired.redis.release()
    wired.postgres.release()


async def test_a_database_that_answers_with_an_error_is_not_well_and_the_watch_goes_on(
    database_url: str, postgres_server_url: str, redis_url: str
) -> None:
    app = create_app(settings_for(database_url, redis_url))
    name = database_url.rpartition("/")[2]
    connection = await asyncpg.connect(postgres_server_url)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
    ):
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await app.state.readiness.check()
        assert (await readiness(http))[1:] == ("degraded", {"postgres": False, "redis": True})
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await eventually(lambda: readiness(http), lambda told: told[1] == "ok")
    await connection.close()


async def test_a_gateway_that_never_saw_its_database_is_not_ready() -> None:
    app = create_app(settings_for(*NOWHERE))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
    ):
        assert await readiness(http) == (503, "unavailable", {"postgres": False, "redis": False})


async def test_before_the_start_and_after_the_end_it_is_not_ready(session_database_url: str, redis_url: str) -> None:
    app = create_app(settings_for(session_database_url, redis_url))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        assert (await readiness(http))[:2] == (503, "unavailable")
        async with app.router.lifespan_context(app):
            assert (await readiness(http))[:2] == (200, "ok")
        assert (await readiness(http))[:2] == (503, "unavailable")
        assert (await http.get("/health/live")).status_code == 200


async def test_a_schema_that_is_not_current_is_not_ready_and_says_what_to_do(database_url: str, redis_url: str) -> None:
    app = create_app(settings_for(database_url, redis_url))
    connection = await asyncpg.connect(database_url)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
    ):
        assert (await readiness(http))[:2] == (200, "ok")
        await connection.execute("UPDATE alembic_version SET version_num = '0000_before'")
        await app.state.readiness.check()
        assert await readiness(http) == (503, "unavailable", {"postgres": False, "redis": True})
        told = (await http.get("/health/ready")).json()
        assert "pms-gateway migrate" in told["checks"]["postgres"]["detail"]
    await connection.close()


async def test_a_database_without_any_table_is_not_ready(empty_database_url: str, redis_url: str) -> None:
    app = create_app(settings_for(empty_database_url, redis_url))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as http,
    ):
        assert (await readiness(http))[:2] == (503, "unavailable")


@pytest.mark.parametrize("reported", [True, False])
async def test_a_pms_is_reported_where_asked_for_and_never_failed_for(
    open_gateway: OpenGateway, open_hotel: OpenHotel, *, reported: bool
) -> None:
    gateway = await open_gateway(check_pms_in_readiness=reported)
    hotel = await open_hotel(gateway)
    hotel.site.faults.add(fault("status", status=500))
    for number in range(6):
        await hotel.get(f"/reservations/R-{number}")
    code, word, checks = await readiness(gateway.http)
    assert (code, word) == (200, "ok")
    assert checks.get("pms:bridge") is (False if reported else None)


async def test_health_asks_for_no_key_and_tells_no_secret(gateway: RunningGateway) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        answer = await gateway.http.get(path)
        assert answer.status_code == 200
        assert "postgresql://" not in answer.text
        assert "redis://" not in answer.text


# --- metrics ---


async def test_every_metric_is_there_with_its_labels_after_a_tour(
    gateway: RunningGateway, make_hotel: MakeHotel, open_hotel: OpenHotel
) -> None:
    hotel = await make_hotel("bridge")
    await Tour(gateway.admin, hotel.id, name=hotel.id).walk(dict(gateway.simulators.registration(hotel.site).body))
    await hotel.get("/room-types")
    failing = await open_hotel()
    await failing.get("/rooms")
    failing.site.faults.add(fault("status", status=500))
    await failing.send("GET", "/rooms", headers={"Cache-Control": "no-cache"})
    answer = await gateway.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    for name, labels in NAMES.items():
        mine = [series for series in found if series[0] == name]
        assert mine or name == "pms_coalesced_reads_total", name
        assert all(series[1].keys() == labels for series in mine), name


async def test_labels_are_bounded(gateway: RunningGateway, make_hotel: MakeHotel) -> None:
    hotel = await make_hotel("bridge")
    ids = [hotel.id, "RES-4711-nowhere", "room-4711", "no-such-path-4711"]
    await hotel.get(f"/reservations/{ids[1]}")
    await hotel.get(f"/rooms/{ids[2]}")
    await gateway.admin.get(f"/{ids[3]}")
    await gateway.admin.get(f"/v1/hotels/{ids[3]}/rooms")
    await gateway.admin("BREW", f"/v1/hotels/{hotel.id}")
    found = samples((await gateway.http.get("/metrics")).text)
    # Other tests of this process have vendors whose hotels share a host, which may be told.
    real = [labels for _, labels, _ in found if labels.get("vendor", "bridge") == "bridge"]
    values = {value for labels in real for value in labels.values()}
    assert not [value for value in values for one in ids if one in value]
    assert "BREW" not in values
    assert "/v1/hotels/{hotel_id}/rooms/{room_number}" in values
    assert "unmatched" in values
    assert not [value for value in values if "127.0.0.1" in value]


async def test_business_metrics_count_a_reservation_once(gateway: RunningGateway, make_hotel: MakeHotel) -> None:
    hotel = await make_hotel("bridge")
    body = {
        "arrival": "2027-03-01",
        "departure": "2027-03-02",
        "room_type": "STD",
        "rate_code": "FLEX",
        "adults": 1,
        "guest": {"last_name": "Wendelgard"},
    }

    async def counted() -> float:
        found = samples((await gateway.http.get("/metrics")).text)
        return sum(value for name, _, value in found if name == "pms_reservation_lead_time_days_count")

    before = await counted()
    first = await hotel.send("POST", "/reservations", body, key="once")
    assert first.status_code == 201
    again = await hotel.send("POST", "/reservations", body, key="once")
    assert again.headers["idempotent-replayed"] == "true"
    assert await counted() == before + 1


async def test_several_processes_add_up_their_metrics(database_url: str, redis_url: str, tmp_path: Path) -> None:
    meeting = tmp_path / "metrics"
    meeting.mkdir()
    settings = settings_for(database_url, redis_url, prometheus_multiproc_dir=meeting)
    async with (
        running_process(settings, tmp_path / "one.log") as one,
        running_process(settings, tmp_path / "two.log") as two,
    ):
        client = await one.client()
        for process, times in ((one, 3), (two, 4)):
            for _ in range(times):
                headers = {"Authorization": f"Bearer {client.token}"}
                assert (await process.http.get("/v1/vendors", headers=headers)).status_code == 200
        for process in (one, two):  # a request is counted once its answer is out
            assert await eventually(partial(vendor_requests, process), lambda count: count >= 7) == 7


async def test_a_circuit_that_is_open_in_one_process_is_seen_at_every_other_until_that_process_dies(
    database_url: str, redis_url: str, fresh_site: FreshSite, simulators: SimulatorServer, tmp_path: Path
) -> None:
    meeting = tmp_path / "metrics"
    meeting.mkdir()
    settings = settings_for(database_url, redis_url, prometheus_multiproc_dir=meeting)
    site = fresh_site("bridge")
    site.faults.add(fault("status", status=500))
    async with running_process(settings, tmp_path / "one.log") as one:
        async with running_process(settings, tmp_path / "two.log") as two:
            client = await two.client()
            body = dict(simulators.registration(site).body)
            assert (await client("PUT", "/v1/hotels/h", json=body)).status_code == 201
            assert await circuits(one) == {}
            for number in range(6):
                await client.get(f"/v1/hotels/h/reservations/R-{number}")
            opened = {"self-hosted:closed": 0, "self-hosted:open": 1, "self-hosted:half-open": 0}
            assert await circuits(one) == await circuits(two) == opened  # the one was asked first
        assert await circuits(one) == {}
        assert await failed_calls(one) > 0, "what a process has counted outlives it"


async def circuits(process: GatewayProcess) -> dict[str, float]:
    found = samples((await process.http.get("/metrics")).text)
    return {labels["service"]: value for name, labels, value in found if name == "pms_circuit_breaker_state"}


async def failed_calls(process: GatewayProcess) -> float:
    found = samples((await process.http.get("/metrics")).text)
    wanted = ("pms_circuit_breaker_calls_total", "failure")
    return sum(value for name, labels, value in found if (name, labels.get("result")) == wanted)


async def vendor_requests(process: GatewayProcess) -> float:
    found = samples((await process.http.get("/metrics")).text)
    return sum(
        value
        for name, labels, value in found
        if name == "http_request_duration_seconds_count" and labels["route"] == "/v1/vendors"
    )
