"""What callers are told when something is wrong, whatever it is: a problem, complete, and never more than that."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.document import PROBLEM
from tests.api.process import GatewayProcess
from tests.fixtures.gateway import HotelUnderTest, RunningGateway

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
}
DRAFT: dict[str, Any] = {
    "arrival": "2027-03-01",
    "departure": "2027-03-03",
    "room_type": "STD",
    "rate_code": "FLEX",
    "adults": 2,
    "guest": {"last_name": "Wendelgard"},
}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Give the problem that an answer is; fail if it is not this one, or not whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, Any] = answer.json()
    assert (told["status"], told["code"]) == (status, code), told
    assert told["type"] == f"urn:pms-gateway:problem:{code}"
    assert told["title"]
    assert told["detail"]
    assert told["correlation_id"] == answer.headers["x-correlation-id"]
    assert None not in told.values()
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    return told


async def create(hotel: HotelUnderTest, content: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json", **headers}
    return await hotel.client(
        "POST", f"/v1/hotels/{hotel.id}/reservations", content=content, headers=sent, key=f"k-{len(content)}"
    )


# --- bodies ---


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"arrival": }',
        b"not json",
        b'{"arrival": "2027-03-01",}',
        b'\xff\xfe{"a": 1}',
        b'{"arrival": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"adults": ' + b"9" * 5_000 + b"}",
        b"\x00",
    ],
    ids=lambda content: content[:12].decode("latin-1").encode("unicode_escape").decode(),
)
async def test_a_body_that_cannot_be_read_is_400(hotel: HotelUnderTest, content: bytes) -> None:
    problem(await create(hotel, content), 400, "bad_request")
    assert hotel.site.requests == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"adults": float("nan")}, ["adults"]),
        ({"adults": float("inf")}, ["adults"]),
        ({"adults": 10**400}, ["adults"]),
        ({"adults": "2"}, ["adults"]),
        ({"adults": True}, ["adults"]),
        ({"adults": 2.5}, ["adults"]),
        ({"adults": None}, ["adults"]),
        ({"room_type": ["STD"]}, ["room_type"]),
        ({"room_type": "ST\u0000D"}, ["room_type"]),
        ({"room_type": ""}, ["room_type"]),
        ({"arrival": 20270301}, ["arrival"]),
        ({"arrival": "2027-3-1"}, ["arrival"]),
        ({"arrival": "2027-02-30"}, ["arrival"]),
        ({"guest": {"last_name": "Wendel\u0007gard"}}, ["guest", "last_name"]),
        ({"guest": {"last_name": "Wendel\ud800gard"}}, ["guest", "last_name"]),
        ({"guest": {"last_name": "W", "email": "nobody"}}, ["guest", "email"]),
        ({"guest": {"first_name": "Ottilie"}}, ["guest", "last_name"]),
        ({"guest": {"last_name": "W", "nickname": "O"}}, ["guest", "nickname"]),
        ({"guest": "Wendelgard"}, ["guest"]),
        ({"notes": ["a\u0000b"]}, ["notes", 0]),
        ({"no_such_member": 1}, ["no_such_member"]),
        ({"expected_total": {"amount": 12.5, "currency": "EUR"}}, ["expected_total", "amount"]),
        ({"expected_total": {"amount": "NaN", "currency": "EUR"}}, ["expected_total", "amount"]),
        ({"expected_total": {"amount": "1", "currency": "euro"}}, ["expected_total", "currency"]),
        ({"child_ages": [5, 18]}, ["child_ages", 1]),
    ],
    ids=str,
)
async def test_a_member_that_is_wrong_is_named(
    hotel: HotelUnderTest, change: dict[str, Any], field: list[str | int]
) -> None:
    answer = await create(hotel, json.dumps({**DRAFT, **change}).encode())
    told = problem(answer, 422, "validation_failed")
    assert field in [fault["loc"] for fault in told["errors"]]
    assert all(fault["msg"] for fault in told["errors"])
    assert hotel.site.requests == []


async def test_a_refused_value_is_not_repeated(hotel: HotelUnderTest) -> None:
    guest = {"last_name": "Wendel\u0007gard", "email": "wendelgard-at-nowhere", "phone": ["+43 1 5550155"]}
    told = problem(await create(hotel, json.dumps({**DRAFT, "guest": guest}).encode()), 422, "validation_failed")
    assert len(told["errors"]) == 3
    for part in ("Wendel", "wendelgard", "5550155"):
        assert part not in json.dumps(told)


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"1", b"null"])
async def test_a_body_that_is_no_object_is_422(hotel: HotelUnderTest, content: bytes) -> None:
    problem(await create(hotel, content), 422, "validation_failed")


async def test_a_missing_body_is_422(hotel: HotelUnderTest) -> None:
    problem(await hotel.send("POST", "/reservations", key="k"), 422, "validation_failed")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
async def test_another_content_type_is_415(hotel: HotelUnderTest, kind: str) -> None:
    content = json.dumps(DRAFT).encode()
    problem(await create(hotel, content, **{"Content-Type": kind}), 415, "unsupported_media_type")
    assert hotel.site.requests == []


async def test_a_body_without_a_content_type_is_415(hotel: HotelUnderTest) -> None:
    answer = await hotel.client("POST", f"/v1/hotels/{hotel.id}/guests/search", content=b'{"last_name": "x"}')
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_json_is_json_however_it_is_written(hotel: HotelUnderTest, kind: str) -> None:
    answer = await hotel.client(
        "POST",
        f"/v1/hotels/{hotel.id}/guests/search",
        content=b'{"last_name": "Lovelace"}',
        headers={"Content-Type": kind},
    )
    assert answer.status_code == 200, answer.text


async def test_more_than_a_megabyte_is_413_by_its_length(hotel: HotelUnderTest) -> None:
    content = json.dumps({**DRAFT, "external_reference": "x" * 1_000_000}).encode()
    problem(await create(hotel, content), 413, "payload_too_large")


async def test_more_than_a_megabyte_is_413_in_chunks(hotel: HotelUnderTest) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"external_reference": "'
        for _ in range(20):
            yield b"x" * 60_000

    answer = await hotel.client(
        "POST",
        f"/v1/hotels/{hotel.id}/reservations",
        content=chunks(),
        headers={"Content-Type": "application/json"},
        key="k",
    )
    problem(answer, 413, "payload_too_large")


async def test_just_under_a_megabyte_is_read(hotel: HotelUnderTest) -> None:
    content = json.dumps({**DRAFT, "external_reference": "x" * 990_000}).encode()
    told = problem(await create(hotel, content), 422, "validation_failed")
    assert told["errors"][0]["loc"] == ["external_reference"]


# --- the request line ---


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/hotels", "/v1/hotels/", "/v1/no-such"])
async def test_an_unknown_path_is_404(gateway: RunningGateway, path: str) -> None:
    problem(await gateway.admin.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "", {"GET", "HEAD", "PUT", "DELETE"}),
        ("DELETE", "/reservations/RES-1", {"GET", "HEAD", "PATCH"}),
        ("PUT", "/guests/search", {"GET", "HEAD", "POST"}),
        ("GET", "/check", {"POST"}),
        ("OPTIONS", "/rooms", {"GET", "HEAD"}),
        ("TRACE", "/rooms", {"GET", "HEAD"}),
        ("DELETE", "/guests/G-1/data", None),
    ],
)
async def test_a_method_that_is_not_there_is_405_with_those_that_are(
    hotel: HotelUnderTest, method: str, path: str, allowed: set[str] | None
) -> None:
    answer = await hotel.send(method, path)
    if allowed is None:
        problem(answer, 404, "not_found")
        return
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_head_is_get_without_the_body(hotel: HotelUnderTest) -> None:
    head, get = await hotel.send("HEAD", ""), await hotel.get("")
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
    gone = await hotel.client("HEAD", "/v1/hotels/no-such")
    assert (gone.status_code, gone.content) == (404, b"")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/reservations?last_name=Lovelace&statsu=confirmed", ["statsu"]),
        ("/arrivals?day=2027-03-01", ["day"]),
        ("/rooms?cleaning=dirty&floor=1", ["cleaning", "floor"]),
        ("/guests?last_name=Lovelace&Email=ada@example.test", ["Email"]),
        ("/availability?start=2027-03-01&end=2027-03-02&roomtype=DLX", ["roomtype"]),
        ("?expand=1", ["expand"]),
    ],
)
async def test_a_query_parameter_that_is_not_there_is_refused(
    hotel: HotelUnderTest, path: str, names: list[str]
) -> None:
    told = problem(await hotel.send("GET", path), 422, "validation_failed")
    assert [fault["loc"] for fault in told["errors"]] == [[name] for name in names]
    assert "example.test" not in json.dumps(told)
    assert hotel.site.requests == []


async def test_writes_refuse_unknown_query_parameters_too(hotel: HotelUnderTest) -> None:
    told = problem(await hotel.send("POST", "/reservations?dry_run=true", DRAFT, key="k"), 422, "validation_failed")
    assert told["errors"][0]["loc"] == ["dry_run"]
    assert hotel.site.requests == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/availability", "start"),
        ("/availability?start=2027-03-01&end=2027-03-01", "end"),
        ("/availability?start=2027-03-01&end=2027-06-30", "end"),
        ("/availability?start=2027-03-01&end=soon", "end"),
        ("/availability?start=2027-03-01&end=2027-03-02&child_ages=5", "adults"),
        ("/rates?arrival=2027-03-01&departure=2027-03-02&adults=0", "adults"),
        ("/rates?arrival=2027-03-01&departure=2027-03-02&adults=2&child_ages=5,18", "child_ages"),
        ("/rates?arrival=2027-03-01&departure=2027-03-02", "adults"),
        ("/reservations?last_name=%00", "last_name"),
        ("/reservations?arrival=2027-03-01&status=gone", "status"),
        ("/guests?email=nobody", "email"),
    ],
)
async def test_a_query_parameter_that_is_wrong_is_named(hotel: HotelUnderTest, path: str, field: str) -> None:
    told = problem(await hotel.send("GET", path), 422, "validation_failed")
    assert [field] in [fault["loc"] for fault in told["errors"]]
    assert hotel.site.requests == []


@pytest.mark.parametrize("path", ["/reservations", "/reservations?status=confirmed", "/guests"])
async def test_a_search_for_everything_is_refused(hotel: HotelUnderTest, path: str) -> None:
    problem(await hotel.send("GET", path), 422, "validation_failed")


@pytest.mark.parametrize("ref", ["%00", "a%00b", "%ff", "%C3%28", "~00", "..%2F..%2Fadmin", "%0d%0aX-Evil: 1", "~ZZ"])
async def test_an_id_of_anything_at_all_is_simply_not_there(hotel: HotelUnderTest, ref: str) -> None:
    for path in (f"/reservations/{ref}", f"/guests/{ref}", f"/rooms/{ref}", f"/reservations/{ref}/balance"):
        answer = await hotel.send("GET", path)
        assert answer.status_code in {404, 422}, (path, answer.text)
        problem(answer, answer.status_code, answer.json()["code"])
    for path, body in ((f"/reservations/{ref}/notes", {"text": "hello"}), (f"/reservations/{ref}/cancel", {})):
        answer = await hotel.send("POST", path, body, key=f"k-{len(path)}")
        assert answer.status_code in {404, 422}, (path, answer.text)


@pytest.mark.parametrize("ref", ["%00", "1", "not-a-uuid", "0b2f6c0e-3d3f-4a52-9d6a-6a1f3f1f7f10", "%ff", "a" * 64])
async def test_an_operation_id_of_anything_is_not_there(gateway: RunningGateway, ref: str) -> None:
    problem(await gateway.admin.get(f"/v1/operations/{ref}"), 404, "not_found")


@pytest.mark.parametrize("hotel_id", ["a.b", "a b", "ä", "a" * 65, "a%0a"])
async def test_a_hotel_id_of_another_form_is_refused(gateway: RunningGateway, hotel_id: str) -> None:
    told = problem(await gateway.admin.get(f"/v1/hotels/{hotel_id}"), 422, "validation_failed")
    assert told["errors"][0]["loc"] == ["hotel_id"]


async def test_an_unknown_vendor_is_404(gateway: RunningGateway) -> None:
    problem(await gateway.admin.get("/v1/vendors/no-such"), 404, "not_found")


# --- headers ---


@pytest.mark.parametrize("seconds", ["0", "0.09", "60.1", "-1", "nan", "inf", "1e9", "soon", ""])
async def test_a_request_timeout_outside_its_bounds_is_422(hotel: HotelUnderTest, seconds: str) -> None:
    answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}/rooms", headers={"X-Request-Timeout": seconds})
    told = problem(answer, 422, "validation_failed")
    assert told["errors"][0]["loc"] == ["x-request-timeout"]


@pytest.mark.parametrize("seconds", ["0.1", "60", "2.5", "30"])
async def test_a_request_timeout_within_its_bounds_is_taken(hotel: HotelUnderTest, seconds: str) -> None:
    await hotel.get("")  # key and hotel are known from here on; looking them up is not what is timed
    answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}", headers={"X-Request-Timeout": seconds})
    assert answer.status_code == 200


@pytest.mark.parametrize("given", ["a", "order-4711/2", "x" * 128, "!~"])
async def test_a_correlation_id_is_taken_returned_and_sent_on(hotel: HotelUnderTest, given: str) -> None:
    answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}/rooms", headers={"X-Correlation-ID": given})
    assert answer.headers["x-correlation-id"] == given
    assert hotel.site.requests[-1].headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "tab\there", "ünique", "a\r\nSet-Cookie: b=c", "\x00"])
async def test_a_correlation_id_of_another_form_is_replaced(hotel: HotelUnderTest, given: str) -> None:
    headers = {"X-Correlation-ID": given.encode("latin-1")}
    answer = await hotel.client("GET", "/v1/hotels/no-such", headers=headers)
    made = problem(answer, 404, "not_found")["correlation_id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)
    assert "set-cookie" not in answer.headers


async def test_each_request_gets_a_correlation_id_of_its_own(gateway: RunningGateway) -> None:
    answers = [await gateway.http.get("/health/live") for _ in range(3)]
    assert len({answer.headers["x-correlation-id"] for answer in answers}) == 3


async def test_a_missing_idempotency_key_is_400_where_one_is_required(hotel: HotelUnderTest) -> None:
    charge = {"description": "Minibar", "amount": {"amount": "4.50", "currency": "EUR"}}
    for method, path, body in (
        ("POST", "/reservations", DRAFT),
        ("POST", "/reservations/RES-1/notes", {"text": "hello"}),
        ("POST", "/reservations/RES-1/charges", charge),
        ("PUT", "/guests", {"last_name": "Wendelgard"}),
    ):
        problem(await hotel.send(method, path, body), 400, "idempotency_key_required")
    assert hotel.site.requests == []


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"two words", "schlüssel".encode(), "schlüssel".encode("latin-1")])
async def test_an_idempotency_key_of_another_form_is_422(hotel: HotelUnderTest, key: bytes) -> None:
    sent = {"Idempotency-Key": key}
    required = await hotel.client("POST", f"/v1/hotels/{hotel.id}/reservations", json=DRAFT, headers=sent)
    optional = await hotel.client("POST", f"/v1/hotels/{hotel.id}/reservations/R/cancel", headers=sent)
    for answer in (required, optional):
        told = problem(answer, 422, "validation_failed")
        assert told["errors"][0]["loc"] == ["idempotency-key"]
    assert hotel.site.requests == []


async def test_an_idempotency_key_of_255_characters_is_taken(hotel: HotelUnderTest) -> None:
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    answer = await hotel.send("PUT", f"/rooms/{room}/status", {"cleaning": "dirty"}, key="~" * 255)
    assert answer.status_code == 200


# --- the gateway's own faults ---


async def test_a_crash_is_a_500_that_tells_nothing_and_a_log_line_that_names_the_place(
    gateway_process: GatewayProcess,
) -> None:
    client = await gateway_process.client()
    await gateway_process.execute("ALTER TABLE operations RENAME TO operations_elsewhere")
    answer = await client(
        "GET",
        "/v1/operations/0b2f6c0e-3d3f-4a52-9d6a-6a1f3f1f7f10",
        headers={"X-Correlation-ID": "the-crash"},
    )
    told = problem(answer, 500, "internal_error")
    assert told.keys() == {"type", "title", "status", "detail", "code", "correlation_id"}
    assert "operations" not in answer.text
    (line,) = [json.loads(line) for line in gateway_process.log().splitlines() if b"request.crashed" in line]
    assert line["correlation_id"] == "the-crash"
    assert line["route"] == "/v1/operations/{operation_id}"
    assert line["error_type"] == "ProgrammingError"
    assert "operations.py:" in line["stack"]
    assert "operations_elsewhere" not in json.dumps(line)


async def test_a_real_server_says_the_same(gateway_process: GatewayProcess) -> None:
    client = await gateway_process.client()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 60_000

    json_type = {"Content-Type": "application/json"}
    large = await client("PUT", "/v1/hotels/prime", content=chunks(), headers=json_type)
    problem(large, 413, "payload_too_large")
    problem(await client("PUT", "/v1/hotels/prime", content=b"{", headers=json_type), 400, "bad_request")
    problem(await client("TRACE", "/v1/hotels"), 405, "method_not_allowed")
    problem(await client("GET", "/v1/hotels/%00"), 404, "not_found")
    problem(await client("GET", "/v1/hotels/%ff"), 422, "validation_failed")
    head = await client("HEAD", "/v1/vendors")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == (await client("GET", "/v1/vendors")).headers["content-length"]


# --- every answer ---


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/v1/hotels", "/nope"])
async def test_every_answer_carries_the_security_headers(gateway: RunningGateway, path: str) -> None:
    answer = await gateway.admin.get(path)
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "no-" in answer.headers["cache-control"]


async def test_the_docs_page_may_run_its_own_script_and_asks_nobody_else(gateway: RunningGateway) -> None:
    page = await gateway.http.get("/docs")
    assert page.status_code == 200
    policy = {words[0]: words[1:] for words in map(str.split, page.headers["content-security-policy"].split(";"))}
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    for kind, element in (("script-src", "script"), ("style-src", "style")):
        inline = re.findall(rf"<{element}>(.*?)</{element}>", page.text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inline]
        assert policy[kind] == [f"'sha256-{digest}'" for digest in digests], "nothing else may run"
        assert len(inline) == page.text.count(f"<{element}")
    assert "//" not in re.sub(r"// Texts go in.*", "", page.text), "no other host is named"
    assert "/openapi.json" in page.text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", page.text)
