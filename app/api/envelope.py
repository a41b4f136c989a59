"""The envelope of every 2xx answer under `/v1`, and the headers that say how far it can be trusted."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import Field

from app.domain.model import Fact, type_adapter
from app.gateway.reads import Answer, Notice
from app.gateway.write import Accepted, Settled

T = TypeVar("T")


class WarningOut(Fact):
    """What the vendor said or could not take."""

    code: str
    detail: str
    fields: tuple[str, ...] = ()


class Meta(Fact):
    """Where an answer comes from and how far it can be trusted."""

    source: Literal["pms", "cache", "store"]
    stale: bool = Field(default=False, description="The PMS could not be asked in time; this is the newest we hold.")
    complete: bool = Field(default=True, description="False: the list may lack entries.")
    as_of: datetime
    warnings: tuple[WarningOut, ...] = ()
    next_cursor: str | None = None
    operation_id: str | None = None


class Envelope(Fact, Generic[T]):
    """An answer and what is known about it."""

    data: T
    meta: Meta


class DayMeta(Meta):
    """What is known of a day's list, and which day is meant."""

    date: date


class DayEnvelope(Fact, Generic[T]):
    """The list of a day and what is known about it."""

    data: T
    meta: DayMeta


def dumped(kind: Any, data: object) -> bytes:
    """Write data as JSON, by the type it is declared as."""
    return type_adapter(kind).dump_json(data)


def read_response(
    request: Request,
    data: bytes,
    answer: Answer[Any],
    *,
    now: datetime,
    next_cursor: str | None = None,
) -> Response:
    """Give a read's answer: 200 with its envelope, or 304 where the caller has it already.

    A stale or incomplete answer and one with more pages is never 304, nor one whose `meta` tells what the caller did
    not ask for by name: it is not in the ETag, a hash of `data`, and would never be seen.
    """
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "X-Cache": "STALE" if answer.stale else "HIT" if answer.source == "cache" else "MISS",
        "Age": str(max(0, math.floor((now - answer.as_of).total_seconds()))),
        "Cache-Control": "private, no-cache",
    }
    says_it_all = answer.complete and not answer.stale and next_cursor is None and not _untold(request, answer.meta)
    if says_it_all and _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    meta = {
        "source": answer.source,
        "stale": answer.stale,
        "complete": answer.complete,
        "as_of": answer.as_of,
        "warnings": _warnings(answer.warnings),
        "next_cursor": next_cursor,
        "operation_id": None,
        **answer.meta,
    }
    return _json(200, data, meta, headers)


def own_response(request: Request, kind: Any, data: object, *, status: int = 200, **meta: Any) -> Response:
    """Give something that is ours rather than a PMS's: registrations, the ledger, operations."""
    now = datetime.now(UTC)
    if status != 200:
        return _json(status, dumped(kind, data), _own_meta(now), {})
    answer = Answer(None, "store", now, meta=meta)
    return read_response(request, dumped(kind, data), answer, now=now)


def pending_response(data: bytes, warnings: Sequence[Notice], *, now: datetime) -> Response:
    """Give 202 for an act of ours that is not complete; the warnings say what is missing."""
    return _json(202, data, {**_own_meta(now), "complete": False, "warnings": _warnings(warnings)}, {})


def write_response(outcome: Settled | Accepted, operation: bytes | None = None) -> Response:
    """Give a write's answer: what was done, or 202 with the operation (`operation`, as JSON) to watch."""
    if isinstance(outcome, Accepted):
        record = outcome.operation
        meta = {**_own_meta(record.updated_at), "operation_id": record.id}
        headers = {"Location": f"/v1/operations/{record.id}"}
        if outcome.preference is not None:
            headers["Preference-Applied"] = outcome.preference
        return _json(202, operation or b"null", meta, headers)
    meta = {
        **_own_meta(outcome.as_of),
        "source": "pms",
        "warnings": _warnings(outcome.warnings),
        "operation_id": outcome.operation_id,
    }
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else {}
    return _json(outcome.status, orjson.dumps(outcome.data), meta, headers)


def _own_meta(as_of: datetime) -> dict[str, Any]:
    return {
        "source": "store",
        "stale": False,
        "complete": True,
        "as_of": as_of,
        "warnings": [],
        "next_cursor": None,
        "operation_id": None,
    }


def _warnings(warnings: Sequence[Notice]) -> list[dict[str, Any]]:
    return [{"code": one.code, "detail": one.detail, "fields": one.fields} for one in warnings]


def _json(status: int, data: bytes, meta: dict[str, Any], headers: dict[str, str]) -> Response:
    body = b'{"data":' + data + b',"meta":' + orjson.dumps(meta, option=orjson.OPT_UTC_Z) + b"}"
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _untold(request: Request, meta: Mapping[str, Any]) -> list[str]:
    """Give the members of `meta` that say more than the query did: the day of today's list, the quota."""
    return [name for name, value in meta.items() if value is not None and request.query_params.get(name) != str(value)]


def _names(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or tags == {"*"}
