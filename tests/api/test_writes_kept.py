"""What the PMS has done is written down in the end, and what was not done leaves nothing behind."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text

from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, OpenHotel, Wired
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded

PROBLEM = {"content-type": "application/problem+json"}
WRONG_PRICE = {"amount": "1.00", "currency": "EUR"}


async def _rows(hotel: HotelUnderTest, query: str) -> list[Any]:
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        return list(await work.session.execute(text(query), {"hotel": hotel.id}))


@asynccontextmanager
async def _refused(hotel: HotelUnderTest, table: str) -> AsyncIterator[None]:
    """Let the database refuse every new row of a table, as a fault of ours would."""
    database = hotel.gateway.app.state.gateway.database
    async with database.unit_of_work() as work:
        await work.session.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK (false) NOT VALID"))
    try:
        yield
    finally:
        async with database.unit_of_work() as work:
            await work.session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT refused"))


async def test_a_booking_that_cannot_be_recorded_is_told_as_done_all_the_same(own_hotel: HotelUnderTest) -> None:
    async with _refused(own_hotel, "outbox"):
        answer = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert answer.status_code == 201
    assert [one["code"] for one in answer.json()["meta"]["warnings"]] == ["recording_delayed"]
    assert len(booked(own_hotel.site)) == 1


async def test_what_was_recorded_late_is_replayed(own_hotel: HotelUnderTest) -> None:
    async with _refused(own_hotel, "outbox"):
        first = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")

    async def repeat() -> httpx.Response:
        return await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")

    again = await eventually(repeat, lambda answer: answer.status_code == 201)
    assert (again.json()["data"], again.headers["Idempotent-Replayed"]) == (first.json()["data"], "true")
    assert len(booked(own_hotel.site)) == 1
    assert len(await _rows(own_hotel, "SELECT 1 FROM outbox WHERE hotel_id = :hotel")) == 1


async def test_a_database_that_hangs_after_the_booking_delays_no_answer(wired: Wired) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")

    async def hold(_: float) -> None:
        wired.postgres.hold()

    hotel.site.wait = hold
    hotel.site.faults.add(fault("latency", seconds=1, **CREATE))
    begun = time.monotonic()
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert answer.status_code == 201
    assert [one["code"] for one in answer.json()["meta"]["warnings"]] == ["recording_delayed"]
    assert time.monotonic() - begun < 6
    wired.postgres.release()
    hotel.site.faults.clear()

    async def repeat() -> httpx.Response:
        return await hotel.send("POST", "/reservations", draft(hotel), key="k")

    again = await eventually(repeat, lambda answer: answer.status_code == 201, within=30)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(booked(hotel.site)) == 1


async def test_an_intent_that_was_committed_after_its_refusal_is_forgotten(wired: Wired) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")
    wired.postgres.hold_answers()
    impatient = {"X-Request-Timeout": "1"}
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="k", headers=impatient)
    assert code_of(refused) == (503, "storage_unavailable")
    wired.postgres.release()

    async def other_body() -> httpx.Response:
        return await hotel.send("POST", "/reservations", draft(hotel, adults=1), key="k")

    made = await eventually(other_body, lambda answer: answer.status_code == 201, within=30)
    assert "Idempotent-Replayed" not in made.headers
    assert len(booked(hotel.site)) == 1


async def test_a_repeat_after_202_is_202_while_it_runs(own_hotel: HotelUnderTest, gate: Gate) -> None:
    gate.stop(own_hotel.site, **CREATE)
    impatient = {"X-Request-Timeout": "1.0"}
    answers = [
        await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k", headers=impatient) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.headers["Location"] for answer in answers}) == 1


async def test_a_version_that_moved_meanwhile_is_no_final_answer(own_hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lamarr').id}"
    moved = fault(
        "status", status=412, times=1, method="PATCH", headers=PROBLEM, body='{"code":"version_mismatch","detail":"x"}'
    )
    own_hotel.site.faults.add(moved)
    assert code_of(await own_hotel.send("PATCH", path, {"adults": 1}, key="k")) == (412, "precondition_failed")
    again = await own_hotel.send("PATCH", path, {"adults": 1}, key="k")
    assert (again.status_code, again.json()["data"]["adults"]) == (200, 1)


async def test_what_this_installation_lacks_leaves_the_key_free(own_hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lamarr').id}/notes"
    lacks = fault(
        "status", status=501, times=1, path="/notes", headers=PROBLEM, body='{"code":"not_supported","detail":"no"}'
    )
    own_hotel.site.faults.add(lacks)
    first = await own_hotel.send("POST", path, {"text": "one"}, key="k")
    assert code_of(first) == (501, "capability_not_supported")
    assert (await own_hotel.send("POST", path, {"text": "two"}, key="k")).status_code == 201


async def test_a_booking_of_unknown_outcome_makes_availability_outdated(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel(modes={"idempotency": "forgotten"}, changes={"options": {"idempotency_keys": False}})
    wanted = draft(hotel)
    days = {"start": wanted["arrival"], "end": wanted["departure"], "room_type": "STE"}

    async def available() -> int:
        grid = (await hotel.get("/availability", **days)).json()["data"]
        return int(grid["room_types"][0]["nights"][0]["available"])

    before = await available()
    hotel.site.faults.add(fault("drop_after", times=1, **CREATE))
    assert (await hotel.send("POST", "/reservations", wanted, key="k")).status_code == 202
    assert await available() == before - 1


async def test_a_note_on_a_stay_we_never_read_can_be_found_for_erasing(own_hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}/notes"
    assert (await own_hotel.send("POST", path, {"text": "call Ada at noon"}, key="k")).status_code == 201
    found = await _rows(
        own_hotel,
        "SELECT cardinality(subjects) FROM operations WHERE hotel_id = :hotel UNION ALL "
        "SELECT cardinality(subjects) FROM audit_log WHERE hotel_id = :hotel AND operation = 'reservation.note'",
    )
    assert [count for (count,) in found] == [1, 1]


async def test_a_price_alone_is_compared(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    answer = await hotel.send("PATCH", path, {"expected_total": WRONG_PRICE}, key="k")
    assert [one["code"] for one in answer.json()["meta"]["warnings"]] == ["price_differs"]


async def test_an_operation_shows_the_problem_as_it_was_told(hotel: HotelUnderTest) -> None:
    wanted = draft(hotel, expected_total=WRONG_PRICE)
    refused = await hotel.send("POST", "/reservations", wanted, key="k", headers={"X-Correlation-ID": "call-1"})
    told = refused.json()
    shown = (await hotel.client.get(f"/v1/operations/{told['operation_id']}")).json()["data"]["error"]
    assert shown == {name: value for name, value in told.items() if name != "operation_id"}
