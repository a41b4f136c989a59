"""The outermost layer of every request, as plain ASGI: correlation, limits, security headers, access log, metrics."""

import asyncio
import re
import time
from uuid import uuid4

import structlog
from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem_body, problem_response
from app.telemetry import context, metrics

MAX_BODY = 1_000_000
BODY_SECONDS = 30.0
"""How long a body may take: whoever sends a byte now and then holds a connection no longer than this."""

_CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = _WITH_BODY | {"GET", "HEAD", "OPTIONS"}
"""Named in metrics; callers may invent others."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
_STRICT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")

log = structlog.get_logger()


class BodyTooLarge(HTTPException):
    """The body grew beyond the limit while it was read; of other errors on the way FastAPI makes a 400."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyTooSlow(HTTPException):
    """The body was not there in time."""

    def __init__(self) -> None:
        super().__init__(400)


class Edge:
    """Wraps the application: nothing goes in or out that does not pass here."""

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        correlation_id = _correlation_id(headers.get("x-correlation-id"))
        scope.setdefault("state", {})["started"] = time.monotonic()
        method = scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # the same answer, whose body the exchange keeps back
        with context.about(correlation_id=correlation_id):
            exchange = _Exchange(scope, send, correlation_id, method)
            refusal = _refusal(method, scope["path"], headers)
            if refusal is not None:
                await problem_response(problem_body(*refusal))(scope, receive, exchange.send)
            else:
                await self._serve(scope, receive, exchange)
            exchange.finish()

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        try:
            await self._app(scope, _limited(receive, self._body_seconds), exchange.send)
        except Exception:
            log.exception("request.crashed", route=_route(scope))
            await exchange.fail(
                "internal_error", "the gateway failed; the correlation id names the log line", scope, receive
            )


class _Exchange:
    """One request on its way: what was answered, and how long it took."""

    def __init__(self, scope: Scope, send: Send, correlation_id: str, method: str) -> None:
        self._scope = scope
        self._send = send
        self._method = method
        self._correlation_id = correlation_id.encode()
        self._status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            extra = [*_HEADERS, (b"x-correlation-id", self._correlation_id)]
            if b"content-security-policy" not in present:
                extra.append(_STRICT_POLICY)
            if b"cache-control" not in present:
                extra.append(_NO_STORE)
            message["headers"] = [*message["headers"], *extra]
        elif self._method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)

    async def fail(self, code: str, detail: str, scope: Scope, receive: Receive) -> None:
        """Answer with a problem, unless an answer has begun; then there is nothing left to say."""
        if not self._status:
            await problem_response(problem_body(code, detail))(scope, receive, self.send)

    def finish(self) -> None:
        seconds = time.monotonic() - self._scope["state"]["started"]
        route, method = _route(self._scope), self._method if self._method in _METHODS else "other"
        metrics.HTTP_DURATION.labels(method, route, str(self._status)).observe(seconds)
        log.info(
            "request.finished", method=method, route=route, status=self._status, duration_ms=round(seconds * 1000, 1)
        )


def _correlation_id(given: str | None) -> str:
    return given if given and _CORRELATION_ID.fullmatch(given) else str(uuid4())


def _refusal(method: str, path: str, headers: dict[str, str]) -> tuple[str, str] | None:
    """Tell why a request is not even looked at, if so."""
    if "\x00" in path or "~00" in path:
        return "not_found", "nothing has a NUL in its name"  # and Postgres cannot even be asked for it
    if method not in _WITH_BODY:
        return None
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY:
        return "payload_too_large", f"the body is larger than {MAX_BODY} bytes"
    has_body = length not in {"", "0"} or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json" and not kind.endswith("+json"):
        return "unsupported_media_type", "send the body as application/json"
    if has_body and headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return "unsupported_media_type", "send the body as it is, not packed"  # and no bomb is ever unpacked
    return None


def _limited(receive: Receive, seconds: float) -> Receive:
    """Let a body in that is neither too large nor too slow; afterwards one may wait for the caller to leave."""
    seen, is_whole, end = 0, False, asyncio.get_running_loop().time() + seconds

    async def limited() -> Message:
        nonlocal seen, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow from None
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise BodyTooLarge
        is_whole = not message.get("more_body", False)
        return message

    return limited


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))
