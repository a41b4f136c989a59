"""The load generator, a process of its own: so many connections, each sending its next request when it has its answer.

It speaks HTTP/1.1 by hand, as a client library would be slower than what it measures. `python -m tests.bench.load`
reads a `Plan` as JSON and writes a `Result`.
"""

import asyncio
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from typing import cast

import orjson
import uvloop

from tests.bench.machine import PROJECT

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_GRACE = 20.0  # seconds that the last answers may take


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to send: GETs, or, with a body, POSTs with an `Idempotency-Key` for each."""

    port: int
    paths: list[str]
    headers: dict[str, str]
    body: str | None
    status: int
    """What a right answer has."""
    connections: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured after the warm-up; times in seconds."""

    requests: int
    failed: int
    """Answers of another status, and connections that were cut."""
    seconds: float
    p50: float
    p99: float
    cpu: float
    """Processor time of the generator itself."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass
class _Measured:
    begins: float
    ends: float
    times: list[float] = field(default_factory=list)
    failed: int = 0

    def note(self, started: float, now: float, *, good: bool) -> None:
        if not good:
            self.failed += 1
        elif self.begins <= now < self.ends:
            self.times.append(now - started)


class _Connection(asyncio.Protocol):
    def __init__(self, plan: Plan, requests: "_Requests", measured: _Measured) -> None:
        self._status = f" {plan.status} ".encode()
        self._requests = requests
        self._measured = measured
        self._received = bytearray()
        self._started = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not _is_whole(self._received):
            return
        now = time.perf_counter()
        good = self._status in self._received[:20]
        self._measured.note(self._started, now, good=good)
        self._received.clear()
        if now >= self._measured.ends:
            self._started = 0.0
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._started:
            self._measured.note(self._started, time.perf_counter(), good=False)
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(self._requests.next())


def _is_whole(received: bytearray) -> bool:
    end = received.find(_END_OF_HEAD)
    if end < 0:
        return False
    head = bytes(received[:end]).lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise ValueError("an answer without Content-Length cannot be told from the next one")
    length = head[at + len(_LENGTH) :].partition(b"\r\n")[0]
    return len(received) >= end + len(_END_OF_HEAD) + int(length)


class _Requests:
    def __init__(self, plan: Plan) -> None:
        self._body = None if plan.body is None else plan.body.encode()
        method = "GET" if plan.body is None else "POST"
        given = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        if self._body is not None:
            given += f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n"
        self._heads = cycle([f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{given}".encode() for path in plan.paths])
        self._numbers = count(1)
        self._run = f"{time.time_ns():x}"

    def next(self) -> bytes:
        head = next(self._heads)
        if self._body is None:
            return head + b"\r\n"
        key = f"Idempotency-Key: {self._run}-{next(self._numbers)}\r\n\r\n"
        return b"".join((head, key.encode(), self._body))


async def _drive(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    requests = _Requests(plan)
    begins = time.perf_counter() + plan.warm_up
    measured = _Measured(begins, begins + plan.seconds)
    made = [
        await loop.create_connection(lambda: _Connection(plan, requests, measured), "127.0.0.1", plan.port)
        for _ in range(plan.connections)
    ]
    await asyncio.sleep(max(0.0, begins - time.perf_counter()))
    before = time.process_time()
    await asyncio.sleep(max(0.0, measured.ends - time.perf_counter()))
    cpu = time.process_time() - before
    await asyncio.wait_for(asyncio.gather(*(connection.closed for _, connection in made)), _GRACE)
    times = sorted(measured.times) or [float("nan")]
    return Result(
        requests=len(measured.times),
        failed=measured.failed,
        seconds=plan.seconds,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        cpu=cpu,
    )


def drive(plan: Plan) -> Result:
    """Run the generator in a process of its own, on the cores of the calling one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=orjson.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        check=True,
        timeout=plan.warm_up + plan.seconds + 2 * _GRACE,
    )
    return Result(**orjson.loads(done.stdout))


if __name__ == "__main__":
    result = uvloop.run(_drive(Plan(**orjson.loads(sys.stdin.buffer.read()))))
    sys.stdout.buffer.write(orjson.dumps(asdict(result)))
