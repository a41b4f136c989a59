"""Erasing a hotel: nothing of it is left, in Postgres or in the cache, and nothing live is lost."""

import asyncpg

from app.simulators.faults import Fault, FaultKind
from tests.fixtures.gateway import HotelUnderTest, RunningGateway


async def traces(database_url: str, hotel_id: str) -> dict[str, int]:
    """Count the rows that speak of a hotel in every table, by its id anywhere in the row."""
    connection = await asyncpg.connect(database_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    count = "SELECT count(*) FROM {} AS found WHERE strpos(found::text, $1) > 0"
    found = {name: await connection.fetchval(count.format(name), hotel_id) for (name,) in tables}
    await connection.close()
    return {name: number for name, number in found.items() if number}


async def test_an_erased_hotel_leaves_nothing_but_the_note_that_it_was_erased(
    gateway: RunningGateway, hotel: HotelUnderTest, session_database_url: str
) -> None:
    stays = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"]
    await hotel.get(f"/guests/{stays[0]['guest']['id']}")
    await hotel.get("/rooms")
    await hotel.get("/arrivals")
    note = await hotel.send("POST", f"/reservations/{stays[0]['id']}/notes", {"text": "hello"}, key="k")
    assert note.status_code == 201
    before = await traces(session_database_url, hotel.id)
    assert {"hotels", "reservations", "guests", "rooms", "operations", "outbox"} <= before.keys()

    assert (await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")).status_code == 204
    assert (await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")).status_code == 404
    after = await traces(session_database_url, hotel.id)
    assert {name for name in after if not name.startswith("audit_log")} == {"api_keys"}  # the client's own list
    assert after["audit_log"] == 1
    assert (await hotel.get("/rooms")).status_code == 404
    assert (await hotel.client.get(f"/v1/operations/{note.json()['meta']['operation_id']}")).status_code == 404


async def test_a_hotel_that_was_erased_and_registered_anew_begins_with_nothing(
    gateway: RunningGateway, hotel: HotelUnderTest
) -> None:
    await hotel.get("/rooms")
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    change = {"cleaning": "dirty"}
    await hotel.send("PUT", f"/rooms/{room}/status", change, key="k")
    await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")
    await gateway.register(hotel.site, hotel.id)
    assert (await hotel.get("/rooms")).headers["x-cache"] == "MISS"
    again = await hotel.send("PUT", f"/rooms/{room}/status", change, key="k")
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, None)


async def test_a_hotel_with_a_live_operation_is_not_erased(
    own_hotel: HotelUnderTest, session_database_url: str
) -> None:
    gateway, hotel = own_hotel.gateway, own_hotel
    stay = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["id"]
    hotel.site.faults.add(Fault(kind=FaultKind.DROP_AFTER, method="POST", path="notes"))
    note = await hotel.send(
        "POST", f"/reservations/{stay}/notes", {"text": "hello"}, key="k", headers={"X-Request-Timeout": "8"}
    )
    assert note.status_code == 202, note.text
    answer = await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await hotel.get("")).status_code == 200
    connection = await asyncpg.connect(session_database_url)
    await connection.execute("UPDATE operations SET status = 'dead' WHERE hotel_id = $1", hotel.id)
    await connection.close()
    assert (await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")).status_code == 204
