"""The only place that talks HTTP to vendors.

Order of wrapping around each vendor call, outermost first: metrics and log, deadline, retry, breaker, auth, throttle,
httpx. The breaker stands inside the retry so that an open circuit ends it at once; the throttle inside the breaker so
that waiting for quota is no failure. A permission is taken last, with a free connection in hand: the vendor counts when
a request arrives, so that nothing may keep it after that.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import orjson
import structlog
from pydantic import BaseModel, ValidationError

from app.core import causes, deadline
from app.core.auth import Auth, BodyAuth
from app.core.body import UnusableBody, read_body
from app.core.breaker import DeadlineCut
from app.core.faults import error_from_answer, error_from_exception
from app.core.operation import Send, current_send
from app.core.pms_clock import PmsClock
from app.core.profile import VendorAnswer, VendorProfile
from app.core.retry import with_retry
from app.core.services import VendorServices
from app.domain.causes import Cause
from app.domain.errors import DeadlineExceeded, GatewayError, NotFound, VendorContractBroken, VendorThrottled
from app.domain.model import type_adapter
from app.telemetry import context, metrics

T = TypeVar("T")
Params = Mapping[str, str | int | list[str]]

log = structlog.get_logger()

_PROBE_PATIENCE = 1.0
"""Seconds that the one who tries out whether a vendor is back waits for quota: nobody else gets through meanwhile."""
_NO_SEGMENT = frozenset({"", ".", ".."})
"""Dots are steps in a path for every URL library, escaped or not."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One thing to say to a vendor: a path template with its values, so that ids stay out of metrics."""

    method: str
    path: str
    at: Mapping[str, str]
    params: Params | None
    content: bytes | None
    headers: Mapping[str, str]
    send: Send | None = None
    """The permission of a write; None for a read."""
    instead: Mapping[str, Any] = field(default_factory=dict)
    """Vendor codes of errors that are an answer to this call, and which one."""

    def url(self, base: str) -> str:
        """Give the full URL; values are escaped so that none can leave its path segment.

        Raises:
            NotFound: a value names no segment at all, so that the path would lead to something else.
        """
        if not _NO_SEGMENT.isdisjoint(self.at.values()):
            raise NotFound("there can be nothing of that id")
        values = {name: quote(value, safe="") for name, value in self.at.items()}
        return f"{base}/{self.path.format_map(values)}"


@dataclass(frozen=True)
class VendorClient:
    """Says things to the PMS of one hotel: `ask` for reads, `act` for writes inside a durable step."""

    profile: VendorProfile
    base_url: str
    auth: Auth
    account: str
    """Tells sets of credentials apart in the quota; no secret itself."""
    services: VendorServices
    _http: httpx.AsyncClient = field(repr=False)
    pms_clock: PmsClock = field(default_factory=PmsClock)
    """What the PMS's answers say of its clock."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        answer: type[T],
        at: Mapping[str, str] | None = None,
        params: Params | None = None,
        json: BaseModel | dict[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        instead: Mapping[str, T] | None = None,
    ) -> T:
        """Ask for something that changes nothing; it may be repeated at will.

        Args:
            method: the HTTP method; some vendors read by POST.
            path: relative to the hotel's base URL, with `{name}` for each value in `at`.
            answer: the type that the JSON answer has to fit, or `bytes` for the body as it is.
            at: values of the path, escaped here.
            params: the query.
            json: the body, as a wire model (unset members left out) or a dict.
            content: the body as bytes, with its `Content-Type` in `headers`.
            headers: beside the profile's own.
            instead: what to answer in place of errors with these vendor codes, for what may be missing or is
                known to fail; such an error is neither repeated nor held against the vendor.

        Raises:
            GatewayError: with its outcome.
        """
        body, extra = _encode(json, content)
        call = Call(
            method=method,
            path=path,
            at=at or {},
            params=params,
            content=body,
            headers={**extra, **(headers or {})},
            instead=instead or {},
        )
        return await with_retry(self.services.clock, lambda: self._guarded(call, answer), harmless=True)

    async def act(
        self,
        method: str,
        path: str,
        *,
        answer: type[T],
        at: Mapping[str, str] | None = None,
        params: Params | None = None,
        json: BaseModel | dict[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        instead: Mapping[str, T] | None = None,
    ) -> T:
        """Send something that changes the PMS; arguments as in `ask`.

        It is repeated only when it surely never arrived, or when the vendor honours the step's reference.

        Raises:
            GatewayError: with its outcome.
            RuntimeError: it was not called inside a step of an operation, which is a fault of the adapter.
        """
        send = current_send()
        if send is None:
            raise RuntimeError("a write must be sent inside a durable step: await op.step(name, lambda: …)")
        body, extra = _encode(json, content)
        key = self.profile.idempotency_key
        if key is not None:
            extra[key.header] = send.reference
        call = Call(
            method=method,
            path=path,
            at=at or {},
            params=params,
            content=body,
            headers={**extra, **(headers or {})},
            send=send,
            instead=instead or {},
        )
        harmless = key is not None and key.is_honoured
        try:
            return await with_retry(self.services.clock, lambda: self._guarded(call, answer), harmless=harmless)
        except GatewayError as error:
            raise send.verdict(error) from error.__cause__

    async def aclose(self) -> None:
        """Close the connections, where this client alone holds them."""
        await self.services.pools.release(self._http)

    async def _guarded(self, call: Call, answer: type[T]) -> T:
        host = urlsplit(self.base_url).netloc
        breaker = self.services.breakers.of(self.profile, host)
        return await breaker.call(lambda: self._attempt(call, answer, is_probe=breaker.is_probing))

    async def _attempt(self, call: Call, answer: type[T], *, is_probe: bool) -> T:
        with self._failing(call):
            request = await self._request(call)
        async with self._permitted(call, is_probe=is_probe):
            return await self._send(call, request, answer)

    @asynccontextmanager
    async def _permitted(self, call: Call, *, is_probe: bool) -> AsyncIterator[None]:
        """Hold a slot and a permission; waiting for either is bounded."""
        slots = self.services.pools.slots(self._http)
        patience = _PROBE_PATIENCE if is_probe else math.inf
        with self._failing(call, but=VendorThrottled), deadline.until(self.services.clock.monotonic() + patience):
            try:
                await self.services.quota.take(self.profile.vendor, self.account, self.profile.rate_limits, slots=slots)
            except httpx.PoolTimeout as error:
                raise error_from_exception(self.profile, error) from error
        try:
            yield
        finally:
            slots.release()

    @contextmanager
    def _failing(self, call: Call, *, but: type[GatewayError] | tuple[()] = ()) -> Iterator[None]:
        """Write down how an attempt failed, but for what is no failure."""
        clock = self.services.clock
        started = clock.monotonic()
        try:
            yield
        except but:
            raise
        except GatewayError as error:
            if call.send is not None:
                call.send.failed(error)
            self._record(call, clock.monotonic() - started, error)
            raise

    async def _send(self, call: Call, request: httpx.Request, answer: type[T]) -> T:
        clock = self.services.clock
        started = clock.monotonic()
        with self._failing(call):
            reply = await self._exchange(call, request)
            error = error_from_answer(self.profile, reply, clock.now())
            if isinstance(error, VendorThrottled):
                await self.services.quota.close(self.profile.vendor, self.account, error.retry_after)
            if error is not None and str(error.vendor_code) not in call.instead:
                raise error
            result = call.instead[str(error.vendor_code)] if error else _decode(self.profile, reply, answer)
        self._record(call, clock.monotonic() - started, None)
        return result

    async def _exchange(self, call: Call, request: httpx.Request) -> VendorAnswer:
        limit, cut = self._time_limit(call)
        if call.send is not None:
            call.send.open(self.services.clock.monotonic())
        try:
            async with asyncio.timeout(limit):
                reply = await self._read(request)
        except TimeoutError as error:
            if cut:
                raise DeadlineCut(
                    "the PMS did not answer within the time that was left",
                    vendor=self.profile.vendor,
                    cause=Cause.NO_TIME,
                ) from error
            raise error_from_exception(self.profile, error) from error
        except httpx.HTTPError as error:
            raise error_from_exception(self.profile, error) from error
        self.pms_clock.note(reply.headers.get("date"), self.services.clock.now())
        receipt = reply.headers.get((self.profile.request_id_header or "").lower())
        if call.send is not None and receipt:
            call.send.operation.receipts.append(receipt[:255])
        return reply

    def _time_limit(self, call: Call) -> tuple[float, bool]:
        """Give the seconds for one attempt, and whether a deadline cut them short."""
        now = self.services.clock.monotonic()
        left = deadline.remaining(now)
        if call.send is not None:
            left = min(left, call.send.operation.not_after - now)
        if left <= 0:
            detail = "the time for this ended before it could be sent"
            raise DeadlineExceeded(detail, vendor=self.profile.vendor, cause=Cause.NO_TIME)
        own = self.profile.timeout or self.services.timeout
        return min(own, left), left < own

    async def _request(self, call: Call) -> httpx.Request:
        headers = {**self.profile.headers, **call.headers}
        correlation_id = context.current("correlation_id")
        if self.profile.correlation_header and correlation_id:
            headers[self.profile.correlation_header] = correlation_id
        request = self._http.build_request(
            call.method,
            call.url(self.base_url),
            params=dict(call.params) if call.params else None,
            content=self.auth.complete(call.content) if isinstance(self.auth, BodyAuth) else call.content,
            headers=headers,
        )
        await self.auth.sign(request)
        return request

    async def _read(self, request: httpx.Request) -> VendorAnswer:
        response = await self._http.send(request, stream=True)
        try:
            body = await read_body(response, self.profile.max_response_bytes)
        except UnusableBody as error:
            detail = f"{self.profile.display_name} {error}"
            raise VendorContractBroken(detail, vendor=self.profile.vendor, cause=Cause.WRONG_FORM) from None
        finally:
            await response.aclose()
        return VendorAnswer(response.status_code, dict(response.headers), body)

    def _record(self, call: Call, seconds: float, error: GatewayError | None) -> None:
        vendor, operation = self.profile.vendor, context.current("operation") or "none"
        metrics.API_LATENCY.labels(vendor, call.path, call.method).observe(seconds)
        fields = {
            "vendor": vendor,
            "endpoint": call.path,
            "method": call.method,
            "duration_ms": round(seconds * 1000, 1),
        }
        if error is None:
            log.debug("vendor.call.succeeded", status="success", **fields)
            return
        kind = type(error).__name__
        metrics.ERRORS.labels(vendor, operation, kind).inc()
        log.warning(
            "vendor.call.failed",
            status="error",
            error_type=kind,
            outcome=error.outcome.value,
            vendor_code=error.vendor_code,
            **fields,
        )


def _encode(json: BaseModel | dict[str, Any] | None, content: bytes | None) -> tuple[bytes | None, dict[str, str]]:
    if json is None:
        return content, {}
    if isinstance(json, BaseModel):
        body = json.model_dump_json(by_alias=True, exclude_unset=True).encode()
    else:
        body = orjson.dumps(json)
    return body, {"Content-Type": "application/json"}


def _decode(profile: VendorProfile, reply: VendorAnswer, answer: type[T]) -> T:
    if answer is bytes:
        return reply.body  # type: ignore[return-value]
    try:
        result: T = type_adapter(answer).validate_json(reply.body or b"null")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise VendorContractBroken(
            f"{profile.display_name} answered {reply.status}, but not as documented ({where}: {first['type']})",
            vendor=profile.vendor,
            cause=causes.form_of(reply),
        ) from None
    return result
