"""Who has no business here: guesses at keys, odd paths, what is injected, and hotels in forbidden places."""

import ast
import asyncio
import inspect
import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from app.gateway import callers
from tests.api.document import PROBLEM, Document
from tests.api.process import GatewayProcess
from tests.fixtures.gateway import HotelUnderTest, MakeHotel, RunningGateway
from tests.fixtures.simulators import FreshSite, SimulatorServer

ODD = ["\r\nX-Evil: 1", "\u0000", "\u001b[2J", "\u2028", "\u0085", '"}\n{"event": "forged"}', "%0d%0aX-Evil: 1"]


def told(answer: httpx.Response) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Give all by which a caller could tell two answers apart."""
    assert answer.headers["content-type"] == PROBLEM
    headers = {name: value for name, value in answer.headers.items() if name != "x-correlation-id"}
    return answer.status_code, headers, {k: v for k, v in answer.json().items() if k != "correlation_id"}


# --- keys ---


async def test_a_key_that_is_unknown_revoked_cut_or_malformed_is_told_alike(gateway: RunningGateway) -> None:
    good, gone = await gateway.client(), await gateway.client()
    prefix = good.token.rpartition("_")[0][: len("pmsgw_") + 12]
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        assert await work.api_keys.revoke(gone.token.split("_")[1])
    gateway.app.state.gateway.callers._copies.forget("api_keys")
    wrong = [
        gone.token,
        good.token[:-1],
        good.token + "A",
        good.token.swapcase(),
        f"{prefix}_{'A' * 43}",
        f"pmsgw_000000000000_{'A' * 43}",
        "x",
        "x" * 60_000,
        good.token.split("_", 2)[2],
        "\u00e9\u00ff",
        "' OR 1=1 --",
    ]
    answers = [
        await gateway.http.get("/v1/hotels", headers={b"Authorization": f"Bearer {token}".encode("latin-1")})
        for token in wrong
    ]
    assert {told(answer)[0] for answer in answers} == {401}
    assert len({json.dumps(told(answer)) for answer in answers}) == 1
    assert (await good.get("/v1/hotels")).status_code == 200


async def test_wrong_keys_are_not_a_query_each(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand guesses cost Postgres what a handful of honest requests cost it."""
    await gateway.admin.get("/v1/hotels")
    keeper = gateway.app.state.gateway.callers
    loads, load = [], keeper._load

    async def counted() -> Any:
        loads.append(1)
        return await load()

    monkeypatch.setattr(keeper, "_load", counted)
    for number in range(20):
        answer = await gateway.http.get("/v1/hotels", headers={"Authorization": f"Bearer pmsgw_a_{number}"})
        assert answer.status_code == 401
    assert len(loads) <= 21
    together = [gateway.http.get("/v1/hotels", headers={"Authorization": f"Bearer pmsgw_{n}"}) for n in range(200)]
    loads.clear()
    assert {answer.status_code for answer in await asyncio.gather(*together)} == {401}
    assert len(loads) < 20


def test_keys_are_compared_in_constant_time_and_in_one_place() -> None:
    """The table is keyed by SHA-256 of 256 random bits: what a lookup's time tells of a hash helps nobody to a key."""
    tree = ast.parse(inspect.getsource(callers))
    names = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert names.count("hmac.compare_digest") == 1
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [one for one in compared if "==" in one], "nothing of a key is compared by =="


async def test_a_key_anywhere_but_in_its_header_is_no_key(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    token = gateway.admin.token
    at = f"/v1/hotels/{hotel.id}"
    for path in (f"{at}?api_key={token}", f"{at}?access_token={token}", f"{at}?Authorization=Bearer+{token}"):
        assert (await gateway.http.get(path)).status_code == 401
    for name in ("X-API-Key", "Cookie", "Proxy-Authorization", "X-Forwarded-Authorization"):
        assert (await gateway.http.get(at, headers={name: f"Bearer {token}"})).status_code == 401
    for scheme in ("Basic", "Token", "Digest"):
        assert (await gateway.http.get(at, headers={"Authorization": f"{scheme} {token}"})).status_code == 401


# --- the request line ---


async def test_no_header_turns_one_method_into_another(hotel: HotelUnderTest) -> None:
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}", headers={name: "DELETE"})
        assert answer.status_code == 200
    assert (await hotel.get("")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["//v1/hotels/H", "/v1//hotels/H", "/v1/%2e%2e/v1/hotels/H", "/V1/hotels/H", "/v1/hotels/H/", "/v1/hotels;/H"],
)
async def test_a_path_has_one_spelling(hotel: HotelUnderTest, path: str) -> None:
    url = httpx.URL("http://gateway").copy_with(raw_path=path.replace("H", hotel.id).encode())
    answer = await hotel.client.http.get(url, headers={"Authorization": f"Bearer {hotel.client.token}"})
    assert answer.status_code == 404


@pytest.mark.parametrize("ref", ["..%2f..%2fguests", "%2e%2e%2f%2e%2e", "x%2fnotes", "~2E~2E", "%252e%252e"])
async def test_an_id_stays_in_its_place_at_the_pms(hotel: HotelUnderTest, ref: str) -> None:
    url = httpx.URL("http://gateway").copy_with(raw_path=f"/v1/hotels/{hotel.id}/reservations/{ref}".encode())
    answer = await hotel.client.http.get(url, headers={"Authorization": f"Bearer {hotel.client.token}"})
    assert answer.status_code in {404, 405}, "an escaped slash is a slash; ids say ~2F"
    for seen in hotel.site.requests:
        assert re.search(r"/reservations/[^/]+$|^/properties/[^/]+$", seen.path), seen.path


async def test_no_page_of_another_site_may_read_an_answer(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    path = f"/v1/hotels/{hotel.id}"
    for answer in (await gateway.admin("OPTIONS", path, headers=asks), await gateway.admin("GET", path, headers=asks)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_answers_about_guests_are_kept_by_nobody_on_the_way(hotel: HotelUnderTest) -> None:
    for path in ("/guests?last_name=Lovelace", "/arrivals", "/reservations?last_name=Lovelace"):
        answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}{path}")
        assert answer.status_code == 200
        assert {"no-store", "no-cache", "private"} & set(re.split(r"[ ,]+", answer.headers["cache-control"])), path
        assert answer.headers["x-content-type-options"] == "nosniff"


# --- what is written into other places ---


@pytest.mark.parametrize("odd", ODD)
async def test_a_credential_that_is_no_header_value_is_never_sent(
    gateway: RunningGateway, make_hotel: MakeHotel, odd: str
) -> None:
    hotel = await make_hotel("bridge")
    body = {**gateway.simulators.registration(hotel.site).body, "credentials": {"api_key": f"canary{odd}"}}
    put = await gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=body)
    assert put.status_code in {200, 422}, put.text
    assert "canary" not in put.text
    answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}/rooms", headers={"Cache-Control": "no-cache"})
    assert answer.status_code in {200, 502}, answer.text
    assert "canary" not in answer.text
    assert not [seen for seen in hotel.site.requests if "x-evil" in seen.headers]


async def test_a_log_has_one_line_for_one_thing_whatever_callers_send(
    gateway_process: GatewayProcess, simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    client = await gateway_process.client(name='a client\u001b[31m\n{"event": "forged"}\u2028')
    body = {**simulators.registration(fresh_site("bridge")).body, "name": "Hotel\u202e Prime"}
    assert (await client("PUT", "/v1/hotels/logged", json=body)).status_code == 201
    for odd in ODD:
        quoted = httpx.QueryParams({"last_name": f"canary{odd}"})
        await client("GET", f"/v1/hotels/logged/guests?{quoted}")
        await client("GET", f"/v1/hotels/logged/reservations/{httpx.QueryParams({'': odd})}")
        await client("POST", "/v1/hotels/logged/guests/search", json={"last_name": f"canary{odd}", f"canary{odd}": 1})
        try:
            await client("GET", "/v1/hotels/logged", headers={"X-Correlation-ID": odd, "User-Agent": f"canary{odd}"})
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            continue  # even the client refuses to send it
    log = gateway_process.log()
    lines = log.split(b"\n")[:-1]
    assert len(lines) > 30
    for line in lines:
        assert isinstance(json.loads(line), dict), line
    assert b"canary" not in log
    assert not [line for line in lines if json.loads(line)["event"] == "forged"]
    assert all(line.decode().isprintable() for line in lines), "nothing that a terminal acts upon"


# --- hotels in places where no PMS is ---


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]",
        "https://10.0.0.1",
        "https://[::ffff:10.0.0.1]",
        "https://[64:ff9b::a00:1]",
        "https://[2002:a00:1::]",
        "https://168.63.129.16",
        "https://100.100.100.200",
        "https://user@pms.example",
        "https://pms.example?x",
        "https://pms.example#x",
        "http://pms.example",
        "file:///etc/passwd",
        "gopher://pms.example",
        "https://pms.example\r\nX-Evil: 1",
        "https://pms.example\u0000",
    ],
)
async def test_a_hotel_in_a_forbidden_place_is_not_registered(
    gateway: RunningGateway, make_hotel: MakeHotel, url: str
) -> None:
    hotel = await make_hotel("bridge")
    body = {**gateway.simulators.registration(hotel.site).body, "base_url": url}
    answer = await gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["base_url"]


@pytest.mark.parametrize("host", ["10.8.0.1.nip.invalid", "localhost.localdomain.invalid"])
async def test_a_hotel_whose_name_leads_nowhere_is_unavailable_and_says_no_more(
    gateway: RunningGateway, make_hotel: MakeHotel, host: str
) -> None:
    hotel = await make_hotel("bridge")
    body = {**gateway.simulators.registration(hotel.site).body, "base_url": f"https://{host}"}
    assert (await gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=body)).status_code == 200
    answer = await hotel.client("GET", f"/v1/hotels/{hotel.id}/rooms", headers={"X-Request-Timeout": "1"})
    assert answer.status_code in {503, 504}
    assert host not in answer.text


async def test_every_operation_under_v1_is_named_in_the_document(gateway: RunningGateway, document: Document) -> None:
    """No back door: what is routed is what is documented."""
    named = {(operation.method, operation.template) for operation in document.operations}
    routed = {
        (method, route.path_format)
        for route in iter_route_contexts(gateway.app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }
    assert routed - named == {("GET", "/docs")}
