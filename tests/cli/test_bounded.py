"""Anybody who can connect may send a head; nobody may send one without end, or take for ever over it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.cli.bounded import LARGEST_HEAD, BoundedProtocol
from tests.cli.conftest import CommandLine, FreePorts
from tests.fixtures.simulators import QuietServer

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Hasty(BoundedProtocol):
    """Waits for a head as long as a test may."""

    head_seconds = 0.1


async def count_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@contextlib.asynccontextmanager
async def serving(protocol: type[BoundedProtocol]) -> AsyncIterator[Open]:
    """Serve `count_body` on a free port; gives what opens connections to it."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(count_body, http=protocol, ws="none", lifespan="off", log_level="error", access_log=False)
    server = QuietServer(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=2**20)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.transport.abort()
        server.should_exit = True
        await running


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer: its status and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def get(*headers: str, body: str = "") -> bytes:
    return "\r\n".join(["POST /x HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}", "", body]).encode()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-One: " + b"a" * 2_000_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 200_000,
        b"GET /" + b"a" * 2_000_000,
        get("X-One: " + "a" * LARGEST_HEAD),
        get(*["X: y"] * (LARGEST_HEAD // 5)),
    ],
    ids=["one header", "many headers", "the path", "one whole header", "many whole headers"],
)
async def test_a_head_without_end_is_not_read_to_its_end(head: bytes) -> None:
    async with serving(BoundedProtocol) as connect:
        reader, writer = await connect()
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(head), 50_000):
                writer.write(head[start : start + 50_000])
                await writer.drain()
        with contextlib.suppress(ConnectionResetError):  # what it did not read any more takes the answer along
            said = await reader.read()
            assert said.startswith(b"HTTP/1.1 431 ") or said == b""
        assert reader.at_eof() or reader.exception()
        other, asking = await connect()
        asking.write(get("X-Large: " + "a" * 60_000, body="abc"))
        assert await answer(other) == (200, b"3"), "nobody else is concerned"


async def test_a_head_in_pieces_is_read_and_a_large_body_is_no_head() -> None:
    async with serving(BoundedProtocol) as connect:
        reader, writer = await connect()
        for _ in range(3):
            for byte in get("X-Some: thing"):
                writer.write(bytes([byte]))
                await writer.drain()
            assert await answer(reader) == (200, b"0")
            writer.write(get(body="x" * 5 * LARGEST_HEAD))
            assert await answer(reader) == (200, str(5 * LARGEST_HEAD).encode())


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"])
async def test_a_head_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    async with serving(Hasty) as connect:
        reader, writer = await connect()
        writer.write(begun)
        assert await reader.read() == b"", "it was closed"


async def test_a_second_head_is_no_more_waited_for_than_the_first() -> None:
    async with serving(Hasty) as connect:
        reader, writer = await connect()
        writer.write(get())
        assert await answer(reader) == (200, b"0")
        writer.write(b"GET /")
        assert await reader.read() == b""


async def test_what_is_no_http_is_told_so() -> None:
    async with serving(BoundedProtocol) as connect:
        reader, writer = await connect()
        writer.write(b"EHLO gateway\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


def test_the_gateway_is_served_with_these_bounds(operator: CommandLine, free_ports: FreePorts) -> None:
    (port,) = free_ports(1)
    with operator.start("serve", "--port", str(port)) as served:
        served.answers(f"http://127.0.0.1:{port}/health/ready")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(get("X-One: " + "a" * LARGEST_HEAD))
            assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(get("Upgrade: websocket", "Connection: Upgrade"))
            assert connection.recv(100).startswith(b"HTTP/1.1 404 ")
