"""What a write leaves on our side: operation, steps, audit, event, invalidation; and when that cannot be written."""

import asyncio
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.simulators.house import RoomWish
from app.store.audit import AuditEntry
from app.store.operation_records import OperationRecord
from app.store.outbox import OutboxEvent, OutboxPosition
from app.store.steps import StepRecord
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, OpenHotel, Wired
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded

TEA = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}


async def _audit(hotel: HotelUnderTest) -> list[AuditEntry]:
    """Give the lines about writes to the PMS, the oldest first."""
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        entries = await work.audit.entries(hotel_ids=[hotel.id])
    return [one for one in reversed(entries) if one.operation != "hotel.put"]


async def _events(hotel: HotelUnderTest) -> list[OutboxEvent]:
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        found: list[OutboxEvent] = await work.outbox.read_after(OutboxPosition(), limit=100, hotel_ids=[hotel.id])
    return found


async def _operation(hotel: HotelUnderTest, operation_id: str) -> tuple[OperationRecord, list[StepRecord]]:
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        return await work.operations.find(operation_id), await work.steps.all(hotel.id, operation_id)


async def _open_invalidations(hotel: HotelUnderTest) -> list[Any]:
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        return [one for one in await work.invalidations.open(limit=1000) if one.hotel_id == hotel.id]


async def test_a_write_is_recorded_once_however_often_it_is_repeated(hotel: HotelUnderTest) -> None:
    headers = {"X-Correlation-ID": "call-4711"}
    answers = [
        await hotel.send("POST", "/reservations", draft(hotel), key="k", headers=headers if n == 0 else {})
        for n in range(3)
    ]
    made = answers[0].json()["data"]
    operation_id = answers[0].json()["meta"]["operation_id"]

    operation, steps = await _operation(hotel, operation_id)
    assert (operation.status, operation.attempts, operation.target) == ("succeeded", 1, made["id"])
    assert (operation.payload["body"], operation.correlation_id) == (draft(hotel), "call-4711")
    assert (operation.answer_status, operation.answer["data"]) == (201, made)
    assert operation.route == "/v1/hotels/{hotel_id}/reservations"
    assert [(step.name, step.status, step.attempts) for step in steps] == [("reserve", "done", 1)]
    sent = next(request for request in hotel.site.requests if request.method == "POST")
    assert sent.headers["idempotency-key"] == steps[0].reference
    assert sent.headers["x-correlation-id"] == "call-4711"

    [line] = await _audit(hotel)
    assert (line.operation, line.outcome, line.target) == ("reservation.create", "succeeded", made["id"])
    assert (line.correlation_id, line.after, line.before) == ("call-4711", made, None)
    assert line.vendor_request_id
    assert line.vendor_request_id.startswith(hotel.site.name)
    [event] = await _events(hotel)
    assert (event.type, event.payload) == ("reservation.created", {"target": made["id"]})
    await eventually(lambda: _open_invalidations(hotel), lambda found: found == [])


@pytest.mark.parametrize(
    ("method", "path", "body", "operation", "event"),
    [
        ("PATCH", "/reservations/{lamarr}", {"adults": 1}, "reservation.modify", "reservation.modified"),
        ("POST", "/reservations/{lamarr}/cancel", {}, "reservation.cancel", "reservation.cancelled"),
        ("POST", "/reservations/{ada}/notes", {"text": "x"}, "reservation.note", "reservation.note_added"),
        (
            "PUT",
            "/reservations/{ada}/checkout-time",
            {"checkout_time": "12:00"},
            "reservation.checkout_time",
            "reservation.modified",
        ),
        ("POST", "/reservations/{johnson}/check-in", None, "reservation.check_in", "reservation.checked_in"),
        ("POST", "/reservations/{ada}/check-out", None, "reservation.check_out", "reservation.checked_out"),
        ("POST", "/reservations/{ada}/charges", TEA, "charge.post", "charge.posted"),
        ("PUT", "/guests", {"last_name": "Curie"}, "guest.upsert", "guest.updated"),
        ("PUT", "/guests/{guest}/preferences", {"preferences": []}, "guest.preferences", "guest.updated"),
        ("PUT", "/rooms/101/status", {"cleaning": "dirty"}, "room_status.set", "room.status_changed"),
    ],
)
async def test_every_write_leaves_its_line_its_event_and_its_step(
    hotel: HotelUnderTest, *, method: str, path: str, body: Any, operation: str, event: str
) -> None:
    names = {name: seeded(hotel, name.title()).id for name in ("lamarr", "johnson")}
    ada = seeded(hotel, "Lovelace")
    path = path.format(ada=ada.id, guest=ada.contact.guest_id, **names)
    answer = await hotel.send(method, path, body, key="k")
    record, steps = await _operation(hotel, answer.json()["meta"]["operation_id"])
    sends = [step for step in steps if not step.name.startswith("read ")]
    assert (record.kind, record.status, len(sends)) == (operation, "succeeded", 1)
    [line] = await _audit(hotel)
    assert (line.operation, line.outcome, line.after) == (operation, "succeeded", answer.json()["data"])
    [told] = await _events(hotel)
    assert told.type == event
    assert line.target == told.payload["target"] == record.target


async def test_the_audit_of_a_change_says_what_was_there_before(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    before = (await hotel.get(path)).json()["data"]
    after = (await hotel.send("PATCH", path, {"adults": 1})).json()["data"]
    [line] = await _audit(hotel)
    assert (line.before, line.after) == (before, after)


async def test_a_refused_write_leaves_a_line_and_no_event(hotel: HotelUnderTest) -> None:
    answer = await hotel.send("POST", "/reservations", draft(hotel, room_type="IGLOO"), key="k")
    record, steps = await _operation(hotel, answer.json()["operation_id"])
    assert (record.status, [step.status for step in steps]) == ("rejected", ["rejected"])
    assert [(line.operation, line.outcome) for line in await _audit(hotel)] == [("reservation.create", "rejected")]
    assert await _events(hotel) == []


async def test_a_write_that_ran_again_has_two_attempts_and_one_event(hotel: HotelUnderTest) -> None:
    wrong = {"headers": {"If-Match": '"0"'}, "key": "k"}
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    told = [await hotel.send("PATCH", path, {"adults": 1}, **dict(wrong)) for _ in range(2)]
    record, steps = await _operation(hotel, told[1].json()["operation_id"])
    assert (record.attempts, steps) == (2, [])
    assert await _events(hotel) == []


async def test_what_is_known_of_a_guest_is_stored_encrypted(hotel: HotelUnderTest) -> None:
    secret = "Zanzibar-Cortez"
    body = draft(hotel, guest={"last_name": secret, "email": f"{secret}@example.test"}, notes=[f"for {secret}"])
    made = await hotel.send("POST", "/reservations", body, key=f"key-{secret}")
    await hotel.get(f"/reservations/{made.json()['data']['id']}")
    async with hotel.gateway.app.state.gateway.database.engine.connect() as connection:
        tables = [
            row[0]
            for row in await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        ]
        dump = [
            str(row)
            for table in tables
            for row in await connection.execute(text(f'SELECT t::text FROM "{table}" t'))  # noqa: S608 - our own tables
        ]
    assert len(dump) > 5
    written = "\n".join(dump)
    assert made.json()["data"]["id"] in written
    for trace in (secret, secret.lower(), secret.encode().hex()):
        assert trace not in written


async def test_a_write_that_cannot_be_recorded_is_told_all_the_same(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    await hotel.get("/rooms")
    gate.stop(hotel.site, **CREATE)
    call = asyncio.create_task(hotel.send("POST", "/reservations", draft(hotel), key="k"))
    await gate.arrived.wait()
    await wired.postgres.cut()
    gate.open()
    answer = await call
    assert answer.status_code == 201, answer.text
    assert [one["code"] for one in answer.json()["meta"]["warnings"]] == ["recording_delayed"]
    [booking] = booked(hotel.site)
    assert answer.json()["data"]["id"] == booking.id

    repeat = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert code_of(repeat) == (503, "storage_unavailable")
    await wired.postgres.mend()
    running = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert code_of(running) == (409, "operation_in_progress")
    assert running.json()["operation_id"] == answer.json()["meta"]["operation_id"]
    assert len(booked(hotel.site)) == 1


async def test_a_cache_is_moved_even_where_the_write_cannot_be_recorded(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    await hotel.get(path)
    gate.stop(hotel.site, path="/checkout-time$")
    call = asyncio.create_task(hotel.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"}))
    await gate.arrived.wait()
    await wired.postgres.cut()
    gate.open()
    assert (await call).status_code == 200
    assert (await hotel.get(path)).json()["data"]["checkout_time"] == "13:00"


async def test_a_write_on_the_wire_is_202_even_when_postgres_is_gone(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    gate.stop(hotel.site, **CREATE)
    call = asyncio.create_task(
        hotel.send("POST", "/reservations", draft(hotel), key="k", headers={"X-Request-Timeout": "1.5"})
    )
    await gate.arrived.wait()
    await wired.postgres.cut()
    answer = await call
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "running")
    gate.open()


async def test_an_unknown_write_is_202_even_when_postgres_is_gone(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    gate.stop(hotel.site, **CREATE)
    hotel.site.faults.add(fault("status", status=500, **CREATE))
    call = asyncio.create_task(hotel.send("POST", "/reservations", draft(hotel), key="k"))
    await gate.arrived.wait()
    await wired.postgres.cut()
    gate.open()
    answer = await call
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "running")


async def test_a_postgres_that_dies_before_the_send_keeps_the_pms_untouched(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    gate.stop(hotel.site, method="GET", path="/quotes$")
    right = draft(hotel)
    right["expected_total"] = _price_of(hotel, right)
    call = asyncio.create_task(hotel.send("POST", "/reservations", right, key="k"))
    await gate.arrived.wait()
    await wired.postgres.cut()
    gate.open()
    answer = await call
    assert code_of(answer) == (503, "storage_unavailable")
    assert booked(hotel.site) == []


def _price_of(hotel: HotelUnderTest, body: dict[str, Any]) -> dict[str, str]:
    wish = RoomWish(
        kind=body["room_type"],
        plan=body["rate_code"],
        arrival=date.fromisoformat(body["arrival"]),
        departure=date.fromisoformat(body["departure"]),
        adults=body["adults"],
    )
    return {"amount": str(sum(night.price for night in hotel.site.hotel.price(wish))), "currency": "EUR"}


async def test_with_redis_away_the_invalidation_waits_in_postgres(wired: Wired) -> None:
    hotel = wired.hotel
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    await wired.redis.cut()
    assert (await hotel.send("PUT", f"{path}/checkout-time", {"checkout_time": "13:00"})).status_code == 200
    [waiting] = await _open_invalidations(hotel)
    assert waiting.resources == ("reservations",)


async def test_shutdown_lets_a_write_that_is_under_way_end(open_hotel: OpenHotel, gate: Gate) -> None:
    hotel = await open_hotel()
    gate.stop(hotel.site, **CREATE)
    call = asyncio.create_task(hotel.send("POST", "/reservations", draft(hotel), key="k"))
    await gate.arrived.wait()
    call.cancel()
    ending = asyncio.create_task(hotel.gateway.app.state.gateway.writes.aclose())
    gate.open()
    await ending

    async def repeat() -> httpx.Response:
        return await hotel.send("POST", "/reservations", draft(hotel), key="k")

    done = await eventually(repeat, lambda answer: answer.status_code == 201)
    assert done.headers["Idempotent-Replayed"] == "true"
