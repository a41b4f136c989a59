"""A vendor on a real socket whose every answer a test writes down beforehand.

It speaks HTTP/1.1 by hand: a web server would not let a test reset a connection or stop in the middle of a body.
"""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from app.core.auth import Auth, Bearer
from app.core.egress import EgressPolicy
from app.core.http import VendorClient
from app.core.operation import Operation
from app.core.profile import Credentials, VendorAnswer, VendorFault, VendorProfile
from app.core.services import VendorServices
from app.domain.ids import OperationId
from tests.fixtures.clock import ManualClock

LOOPBACK = EgressPolicy(allow_loopback=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a scripted reply may work with."""

    seen: Seen
    writer: asyncio.StreamWriter
    over: asyncio.Event
    """Set when the test ends."""


Reply = Callable[[Exchange], Awaitable[None]]


def answer(status: int = 200, body: Any = None, **headers: str) -> Reply:
    """Answer with JSON, or with `body` as it is when it is bytes; `retry_after="1"` names `Retry-After`."""
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()

    async def reply(exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(content)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        exchange.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await exchange.writer.drain()

    return reply


def zipped(content: bytes, *, times: int = 1) -> Reply:
    """Answer with `content` packed as gzip, `times` over."""
    for _ in range(times):
        content = gzip.compress(content)
    return answer(200, content, Content_Encoding=", ".join(["gzip"] * times))


def after(clock: ManualClock, seconds: float, reply: Reply) -> Reply:
    """Let `seconds` of the test's clock pass before the reply."""

    async def later(exchange: Exchange) -> None:
        clock.advance(seconds)
        await reply(exchange)

    return later


def when(gate: asyncio.Event, reply: Reply) -> Reply:
    """Reply when the test opens the gate."""

    async def later(exchange: Exchange) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (gate, exchange.over)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if gate.is_set():
            await reply(exchange)

    return later


async def silence(exchange: Exchange) -> None:
    """Take the request and never answer."""
    await exchange.over.wait()


async def half_a_body(exchange: Exchange) -> None:
    """Promise a hundred bytes, send ten, and stop."""
    exchange.writer.write(b"HTTP/1.1 200 Scripted\r\nContent-Length: 100\r\n\r\n" + b"x" * 10)
    await exchange.writer.drain()
    await exchange.over.wait()


async def reset(exchange: Exchange) -> None:
    """Take the request and reset the connection."""
    _reset(exchange.writer)


async def reset_within_the_body(exchange: Exchange) -> None:
    """Begin an answer and reset the connection."""
    exchange.writer.write(b"HTTP/1.1 200 Scripted\r\nContent-Length: 100\r\n\r\n" + b"x" * 10)
    await exchange.writer.drain()
    _reset(exchange.writer)


async def hang_up(exchange: Exchange) -> None:
    """Take the request and close the connection without an answer."""
    exchange.writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class ScriptedVendor:
    """Answers from its script, one reply a request; the last one stands for all that follow."""

    script: list[Reply] = field(default_factory=lambda: [answer()])
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = field(default_factory=dict)

    def will(self, *replies: Reply) -> None:
        """Replace the script."""
        self.script = list(replies)

    async def has_seen(self, count: int) -> None:
        """Wait until so many requests have come in."""
        while len(self.seen) < count:
            self._news.clear()
            await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side is tired of it."""
        self._connections[asyncio.current_task()] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                seen = await _read(reader)
                self.seen.append(seen)
                self._news.set()
                reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await reply(Exchange(seen, writer, self._over))
        writer.close()

    async def end(self) -> None:
        """Let go of all connections."""
        self._over.set()
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, self._connections))


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, target, headers, body)


@asynccontextmanager
async def scripted_vendor() -> AsyncIterator[ScriptedVendor]:
    """Run a vendor on a free port of this machine."""
    vendor = ScriptedVendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield vendor
    finally:
        server.close()
        await vendor.end()
        await server.wait_closed()


class TestCredentials(Credentials):
    """A single key."""

    __test__ = False

    api_key: SecretStr


def bearer(credentials: TestCredentials) -> Auth:
    """Sign with the key."""
    return Bearer(credentials.api_key)


def read_fault(reply: VendorAnswer) -> VendorFault:
    """Read `{"code", "message"}`, the way this vendor says what is wrong."""
    body = reply.json()
    return VendorFault(body.get("code"), body.get("message")) if isinstance(body, dict) else VendorFault()


PROFILE = VendorProfile(
    vendor="scripted",
    display_name="The scripted PMS",
    credentials=TestCredentials,
    authenticate=bearer,
    shared_host=False,
    read_fault=read_fault,
)


@dataclass
class Clients:
    """Makes clients of the scripted vendor that share one process's services, on a manual clock."""

    url: str
    clock: ManualClock
    services: VendorServices

    @classmethod
    def of(cls, url: str, policy: EgressPolicy = LOOPBACK) -> "Clients":
        """Make the services and a clock for them."""
        clock = ManualClock()
        return cls(url, clock, VendorServices.of(policy, clock=clock))

    def make(self, *, url: str | None = None, **facts: Any) -> VendorClient:
        """Make a client; `facts` differ from the profile."""
        profile = replace(PROFILE, **facts)
        base_url = url or self.url
        return VendorClient(
            profile,
            base_url,
            Bearer(SecretStr("canary-key")),
            "account",
            self.services,
            self.services.pools.of(profile, base_url),
        )

    def operation(self, *, budget: float = 60.0) -> Operation:
        """Make a write of `budget` seconds."""
        return Operation(OperationId("op-1"), not_after=self.clock.monotonic() + budget)


async def ask(client: VendorClient, path: str = "things", **options: Any) -> Any:
    """Read some JSON."""
    return await client.ask("GET", path, answer=dict[str, Any], **options)


async def write(client: VendorClient, operation: Operation, step: str = "reserve", **options: Any) -> Any:
    """Write something, as a durable step."""

    async def send() -> dict[str, Any]:
        return await client.act("POST", "things", answer=dict[str, Any], json={"room": 1}, **options)

    return await operation.step(step, send, returns=dict[str, Any])


def free_port() -> int:
    """Give a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
