"""A PMS that answers without end, drop by drop, or with a bomb: bounded in time and memory, and told by its kind."""

import asyncio
import contextlib
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from app.core import xml
from app.domain.errors import GatewayError, Outcome, OutcomeUnknown, VendorContractBroken, VendorRejected
from tests.core.vendor import Clients, Exchange, Reply, ScriptedVendor, answer, ask, write

MEGABYTE = 1_000_000
HEAD = b"HTTP/1.1 200 Scripted\r\n"


def endless(first: bytes, again: bytes, *, pause: float = 0.0) -> Reply:
    """Send a beginning, and then the same again and again."""

    async def reply(exchange: Exchange) -> None:
        exchange.writer.write(first)
        with contextlib.suppress(ConnectionError):
            while not exchange.over.is_set():
                exchange.writer.write(again)
                await exchange.writer.drain()
                await asyncio.sleep(pause)

    return reply


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


ENDLESS = {
    "a body in chunks": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 10_000)),
    "a body until the end": endless(HEAD + b"Connection: close\r\n\r\n", b"x" * 10_000),
    "headers": endless(HEAD, b"X-Many: a\r\n" * 1_000),
    "one header": endless(HEAD + b"X-One: ", b"a" * 10_000),
    "answers that are to come": endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "drops of a body": endless(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x", pause=0.005),
    "drops of a header": endless(HEAD + b"X-One: ", b"a", pause=0.005),
    "nothing": endless(b"", b"", pause=0.005),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_what_has_no_end_is_ended_by_the_timeout_or_the_limit(
    vendor: ScriptedVendor, clients: Clients, what: str
) -> None:
    vendor.will(ENDLESS[what])
    client = clients.make(timeout=0.3, max_response_bytes=MEGABYTE)
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises((OutcomeUnknown, VendorContractBroken)):
        await ask(client)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - began < 10, "three attempts of 0.3 seconds"
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize("what", ["a body in chunks", "headers", "drops of a body"])
async def test_a_write_that_is_answered_without_end_is_unknown(
    vendor: ScriptedVendor, clients: Clients, what: str
) -> None:
    vendor.will(ENDLESS[what])
    with pytest.raises(GatewayError) as raised:
        await write(clients.make(timeout=0.2, max_response_bytes=MEGABYTE), clients.operation())
    assert raised.value.outcome is Outcome.UNKNOWN
    assert len(vendor.seen) == 1


STRANGE = {
    "nested lists": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a number of many digits": b'{"a": ' + b"9" * 200_000 + b"}",
    "no JSON": b"<html>",
    "no UTF-8": b'{"a": "\xff"}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "nothing": b"",
}


KIND_BY_STATUS = {200: VendorContractBroken, 422: VendorRejected, 500: OutcomeUnknown}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("status", [200, 422, 500])
async def test_a_strange_body_is_a_typed_error_whatever_its_status(
    vendor: ScriptedVendor, clients: Clients, what: str, status: int
) -> None:
    vendor.will(answer(status, STRANGE[what]))
    began = time.process_time()
    with pytest.raises(GatewayError) as raised:
        await clients.make().ask("GET", "things", answer=dict[str, str])
    assert type(raised.value) is KIND_BY_STATUS[status]
    assert time.process_time() - began < 5


HEADERS = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length of letters": b"Content-Length: two\r\n\r\n{}",
    "a length below nothing": b"Content-Length: -2\r\n\r\n{}",
    "a length of many digits": b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}",
    "a length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}{}{}\r\n0\r\n\r\n",
    "a chunk of many digits": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5_000 + b"\r\n{}",
    "a folded header": b"X-A: b\r\n c: d\r\nContent-Length: 2\r\n\r\n{}",
    "a bare line break": b"X-A: b\nX-Evil: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL": b"X-A: \x00\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("what", HEADERS)
async def test_a_head_that_contradicts_itself_is_no_crash(vendor: ScriptedVendor, clients: Clients, what: str) -> None:
    async def reply(exchange: Exchange) -> None:
        exchange.writer.write(HEAD + HEADERS[what])
        await exchange.writer.drain()
        exchange.writer.close()

    vendor.will(reply)
    with contextlib.suppress(OutcomeUnknown, VendorContractBroken):
        assert await ask(clients.make(timeout=0.3)) == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(
    vendor: ScriptedVendor, clients: Clients, status: int, method: str
) -> None:
    async with asyncio.timeout(5):
        vendor.will(answer(status, Location=f"{vendor.url.replace('127.0.0.1', 'localhost')}/elsewhere"))
        with pytest.raises(VendorContractBroken):
            await clients.make().ask(method, "things", answer=dict)
    assert {seen.target for seen in vendor.seen} == {"/things"}
    assert {seen.headers["host"] for seen in vendor.seen} == {vendor.url.removeprefix("http://")}


# --- XML ---


def bombs() -> Iterator[tuple[str, bytes]]:
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    yield "a billion laughs", b'<!DOCTYPE a [<!ENTITY l0 "ha">' + laughs + b"]><a>&l9;</a>"
    yield "quadratic", b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 100_000 + b'">]><a>' + b"&b;" * 100_000 + b"</a>"
    yield "in an attribute", b'<!DOCTYPE a [<!ENTITY l0 "ha">' + laughs + b']><a b="&l9;"/>'
    yield "a parameter entity", b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]><a/>'
    yield "a file", b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>'
    yield "deep", b"<a>" * 100_000 + b"</a>" * 100_000
    yield "an undeclared entity", b"<a>&nbsp;</a>"


@pytest.mark.parametrize(("what", "document"), list(bombs()), ids=lambda part: part if isinstance(part, str) else "")
def test_a_bomb_of_xml_does_not_go_off(what: str, document: bytes) -> None:
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(VendorContractBroken):
        xml.parse(document)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - began < 2, what
    assert peak < 20 * MEGABYTE


def test_very_many_attributes_and_elements_take_no_time() -> None:
    began = time.process_time()
    attributes = " ".join(f'a{number}="1"' for number in range(50_000))
    with contextlib.suppress(VendorContractBroken):
        assert len(xml.parse(f"<a {attributes}/>".encode()).attrib) == 50_000
    assert len(xml.parse(b"<a>" + b"<b/>" * 200_000 + b"</a>")) == 200_000
    assert time.process_time() - began < 5


def test_an_include_is_an_element_like_any_other() -> None:
    document = b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd" parse="text"/></a>'
    assert [child.text for child in xml.parse(document)] == [None]
