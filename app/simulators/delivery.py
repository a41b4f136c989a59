"""How a request reaches a simulated vendor and how its answer comes back, or does not."""

import asyncio
import hashlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from app.simulators.faults import Fault, FaultKind
from app.simulators.site import Recorded, Site


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def text(cls, status: int, headers: Mapping[str, str], body: str) -> "Reply":
        """Make an answer of text."""
        names = {name.lower(): value for name, value in {"content-type": "text/html", **headers}.items()}
        return cls(status, tuple((name.encode(), value.encode()) for name, value in names.items()), body.encode())


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection."""

    receive: Receive
    send: Send

    async def read(self) -> bytes:
        """Read the request's body to its end."""
        body = bytearray()
        while True:
            message = await self.receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return bytes(body)

    async def start(self, reply: Reply) -> None:
        """Begin an answer: status and headers."""
        headers = [(name, value) for name, value in reply.headers if name != b"content-length"]
        if reply.status not in {204, 304}:
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await self.send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def part(self, body: bytes, *, more: bool) -> None:
        """Send a part of an answer's body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def deliver(self, reply: Reply) -> None:
        """Send a whole answer."""
        await self.start(reply)
        await self.part(reply.body, more=False)

    async def cut(self) -> None:
        """End the connection at once. ASGI has no word for it, so the server's own transport is asked."""
        transport = getattr(getattr(self.send, "__self__", None), "transport", None)
        if transport is None:
            raise RuntimeError("this server gives no way to cut a connection; serve the simulators by uvicorn")
        transport.abort()
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def receive_and_answer(site: Site, scope: Scope, receive: Receive, send: Send) -> None:
    """Record a request, let the site's faults strike, and answer."""
    peer = Peer(receive, send)
    body = await peer.read()
    request = _record(site, scope, body)
    strike = site.faults.strike(request.method, request.path)
    if strike.latency:
        await site.wait(strike.latency)
    if strike.fault is None:
        await peer.deliver(await _handle(site, scope, body))
    else:
        await _struck(site, strike.fault, request, scope, peer)


async def _struck(site: Site, fault: Fault, request: Recorded, scope: Scope, peer: Peer) -> None:
    wrong = Reply.text(fault.status, fault.headers, fault.body)
    match fault.kind:
        case FaultKind.DROP_BEFORE:
            await peer.cut()
        case FaultKind.STATUS | FaultKind.LATENCY:
            await peer.deliver(wrong)
        case FaultKind.GARBAGE_UNDONE:
            await peer.deliver(replace(wrong, status=200))
        case FaultKind.LATE_COMMIT:
            _commit_later(site, fault.seconds, scope, request.body)
            await peer.deliver(wrong)
        case FaultKind.REFUSE_REPEAT if _seen_before(site, request):
            await peer.deliver(wrong)
        case _:
            reply = await _handle(site, scope, request.body)
            await _deliver_wrongly(site, fault, reply, peer)


async def _deliver_wrongly(site: Site, fault: Fault, reply: Reply, peer: Peer) -> None:
    """Answer what was done as the fault wants it answered."""
    match fault.kind:
        case FaultKind.DROP_AFTER:
            await peer.cut()
        case FaultKind.CUT_BODY:
            await peer.start(reply)
            await peer.part(reply.body[: len(reply.body) // 2], more=True)
            await peer.cut()
        case FaultKind.STATUS_AFTER:
            await peer.deliver(Reply.text(fault.status, fault.headers, fault.body))
        case FaultKind.GARBAGE:
            await peer.deliver(Reply.text(200, fault.headers, fault.body))
        case FaultKind.SLOW_BODY:
            await _drip(site, fault.seconds, reply, peer)
        case _:
            await peer.deliver(reply)


def _record(site: Site, scope: Scope, body: bytes) -> Recorded:
    request = Recorded(
        method=scope["method"],
        path=scope["path"],
        template=_template(site, scope),
        query=scope["query_string"].decode(),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )
    site.requests.append(request)
    return request


def _template(site: Site, scope: Scope) -> str:
    """Give the route that the vendor's application has for a request, else its path."""
    for route in getattr(site.app, "routes", ()):
        if route.matches(scope)[0] is not Match.NONE:
            return str(route.path)
    return str(scope["path"])


async def _handle(site: Site, scope: Scope, body: bytes) -> Reply:
    """Let the vendor's application do its work and keep its answer."""
    asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    start: MutableMapping[str, Any] = {"status": 500, "headers": []}
    answer = bytearray()

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            answer.extend(message.get("body", b""))

    await site.app(dict(scope), receive, send)
    return Reply(start["status"], tuple((name, value) for name, value in start["headers"]), bytes(answer))


def _commit_later(site: Site, seconds: float, scope: Scope, body: bytes) -> None:
    async def commit() -> None:
        await site.wait(seconds)
        await _handle(site, scope, body)

    task = asyncio.create_task(commit())
    site.late.add(task)
    task.add_done_callback(site.late.discard)


def _seen_before(site: Site, request: Recorded) -> bool:
    digest = hashlib.sha256(b"\0".join([request.method.encode(), request.path.encode(), request.body])).digest()
    seen = digest in site.done_before
    site.done_before.add(digest)
    return seen


async def _drip(site: Site, seconds: float, reply: Reply, peer: Peer) -> None:
    await peer.start(reply)
    steps = 10
    size = max(1, -(-len(reply.body) // steps))
    for begin in range(0, len(reply.body), size):
        await site.wait(seconds / steps)
        await peer.part(reply.body[begin : begin + size], more=True)
    await peer.part(b"", more=False)
