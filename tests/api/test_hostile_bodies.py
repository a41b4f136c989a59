"""Bodies that are meant to hurt: at every operation that takes one, the answer is a problem and comes at once."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.api.middleware import Edge
from tests.api.document import Document
from tests.api.test_errors import problem
from tests.fixtures.gateway import HotelUnderTest, RunningGateway

MANY = 100_000
UNREADABLE = {
    "nested lists": b"[" * MANY + b"]" * MANY,
    "nested objects": b'{"a":' * MANY + b"1" + b"}" * MANY,
    "nested and never closed": b"[" * MANY,
    "a number of 5,000 digits": b'{"adults": ' + b"9" * 5_000 + b"}",
    "no UTF-8": b'{"reason": "\xff\xfe\xc3\x28"}',
    "a NUL": b"\x00",
    "a NUL within a string": b'{"reason": "a\x00b"}',
    "two documents": b"{}{}",
}
REFUSED = {
    "an infinite number": b'{"adults": 1e400, "reason": 1e400}',
    "no number": b'{"adults": NaN, "reason": NaN}',
    "an endless number": b'{"adults": -Infinity, "reason": -Infinity}',
    "many members": json.dumps({f"m{number}": 1 for number in range(50_000)}).encode(),
    "half a surrogate as bytes": b'{"reason": "\xed\xa0\x80", "arrival": 1}',
    "half a surrogate for a name": b'{"\\ud800": 1}',
    "an endless name": b'{"' + b"n" * 900_000 + b'": 1}',
    "a list of many": json.dumps([1] * MANY).encode(),
}
JSON = {"Content-Type": "application/json"}


async def send_everywhere(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, content: bytes, **headers: str
) -> list[tuple[str, httpx.Response]]:
    """Send a body to every operation that takes one; gives the answers by operation id."""
    taking = [operation for operation in document.operations if "requestBody" in operation.spec]
    assert len(taking) >= 12
    answers = []
    for operation in taking:
        request = operation.request(f"{hotel.id}-new" if operation.id == "put_hotel" else hotel.id)
        request.pop("json")
        answers.append((operation.id, await gateway.admin(**request, content=content, headers={**JSON, **headers})))
    return answers


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_cannot_be_read_is_400_at_every_operation(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, what: str
) -> None:
    began = time.process_time()
    answers = await send_everywhere(gateway, hotel, document, UNREADABLE[what])
    for operation, answer in answers:
        assert (operation, answer.status_code) == (operation, 400), answer.text
        problem(answer, 400, "bad_request")
    assert time.process_time() - began < 5
    assert hotel.site.requests == []


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_value_of_ours_is_422_at_every_operation(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, what: str
) -> None:
    began = time.process_time()
    answers = await send_everywhere(gateway, hotel, document, REFUSED[what])
    assert time.process_time() - began < 3, "nobody else is served meanwhile"
    for operation, answer in answers:
        assert (operation, answer.status_code) == (operation, 422), answer.text
        problem(answer, 422, "validation_failed")
        assert len(answer.content) < 10_000, "a problem is no echo"
    assert hotel.site.requests == []


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "nonsense"])
async def test_a_packed_body_is_refused_and_never_unpacked(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, coding: str
) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    for operation, answer in await send_everywhere(gateway, hotel, document, bomb, **{"Content-Encoding": coding}):
        assert (operation, answer.status_code) == (operation, 415), answer.text
        problem(answer, 415, "unsupported_media_type")
    assert hotel.site.requests == []


TEXTS = {
    "a NUL": "\u0000",
    "half a surrogate": "\ud800",
    "an escape": "\u001b[31mred\u001b[0m",
    "a megabyte": "x" * 990_000,
}


@pytest.mark.parametrize("what", TEXTS)
async def test_no_text_of_any_body_reaches_a_500_or_the_pms(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, what: str
) -> None:
    """Postgres refuses NUL in a text; it must be known before that, at every member of every example."""
    tried = 0
    for operation in document.operations:
        for example in operation.examples:
            for path in strings_of(example):
                request = operation.request(hotel.id if operation.id != "put_hotel" else f"{hotel.id}-new")
                body = json.dumps(replaced(example, path, TEXTS[what])).encode()
                answer = await gateway.admin(**{**request, "json": None}, content=body, headers=JSON)
                assert answer.status_code in {404, 422}, (operation.id, path, answer.text)
                assert len(answer.content) < 5_000
                tried += 1
    assert tried > 30
    assert hotel.site.requests == []


def strings_of(example: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Give the places of all texts in a body."""
    if isinstance(example, str):
        return [path]
    members: Any = enumerate(example) if isinstance(example, list) else getattr(example, "items", list)()
    return [found for name, member in members for found in strings_of(member, (*path, name))]


def replaced(example: Any, path: tuple[str | int, ...], text: str) -> Any:
    """Give the body with another text at one place."""
    if not path:
        return text
    copied: Any = list(example) if isinstance(example, list) else dict(example)
    copied[path[0]] = replaced(example[path[0]], path[1:], text)
    return copied


async def test_a_body_that_does_not_come_is_not_waited_for(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    left = asyncio.Event()

    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"last_name":'
        await left.wait()

    impatient = httpx.ASGITransport(Edge(gateway.app, body_seconds=0.05))
    headers = {**JSON, "Authorization": f"Bearer {gateway.admin.token}"}
    async with httpx.AsyncClient(transport=impatient, base_url="http://gateway") as http:
        path = f"/v1/hotels/{hotel.id}/guests/search"
        answer = await http.post(path, content=dripping(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    left.set()
    assert hotel.site.requests == []


async def test_a_name_that_is_there_twice_means_what_it_says_last(hotel: HotelUnderTest) -> None:
    """As RFC 8259 § 4 leaves it to us: nothing looks at the body but this one reading of it."""
    body = b'{"last_name": "Nobody-at-all", "last_name": "Lovelace"}'
    answer = await hotel.client("POST", f"/v1/hotels/{hotel.id}/guests/search", content=body, headers=JSON)
    assert [guest["last_name"] for guest in answer.json()["data"]] == ["Lovelace"]
