"""One request to somebody's bridge and its answer, and the caller that sends them."""

import json
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from app.cli.conformance.shapes import LIST_OF, Misfit, misfits, shape_of

LARGEST = 10_000_000
"""Bytes of an answer (§ 1)."""
SLOWEST = 10.0
"""Seconds for an answer (§ 1)."""
_PATIENCE = 60.0
_TRIES = 4
_SHOWN = 300


@dataclass(frozen=True)
class Exchange:
    """A request without its headers, which hold the key, and what came of it; `status` 0 is no answer at all."""

    method: str
    path: str
    """Below the property, with the query."""
    sent: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    failure: str = ""
    slowest: float = SLOWEST
    """Seconds after which it is too slow."""

    @cached_property
    def json(self) -> dict[str, Any]:
        """The answer's object; empty where the body is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def shape(self) -> str | None:
        """What the contract says that a success of this request shows."""
        return shape_of(self.method, self.path.split("?")[0], self.status)

    def shows(self, shapes: Collection[str]) -> bool:
        """Tell whether it is a success that shows one of these, or a list of them."""
        return self.shape is not None and self.shape.removeprefix(LIST_OF) in shapes

    @cached_property
    def misfits(self) -> tuple[Misfit, ...]:
        """Where the answer is not as the schema of its success says."""
        return misfits(self.shape, self.json) if self.shape else ()

    def at(self, *steps: str | int) -> Any:
        """Give what stands at a place in the answer, or None."""
        found: Any = self.json
        for step in steps:
            try:
                found = found[step]
            except (LookupError, TypeError):
                return None
        return found

    @property
    def code(self) -> str | None:
        """The code of a problem (§ 5)."""
        return found if isinstance(found := self.at("code"), str) else None

    def told(self) -> str:
        """Say in one line what came."""
        if self.failure:
            return self.failure
        text = " ".join(self.body[: 4 * _SHOWN].decode(errors="replace").split())
        return f"{self.status} {self.media_type or 'without content type'} {shortened(text)}".rstrip()


def shortened(text: str) -> str:
    """Cut what is too long to be read in a report."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Sends requests to one bridge as the gateway would, and keeps every exchange in `journal`.

    No redirect is followed and no proxy asked. A 429 is waited for, as it was not done.
    """

    url: str
    property_id: str
    key: str = field(repr=False)
    http: httpx.Client = field(repr=False)
    timeout: float
    slowest: float = SLOWEST
    wait: Callable[[float], None] = time.sleep
    journal: list[Exchange] = field(default_factory=list)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str | None] | None = None,
        headers: Mapping[str, str | None] | None = None,
        raw: bytes | None = None,
        property_id: str | None = None,
    ) -> Exchange:
        """Send one request; a header that is None is left out."""
        named = quote(property_id or self.property_id, safe="")
        query = httpx.QueryParams({name: value for name, value in (params or {}).items() if value is not None})
        content = raw if raw is not None else None if body is None else json.dumps(body, ensure_ascii=False).encode()
        given = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        given |= {"Content-Type": "application/json"} if content is not None else {}
        chosen = {name: value for name, value in {**given, **(headers or {})}.items() if value is not None}
        address = f"{self.url}/properties/{named}{path}" + (f"?{query}" if query else "")
        shown = path if property_id is None else f"(property {property_id}){path}"
        sent = shortened((content or b"").decode(errors="replace"))
        asked = shown + (f"?{query}" if query else "")
        blank = Exchange(method, asked, self._masked(sent), slowest=self.slowest)
        request = self.http.build_request(method, address, content=content, headers=chosen)
        exchange = self._patiently(request, blank)
        self.journal.append(exchange)
        return exchange

    def _patiently(self, request: httpx.Request, blank: Exchange) -> Exchange:
        waited = 0.0
        for _ in range(_TRIES):
            exchange = self._once(request, blank)
            pause = exchange.headers.get("retry-after", "")
            if exchange.status != 429 or not pause.isdigit() or waited + int(pause) > _PATIENCE:
                break
            waited += int(pause)
            self.wait(float(pause))
        return exchange

    def _once(self, request: httpx.Request, blank: Exchange) -> Exchange:
        began = time.monotonic()
        body = bytearray()
        try:
            response = self.http.send(request, stream=True)
            try:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LARGEST or time.monotonic() - began > self.timeout:
                        break
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            failed = _failed(blank, error, time.monotonic() - began)
            return replace(failed, failure=self._masked(failed.failure))
        return replace(
            blank,
            status=response.status_code,
            headers=dict(response.headers),
            body=bytes(body).replace(self.key.encode(), b"***"),
            seconds=time.monotonic() - began,
        )

    def _masked(self, text: str) -> str:
        return text.replace(self.key, "***")


def _failed(blank: Exchange, error: Exception, seconds: float) -> Exchange:
    if isinstance(error, httpx.TimeoutException):
        failure = f"no answer within {seconds:.0f} s"
    elif isinstance(error, httpx.ConnectError):
        failure = f"no connection: {error}"
    else:
        failure = f"no answer: {type(error).__name__}: {error}"
    return replace(blank, seconds=seconds, failure=failure)
