"""Pages of a list: `limit` and `cursor` over one snapshot, kept encrypted for 15 minutes."""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query, Response

from app.api.deps import Call
from app.api.envelope import dumped, read_response
from app.domain.errors import InvalidRequest
from app.gateway.optional_store import spare
from app.gateway.reads import Answer, Notice

T = TypeVar("T")

SNAPSHOT_SECONDS = 900

_CURSOR = re.compile(r"([0-9a-f]{32})-(\d{1,6})")

_NAME_LENGTH = 32

_REST_IS_LOST = Notice("paging_unavailable", "the rest of the list cannot be kept now; repeat later")

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most, counted after filtering.")]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=64, description="`meta.next_cursor` of the page before; good for 15 minutes."),
]


async def page(
    call: Call,
    kind: Any,
    fetch: Callable[[], Awaitable[Answer[list[T]]]],
    *,
    limit: int,
    cursor: str | None,
    asked: object = None,
) -> Response:
    """Answer with one page of a list.

    `asked` is what the list was asked for where that is not in the query string, JSON-like.

    Raises:
        InvalidRequest: the cursor is too old, or belongs to another list or caller.
        StorageUnavailable: the list that the cursor belongs to cannot be looked up now.
    """
    if cursor is not None:
        found = _unkept(cursor, _question(call, asked))
        if found is None:
            return await _next_page(call, _question(call, asked), limit, cursor)
        return _part(call, kind, await fetch(), limit, start=found, question=_question(call, asked))
    answer = await fetch()
    if len(answer.data) <= limit:
        return read_response(call.request, dumped(kind, answer.data), answer, now=call.now)
    if call.hotel and not await call.gateway.erased.names_none(call.hotel, answer.data, answer.about):
        return _part(call, kind, answer, limit, start=0, question=_question(call, asked))
    kept = {
        "question": _question(call, asked),
        "items": orjson.Fragment(dumped(kind, answer.data)),
        "as_of": answer.as_of,
        "source": answer.source,
        "stale": answer.stale,
        "complete": answer.complete,
        "warnings": [asdict(one) for one in answer.warnings],
        "meta": answer.meta,
    }
    following = await _keep(call, kept, start=limit)
    answer = answer if following else answer.cut_short(_REST_IS_LOST)
    data = dumped(kind, answer.data[:limit])
    return read_response(call.request, data, answer, now=call.now, next_cursor=following)


async def page_of_log(
    call: Call,
    kind: Any,
    fetch: Callable[[Any], Awaitable[tuple[Answer[list[T]], object]]],
    *,
    cursor: str | None,
) -> Response:
    """Answer with one page of what is only ever added to, the newest first.

    Such a list needs no snapshot: what is added later stands before the first page. Only the place is kept where a
    page ends. `fetch` gives the page behind a place (JSON-like; of None the first page), and the place where it ends
    itself, which is None when nothing follows.

    Raises:
        InvalidRequest: the cursor is too old, or belongs to another list or caller.
        StorageUnavailable: the place that the cursor stands for cannot be looked up now.
    """
    question = _question(call, None)
    place = None
    if cursor is not None:
        _, _, kept = await _kept(call, question, cursor)
        place = kept["place"]
    answer, end = await fetch(place)
    following = None
    if end is not None:
        following = await _keep(call, {"question": question, "place": end}, start=0)
        answer = answer if following else answer.cut_short(_REST_IS_LOST)
    return read_response(call.request, dumped(kind, answer.data), answer, now=call.now, next_cursor=following)


def _part(call: Call, kind: Any, answer: Answer[list[T]], limit: int, *, start: int, question: str) -> Response:
    """Answer with a part of a list that names an erased guest, and is kept nowhere: each page reads it anew.

    Its cursor is made of the question itself, so that it belongs to this list and this caller alone.
    """
    end = start + limit
    following = f"{question[:_NAME_LENGTH]}-{end}" if end < len(answer.data) else None
    data = dumped(kind, answer.data[start:end])
    return read_response(call.request, data, answer, now=call.now, next_cursor=following)


def _unkept(cursor: str, question: str) -> int | None:
    """Give where the page of a list begins that is kept nowhere; None for every other cursor."""
    found = _CURSOR.fullmatch(cursor)
    is_own = found is not None and found.group(1) == question[:_NAME_LENGTH]
    return int(found.group(2)) if found is not None and is_own else None


async def _next_page(call: Call, question: str, limit: int, cursor: str) -> Response:
    name, start, kept = await _kept(call, question, cursor)
    if start >= len(kept["items"]):
        raise _stranger()
    end = start + limit
    answer: Answer[None] = Answer(
        None,
        kept["source"],
        datetime.fromisoformat(kept["as_of"]),
        stale=kept["stale"],
        complete=kept["complete"],
        warnings=tuple(Notice(**one) for one in kept["warnings"]),
        meta=kept["meta"],
    )
    following = f"{name}-{end}" if end < len(kept["items"]) else None
    data = orjson.dumps(kept["items"][start:end])
    return read_response(call.request, data, answer, now=call.now, next_cursor=following)


async def _keep(call: Call, kept: dict[str, Any], *, start: int) -> str | None:
    """Keep what the next page needs; gives its cursor, or nothing where that cannot be kept now."""
    name = secrets.token_hex(16)
    payload, patience = orjson.dumps(kept), spare(call.left)
    done = await call.gateway.snapshots.keep(
        name, payload, seconds=SNAPSHOT_SECONDS, hotel_id=_owner(call), patience=patience
    )
    return f"{name}-{start}" if done else None


async def _kept(call: Call, question: str, cursor: str) -> tuple[str, int, dict[str, Any]]:
    """Give the name under which a cursor's list is kept, where in it the page begins, and what is kept."""
    found = _CURSOR.fullmatch(cursor)
    snapshots = call.gateway.snapshots
    payload = await snapshots.find(found.group(1), hotel_id=_owner(call), patience=call.left) if found else None
    kept = orjson.loads(payload) if payload else None
    if found is None or kept is None or kept["question"] != question:
        raise _stranger()
    return found.group(1), int(found.group(2)), kept


def _owner(call: Call) -> str:
    return call.hotel.id if call.hotel else ""


def _stranger() -> InvalidRequest:
    return InvalidRequest.of("cursor", "is too old or belongs to another list; begin again without it")


def _question(call: Call, asked: object) -> str:
    """Tell one list of one caller from any other, whatever the page; a key that sees other hotels sees other lists."""
    query = sorted(pair for pair in call.request.query_params.multi_items() if pair[0] not in {"limit", "cursor"})
    hotels = "all" if call.caller.hotels is None else sorted(call.caller.hotels)
    parts = [call.caller.client, hotels, call.request.url.path, call.revision, query, asked]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
