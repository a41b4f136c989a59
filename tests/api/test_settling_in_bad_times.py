"""Writes whose process died, whose repeat is refused, or whose caller was told 202 a moment too early for the end."""

import dataclasses
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate
from tests.fixtures.own_worker import FastHotel, Hands
from tests.fixtures.settling import AWAY, ended, letter_of, operation_of
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded, today

PROBLEM = {"Content-Type": "application/problem+json"}
UNAUTHORIZED = fault("status", status=401, body='{"code": "unauthorized"}', headers=PROBLEM)
CONFLICT = {"status": 409, "body": '{"code": "conflict"}', "headers": PROBLEM}
NOT_SUPPORTED = {"status": 501, "body": '{"code": "not_supported"}', "headers": PROBLEM}
NOTES = {"method": "POST", "path": "notes$"}
UNREADABLE = (fault("status", status=500, method="GET"), fault("status", status=500, path="search$"))
ROW_AWAY = fault("status", method="PUT", path="room_bookings", status=429, body="")
"""A shop that takes no notes."""
LATER = {"Prefer": "respond-async, wait=20"}

DIED = """
    UPDATE operations SET status = 'running', owner = 'gone', next_attempt_at = NULL, settled_at = NULL,
        deadline_at = now() - interval '1 hour'
"""
"""What a process leaves that was killed while it was at it."""
A_DAY_PASSED = """
    UPDATE operations SET last_sent_at = last_sent_at - interval '25 hours',
        deadline_at = deadline_at - interval '25 hours'
"""


async def sql(hotel: HotelUnderTest, *statements: str) -> None:
    """Change what is stored, as dead processes and time do."""
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        for statement in statements:
            await work.session.execute(text(statement))


def creates(hotel: HotelUnderTest) -> int:
    """Count the bookings that the PMS was asked to make."""
    return sum(one.method == "POST" and one.path.endswith("/reservations") for one in hotel.site.requests)


async def test_a_refused_login_says_nothing_of_a_booking_that_may_have_been_made(
    fast_hotel: FastHotel, hands: Hands
) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(fault("drop_after", **CREATE), *UNREADABLE)
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "unknown")
    sent = creates(hotel)
    hotel.site.faults.clear()
    hotel.site.faults.add(UNAUTHORIZED)
    operation_id = answer.json()["data"]["id"]
    async with hands.working():

        def was_told_401(one: dict[str, Any]) -> bool:
            return bool(one["status"] != "unknown" or one["error"]["code"] == "pms_auth_failed")

        refused = await eventually(lambda: operation_of(hotel, operation_id), was_told_401)
        assert (refused["status"], creates(hotel) > sent) == ("unknown", True)
        hotel.site.faults.clear()
        done = await ended(hotel, answer, "succeeded", "rejected", "dead")
    assert done["status"] == "succeeded"
    assert [one.id for one in booked(hotel.site)] == [done["result"]["id"]]


async def test_a_letter_stays_open_when_a_replay_that_died_half_way_is_refused_later(
    fast_hotel: FastHotel, hands: Hands
) -> None:
    hotel = await fast_hotel()
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(AWAY)
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued")
    await sql(hotel, DIED, "UPDATE operations SET attempts = attempts + 1")
    hotel.site.faults.clear()
    hotel.site.faults.add(fault("status", **NOTES, **CONFLICT))
    async with hands.working():
        done = await ended(hotel, answer, "succeeded", "rejected", "dead")
    letter = await letter_of(hotel, done["id"])
    assert (done["status"], letter["status"], letter["resolved_by"]) == ("rejected", "pending", None)


async def test_a_queued_booking_expires_though_its_process_died(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="b", headers=LATER)
    await sql(hotel, DIED, "UPDATE operations SET expires_at = now() - interval '50 minutes'")
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "succeeded", "rejected", "dead", "expired")
    assert (done["status"], booked(hotel.site)) == ("expired", [])


async def test_a_caller_may_prefer_to_wait_when_the_key_comes_again(fast_hotel: FastHotel) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    assert code_of(await hotel.send("POST", "/reservations", draft(hotel), key="a")) == (503, "pms_unavailable")
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="a", headers=LATER)
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == LATER["Prefer"]


async def test_a_key_that_comes_again_a_day_later_has_a_day_of_settling_before_it(
    fast_hotel: FastHotel, hands: Hands
) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    assert code_of(await hotel.send("POST", "/reservations", draft(hotel), key="a")) == (503, "pms_unavailable")
    await sql(hotel, A_DAY_PASSED)
    hotel.site.faults.clear()
    hotel.site.faults.add(fault("drop_after", **CREATE), fault("status", status=500, path="search$"))
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "unknown")
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "succeeded")
    assert [one.id for one in booked(hotel.site)] == [done["result"]["id"]]


async def told_202(hotel: HotelUnderTest, gate: Gate, path: str, body: Any) -> str:
    """Give the operation of a write that the PMS still holds when its caller is told 202."""
    answer = await hotel.send("POST", path, body, key="k", headers={"X-Request-Timeout": "0.5"})
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "running")
    assert gate.arrived.is_set()
    operation_id: str = answer.json()["data"]["id"]
    return operation_id


async def test_what_a_caller_was_told_of_is_kept_when_the_pms_cannot_do_it(hotel: HotelUnderTest, gate: Gate) -> None:
    booking = seeded(hotel, "Lovelace")
    gate.stop(hotel.site, **NOTES)
    hotel.site.faults.add(fault("status", **NOTES, **NOT_SUPPORTED))
    operation_id = await told_202(hotel, gate, f"/reservations/{booking.id}/notes", {"text": "Vegan"})
    gate.open()
    done = await eventually(lambda: operation_of(hotel, operation_id), lambda one: one["status"] != "running")
    assert (done["status"], done["error"]["code"]) == ("rejected", "capability_not_supported")


async def test_a_booking_is_queued_that_turns_out_unsent_after_its_caller_was_told_202(
    hotel: HotelUnderTest, gate: Gate
) -> None:
    gate.stop(hotel.site, **CREATE)
    hotel.site.faults.add(AWAY)
    operation_id = await told_202(hotel, gate, "/reservations", draft(hotel))
    gate.open()
    done = await eventually(lambda: operation_of(hotel, operation_id), lambda one: one["status"] != "running")
    letter = await letter_of(hotel, operation_id)
    assert (done["status"], letter["auto_retry"], letter["replayable"]) == ("queued", True, True)


async def lovelace(hotel: HotelUnderTest) -> str:
    """Give the reservation that the shop has for her, as callers name it."""
    found = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"]
    reference: str = found[0]["id"]
    return reference


async def test_a_cancellation_that_stopped_before_its_note_is_finished_and_not_refused(
    fast_hotel: FastHotel, hands: Hands
) -> None:
    hotel = await fast_hotel("qloapps")
    reference = await lovelace(hotel)
    hotel.site.faults.add(ROW_AWAY)
    answer = await hotel.send("POST", f"/reservations/{reference}/cancel", {"reason": "ill"}, key="c")
    assert answer.status_code == 202, answer.text
    operation_id = answer.json()["data"]["id"]
    await sql(hotel, DIED, "DELETE FROM operation_steps WHERE name IN ('note', 'read notes')")
    hotel.site.faults.clear()
    async with hands.working():
        done = await eventually(
            lambda: operation_of(hotel, operation_id), lambda one: one["status"] not in {"running", "unknown", "queued"}
        )
    assert (done["status"], done["result"]["status"]) == ("succeeded", "cancelled")
    assert (await hotel.get(f"/reservations/{reference}")).json()["data"]["status"] == "cancelled"
    sent = [one.method for one in hotel.site.requests if one.method != "GET"]
    assert (sent.count("POST"), sent[-1]) == (1, "PUT")  # the cancellation once, and at last its note


async def test_a_queued_note_keeps_nobody_out(fast_hotel: FastHotel) -> None:
    hotel = await fast_hotel("qloapps")
    reference = await lovelace(hotel)
    hotel.site.faults.add(ROW_AWAY)
    note = await hotel.send("POST", f"/reservations/{reference}/notes", {"text": "Vegan"}, key="n")
    assert (note.status_code, note.json()["data"]["status"]) == (202, "queued")
    hotel.site.faults.clear()
    cancelled = await hotel.send(
        "POST", f"/reservations/{reference}/cancel", {}, key="c", headers={"X-Request-Timeout": "4"}
    )
    assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (200, "cancelled")


async def test_a_key_that_comes_again_books_at_the_price_of_now(fast_hotel: FastHotel) -> None:
    hotel = await fast_hotel("qloapps")
    arrival = today(hotel) + timedelta(days=30)
    wish: dict[str, Any] = {"arrival": str(arrival), "departure": str(arrival + timedelta(days=2)), "adults": 1}
    wish["room_type"] = (await hotel.get("/room-types")).json()["data"][0]["room_type"]
    [plan, *_] = (await hotel.get("/rate-plans")).json()["data"]
    guest = {"first_name": "Mary", "last_name": "Shelley", "email": "mary@example.test", "phone": "+43 1 5550199"}
    body = {**wish, "rate_code": plan["rate_code"], "guest": guest}
    before = (await hotel.get("/rates", **wish)).json()["data"][0]["total"]
    hotel.site.faults.add(fault("status", method="POST", path="bookings$", status=429, body=""))
    assert code_of(await hotel.send("POST", "/reservations", body, key="a")) == (503, "pms_rate_limited")
    hotel.site.faults.clear()
    kinds = hotel.site.hotel.kinds
    for code, kind in list(kinds.items()):
        kinds[code] = dataclasses.replace(kind, price=kind.price * 2)
    quoted = (await hotel.get("/rates", **wish)).json()["data"][0]["total"]
    made = await hotel.send("POST", "/reservations", body, key="a")
    assert quoted != before
    assert (made.status_code, made.json()["data"]["total"]) == (201, quoted)
