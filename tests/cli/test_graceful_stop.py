"""SIGTERM under load: who was let in gets an answer, the others are refused at the door, nothing is half done."""

import asyncio
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from app.simulators.faults import Fault, FaultKind
from app.simulators.site import Site
from tests.cli.conftest import CommandLine, FreePorts, all_gone, family
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import eventually

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels tell no orphans")

CALLERS = 12
SLOW = 0.15  # seconds that the PMS takes, so that there is always something under way
HELD = 4.0  # seconds that it takes for one request that is on its way when the signal comes


@dataclass
class Load:
    """Callers that ask again and again, each on a connection of its own that it keeps, until nobody is there."""

    url: str
    key: str
    stay: str
    answers: Counter[str] = field(default_factory=Counter)
    """How many were answered, by method and status."""
    lost: list[str] = field(default_factory=list)
    """Requests of which nobody knows what became."""
    said_goodbye: int = 0
    """Answers that announced the end of their connection."""
    notes: dict[str, int] = field(default_factory=dict)
    """The status of each note that was answered."""

    async def caller(self, number: int) -> None:
        """Read and write in turns."""
        async with self.client() as http:
            for turn in range(10_000):
                try:
                    await (
                        self.read(http) if (number + turn) % 2 else self.write(http, f"note {number} of turn {turn}")
                    )
                except httpx.ConnectError:  # refused: nothing was sent
                    return
                except httpx.HTTPError as error:
                    self.lost.append(f"{number}/{turn}: {error!r}")
                    return

    def client(self) -> httpx.AsyncClient:
        """Make a caller that keeps one connection."""
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, limits=limits, trust_env=False)

    async def read(self, http: httpx.AsyncClient) -> httpx.Response:
        """Ask for what is in no cache."""
        answer = await http.get(f"/v1/hotels/prime/reservations/{self.stay}/balance")
        self._took(answer)
        return answer

    async def write(self, http: httpx.AsyncClient, text: str) -> None:
        """Leave a note."""
        at = f"/v1/hotels/prime/reservations/{self.stay}/notes"
        answer = await http.post(at, json={"text": text}, headers={"Idempotency-Key": text.replace(" ", "-")})
        self._took(answer)
        self.notes[text] = answer.status_code

    def _took(self, answer: httpx.Response) -> None:
        self.answers[f"{answer.request.method} {answer.status_code}"] += 1
        self.said_goodbye += answer.headers.get("connection") == "close"

    async def readiness(self, seen: list[int]) -> None:
        """Ask whether the gateway is ready, as a load balancer does, on a new connection each time."""
        while True:
            async with self.client() as http:
                try:
                    seen.append((await http.get("/health/ready")).status_code)
                except httpx.ConnectError:  # refused, not left waiting at a door that nobody opens
                    return
            await asyncio.sleep(0.05)

    async def until(self, answers: int) -> None:
        """Let it run until so many were answered."""

        async def answered() -> int:
            return self.answers.total()

        await eventually(answered, lambda count: count >= answers, within=60)


class Sleeper:
    """Somebody who keeps a connection that has been idle for a while."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def at(cls, url: str) -> "Sleeper":
        """Open a connection, and use it once."""
        sleeper = cls(*await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2])))
        assert "connection: close" not in await sleeper.asks()
        return sleeper

    async def asks(self) -> str:
        """Ask whether the gateway lives; gives the head of the answer in lower case, empty when it hung up."""
        self._writer.write(b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n")
        head = b""
        while not head.endswith(b'{"status":"ok"}') and (more := await self._reader.read(4096)):
            head += more
        return head.decode().lower()

    async def leaves(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


@pytest.fixture
def site(fresh_site: FreshSite) -> Site:
    made = fresh_site("bridge")
    made.wait = asyncio.sleep
    made.faults.add(Fault(kind=FaultKind.LATENCY, seconds=SLOW))
    return made


@pytest.fixture
async def load(operator: CommandLine, site: Site, free_ports: FreePorts) -> Load:
    """A load for a gateway that is still to be started."""
    scopes = "read,write,charges,ops,admin"
    made = await asyncio.to_thread(operator, "keys", "create", "--client", "me", "--scope", scopes, "--all-hotels")
    assert made.status == 0, made.err
    return Load(f"http://127.0.0.1:{free_ports(1)[0]}", made.out.strip(), next(iter(site.hotel.bookings)))


@pytest.mark.parametrize("options", ["--workers 2", "--workers 2 --drain 1.5", ""])
async def test_on_sigterm_under_load_no_request_that_was_accepted_is_lost(
    operator: CommandLine, simulators: SimulatorServer, site: Site, load: Load, options: str
) -> None:
    port = load.url.rpartition(":")[2]
    with operator.start("serve", "--port", port, *options.split()) as served:
        await asyncio.to_thread(served.answers, f"{load.url}/health/ready")
        async with load.client() as http:
            body = simulators.registration(site).body
            assert (await http.put("/v1/hotels/prime", json=body)).status_code == 201
        children, seen = family(served.process.pid), list[int]()
        async with load.client() as patient, asyncio.TaskGroup() as tasks:
            for number in range(CALLERS):
                tasks.create_task(load.caller(number))
            await load.until(answers=4 * CALLERS)
            site.faults.add(Fault(kind=FaultKind.LATENCY, seconds=HELD, path="room"))
            held = tasks.create_task(patient.get("/v1/hotels/prime/rooms"))
            balancer = tasks.create_task(load.readiness(seen))
            await load.until(answers=6 * CALLERS)
            sleeper = await Sleeper.at(load.url)
            os.kill(served.process.pid, signal.SIGTERM)
            await balancer
            assert "connection: close" in await sleeper.asks(), "what is on its way just then is answered"
            await sleeper.leaves()
        assert await asyncio.to_thread(served.ends) == 0, served.said()
        assert all_gone(children)
        assert "Traceback" not in served.said()
    assert load.lost == []
    assert {one for one in load.answers if one not in {"GET 200", "POST 201", "POST 202"}} == set()
    assert (held.result().status_code, held.result().headers["connection"]) == (200, "close")
    assert load.said_goodbye >= CALLERS
    if "drain" in options:
        assert (seen[0], seen[-1]) == (200, 503), "a load balancer is told before anybody is refused"
    await _every_note_is_there_once(operator, site, load)


async def _every_note_is_there_once(operator: CommandLine, site: Site, load: Load) -> None:
    """See that what was answered 201 is in the PMS, and, after a worker's turn, what was answered 202."""

    def there() -> list[str]:
        return sorted(remark.text for remark in site.hotel.bookings[load.stay].remarks if remark.text in load.notes)

    if 202 in load.notes.values():
        with operator.start("worker") as worker:
            await asyncio.to_thread(
                worker.until, lambda: len(there()) >= len(load.notes), "the settling of what was 202"
            )
    assert there() == sorted(load.notes)
