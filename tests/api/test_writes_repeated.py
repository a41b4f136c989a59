"""What a repeat of an Idempotency-Key gets, for every class of answer (api.md, Writes)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.simulators.records import StayStatus
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import Client, HotelUnderTest, RunningGateway
from tests.fixtures.own_gateway import Gate, OpenGateway, OpenHotel, Wired
from tests.fixtures.stays import CREATE, booked, code_of, draft, fault, seeded, today

TEA = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}


def _references(hotel: HotelUnderTest) -> list[str]:
    """Give the keys under which the PMS was asked to book."""
    return [
        request.headers["idempotency-key"]
        for request in hotel.site.requests
        if request.method == "POST" and request.template.endswith("/reservations")
    ]


def _without_time(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {name: value for name, value in body.items() if name != "correlation_id"}


def _at(gateway: RunningGateway, hotel: HotelUnderTest) -> HotelUnderTest:
    """Give the same hotel and the same caller at another process."""
    return HotelUnderTest(hotel.id, hotel.site, Client(gateway.http, hotel.client.token), gateway)


async def _every_final_write(hotel: HotelUnderTest) -> list[tuple[str, str, Any, int]]:
    guest = seeded(hotel, "Lovelace").contact.guest_id
    one = f"/reservations/{seeded(hotel, 'Lovelace').id}"
    other = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    return [
        ("POST", "/reservations", draft(hotel), 201),
        ("PATCH", other, {"adults": 1}, 200),
        ("POST", f"{other}/cancel", {"reason": "Ill"}, 200),
        ("POST", f"{one}/notes", {"text": "Vegan"}, 201),
        ("PUT", f"{one}/checkout-time", {"checkout_time": "12:30"}, 200),
        ("POST", f"/reservations/{seeded(hotel, 'Johnson').id}/check-in", None, 200),
        ("POST", f"/reservations/{seeded(hotel, 'Hopper').id}/check-out", None, 200),
        ("POST", f"{one}/charges", TEA, 201),
        ("PUT", "/guests", {"last_name": "Curie", "email": "marie@example.test"}, 201),
        ("PUT", "/guests", {"id": guest, "language": "fr"}, 200),
        ("PUT", f"/guests/{guest}/preferences", {"preferences": [{"category": "room", "value": "high"}]}, 200),
        ("PUT", "/rooms/103/status", {"cleaning": "dirty"}, 200),
    ]


async def test_a_final_answer_is_given_again_also_after_a_restart(
    own_hotel: HotelUnderTest, open_gateway: OpenGateway
) -> None:
    writes = await _every_final_write(own_hotel)
    first = [await own_hotel.send(way, path, body, key=f"k{n}") for n, (way, path, body, _) in enumerate(writes)]
    assert [one.status_code for one in first] == [status for *_, status in writes]
    assert not any("Idempotent-Replayed" in one.headers for one in first)
    sent = len(own_hotel.site.requests)
    restarted = _at(await open_gateway(), own_hotel)
    for hotel in (own_hotel, restarted):
        again = [await hotel.send(way, path, body, key=f"k{n}") for n, (way, path, body, _) in enumerate(writes)]
        assert [one.headers.get("Idempotent-Replayed") for one in again] == ["true"] * len(writes)
        assert [(one.status_code, one.json()) for one in again] == [(one.status_code, one.json()) for one in first]
    assert len(own_hotel.site.requests) == sent


async def test_a_no_of_the_pms_is_given_again_and_not_asked_for_again(
    own_hotel: HotelUnderTest, open_gateway: OpenGateway
) -> None:
    refused = [
        ("POST", "/reservations", draft(own_hotel, room_type="IGLOO"), (422, "pms_rejected")),
        ("POST", f"/reservations/{seeded(own_hotel, 'Lovelace').id}/cancel", {}, (409, "conflict")),
        ("POST", "/reservations/R99999/notes", {"text": "x"}, (404, "not_found")),
        ("PATCH", "/reservations/R99999", {"adults": 1}, (404, "not_found")),
    ]
    first = [await own_hotel.send(way, path, body, key=f"k{n}") for n, (way, path, body, _) in enumerate(refused)]
    assert [code_of(one) for one in first] == [told for *_, told in refused]
    sent = len(own_hotel.site.requests)
    restarted = _at(await open_gateway(), own_hotel)
    for hotel in (own_hotel, restarted):
        again = [await hotel.send(way, path, body, key=f"k{n}") for n, (way, path, body, _) in enumerate(refused)]
        assert [_without_time(one) for one in again] == [_without_time(one) for one in first]
        assert {one.headers.get("Idempotent-Replayed") for one in again} == {"true"}
    assert len(own_hotel.site.requests) == sent


async def test_a_key_stands_for_one_request_alone(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    assert (await hotel.send("PATCH", path, {"adults": 1}, key="k")).status_code == 200
    others = [
        hotel.send("PATCH", path, {"adults": 2}, key="k"),
        hotel.send("PATCH", path, {"adults": 1, "child_ages": None}, key="k"),
        hotel.send("PATCH", f"/reservations/{seeded(hotel, 'Johnson').id}", {"adults": 1}, key="k"),
        hotel.send("POST", f"{path}/cancel", {}, key="k"),
        hotel.send("PATCH", path, {"adults": 1}, key="k", headers={"If-Match": "*"}),
    ]
    for other in others:
        assert code_of(await other) == (422, "idempotency_key_reused")
    reordered = '{ "adults" : 1 }'
    same = await hotel.send("PATCH", path, key="k", content=reordered, headers={"Content-Type": "application/json"})
    assert (same.status_code, same.headers["Idempotent-Replayed"]) == (200, "true")


async def test_two_clients_and_two_hotels_do_not_meet_under_one_key(
    hotel: HotelUnderTest, open_hotel: OpenHotel
) -> None:
    stranger = await hotel.gateway.client(hotels=[hotel.id])
    elsewhere = await open_hotel(hotel.gateway)
    answers = [
        await hotel.send("POST", "/reservations", draft(hotel), key="k"),
        await stranger("POST", f"/v1/hotels/{hotel.id}/reservations", json=draft(hotel, adults=1), key="k"),
        await elsewhere.send("POST", "/reservations", draft(elsewhere), key="k"),
    ]
    assert [one.status_code for one in answers] == [201, 201, 201]
    assert (len(booked(hotel.site)), len(booked(elsewhere.site))) == (2, 1)


async def test_the_key_belongs_to_the_client_and_not_to_the_token(hotel: HotelUnderTest) -> None:
    old, new = [await hotel.gateway.client(name="voice-agent", hotels=[hotel.id]) for _ in range(2)]
    path = f"/v1/hotels/{hotel.id}/reservations"
    first, again = [await client("POST", path, json=draft(hotel), key="k") for client in (old, new)]
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()


async def test_while_it_runs_a_repeat_is_told_so(own_hotel: HotelUnderTest, gate: Gate) -> None:
    gate.stop(own_hotel.site, **CREATE)
    first = asyncio.create_task(own_hotel.send("POST", "/reservations", draft(own_hotel), key="k"))
    await gate.arrived.wait()
    repeat = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert code_of(repeat) == (409, "operation_in_progress")
    assert int(repeat.headers["Retry-After"]) >= 1
    running = repeat.json()["operation_id"]
    seen = await own_hotel.client.get(f"/v1/operations/{running}")
    assert (seen.json()["data"]["status"], seen.json()["data"]["kind"]) == ("running", "reservation.create")
    gate.open()
    made = await first
    assert (made.status_code, made.json()["meta"]["operation_id"]) == (201, running)
    assert len(booked(own_hotel.site)) == 1


async def test_thirty_two_posts_of_one_key_are_one_reservation(own_hotel: HotelUnderTest) -> None:
    body = draft(own_hotel)
    answers = await asyncio.gather(*[own_hotel.send("POST", "/reservations", body, key="k") for _ in range(32)])
    told = {code_of(one) for one in answers}
    assert told <= {(201, None), (409, "operation_in_progress")}
    made = [one.json()["data"] for one in answers if one.status_code == 201]
    assert made
    assert all(one == made[0] for one in made)
    later = await asyncio.gather(*[own_hotel.send("POST", "/reservations", body, key="k") for _ in range(8)])
    assert {(one.status_code, one.headers.get("Idempotent-Replayed")) for one in later} == {(201, "true")}
    assert {one.json()["data"]["id"] for one in later} == {made[0]["id"]}
    assert len(booked(own_hotel.site)) == 1


async def test_the_last_room_is_sold_once(own_hotel: HotelUnderTest) -> None:
    assert (await own_hotel.send("POST", "/reservations", draft(own_hotel), key="first")).status_code == 201
    answers = await asyncio.gather(
        *[own_hotel.send("POST", "/reservations", draft(own_hotel), key=f"k{n}") for n in range(100)]
    )
    told = sorted(code_of(one) for one in answers)
    assert told == [(201, None)] + [(409, "no_availability")] * 99
    assert len(booked(own_hotel.site)) == 2


async def test_two_cancellations_that_read_alike_are_two(hotel: HotelUnderTest) -> None:
    bookings = [seeded(hotel, name) for name in ("Lamarr", "Johnson")]
    for number, booking in enumerate(bookings):
        answer = await hotel.send("POST", f"/reservations/{booking.id}/cancel", {"reason": "Ill"}, key=f"k{number}")
        assert (answer.status_code, answer.json()["data"]["id"]) == (200, booking.id)
    assert [booking.status for booking in bookings] == [StayStatus.CANCELLED] * 2


async def test_while_the_pms_is_away_nothing_is_booked_and_the_key_runs_again_later(
    wired: Wired, clock: ManualClock
) -> None:
    hotel = wired.hotel
    await wired.pms.cut()
    away = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert code_of(away) == (503, "pms_unavailable")
    assert int(away.headers["Retry-After"]) >= 1
    assert booked(hotel.site) == []
    again = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert code_of(again) == (503, "pms_unavailable")
    await wired.pms.mend()
    clock.advance(60)
    done = await hotel.send("POST", "/reservations", draft(hotel), key="k")
    assert done.status_code == 201
    assert "Idempotent-Replayed" not in done.headers
    operations = {away.json()["operation_id"], again.json()["operation_id"], done.json()["meta"]["operation_id"]}
    assert len(operations) == 1
    assert len(booked(hotel.site)) == 1


@pytest.mark.parametrize(("status", "told"), [(429, "pms_rate_limited"), (401, "pms_auth_failed")])
async def test_what_was_surely_not_done_runs_again_under_the_same_reference(
    own_hotel: HotelUnderTest, clock: ManualClock, status: int, told: str
) -> None:
    own_hotel.site.faults.add(fault("status", status=status, headers={"Retry-After": "100"}, times=1, **CREATE))
    first = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert first.json()["code"] == told
    clock.advance(100)
    second = await own_hotel.send("POST", "/reservations", draft(own_hotel), key="k")
    assert second.status_code == 201
    assert first.json()["operation_id"] == second.json()["meta"]["operation_id"]
    assert len(_references(own_hotel)) == 2
    assert len(set(_references(own_hotel))) == 1


async def test_a_refusal_of_our_own_leaves_the_key_to_run_again(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lamarr")
    path = f"/reservations/{booking.id}"
    version = (await hotel.get(path)).json()["data"]["version"]
    hotel.site.hotel.name_guest(booking, first_name="Eva")
    moved = {"headers": {"If-Match": f'"{version}"'}, "key": "moved"}
    refused = await hotel.send("PATCH", path, {"adults": 1}, **dict(moved))
    assert code_of(refused) == (412, "precondition_failed")
    hotel.site.hotel.name_guest(booking, first_name="Hedy")
    done = await hotel.send("PATCH", path, {"adults": 1}, **dict(moved))
    assert done.status_code == 200
    assert done.json()["meta"]["operation_id"] == refused.json()["operation_id"]

    group = f"/reservations/{seeded(hotel, 'Noether').id}"
    told = [await hotel.send("PATCH", group, {"adults": 1}, key="group") for _ in range(2)]
    assert [code_of(one) for one in told] == [(409, "multi_room")] * 2
    assert [one.headers.get("Idempotent-Replayed") for one in told] == [None, None]
    assert len({one.json()["operation_id"] for one in told}) == 1


async def test_a_changed_price_and_a_conflict_run_again_too(hotel: HotelUnderTest) -> None:
    wrong = draft(hotel, expected_total={"amount": "1.00", "currency": "EUR"})
    price = [await hotel.send("POST", "/reservations", wrong, key="price") for _ in range(2)]
    other_name = {"last_name": "Byron", "email": "ada@example.test"}
    guest = [await hotel.send("PUT", "/guests", other_name, key="guest") for _ in range(2)]
    for told, code in ((price, "price_changed"), (guest, "conflict")):
        assert [code_of(one) for one in told] == [(409, code)] * 2
        assert {one.headers.get("Idempotent-Replayed") for one in told} == {None}
        assert len({one.json()["operation_id"] for one in told}) == 1
    hotel.site.hotel.change_guest(hotel.site.hotel.guest(str(seeded(hotel, "Lovelace").contact.guest_id)), email=None)
    assert (await hotel.send("PUT", "/guests", other_name, key="guest")).status_code == 201


async def test_what_was_never_a_write_leaves_the_key_free_for_another_body(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    cleared = await hotel.send("PATCH", path, {"room_type": None}, key="k")
    assert code_of(cleared) == (501, "capability_not_supported")
    no_night = await hotel.send("PATCH", path, {"departure": str(today(hotel))}, key="k")
    assert code_of(no_night) == (422, "validation_failed")
    assert no_night.json()["errors"][0]["loc"] == ["departure"]
    assert (await hotel.send("PATCH", path, {"adults": 1}, key="k")).status_code == 200


async def test_a_write_without_a_key_is_a_new_one_each_time(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    answers = [await hotel.send("PATCH", path, {"adults": adults}) for adults in (1, 2, 1)]
    assert [one.json()["data"]["adults"] for one in answers] == [1, 2, 1]
    assert len({one.json()["meta"]["operation_id"] for one in answers}) == 3


async def test_a_repeat_is_answered_while_the_pms_is_away_however_it_names_the_reservation(
    wired: Wired, flush_redis: Callable[[], Awaitable[object]]
) -> None:
    hotel = wired.hotel
    booking = seeded(hotel, "Lamarr")
    for named in (booking.id, f"confirmation:{booking.confirmation_number}"):
        path = f"/reservations/{named}/notes"
        assert (await hotel.send("POST", path, {"text": "Vegan"}, key=f"k{named}")).status_code == 201
    await wired.pms.cut()
    await flush_redis()
    for named in (booking.id, f"confirmation:{booking.confirmation_number}"):
        again = await hotel.send("POST", f"/reservations/{named}/notes", {"text": "Vegan"}, key=f"k{named}")
        assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (201, "true"), again.text
