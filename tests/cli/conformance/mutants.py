"""A bridge that is true but for one twist: a proxy before the simulator, over real HTTP."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.simulators.server import Simulators, server_config
from app.simulators.site import Site
from tests.fixtures.simulators import QuietServer


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request; `path` is below the site."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def is_(self, method: str, end: str) -> bool:
        """Tell whether it is such a request, by the end of its path."""
        return self.method == method and self.path.endswith(end)


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def saying(self, body: Any) -> "Said":
        return replace(self, body=json.dumps(body).encode())

    def under(self, **headers: str | None) -> "Said":
        """Change headers; None takes one away."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name not in named}
        return replace(self, headers=kept | {name: value for name, value in named.items() if value is not None})


Ask = Callable[[Asked], Awaitable[Said]]
Twist = Callable[[Asked, Ask], Awaitable[Said]]


async def true(asked: Asked, ask: Ask) -> Said:
    """Change nothing."""
    return await ask(asked)


def mutant(inner: ASGIApp, site: Site, twist: Twist) -> ASGIApp:
    """Make the application that answers as the site does, but for the twist."""

    async def ask(asked: Asked) -> Said:
        return await _forward(inner, site.path, asked)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        asked = Asked(
            method=scope["method"],
            path=scope["raw_path"].decode(),
            query=scope["query_string"].decode(),
            headers={name.decode(): value.decode() for name, value in scope["headers"]},
            body=bytes(body),
        )
        said = await twist(asked, ask)
        headers = said.headers | {"content-length": str(len(said.body))}
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": listed})
        await send({"type": "http.response.body", "body": said.body})

    return answer


async def _forward(inner: ASGIApp, root: str, asked: Asked) -> Said:
    messages: list[Message] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": asked.method,
        "path": root + unquote(asked.path),
        "raw_path": (root + asked.path).encode(),
        "root_path": "",
        "query_string": asked.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in asked.headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await inner(scope, receive, send)
    start = messages[0]
    return Said(
        status=start["status"],
        headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in messages[1:]),
    )


@contextlib.asynccontextmanager
async def served_mutant(simulators: Simulators, site: Site, twist: Twist) -> AsyncIterator[str]:
    """Serve a mutant on a free port of this machine; gives its base URL."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = QuietServer(server_config(mutant(simulators, site, twist)))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
