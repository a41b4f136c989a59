"""A key sees its own hotels and nothing else: tried at every operation that the OpenAPI document has."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.document import PROBLEM, Document, OperationUnderTest
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import (
    EVERY_SCOPE,
    Client,
    HotelUnderTest,
    MakeHotel,
    RunningGateway,
    running_gateway,
    settings_for,
)
from tests.fixtures.simulators import SimulatorServer

NOWHERE = "there-is-no-such-hotel"


@dataclass(frozen=True)
class Outcome:
    """What a caller can tell two answers apart by."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @classmethod
    def of(cls, answer: httpx.Response) -> "Outcome":
        headers = {name: value for name, value in answer.headers.items() if name != "x-correlation-id"}
        assert answer.headers["content-type"] == PROBLEM, answer.text
        body = {name: value for name, value in answer.json().items() if name != "correlation_id"}
        return cls(answer.status_code, headers, body)


async def operation_count(gateway: RunningGateway) -> int:
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        return int((await work.session.execute(text("SELECT count(*) FROM operations"))).scalar_one())


async def ask(client: Client, operation: OperationUnderTest, hotel_id: str, **options: Any) -> httpx.Response:
    return await client(**operation.request(hotel_id), **options)


async def test_a_foreign_hotel_cannot_be_told_from_one_that_does_not_exist(
    gateway: RunningGateway, hotel: HotelUnderTest, make_hotel: MakeHotel, document: Document
) -> None:
    foreign = await make_hotel("bridge")
    before = await operation_count(gateway)
    for operation in document.at_hotel:
        met = Outcome.of(await ask(hotel.client, operation, foreign.id))
        assert met == Outcome.of(await ask(hotel.client, operation, NOWHERE)), operation.id
        assert met.status == (403 if operation.id == "put_hotel" else 404), operation.id
    assert foreign.site.requests == []
    assert await operation_count(gateway) == before
    assert (await gateway.admin.get(f"/v1/hotels/{foreign.id}")).status_code == 200


async def test_a_foreign_hotel_is_not_betrayed_by_what_is_wrong_with_the_request(
    hotel: HotelUnderTest, make_hotel: MakeHotel, document: Document
) -> None:
    foreign = await make_hotel("bridge")
    for operation in document.at_hotel:
        wrongs: list[dict[str, Any]] = [{"headers": {"X-Request-Timeout": "900"}}, {"params": {"no_such": "1"}}]
        if operation.examples:
            wrongs += [{"json": {"no_such_member": 1}}, {"content": b"{", "headers": {"Content-Type": PROBLEM}}]
        for wrong in wrongs:
            request = {name: value for name, value in operation.request("X").items() if name not in wrong}
            if "content" in wrong:
                request.pop("json")
            request |= wrong
            path = request.pop("path")
            there = Outcome.of(await hotel.client(path=path.replace("/X", f"/{foreign.id}", 1), **request))
            gone = Outcome.of(await hotel.client(path=path.replace("/X", f"/{NOWHERE}", 1), **request))
            assert there == gone, (operation.id, wrong)
    assert foreign.site.requests == []


async def test_a_list_cannot_be_asked_for_a_foreign_hotel_any_more_than_for_none(
    hotel: HotelUnderTest, make_hotel: MakeHotel, document: Document
) -> None:
    foreign = await make_hotel("bridge")
    assert "list_audit" in {operation.id for operation in document.of_hotels}
    for operation in document.of_hotels:
        client = await hotel.gateway.client(scopes=(operation.scope,), hotels=[hotel.id])
        for more in ({}, {"limit": "0"}, {"no_such": "1"}, {"cursor": "x"}):
            there = Outcome.of(await client.get(operation.template, hotel_id=foreign.id, **more))
            gone = Outcome.of(await client.get(operation.template, hotel_id=NOWHERE, **more))
            assert there == gone, (operation.id, more)
            assert there.status == (422 if more else 404), (operation.id, more)
        assert (await client.get(operation.template, hotel_id=hotel.id)).status_code == 200, operation.id
        assert foreign.id not in (await client.get(operation.template)).text, operation.id


async def test_a_list_over_hotels_needs_its_scope(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document
) -> None:
    for operation in document.of_hotels:
        others = tuple(scope for scope in EVERY_SCOPE if scope != operation.scope)
        for hotels in ([hotel.id], None):
            client = await gateway.client(scopes=others, hotels=hotels)
            met = Outcome.of(await client.get(operation.template, hotel_id=hotel.id))
            assert (met.status, met.body["code"]) == (403, "forbidden"), operation.id


async def test_a_list_shows_only_the_hotels_of_the_key(hotel: HotelUnderTest, make_hotel: MakeHotel) -> None:
    await make_hotel("bridge")
    answer = await hotel.client.get("/v1/hotels")
    assert [one["id"] for one in answer.json()["data"]] == [hotel.id]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer pmsgw_no_such", "Basic dXNlcjpwYXNz"])
async def test_without_a_valid_key_nothing_is_told(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for operation in document.operations:
        if not operation.template.startswith("/v1"):
            continue
        request = operation.request(hotel.id)
        path, key = request.pop("path"), request.pop("key", None)
        more = {**headers, "Idempotency-Key": key} if key else headers
        met = Outcome.of(await gateway.http.request(url=path, headers=more, **request))
        assert met.status == 401, operation.id
        assert met.headers["www-authenticate"] == "Bearer"
        assert met.body["code"] == "unauthorized"
    assert hotel.site.requests == []


async def test_a_revoked_key_is_no_key_two_seconds_later(
    session_database_url: str, redis_url: str, simulators: SimulatorServer
) -> None:
    clock = ManualClock()
    async with running_gateway(settings_for(session_database_url, redis_url), simulators, clock=clock) as gateway:
        client = await gateway.client()
        assert (await client.get("/v1/hotels")).status_code == 200
        async with gateway.app.state.gateway.database.unit_of_work() as work:
            assert await work.api_keys.revoke(client.token.split("_")[1])
        clock.advance(2.0)
        assert (await client.get("/v1/hotels")).status_code == 401


async def test_no_scope_includes_another(gateway: RunningGateway, hotel: HotelUnderTest, document: Document) -> None:
    before = await operation_count(gateway)
    for operation in document.at_hotel:
        others = tuple(scope for scope in EVERY_SCOPE if scope != operation.scope)
        for hotels in ([hotel.id], None):
            met = Outcome.of(await ask(await gateway.client(scopes=others, hotels=hotels), operation, hotel.id))
            assert (met.status, met.body["code"]) == (403, "forbidden"), operation.id
    assert hotel.site.requests == []
    assert await operation_count(gateway) == before


async def test_the_scope_that_is_asked_for_is_enough(
    gateway: RunningGateway, hotel: HotelUnderTest, document: Document
) -> None:
    for operation in document.at_hotel:
        if operation.id in {"put_hotel", "delete_hotel"}:
            continue
        answer = await ask(await gateway.client(scopes=(operation.scope,), hotels=[hotel.id]), operation, hotel.id)
        assert answer.status_code not in {401, 403}, (operation.id, answer.text)


async def test_a_key_of_some_hotels_registers_none(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    body = dict(gateway.simulators.registration(hotel.site).body)
    for hotel_id in (hotel.id, "a-new-one"):
        answer = await hotel.client("PUT", f"/v1/hotels/{hotel_id}", json=body)
        assert answer.status_code == 403


async def test_an_operation_shows_itself_to_its_client_and_to_ops_at_that_hotel(
    gateway: RunningGateway, hotel: HotelUnderTest
) -> None:
    owner = await gateway.client(scopes=("read", "write"), hotels=[hotel.id])
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    done = await owner("PUT", f"/v1/hotels/{hotel.id}/rooms/{room}/status", json={"cleaning": "dirty"})
    path = f"/v1/operations/{done.json()['meta']['operation_id']}"
    assert (await owner.get(path)).json()["data"]["status"] == "succeeded"
    colleague = await gateway.client(scopes=("read", "write"), hotels=[hotel.id])
    ops = await gateway.client(scopes=("ops",), hotels=[hotel.id])
    foreign_ops = await gateway.client(scopes=("ops",), hotels=["elsewhere"])
    missing = Outcome.of(await owner.get("/v1/operations/0b2f6c0e-3d3f-4a52-9d6a-6a1f3f1f7f10"))
    assert missing.status == 404
    assert (await ops.get(path)).status_code == 200
    assert Outcome.of(await colleague.get(path)) == missing
    assert Outcome.of(await foreign_ops.get(path)) == missing


async def test_a_client_that_lost_a_hotel_lost_its_operations_there(
    gateway: RunningGateway, hotel: HotelUnderTest
) -> None:
    before = await gateway.client(name=f"moving-{hotel.id}", hotels=[hotel.id])
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    done = await before("PUT", f"/v1/hotels/{hotel.id}/rooms/{room}/status", json={"cleaning": "dirty"})
    path = f"/v1/operations/{done.json()['meta']['operation_id']}"
    after = await gateway.client(name=f"moving-{hotel.id}", hotels=["elsewhere"])
    assert (await before.get(path)).status_code == 200
    assert (await after.get(path)).status_code == 404


async def test_an_idempotency_key_belongs_to_one_client_at_one_hotel(
    gateway: RunningGateway, hotel: HotelUnderTest, make_hotel: MakeHotel
) -> None:
    other = await make_hotel("bridge")
    client = await gateway.client(hotels=[hotel.id, other.id])
    colleague = await gateway.client(hotels=[hotel.id])
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    seen = set()
    for caller, hotel_id in ((client, hotel.id), (client, other.id), (colleague, hotel.id)):
        answer = await caller(
            "PUT", f"/v1/hotels/{hotel_id}/rooms/{room}/status", json={"cleaning": "dirty"}, key="the-same"
        )
        assert answer.status_code == 200
        assert "idempotent-replayed" not in answer.headers
        seen.add(answer.json()["meta"]["operation_id"])
    assert len(seen) == 3
