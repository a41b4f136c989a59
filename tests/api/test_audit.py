"""The audit by API: who did what, told to who may know it, in pages, and never changed by reading."""

from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.domain.ids import escape_ref
from app.store.audit import AuditEntry
from app.store.crypto import BlindIndex, Keyring, Marks
from app.store.database import Database
from app.store.repository import StoreKeys
from tests.fixtures.gateway import Client, HotelUnderTest, MakeHotel, RunningGateway
from tests.fixtures.own_gateway import Wired
from tests.fixtures.stays import code_of, draft, eventually, fault, seeded

AUDIT = "/v1/audit"
TEA = {"description": "Tea", "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}


async def audit(client: Client, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get(AUDIT, **asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def write(gateway: RunningGateway, **values: Any) -> None:
    """Add a line that nobody's write has left."""
    line = {"actor": "night audit", "hotel_id": None, "operation": "x", "target": None, "outcome": "succeeded"}
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        await work.audit.append(AuditEntry(**{**line, **values}))


async def write_lines(hotel: HotelUnderTest, count: int) -> None:
    for number in range(count):
        await write(hotel.gateway, hotel_id=hotel.id, operation="test.line", target=f"{number}")


def targets(lines: list[dict[str, Any]]) -> list[str]:
    return [line["target"] for line in lines]


def refused(answer: httpx.Response, field: str) -> None:
    assert code_of(answer) == (422, "validation_failed"), answer.text
    assert [fault["loc"] for fault in answer.json()["errors"]] == [[field]]


async def test_a_write_is_told_with_who_did_it_and_what_it_changed(hotel: HotelUnderTest) -> None:
    client = await hotel.gateway.client(hotels=[hotel.id], name="front desk")
    at = f"/v1/hotels/{hotel.id}/reservations/{seeded(hotel, 'Lovelace').id}"
    before = (await client.get(at)).json()["data"]
    sent = {"headers": {"X-Correlation-ID": "call-4711"}, "json": {"guest": {"phone": "+43 1 5550199"}}}
    after = (await client("PATCH", at, **sent)).json()["data"]
    [line] = await audit(client, hotel_id=hotel.id, reservation_id=before["id"])
    told = datetime.fromisoformat(line.pop("at"))
    assert told.utcoffset() == timedelta()
    assert line.pop("vendor_request_id") is not None
    assert (line.pop("before"), line.pop("after")) == (before, after)
    assert before != after
    assert line == {
        "actor": "front desk",
        "hotel_id": hotel.id,
        "operation": "reservation.modify",
        "target": before["id"],
        "outcome": "succeeded",
        "correlation_id": "call-4711",
    }


async def test_a_failure_is_told_with_what_is_known_of_it(hotel: HotelUnderTest) -> None:
    hotel.site.faults.add(fault("status", method="POST", path=r"/cancel$", status=409, times=1))
    stay = seeded(hotel, "Lamarr").id
    answer = await hotel.send("POST", f"/reservations/{stay}/cancel", {"reason": "ill"})
    assert answer.status_code == 409, answer.text
    [line] = await audit(hotel.client, reservation_id=escape_ref(stay))
    assert (line["operation"], line["outcome"], line["after"]) == ("reservation.cancel", "rejected", None)


async def test_the_newest_line_is_first_and_every_filter_narrows(hotel: HotelUnderTest) -> None:
    made = (await hotel.send("POST", "/reservations", draft(hotel), key="k")).json()["data"]["id"]
    await hotel.send("POST", f"/reservations/{made}/notes", {"text": "Late"}, key="n")
    await hotel.send("POST", f"/reservations/{made}/charges", TEA, key="c")
    room = (await hotel.get("/rooms")).json()["data"][0]["room_number"]
    await hotel.send("PUT", f"/rooms/{room}/status", {"cleaning": "dirty"})
    lines = await audit(hotel.client)
    assert [line["operation"] for line in lines] == [
        "room_status.set",
        "charge.post",
        "reservation.note",
        "reservation.create",
        "hotel.put",
    ]
    assert lines == sorted(lines, key=lambda line: line["at"], reverse=True)
    assert await audit(hotel.client, hotel_id=hotel.id) == lines
    assert await audit(hotel.client, reservation_id=made) == lines[1:4]
    assert await audit(hotel.client, reservation_id=made, operation="charge.post") == lines[1:2]
    assert await audit(hotel.client, operation="reservation.modify") == []


async def test_a_reservation_is_not_taken_for_a_guest_of_the_same_id(hotel: HotelUnderTest) -> None:
    for operation in ("guest.upsert", "reservation.note", "room_status.set", "charge.post"):
        await write(hotel.gateway, hotel_id=hotel.id, operation=operation, target="7")
    found = await audit(hotel.client, reservation_id="7")
    assert [line["operation"] for line in found] == ["charge.post", "reservation.note"]


async def test_an_id_is_asked_for_and_told_as_it_is_written_in_paths(hotel: HotelUnderTest) -> None:
    await write(hotel.gateway, hotel_id=hotel.id, operation="reservation.note", target="R/7 ü")
    await write(hotel.gateway, hotel_id=hotel.id, operation="reservation.note", target="R")
    [line] = await audit(hotel.client, reservation_id="R~2F7~20~C3~BC")
    assert line["target"] == "R~2F7~20~C3~BC"


async def test_a_confirmation_number_names_a_reservation_here_too(hotel: HotelUnderTest) -> None:
    made = (await hotel.send("POST", "/reservations", draft(hotel), key="k")).json()["data"]
    named = f"confirmation:{made['confirmation_number']}"
    assert targets(await audit(hotel.client, hotel_id=hotel.id, reservation_id=named)) == [made["id"]]
    nobody = await hotel.client.get(AUDIT, hotel_id=hotel.id, reservation_id="confirmation:none")
    assert code_of(nobody) == (404, "not_found")
    refused(await hotel.client.get(AUDIT, reservation_id=named), "reservation_id")


async def test_from_is_inclusive_and_to_is_not(hotel: HotelUnderTest) -> None:
    await write_lines(hotel, 3)
    newest, middle, oldest = await audit(hotel.client, operation="test.line")
    assert await audit(hotel.client, operation="test.line", **{"from": middle["at"]}) == [newest, middle]
    assert await audit(hotel.client, operation="test.line", to=middle["at"]) == [oldest]
    assert await audit(hotel.client, **{"from": middle["at"], "to": newest["at"]}) == [middle]
    elsewhere = datetime.fromisoformat(middle["at"]).astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert await audit(hotel.client, operation="test.line", to=elsewhere.isoformat()) == [oldest]
    assert await audit(hotel.client, **{"from": middle["at"], "to": middle["at"]}) == []


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "now",
        "1763632800",
        "2026-11-20",
        "2026-11-20T10:00:00",
        "2026-11-20 10:00:00Z",
        "2026-11-20T10:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-20T10:00:00+2",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
async def test_an_instant_that_is_none_is_refused(hotel: HotelUnderTest, field: str, wrong: str) -> None:
    refused(await hotel.client.get(AUDIT, **{field: wrong}), field)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("hotel_id", "not an id"),
        ("operation", "Reservation.Create"),
        ("operation", "%"),
        ("reservation_id", ""),
        ("reservation_id", "a~00b"),
        ("limit", "201"),
        ("actor", "somebody"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(hotel: HotelUnderTest, field: str, wrong: str) -> None:
    refused(await hotel.client.get(AUDIT, **{field: wrong}), field)


async def test_an_end_before_the_beginning_is_refused(hotel: HotelUnderTest) -> None:
    refused(await hotel.client.get(AUDIT, **{"from": "2026-11-20T10:00:00Z", "to": "2026-11-20T10:59:59+01:00"}), "to")


async def test_a_key_sees_the_lines_of_its_hotels_only(hotel: HotelUnderTest, make_hotel: MakeHotel) -> None:
    foreign = await make_hotel("bridge")
    await write_lines(foreign, 1)
    await write_lines(hotel, 1)
    await write(hotel.gateway, operation="test.of_no_hotel", target="nowhere")
    assert {line["hotel_id"] for line in await audit(hotel.client)} == {hotel.id}
    assert await audit(hotel.client, operation="test.of_no_hotel") == []
    both = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id, foreign.id])
    assert {line["hotel_id"] for line in await audit(both)} == {hotel.id, foreign.id}
    [line] = await audit(hotel.gateway.admin, operation="test.of_no_hotel", limit=1)
    assert (line["hotel_id"], line["target"]) == (None, "nowhere")


async def test_a_hotel_that_is_not_there_is_not_found_by_anybody(hotel: HotelUnderTest) -> None:
    for client in (hotel.client, hotel.gateway.admin):
        assert code_of(await client.get(AUDIT, hotel_id="there-is-no-such-hotel")) == (404, "not_found")
    hoping = await hotel.gateway.client(hotels=["not-registered-yet"])
    assert code_of(await hoping.get(AUDIT, hotel_id="not-registered-yet")) == (404, "not_found")
    assert await audit(hotel.client, hotel_id=hotel.id, operation="reservation.create") == []


async def test_that_a_hotel_was_erased_is_all_that_is_left_of_its_audit(hotel: HotelUnderTest) -> None:
    await write_lines(hotel, 2)
    assert (await hotel.gateway.admin("DELETE", f"/v1/hotels/{hotel.id}")).status_code == 204
    [line] = await audit(hotel.client, hotel_id=hotel.id)
    assert (line["operation"], line["actor"], line["after"]) == ("hotel.delete", "operator", None)


async def test_a_change_of_a_hotel_is_told_with_what_it_was_and_without_credentials(hotel: HotelUnderTest) -> None:
    body = {**hotel.gateway.simulators.registration(hotel.site).body, "name": "Renamed"}
    await hotel.gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=body)
    changed, registered = await audit(hotel.client, operation="hotel.put")
    assert registered["before"] is None
    assert changed["before"] == registered["after"]
    assert changed["after"] == (await hotel.get("")).json()["data"]
    assert "credentials" not in changed["after"]


async def test_what_an_earlier_version_has_written_is_told_as_it_was(hotel: HotelUnderTest) -> None:
    earlier = {"member_of_old": [1, 2.5, {"deep": None}], "id": "7"}
    await write(hotel.gateway, hotel_id=hotel.id, operation="test.old", before=earlier, after=["text"])
    [line] = await audit(hotel.client, operation="test.old")
    assert (line["before"], line["after"]) == (earlier, ["text"])


async def test_a_line_that_no_key_opens_is_told_without_what_it_holds(
    hotel: HotelUnderTest, session_database_url: str
) -> None:
    lost = StoreKeys(Keyring({"lost": b"k" * 32}), BlindIndex({"lost": b"k" * 32}), Marks(b"k" * 32))
    before = Database(session_database_url, keys=lost, pool_size=1)
    async with before.unit_of_work() as work:
        sealed = AuditEntry(
            actor="a", hotel_id=hotel.id, operation="test.sealed", target=None, outcome="succeeded", after={"a": 1}
        )
        await work.audit.append(sealed)
    await before.close()
    answer = await hotel.client.get(AUDIT, operation="test.sealed")
    [line] = answer.json()["data"]
    assert (line["operation"], line["after"]) == ("test.sealed", None)
    [warning] = answer.json()["meta"]["warnings"]
    assert (warning["code"], warning["fields"]) == ("contents_unreadable", ["before", "after"])


async def test_pages_together_are_the_audit_and_later_lines_do_not_show(hotel: HotelUnderTest) -> None:
    await write_lines(hotel, 7)
    asked: dict[str, Any] = {"operation": "test.line", "limit": 3}
    answer = await hotel.client.get(AUDIT, **asked)
    met = answer.json()["data"]
    while following := answer.json()["meta"]["next_cursor"]:
        await write_lines(hotel, 1)
        answer = await hotel.client.get(AUDIT, **asked, cursor=following)
        met += answer.json()["data"]
    assert targets(met) == ["6", "5", "4", "3", "2", "1", "0"]


async def test_lines_of_one_instant_are_paged_without_loss(hotel: HotelUnderTest) -> None:
    async with hotel.gateway.app.state.gateway.database.unit_of_work() as work:
        for number in range(5):
            line = AuditEntry(
                actor="a", hotel_id=hotel.id, operation="test.line", target=f"{number}", outcome="succeeded"
            )
            await work.audit.append(line)
    whole = targets(await audit(hotel.client, operation="test.line"))
    assert sorted(whole) == ["0", "1", "2", "3", "4"]
    met: list[str] = []
    more: dict[str, Any] = {}
    for _ in whole:
        answer = await hotel.client.get(AUDIT, operation="test.line", limit=1, **more)
        met += targets(answer.json()["data"])
        more = {"cursor": answer.json()["meta"]["next_cursor"]}
    assert (met, more) == (whole, {"cursor": None})


async def test_a_page_is_told_again_by_the_same_cursor_and_by_another_limit(hotel: HotelUnderTest) -> None:
    await write_lines(hotel, 5)
    first = await hotel.client.get(AUDIT, operation="test.line", limit=2)
    asked = {"operation": "test.line", "cursor": first.json()["meta"]["next_cursor"]}
    assert targets(await audit(hotel.client, **asked, limit=1)) == ["2"]
    assert targets(await audit(hotel.client, **asked, limit=200)) == ["2", "1", "0"]


async def test_a_cursor_is_good_for_one_question_of_one_client_for_a_quarter_of_an_hour(
    hotel: HotelUnderTest, redis_url: str
) -> None:
    await write_lines(hotel, 3)
    first = await hotel.client.get(AUDIT, operation="test.line", limit=1)
    following = first.json()["meta"]["next_cursor"]
    refused(await hotel.client.get(AUDIT, cursor=following), "cursor")
    refused(await hotel.client.get(AUDIT, operation="test.line", hotel_id=hotel.id, cursor=following), "cursor")
    refused(await hotel.get("/rooms", cursor=following), "cursor")
    colleague = await hotel.gateway.client(hotels=[hotel.id])
    refused(await colleague.get(AUDIT, operation="test.line", cursor=following), "cursor")
    rooms = (await hotel.get("/rooms", limit=1)).json()["meta"]["next_cursor"]
    refused(await hotel.client.get(AUDIT, cursor=rooms), "cursor")
    refused(await hotel.client.get(AUDIT, cursor="0" * 32 + "-0"), "cursor")
    async with Redis.from_url(redis_url) as redis:
        name = f"snapshot::{following.partition('-')[0]}"
        assert 890 <= await redis.ttl(name) <= 900
        await redis.delete(name)
    refused(await hotel.client.get(AUDIT, operation="test.line", cursor=following), "cursor")


async def test_with_redis_away_the_audit_is_cut_and_says_so(wired: Wired) -> None:
    await write_lines(wired.hotel, 3)
    first = await wired.hotel.client.get(AUDIT, operation="test.line", limit=1)
    await wired.redis.cut()
    answer = await wired.hotel.client.get(AUDIT, operation="test.line", limit=1)
    meta = answer.json()["meta"]
    assert (targets(answer.json()["data"]), meta["complete"], meta["next_cursor"]) == (["2"], False, None)
    assert [warning["code"] for warning in meta["warnings"]] == ["paging_unavailable"]
    following = {"operation": "test.line", "limit": 1, "cursor": first.json()["meta"]["next_cursor"]}
    assert code_of(await wired.hotel.client.get(AUDIT, **following)) == (503, "storage_unavailable")
    await wired.redis.mend()
    found = await eventually(lambda: wired.hotel.client.get(AUDIT, **following), lambda answer: answer.is_success)
    assert targets(found.json()["data"]) == ["1"]


async def test_without_postgres_there_is_no_audit_and_nobody_claims_that_it_is_empty(wired: Wired) -> None:
    assert await audit(wired.hotel.client)
    await wired.postgres.cut()
    assert code_of(await wired.hotel.client.get(AUDIT)) == (503, "storage_unavailable")


async def test_the_audit_is_for_ops_alone(hotel: HotelUnderTest) -> None:
    everything_else = await hotel.gateway.client(scopes=("read", "write", "charges", "admin"), hotels=[hotel.id])
    for asked in ({}, {"hotel_id": hotel.id}, {"hotel_id": "elsewhere"}):
        assert code_of(await everything_else.get(AUDIT, **asked)) == (403, "forbidden")
    ops = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id])
    assert await audit(ops, hotel_id=hotel.id)
