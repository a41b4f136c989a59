"""What becomes of writes that nobody waits for: queued, unknown, left behind, and settled by a worker."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.fixtures.own_worker import FastHotel, Hands
from tests.fixtures.settling import AWAY, NOTHING_DONE, ended, letter_of, operation_of
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded

TEA = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}


async def test_a_note_that_cannot_be_sent_is_queued_and_delivered_later(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(AWAY)
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued")
    parked = await letter_of(hotel, answer.json()["data"]["id"])
    assert (parked["status"], parked["auto_retry"], parked["replayable"]) == ("pending", True, True)
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "succeeded")
    assert done["result"]["text"] == "Vegan"
    assert [remark.text for remark in booking.remarks].count("Vegan") == 1
    assert (await letter_of(hotel, done["id"]))["status"] == "resolved"
    again = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")


async def test_a_create_is_503_unless_the_caller_prefers_to_wait(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    assert code_of(await hotel.send("POST", "/reservations", draft(hotel), key="a")) == (503, "pms_unavailable")
    later = {"Prefer": "respond-async, wait=20"}
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="b", headers=later)
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "respond-async, wait=20"
    assert answer.json()["data"]["expires_at"] is not None
    hotel.site.faults.clear()
    async with hands.working():
        await ended(hotel, answer, "succeeded")
    assert len(booked(hotel.site)) == 1


async def test_a_503_is_a_notice_that_resolves_itself_when_its_key_comes_again(fast_hotel: FastHotel) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert code_of(refused) == (503, "pms_unavailable")
    notice = await letter_of(hotel, refused.json()["operation_id"])
    assert (notice["status"], notice["replayable"], notice["auto_retry"]) == ("pending", False, False)
    assert code_of(await hotel.client("POST", f"/v1/dead-letters/{notice['id']}/retry")) == (409, "conflict")
    hotel.site.faults.clear()
    made = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (made.status_code, len(booked(hotel.site))) == (201, 1)
    assert (await letter_of(hotel, refused.json()["operation_id"]))["status"] == "resolved"


async def test_an_unknown_write_is_settled_under_the_vendors_key(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(fault("drop_after", **CREATE), fault("status", status=500, method="GET"))
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "unknown")
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "succeeded")
    assert [one.id for one in booked(hotel.site)] == [done["result"]["id"]]


async def test_without_a_key_what_landed_is_found_by_reading(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel(keys=False)
    hotel.site.faults.add(fault("drop_after", **CREATE), fault("status", status=500, path="search$"))
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "unknown")
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "succeeded")
    assert [one.id for one in booked(hotel.site)] == [done["result"]["id"]]
    assert (
        sum(request.method == "POST" and request.path.endswith("/reservations") for request in hotel.site.requests) == 1
    )


@pytest.mark.parametrize(
    ("path", "body", "ends"), [("notes", {"text": "Vegan"}, "succeeded"), ("charges", TEA, "dead")]
)
async def test_what_is_seen_absent_twice_is_sent_again_unless_it_is_money(
    fast_hotel: FastHotel, hands: Hands, path: str, body: Any, ends: str
) -> None:
    hotel = await fast_hotel(keys=False)
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(fault("drop_before", method="POST", path=f"{path}$", times=1))
    answer = await hotel.send("POST", f"/reservations/{booking.id}/{path}", body, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "unknown")
    async with hands.working():
        waits = await operation_of(hotel, answer.json()["data"]["id"])
        assert waits["status"] == "unknown"

        async def newer() -> dict[str, Any]:  # the lists show something newer only because somebody else writes
            hotel.site.hotel.remark(seeded(hotel, "Lamarr"), "staff was here")
            return await operation_of(hotel, waits["id"])

        done = await eventually(newer, lambda one: one["status"] == ends, within=20)
    sent = sum(request.method == "POST" and request.path.endswith(path) for request in hotel.site.requests)
    if ends == "succeeded":
        assert ([remark.text for remark in booking.remarks].count("Vegan"), sent) == (1, 2)
    else:
        letter = await letter_of(hotel, done["id"])
        assert (sent, letter["status"], letter["replayable"], letter["auto_retry"]) == (1, "pending", True, False)
        assert (await hotel.client("POST", f"/v1/dead-letters/{letter['id']}/retry")).status_code < 300
        async with hands.working():
            assert (await ended(hotel, answer, "succeeded"))["result"]["description"] == "Tea"


async def test_what_nobody_can_see_is_a_persons_business(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel(keys=False, modes={"idempotency": "forgotten"})
    booking = seeded(hotel, "Lovelace")
    hotel.site.faults.add(fault("drop_after", method="POST", path="charges$", times=1))
    answer = await hotel.send("POST", f"/reservations/{booking.id}/charges", TEA, key="c")
    operation_id = answer.json()["data"]["id"]

    async def parked() -> list[Any]:
        found: list[Any] = (await hotel.client.get("/v1/dead-letters", hotel_id=hotel.id)).json()["data"]
        return found

    async with hands.working():
        [letter] = await eventually(parked, bool)
    assert (letter["status"], letter["auto_retry"], letter["replayable"]) == ("pending", False, False)
    assert (await operation_of(hotel, operation_id))["status"] == "unknown"
    assert code_of(await hotel.client("POST", f"/v1/dead-letters/{letter['id']}/retry")) == (409, "conflict")
    found = {"happened": True, "reason": "it is on the folio"}
    assert (await hotel.client("POST", f"/v1/dead-letters/{letter['id']}/resolve", json=found)).status_code < 300
    assert (await operation_of(hotel, operation_id))["status"] == "succeeded"


async def test_a_queued_booking_expires_and_is_never_sent(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="b", headers={"Prefer": "respond-async"})
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        await work.session.execute(text("UPDATE operations SET expires_at = now(), next_attempt_at = now()"))
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "expired")
    assert booked(hotel.site) == []
    letter = await letter_of(hotel, done["id"])
    assert (letter["status"], letter["auto_retry"], letter["replayable"]) == ("pending", False, True)


async def test_a_queued_booking_is_quoted_again_before_it_is_sent(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(fault("status", **NOTHING_DONE))
    body = draft(hotel, expected_total={"amount": "1.00", "currency": "EUR"})
    answer = await hotel.send("POST", "/reservations", body, key="b", headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    hotel.site.faults.clear()
    async with hands.working():
        done = await ended(hotel, answer, "rejected")
    assert (done["error"]["code"], booked(hotel.site)) == ("price_changed", [])
    letter = await letter_of(hotel, done["id"])
    assert (letter["status"], letter["auto_retry"]) == ("pending", False)


async def test_a_queued_change_that_meets_another_version_is_a_conflict(fast_hotel: FastHotel, hands: Hands) -> None:
    hotel = await fast_hotel()
    booking = seeded(hotel, "Lamarr")
    before = (await hotel.get(f"/reservations/{booking.id}")).json()["data"]
    hotel.site.faults.add(fault("status", **NOTHING_DONE))
    answer = await hotel.send(
        "PATCH", f"/reservations/{booking.id}", {"adults": 1}, key="m", headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202, answer.text
    hotel.site.faults.clear()
    theirs = await hotel.send("PATCH", f"/reservations/{booking.id}", {"guest": {"phone": "+43 1 234"}}, key="t")
    assert theirs.status_code == 200, theirs.text
    async with hands.working():
        done = await ended(hotel, answer, "dead")
    letter = await letter_of(hotel, done["id"])
    assert (letter["error"]["code"], letter["base"]["version"]) == ("precondition_failed", before["version"])
    assert letter["theirs"]["version"] == theirs.json()["data"]["version"]
    assert letter["payload"]["body"] == {"adults": 1}
    assert (await hotel.client("POST", f"/v1/dead-letters/{letter['id']}/retry")).status_code < 300
    async with hands.working():
        assert (await ended(hotel, answer, "succeeded"))["result"]["adults"] == 1


async def test_what_a_dead_process_left_unsent_is_not_sent_behind_its_callers_back(
    fast_hotel: FastHotel, hands: Hands
) -> None:
    hotel = await fast_hotel()
    hotel.site.faults.add(AWAY)
    refused = await hotel.send("POST", "/reservations", draft(hotel), key="a")
    left_behind = text(
        "UPDATE operations SET status = 'running', runs_again = false, owner = 'gone', "
        "deadline_at = now() - interval '10 minutes', settled_at = NULL"
    )
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        await work.session.execute(left_behind)
        await work.session.execute(text("DELETE FROM operation_steps"))
    hotel.site.faults.clear()
    operation_id = refused.json()["operation_id"]
    async with hands.working():
        await eventually(lambda: operation_of(hotel, operation_id), lambda one: one["status"] == "rejected")
    assert booked(hotel.site) == []
    assert (await hotel.send("POST", "/reservations", draft(hotel), key="a")).status_code == 201
