"""Callers whose single answers are timed: each has a connection of its own, which is open before the time begins."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.bench.stage import Served

_PATIENCE = 40.0  # seconds; longer than any caller's budget
_LENGTH = "content-length"


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, and how long it took."""

    status: int
    source: str | None
    """Where it comes from, by its envelope: `pms`, `cache` or `store`."""
    seconds: float


class Caller:
    """One connection over which GETs are sent, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str]) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def get(self, path: str, *, fresh: bool = False) -> Answered:
        """Send one GET; a `fresh` one has the gateway go round its cache.

        Raises:
            TimeoutError: it is not answered at all.
        """
        more = "Cache-Control: no-cache\r\n" if fresh else ""
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{self._headers}{more}\r\n".encode()
        began = time.perf_counter()
        self._writer.write(request)
        async with asyncio.timeout(_PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            body = await self._reader.readexactly(_length(head))
        seconds = time.perf_counter() - began
        return Answered(int(head.split(" ", 2)[1]), _source(body), seconds)

    async def get_all(self, paths: Sequence[str], *, fresh: bool = False) -> list[Answered]:
        """Send GETs, each when the one before is answered."""
        return [await self.get(path, fresh=fresh) for path in paths]

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


@asynccontextmanager
async def callers(served: Served, number: int) -> AsyncIterator[list[Caller]]:
    """Connect so many callers. A server closes connections that are idle for long (5 s), so they live for one act."""
    made: list[Caller] = []
    try:
        for _ in range(number):
            ends = await asyncio.open_connection("127.0.0.1", served.port)
            made.append(Caller(*ends, served.headers))
        yield made
    finally:
        for one in made:
            one.close()


def _length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name == _LENGTH:
            return int(value)
    raise ValueError("an answer without Content-Length")


def _source(body: bytes) -> str | None:
    answer: Any = orjson.loads(body)
    return answer["meta"]["source"] if "meta" in answer else None
