"""Writes whose answer is lost, late or nonsense: what callers are told, and that nothing is done twice."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, OpenHotel, Wired
from tests.fixtures.stays import CREATE, booked, code_of, draft, eventually, fault, seeded

TEA = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}
HURRY = {"X-Request-Timeout": "1.0"}

DONE_BUT_NOT_SAID: dict[str, dict[str, Any]] = {
    "answer lost": {"kind": "drop_after"},
    "answer cut": {"kind": "cut_body"},
    "500 after commit": {"kind": "status_after", "status": 500},
    "garbage 200 after commit": {"kind": "garbage", "body": "<html>PHP Fatal error</html>"},
    "an empty object after commit": {"kind": "garbage", "body": "{}"},
}
NOT_DONE_AND_NOT_SAID: dict[str, dict[str, Any]] = {
    "connection lost before": {"kind": "drop_before"},
    "500 without commit": {"kind": "status", "status": 500},
    "garbage 200 without commit": {"kind": "garbage_undone", "body": "OK"},
    "answered 500, done later": {"kind": "late_commit", "status": 500},
}
LOST = DONE_BUT_NOT_SAID | NOT_DONE_AND_NOT_SAID


async def _operation(hotel: HotelUnderTest, operation_id: str) -> dict[str, Any]:
    answer = await hotel.client.get(f"/v1/operations/{operation_id}")
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_answer_makes_one_reservation_and_a_plain_201(own_hotel: HotelUnderTest, lost: str) -> None:
    own_hotel.site.faults.add(fault(**LOST[lost], times=1, **CREATE))
    answer = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    await own_hotel.site.settled()
    assert answer.status_code == 201, answer.text
    [booking] = booked(own_hotel.site)
    assert answer.json()["data"]["id"] == booking.id
    sent = [request.headers["idempotency-key"] for request in own_hotel.site.requests if request.method == "POST"]
    assert (len(sent), len(set(sent))) == (2, 1)


@pytest.mark.parametrize("lost", DONE_BUT_NOT_SAID)
async def test_a_lost_answer_posts_one_charge_and_one_note(own_hotel: HotelUnderTest, lost: str) -> None:
    booking = seeded(own_hotel, "Lovelace")
    own_hotel.site.faults.add(
        fault(**DONE_BUT_NOT_SAID[lost], times=1, method="POST", path="/charges$"),
        fault(**DONE_BUT_NOT_SAID[lost], times=1, method="POST", path="/notes$"),
    )
    charged = await own_hotel.send("POST", f"/reservations/{booking.id}/charges", TEA, key="c")
    noted = await own_hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "Vegan"}, key="n")
    assert (charged.status_code, noted.status_code) == (201, 201)
    books = own_hotel.site.hotel.books
    assert [one.description for one in books.charges if one.reservation_id == booking.id] == ["Minibar", "Tea"]
    assert [one.text for one in books.notes if one.reservation_id == booking.id] == ["Extra pillows, please", "Vegan"]


@pytest.mark.parametrize("lost", DONE_BUT_NOT_SAID)
async def test_a_lost_answer_to_a_change_is_a_plain_200(own_hotel: HotelUnderTest, lost: str) -> None:
    booking = seeded(own_hotel, "Lamarr")
    own_hotel.site.faults.add(fault(**DONE_BUT_NOT_SAID[lost], times=1, method="PATCH"))
    changed = await own_hotel.send("PATCH", f"/reservations/{booking.id}", {"adults": 1}, key="k")
    assert (changed.status_code, changed.json()["data"]["adults"]) == (200, 1)
    own_hotel.site.faults.add(fault(**DONE_BUT_NOT_SAID[lost], times=1, path="/cancel$"))
    cancelled = await own_hotel.send("POST", f"/reservations/{booking.id}/cancel", {}, key="c")
    assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (200, "cancelled")


@pytest.mark.parametrize("refusal", [409, 422, 404, 401, 429])
async def test_a_refusal_after_a_lost_answer_is_no_answer(own_hotel: HotelUnderTest, refusal: int) -> None:
    own_hotel.site.faults.add(
        fault("drop_after", times=1, **CREATE), fault("status", status=refusal, nth=1, times=5, **CREATE)
    )
    answer = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert answer.status_code == 202, answer.text
    assert len(booked(own_hotel.site)) == 1
    assert (await _operation(own_hotel, answer.json()["data"]["id"]))["status"] == "unknown"


async def test_a_pms_without_keys_gets_a_write_once_and_the_truth_is_told(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel(modes={"idempotency": "forgotten"}, changes={"options": {"idempotency_keys": False}})
    hotel.site.faults.add(fault("drop_after", times=1, **CREATE))
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert (answer.status_code, len(booked(hotel.site))) == (202, 1)
    again = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert (again.status_code, len(booked(hotel.site))) == (202, 1)
    assert again.json()["data"]["id"] == answer.json()["data"]["id"]


@pytest.mark.parametrize("lost", DONE_BUT_NOT_SAID)
async def test_a_state_that_is_seen_to_hold_needs_no_key(open_hotel: OpenHotel, lost: str) -> None:
    hotel = await open_hotel(
        modes={"idempotency": "forgotten", "second_cancel": "refused"}, changes={"options": {"idempotency_keys": False}}
    )
    for act, name, status in (
        ("cancel", "Lamarr", "cancelled"),
        ("check-in", "Johnson", "in_house"),
        ("check-out", "Hopper", "checked_out"),
    ):
        hotel.site.faults.add(fault(**DONE_BUT_NOT_SAID[lost], times=1, path=f"/{act}$"))
        answer = await hotel.send("POST", f"/reservations/{seeded(hotel, name).id}/{act}", key=act)
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, status), act
        assert seeded(hotel, name).status.value == status
    hotel.site.faults.add(fault(**DONE_BUT_NOT_SAID[lost], times=1, path="/checkout-time$"))
    late = await hotel.send(
        "PUT", f"/reservations/{seeded(hotel, 'Lovelace').id}/checkout-time", {"checkout_time": "14:00"}, key="late"
    )
    assert (late.status_code, late.json()["data"]["checkout_time"]) == (200, "14:00")


async def test_a_state_that_does_not_hold_stays_unknown(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel(modes={"idempotency": "forgotten"}, changes={"options": {"idempotency_keys": False}})
    hotel.site.faults.add(fault("drop_before", times=1, path="/cancel$"))
    answer = await hotel.send("POST", f"/reservations/{seeded(hotel, 'Lamarr').id}/cancel", {}, key="k")
    assert answer.status_code == 202
    assert (await _operation(hotel, answer.json()["data"]["id"]))["status"] == "unknown"


async def _accepted(hotel: HotelUnderTest, gate: Gate) -> httpx.Response:
    gate.stop(hotel.site, **CREATE)
    began = time.monotonic()
    answer = await hotel.send("POST", "/reservations", draft(hotel), key="k", headers=HURRY)
    assert 0.3 <= time.monotonic() - began < 2
    return answer


async def test_at_the_deadline_a_write_on_the_wire_is_202_and_goes_on(own_hotel: HotelUnderTest, gate: Gate) -> None:
    answer = await _accepted(own_hotel, gate)
    operation = answer.json()["data"]
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/operations/{operation['id']}"
    assert answer.json()["meta"]["operation_id"] == operation["id"]
    assert (operation["status"], operation["kind"], operation["hotel_id"]) == (
        "running",
        "reservation.create",
        own_hotel.id,
    )
    gate.open()
    done = await eventually(lambda: _operation(own_hotel, operation["id"]), lambda one: one["status"] != "running")
    [booking] = booked(own_hotel.site)
    assert (done["status"], done["result"]["id"], done["attempts"]) == ("succeeded", booking.id, 1)
    again = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["data"] == done["result"]


async def test_a_caller_who_hangs_up_stops_no_write(own_hotel: HotelUnderTest, gate: Gate) -> None:
    gate.stop(own_hotel.site, **CREATE)
    call = asyncio.create_task(own_hotel.send("POST", "/reservations", draft(own_hotel), key="k"))
    await gate.arrived.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    gate.open()

    async def repeat() -> httpx.Response:
        return await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")

    done = await eventually(repeat, lambda answer: answer.status_code != 409)
    assert (done.status_code, done.headers["Idempotent-Replayed"]) == (201, "true")
    assert len(booked(own_hotel.site)) == 1


async def test_at_the_deadline_a_write_that_still_waits_to_be_sent_is_503(wired: Wired, gate: Gate) -> None:
    hotel = wired.hotel
    wired.pms.hold()  # the quote before the booking gets no answer
    promised = draft(hotel, expected_total={"amount": "700.00", "currency": "EUR"})
    answer = await hotel.send("POST", "/reservations", promised, key="k", headers=HURRY)
    assert code_of(answer) == (503, "pms_unavailable")
    assert answer.json()["operation_id"]
    wired.pms.release()
    assert booked(hotel.site) == []
    assert not [one for one in hotel.site.requests if one.template.endswith("/reservations")]


async def test_an_operation_is_its_own_clients_to_see(own_hotel: HotelUnderTest, gate: Gate) -> None:
    answer = await _accepted(own_hotel, gate)
    path = answer.headers["Location"]
    gateway = own_hotel.gateway
    stranger = await gateway.client(scopes=("read", "write"), hotels=[own_hotel.id])
    elsewhere = await gateway.client(hotels=["another-hotel"])
    operator = await gateway.client(scopes=("ops",), hotels=[own_hotel.id])
    assert code_of(await stranger.get(path)) == code_of(await elsewhere.get(path)) == (404, "not_found")
    assert (await operator.get(path)).json()["data"]["status"] == "running"
    for nonsense in ("not-a-uuid", "00000000-0000-0000-0000-000000000000"):
        assert code_of(await operator.get(f"/v1/operations/{nonsense}")) == (404, "not_found")


async def test_a_reservation_tells_of_writes_that_are_not_settled(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel(modes={"idempotency": "forgotten"}, changes={"options": {"idempotency_keys": False}})
    path = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    assert (await hotel.get(path)).json()["data"]["pending_operations"] == []
    hotel.site.faults.add(fault("drop_after", times=1, path="/charges$"))
    answer = await hotel.send("POST", f"{path}/charges", TEA, key="k")
    assert answer.status_code == 202
    operation = answer.json()["data"]["id"]
    for listed in ((await hotel.get(path)).json()["data"], (await hotel.get("/in-house")).json()["data"][1]):
        assert listed["pending_operations"] == [operation]


async def test_a_write_that_is_still_running_is_told_of_and_then_no_more(own_hotel: HotelUnderTest, gate: Gate) -> None:
    path = f"/reservations/{seeded(own_hotel, 'Lovelace').id}"
    assert (await own_hotel.get(path)).json()["data"]["pending_operations"] == []
    gate.stop(own_hotel.site, path="/charges$")
    answer = await own_hotel.send("POST", f"{path}/charges", TEA, key="k", headers=HURRY)
    operation = answer.json()["data"]["id"]
    assert (await own_hotel.get(path)).json()["data"]["pending_operations"] == [operation]
    own_hotel.site.faults.clear()
    own_hotel.site.faults.add(fault("status", status=500))
    assert (await own_hotel.get(path)).json()["data"]["pending_operations"] == [operation]
    own_hotel.site.faults.clear()
    gate.open()

    async def pending() -> Any:
        return (await own_hotel.get(path)).json()["data"]["pending_operations"]

    await eventually(pending, lambda operations: operations == [])
