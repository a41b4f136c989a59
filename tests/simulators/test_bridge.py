"""The bridge's reference implementation keeps the contract; every answer here is held against its OpenAPI document."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from app.simulators.bridge.service import LOOKUPS, WRITES
from app.simulators.faults import Fault, FaultKind
from tests.simulators.conftest import BridgeCaller, MakeCaller
from tests.simulators.openapi import document, operations


def stays(call: BridgeCaller) -> int:
    return len(call.site.hotel.bookings)


def test_the_contract_is_a_valid_openapi_document() -> None:
    validate(document())


def test_the_reference_implements_exactly_the_contract() -> None:
    assert {(method, path) for method, path, _, _ in (*LOOKUPS, *WRITES)} == operations()


async def test_every_operation_answers_as_the_contract_says(call: BridgeCaller) -> None:
    today = call.site.hotel.business_date
    window = {"start": str(today), "end": str(today + timedelta(days=3))}
    stay = {"arrival": str(today), "departure": str(today + timedelta(days=2)), "adults": "2"}
    assert (await call("GET")).json()["business_date"] == str(today)
    for path in ("/room-types", "/rate-plans", "/rooms", "/rooms/101"):
        assert (await call("GET", path)).status_code == 200
    grid = await call("GET", "/availability", params=window | {"room_type": "DLX", "adults": "2", "child_ages": "5"})
    assert [kind["room_type"] for kind in grid.json()["room_types"]] == ["DLX"]
    assert len((await call("GET", "/quotes", params=stay)).json()["items"]) == 6
    made = (await call.book(notes=["Late"], external_reference="V-1")).json()
    stay_path = f"/reservations/{made['id']}"
    guest_path = f"/guests/{made['guest']['id']}"
    done: list[tuple[str, str, dict[str, object] | None, int]] = [
        ("GET", stay_path, None, 200),
        ("PATCH", stay_path, {"adults": 3, "child_ages": [4], "guest": {"phone": "+43 1 555"}}, 200),
        ("POST", f"{stay_path}/quote", {"room_type": "DLX", "adults": 1, "child_ages": None}, 200),
        ("POST", f"{stay_path}/notes", {"text": "Cot, please"}, 201),
        ("PUT", f"{stay_path}/checkout-time", {"checkout_time": "13:00"}, 200),
        (
            "POST",
            f"{stay_path}/charges",
            {"description": "Bar", "amount": {"amount": "4.50", "currency": "EUR"}, "category": "bar"},
            201,
        ),
        ("GET", f"{stay_path}/folio", None, 200),
        ("GET", f"{stay_path}/balance", None, 200),
        ("GET", guest_path, None, 200),
        ("PATCH", guest_path, {"vip": True, "language": "en"}, 200),
        ("PUT", f"{guest_path}/preferences", {"preferences": [{"category": "room", "value": "high"}]}, 200),
        ("POST", "/guests", {"last_name": "Curie"}, 201),
        ("POST", "/guests/search", {"email": "MARY@example.test"}, 200),
        ("POST", "/reservations/search", {"last_name": "shelley"}, 200),
        ("PUT", "/rooms/101/status", {"cleaning": "inspected"}, 200),
        ("POST", f"{stay_path}/cancel", {"reason": "Ill"}, 200),
        ("POST", f"{stay_path}/cancel", {}, 200),
    ]
    for method, path, body, status in done:
        assert (await call(method, path, json=body)).status_code == status, (method, path)
    arriving = next(booking for booking in call.site.hotel.bookings.values() if booking.arrival == today)
    for act in ("check-in", "check-out"):
        assert (await call("POST", f"/reservations/{arriving.id}/{act}")).status_code == 200
    asked = {(request.method, request.template) for request in call.site.requests}
    assert asked == operations()


async def test_the_same_key_and_request_do_a_thing_once_and_give_the_first_answer_again(call: BridgeCaller) -> None:
    before = stays(call)
    first = await call.book(key="k")
    call.site.hotel.cancel(call.site.hotel.booking(first.json()["id"]))
    again = await call.book(key="k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert stays(call) == before + 1


async def test_the_same_key_for_another_request_is_refused(call: BridgeCaller) -> None:
    await call.book(key="k")
    assert (await call.book(key="k", adults=1)).json()["code"] == "idempotency_key_reused"


async def test_a_refusal_is_judged_anew_under_the_same_key(call: BridgeCaller) -> None:
    full = [(await call.book()).json()["id"] for _ in range(2)]
    assert (await call.book(key="k")).json()["code"] == "no_availability"
    await call("POST", f"/reservations/{full[0]}/cancel", json={})
    assert (await call.book(key="k")).status_code == 201


async def test_a_key_is_honoured_after_the_answer_was_lost(call: BridgeCaller) -> None:
    before = stays(call)
    call.site.faults.add(Fault(kind=FaultKind.DROP_AFTER, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        await call.book(key="k")
    assert (await call.book(key="k")).status_code == 201
    assert stays(call) == before + 1


async def test_a_replay_comes_before_the_check_of_the_version(call: BridgeCaller) -> None:
    made = await call.book()
    path, headers = f"/reservations/{made.json()['id']}", {"If-Match": made.headers["etag"]}
    first = await call("PATCH", path, json={"adults": 1}, key="k", headers=headers)
    assert first.status_code == 200
    assert (await call("PATCH", path, json={"adults": 1}, key="k", headers=headers)).json() == first.json()


@pytest.mark.parametrize("mode", ["off", "forgotten"])
async def test_who_honours_no_keys_does_a_thing_as_often_as_told(make_caller: MakeCaller, mode: str) -> None:
    call = make_caller(modes={"idempotency": mode})
    before = stays(call)
    await call.book(key="k", room_type="DLX")
    await call.book(key="k", room_type="DLX")
    assert stays(call) == before + 2
    assert (await call("GET")).json()["idempotency_keys"] is False


async def test_an_installation_may_keep_keys_without_honouring_them(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"idempotency": "off"})
    made = (await call.book(key="book", notes=["Late"])).json()
    path = f"/reservations/{made['id']}"
    assert (await call("POST", f"{path}/notes", json={"text": "Cot"}, key="note")).json()["write_key"] == "note"
    tea = {"description": "Tea", "amount": {"amount": "4.50", "currency": "EUR"}, "category": "bar"}
    charge = (await call("POST", f"{path}/charges", json=tea, key="charge")).json()
    guest = (await call("POST", "/guests", json={"last_name": "Curie"}, key="guest")).json()
    await call("PATCH", path, json={"adults": 1}, key="change")
    shown = (await call("GET", path)).json()
    lines = {line["id"]: line.get("write_key") for line in (await call("GET", f"{path}/folio")).json()["items"]}
    assert (made["write_key"], shown["write_key"], guest["write_key"]) == ("book", "book", "guest")
    assert [note.get("write_key") for note in shown["notes"]] == [None, "note"]
    assert (lines.pop(charge["id"]), set(lines.values())) == ("charge", {None})
    for search, key, found in (
        ("/reservations", "book", [made["id"]]),
        ("/reservations", "change", []),
        ("/guests", "guest", [guest["id"]]),
        ("/guests", "book", []),
    ):
        page = (await call("POST", f"{search}/search", json={"write_key": key})).json()
        assert [item["id"] for item in page["items"]] == found


async def test_who_keeps_keys_tells_of_the_newest_record_that_is_shown(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"idempotency": "off"})
    facts = (await call("GET")).json()
    note = (await call("POST", f"/reservations/{(await call.book()).json()['id']}/notes", json={"text": "Cot"})).json()
    assert (facts["idempotency_keys"], facts["write_keys"]) == (False, True)
    assert facts["newest_record_at"] < (await call("GET")).json()["newest_record_at"] == note["created_at"]
    call.site.hotels[call.site.hotel.setup.property_id].bookings.clear()
    call.site.hotel.guests.clear()
    assert (await call("GET")).json()["newest_record_at"] is None


@pytest.mark.parametrize("mode", ["on", "forgotten"])
async def test_other_installations_show_no_key_and_ignore_the_filter(make_caller: MakeCaller, mode: str) -> None:
    call = make_caller(modes={"idempotency": mode})
    made = (await call.book(key="book")).json()
    assert "write_key" not in made
    page = (await call("POST", "/reservations/search", json={"write_key": "another"})).json()
    assert made["id"] in [item["id"] for item in page["items"]]
    facts = (await call("GET")).json()
    assert (facts["idempotency_keys"], "write_keys" in facts) == (mode == "on", False)


async def test_a_write_without_a_key_is_refused(call: BridgeCaller) -> None:
    refused = await call("POST", "/guests", json={"last_name": "Curie"}, headers={"Idempotency-Key": ""})
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


async def test_a_change_at_another_version_is_refused_and_at_the_right_one_made(call: BridgeCaller) -> None:
    made = await call.book()
    path, old = f"/reservations/{made.json()['id']}", made.headers["etag"]
    moved = await call("POST", f"{path}/notes", json={"text": "moves on"}, headers={"If-Match": old})
    assert moved.status_code == 201
    refused = await call("PATCH", path, json={"adults": 1}, headers={"If-Match": old})
    assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
    now = (await call("GET", path)).headers["etag"]
    assert (await call("PATCH", path, json={"adults": 1}, headers={"If-Match": now})).json()["rooms"][0]["adults"] == 1


async def test_of_fifty_callers_for_the_last_room_one_gets_it(call: BridgeCaller) -> None:
    await call.book()
    answers = await asyncio.gather(*(call.book(key=f"last-{number}") for number in range(50)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes.count(409)) == (1, 49)
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} == {"no_availability"}


@pytest.mark.parametrize("size", ["1", "2"])
async def test_pages_give_every_record_once_and_end(make_caller: MakeCaller, size: str) -> None:
    call = make_caller(modes={"page_size": size})
    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        body = {"limit": 100} if cursor is None else {"limit": 100, "cursor": cursor}
        page = (await call("POST", "/reservations/search", json=body)).json()
        assert len(page["items"]) <= int(size)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == list(call.site.hotel.bookings)


async def test_quotes_come_in_pages_too(call: BridgeCaller) -> None:
    today = call.site.hotel.business_date
    stay = {"arrival": str(today), "departure": str(today + timedelta(days=2)), "adults": "1"}
    every = (await call("GET", "/quotes", params=stay)).json()["items"]
    first = (await call("GET", "/quotes", params=stay | {"limit": "4"})).json()
    rest = (await call("GET", "/quotes", params=stay | {"limit": "4", "cursor": first["next_cursor"]})).json()
    assert (len(first["items"]), rest["next_cursor"]) == (4, None)
    assert first["items"] + rest["items"] == every


async def test_a_record_made_during_a_walk_shifts_no_page(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"page_size": "2"})
    expected = list(call.site.hotel.bookings)[2:4]
    first = (await call("POST", "/reservations/search", json={})).json()
    await call.book()
    second = (await call("POST", "/reservations/search", json={"cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in second["items"]] == expected


async def test_the_rate_limit_names_when_to_come_back(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"rate_limit": "on"})
    answers = [await call("GET") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10


async def test_an_installation_may_build_only_what_is_required(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"built": "required"})
    assert "reservation.note" not in (await call("GET")).json()["capabilities"]
    assert (await call("GET", "/rooms")).json()["code"] == "not_supported"
    assert (await call.book()).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"room_type": "TENT"}, "room_type"),
        ({"rate_code": "FREE"}, "rate_code"),
        ({"adults": 9}, "adults"),
        ({"adults": "two"}, "adults"),
        ({"departure": "2026-01-01"}, "departure"),
        ({"guest": {"first_name": "Mary"}}, "guest.last_name"),
        ({"guest": {"id": "nobody", "last_name": "Shelley"}}, "guest.id"),
        ({"arrival": None}, "arrival"),
    ],
)
async def test_what_is_wrong_with_a_draft_is_named(call: BridgeCaller, changes: dict[str, Any], field: str) -> None:
    before = stays(call)
    refused = await call.book(**changes)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert stays(call) == before


@pytest.mark.parametrize(
    "amount",
    [{"amount": 4.5, "currency": "EUR"}, {"amount": "4.505", "currency": "EUR"}, {"amount": "4.50", "currency": "USD"}],
)
async def test_money_that_is_not_the_hotels_is_refused(call: BridgeCaller, amount: dict[str, object]) -> None:
    stay = next(iter(call.site.hotel.bookings))
    body = {"description": "Bar", "amount": amount, "category": "bar"}
    assert (await call("POST", f"/reservations/{stay}/charges", json=body)).json()["code"] == "invalid"
    assert len(call.site.hotel.books.charges) == 2


async def test_a_change_is_made_whole_or_not_at_all(call: BridgeCaller) -> None:
    made = (await call.book()).json()
    path = f"/reservations/{made['id']}"
    refused = await call("PATCH", path, json={"adults": 1, "guest": {"last_name": None}})
    assert refused.status_code == 422
    assert (await call("GET", path)).json() == made


async def test_several_rooms_are_not_changed_as_one(call: BridgeCaller) -> None:
    several = next(one.id for one in call.site.hotel.bookings.values() if len(one.rooms) == 2)
    assert (await call("PATCH", f"/reservations/{several}", json={"adults": 1})).json()["code"] == "conflict"
    assert len((await call("GET", f"/reservations/{several}")).json()["rooms"]) == 2


async def test_members_of_a_later_version_are_ignored(call: BridgeCaller) -> None:
    assert (await call.book(pets=["cat"])).status_code == 201


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic abc"])
async def test_a_wrong_key_opens_nothing(call: BridgeCaller, key: str) -> None:
    refused = await call("GET", headers={"Authorization": key})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_a_property_does_not_show_another_ones_stays(call: BridgeCaller) -> None:
    stay = next(iter(call.site.hotel.bookings))
    other = call.url.replace("HARBOUR", "GARDEN")
    call.url = other
    assert (await call("GET", f"/reservations/{stay}")).status_code == 404


async def test_every_answer_has_an_id_and_gives_the_correlation_back(call: BridgeCaller) -> None:
    answers = [await call("GET", headers={"X-Correlation-ID": "c-1"}), await call("GET", "/rooms/none")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert answers[0].headers["x-correlation-id"] == "c-1"


async def test_cancelling_twice_is_refused_where_the_installation_does_so(make_caller: MakeCaller) -> None:
    call = make_caller(modes={"second_cancel": "refused"})
    path = f"/reservations/{(await call.book()).json()['id']}/cancel"
    answers = [await call("POST", path, json={}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]


async def test_a_path_that_the_contract_does_not_have_is_a_problem_too(call: BridgeCaller) -> None:
    answer = await call.http.get(f"{call.url}/weather")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
