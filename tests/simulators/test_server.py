"""The simulators' server: sites apart from each other, the control door, and what a client sees of each fault."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.simulators.faults import Fault, FaultKind, FaultPlan
from app.simulators.server import Simulators, demo_hotels, simulators
from app.simulators.site import DemoHotel, Simulator, Site
from tests.fixtures.simulators import SimulatorServer, served


def _app(site: Site) -> Starlette:
    async def remark(request: Request) -> JSONResponse:
        booking = site.hotel.booking(request.path_params["id"])
        site.hotel.remark(booking, (await request.body()).decode() or "nothing")
        return JSONResponse({"notes": len(booking.remarks), "padding": "x" * 500})

    return Starlette(routes=[Route("/stays/{id}/notes", remark, methods=["POST"])])


TOY = Simulator(
    vendor="toy",
    app=_app,
    registration=lambda url, key: DemoHotel("toy", {"base_url": url, "credentials": {"api_key": key}}),
    modes={"mood": ("good", "bad")},
)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[SimulatorServer]:
    async with served(Simulators(known=lambda: {"toy": TOY})) as running:
        yield running


@pytest.fixture
async def client(server: SimulatorServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def site(server: SimulatorServer) -> Site:
    made = server.simulators.make_site("toy", "faulty")

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    made.wait = at_once
    return made


async def note(client: httpx.AsyncClient, site: Site, text: str = "late") -> httpx.Response:
    return await client.post(f"{site.path}/stays/{next(iter(site.hotel.bookings))}/notes", content=text)


def written(site: Site) -> int:
    return len(site.hotel.bookings[next(iter(site.hotel.bookings))].remarks) - 1


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        (FaultKind.DROP_BEFORE, "disconnected without sending a response", 0),
        (FaultKind.DROP_AFTER, "disconnected without sending a response", 1),
        (FaultKind.CUT_BODY, "without sending complete message body", 1),
    ],
)
async def test_a_dropped_connection_is_seen_as_one_and_the_work_is_done_or_not(
    client: httpx.AsyncClient, site: Site, kind: FaultKind, error: str, done: int
) -> None:
    site.faults.add(Fault(kind=kind))
    with pytest.raises(httpx.RemoteProtocolError, match=error):
        await note(client, site)
    assert written(site) == done


@pytest.mark.parametrize(
    ("kind", "status", "text", "done"),
    [
        (FaultKind.STATUS, 503, "Fatal error", 0),
        (FaultKind.STATUS_AFTER, 503, "Fatal error", 1),
        (FaultKind.GARBAGE, 200, "Fatal error", 1),
        (FaultKind.GARBAGE_UNDONE, 200, "Fatal error", 0),
        (FaultKind.LATE_COMMIT, 503, "Fatal error", 1),
        (FaultKind.SLOW_BODY, 200, '{"notes":2', 1),
        (FaultKind.LATENCY, 200, '{"notes":2', 1),
        (FaultKind.REFUSE_REPEAT, 200, '{"notes":2', 1),
    ],
)
async def test_a_fault_answers_as_it_says_and_the_work_is_done_or_not(
    client: httpx.AsyncClient, site: Site, *, kind: FaultKind, status: int, text: str, done: int
) -> None:
    site.faults.add(Fault(kind=kind, status=503, seconds=1, headers={"Retry-After": "7"}))
    answer = await note(client, site)
    await site.settled()
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)
    assert written(site) == done
    if text == "Fatal error":
        assert answer.headers["retry-after"] == "7"


async def test_a_late_commit_is_not_done_yet_when_it_is_answered(client: httpx.AsyncClient, site: Site) -> None:
    go = asyncio.Event()

    async def until_told(_: float) -> None:
        await go.wait()

    site.wait = until_told
    site.faults.add(Fault(kind=FaultKind.LATE_COMMIT, status=504, seconds=60))
    assert (await note(client, site)).status_code == 504
    assert written(site) == 0
    go.set()
    await site.settled()
    assert written(site) == 1


async def test_a_repeat_is_refused_and_another_request_is_not(client: httpx.AsyncClient, site: Site) -> None:
    site.faults.add(Fault(kind=FaultKind.REFUSE_REPEAT, status=409))
    answers = [await note(client, site, text) for text in ("a", "a", "b")]
    assert [answer.status_code for answer in answers] == [200, 409, 200]
    assert written(site) == 2


async def test_latency_goes_together_with_another_fault(client: httpx.AsyncClient, site: Site) -> None:
    waited: list[float] = []

    async def note_down(seconds: float) -> None:
        waited.append(seconds)

    site.wait = note_down
    site.faults.add(Fault(kind=FaultKind.LATENCY, seconds=3), Fault(kind=FaultKind.STATUS, status=500))
    assert (await note(client, site)).status_code == 500
    assert waited == [3]


def test_a_fault_strikes_from_its_nth_match_for_as_often_as_it_says() -> None:
    plan = FaultPlan([Fault(kind=FaultKind.STATUS, method="POST", path="/notes$", nth=2, times=2)])
    struck = [plan.strike("POST", "/stays/1/notes").fault is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert plan.strike("GET", "/stays/1/notes").fault is None
    assert plan.strike("POST", "/stays/1").fault is None


def test_the_same_seed_gives_the_same_faults() -> None:
    def struck(seed: int) -> list[bool]:
        plan = FaultPlan([Fault(kind=FaultKind.STATUS, probability=0.5)], seed=seed)
        return [plan.strike("GET", "/").fault is not None for _ in range(50)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 10 < sum(struck(1)) < 40


async def test_requests_are_recorded_and_counted_by_template(client: httpx.AsyncClient, site: Site) -> None:
    await note(client, site)
    await client.get(f"{site.path}/elsewhere?a=1")
    assert site.request_counts() == {"POST /stays/{id}/notes": 1, "GET /elsewhere": 1}
    assert (site.requests[0].body, site.requests[1].query) == (b"late", "a=1")


async def test_the_control_door_makes_changes_shows_and_drops_a_site(client: httpx.AsyncClient) -> None:
    door = "/_control/toy/made"
    made = await client.put(door, json={"modes": {"mood": "bad"}, "seeded": False})
    assert (made.status_code, made.json()["modes"]) == (201, {"mood": "bad"})
    assert made.json()["books"]["HARBOUR"]["reservations"] == []
    changed = await client.patch(door, json={"faults": [{"kind": "status", "status": 418}]})
    assert changed.json()["faults"][0]["status"] == 418
    assert (await client.post("/toy/made/stays/1/notes")).status_code == 418
    assert (await client.get(door)).json()["requests"] == {"POST /stays/{id}/notes": 1}
    assert (await client.delete(door)).status_code == 204
    assert (await client.get(door)).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/_control/toy/x", {"modes": {"mood": "so-so"}}, 422),
        ("/_control/toy/x", {"modes": {"unknown": "1"}}, 422),
        ("/_control/toy/x", {"faults": [{"kind": "unknown"}]}, 422),
        ("/_control/nobody/x", {}, 404),
    ],
)
async def test_the_control_door_refuses_what_there_is_not(
    client: httpx.AsyncClient, path: str, body: dict[str, object], status: int
) -> None:
    assert (await client.put(path, json=body)).status_code == status


async def test_an_unknown_site_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/toy/nowhere/stays")).status_code == 404


def test_sites_share_nothing() -> None:
    made = Simulators(known=lambda: {"toy": TOY})
    one, other = made.make_site("toy", "one"), made.make_site("toy", "other")
    one.hotel.remark(next(iter(one.hotel.bookings.values())), "only here")
    assert len(one.hotel.books.notes) == len(other.hotel.books.notes) + 1
    assert one.api_key != other.api_key
    with pytest.raises(KeyError):
        made.site("toy", "third")


def test_every_simulator_is_found_and_registers_a_demo_hotel_under_its_own_name() -> None:
    found = simulators()
    assert "bridge" in found
    registrations = demo_hotels("http://127.0.0.1:8900/")
    assert [hotel.body["vendor"] for hotel in registrations] == list(found)
    assert len({hotel.hotel_id for hotel in registrations}) == len(found)
    for hotel in registrations:
        assert hotel.body["base_url"].startswith(f"http://127.0.0.1:8900/{hotel.body['vendor']}/demo")
        assert {"name", "timezone", "currency", "credentials"} <= hotel.body.keys()


async def test_the_demo_site_stands_from_the_start(simulators: SimulatorServer) -> None:
    site = simulators.simulators.site("bridge")
    assert simulators.registration(site).body["base_url"] == f"{simulators.url}/bridge/demo"
    assert site.hotel.bookings
