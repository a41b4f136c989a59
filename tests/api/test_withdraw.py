"""A queued write can be taken back by who asked for it, until it is sent."""

import asyncio
from typing import Any

import pytest

from app.store.database import Database
from app.store.operation_records import OperationStatus
from tests.fixtures.gateway import Client, HotelUnderTest, MakeHotel
from tests.fixtures.letters import operation_of, park
from tests.fixtures.own_gateway import Wired
from tests.fixtures.stays import code_of, seeded

NOBODYS = "00000000-0000-4000-8000-000000000000"


def database_of(hotel: HotelUnderTest) -> Database:
    database: Database = hotel.gateway.app.state.gateway.database
    return database


async def withdraw(client: Client, operation_id: str) -> Any:
    return await client("DELETE", f"/v1/operations/{operation_id}")


async def test_a_note_that_waits_for_its_pms_is_taken_back_and_never_sent(wired: Wired) -> None:
    hotel, stay = wired.hotel, seeded(wired.hotel, "Lovelace").id
    client = await hotel.gateway.client(scopes=("read", "write"), hotels=[hotel.id], name="voice agent")
    await hotel.get(f"/reservations/{stay}")
    await wired.pms.cut()
    sent = await client("POST", f"/v1/hotels/{hotel.id}/reservations/{stay}/notes", json={"text": "Late"}, key="n")
    operation_id = sent.json()["data"]["id"]
    answer = await withdraw(client, operation_id)
    assert (answer.status_code, answer.content) == (204, b"")
    seen = (await client.get(f"/v1/operations/{operation_id}")).json()["data"]
    assert seen["status"] == "withdrawn"
    letter = (await hotel.client.get(f"/v1/dead-letters/{seen['dead_letter_id']}")).json()["data"]
    assert (letter["status"], letter["resolved_by"]) == ("abandoned", "voice agent")
    assert (letter["auto_retry"], letter["replayable"], letter["next_attempt_at"]) == (False, False, None)
    again = await client("POST", f"/v1/hotels/{hotel.id}/reservations/{stay}/notes", json={"text": "Late"}, key="n")
    assert (again.status_code, again.json()["data"]["status"]) == (202, "withdrawn")
    assert code_of(await withdraw(client, operation_id)) == (409, "conflict")
    await wired.pms.mend()
    now = (await client.get(f"/v1/hotels/{hotel.id}/reservations/{stay}")).json()["data"]
    assert now["pending_operations"] == []
    assert "Late" not in [note["text"] for note in now["notes"]]
    lines = (await hotel.client.get("/v1/audit", hotel_id=hotel.id, operation="operation.withdraw")).json()["data"]
    assert [(line["actor"], line["target"]) for line in lines] == [("voice agent", operation_id)]


@pytest.mark.parametrize("status", sorted(set(OperationStatus) - {OperationStatus.QUEUED}))
async def test_only_what_is_queued_can_be_taken_back(hotel: HotelUnderTest, status: OperationStatus) -> None:
    made = await park(database_of(hotel), hotel.id, status=status)
    answer = await withdraw(hotel.client, made.operation_id)
    assert code_of(answer) == (409, "conflict")
    assert answer.json()["operation_id"] == made.operation_id
    assert status.value in answer.json()["detail"]
    assert (await operation_of(database_of(hotel), made)).status is status


async def test_nobody_else_takes_it_back_but_operators_of_its_hotel(
    hotel: HotelUnderTest, make_hotel: MakeHotel
) -> None:
    elsewhere = await make_hotel("bridge")
    made = await park(database_of(hotel), hotel.id, status=OperationStatus.QUEUED, client="voice")
    other = await hotel.gateway.client(scopes=("read", "write", "charges", "admin"), hotels=[hotel.id])
    foreign_ops = await hotel.gateway.client(scopes=("ops",), hotels=[elsewhere.id])
    moved = await hotel.gateway.client(scopes=("write",), hotels=[elsewhere.id], name="voice")
    for client in (other, foreign_ops, moved):
        for operation_id in (made.operation_id, NOBODYS, "none"):
            answer = await withdraw(client, operation_id)
            assert code_of(answer) == (404, "not_found")
            assert answer.json()["detail"] == "there is no such operation"
    assert (await operation_of(database_of(hotel), made)).status is OperationStatus.QUEUED
    ops = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id])
    assert (await withdraw(ops, made.operation_id)).status_code == 204


async def test_the_same_client_takes_it_back_under_another_of_its_keys(hotel: HotelUnderTest) -> None:
    made = await park(database_of(hotel), hotel.id, status=OperationStatus.QUEUED, client="night shift")
    rotated = await hotel.gateway.client(scopes=("read",), hotels=[hotel.id], name="night shift")
    assert (await withdraw(rotated, made.operation_id)).status_code == 204


async def test_what_is_taken_back_and_given_up_at_once_ends_in_one_way(hotel: HotelUnderTest) -> None:
    for _ in range(4):
        made = await park(database_of(hotel), hotel.id, status=OperationStatus.QUEUED)
        taken, *given_up = await asyncio.gather(
            withdraw(hotel.client, made.operation_id),
            hotel.client("POST", f"{made.at}/abandon", json={"reason": "not needed"}),
            hotel.client("POST", f"{made.at}/abandon", json={"reason": "not needed"}),
        )
        assert (await operation_of(database_of(hotel), made)).status is OperationStatus.WITHDRAWN
        codes = [taken.status_code, *(answer.status_code for answer in given_up)]
        assert sorted(codes) in ([200, 409, 409], [204, 409, 409])
