"""Dead letters by API: what is parked and why, and what a person may do about it, once."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.capability import Capability
from app.store.crypto import BlindIndex, Keyring, Marks
from app.store.database import Database
from app.store.dead_letters import Letter, LetterStatus
from app.store.operation_records import OperationStatus
from app.store.repository import StoreKeys
from app.store.steps import StepStatus
from tests.fixtures.gateway import EVERY_SCOPE, Client, HotelUnderTest, MakeHotel
from tests.fixtures.letters import AWAY, WRITTEN, Parked, letter_of, operation_of, park, step_of
from tests.fixtures.own_gateway import Wired
from tests.fixtures.stays import code_of, draft, seeded

LETTERS = "/v1/dead-letters"
MEMBERS = [
    "id",
    "operation_id",
    "hotel_id",
    "operation",
    "payload",
    "error",
    "attempts",
    "first_attempt_at",
    "last_attempt_at",
    "next_attempt_at",
    "auto_retry",
    "replayable",
    "status",
    "resolved_by",
    "resolved_at",
    "notes",
    "base",
    "theirs",
]
FOUND = {"happened": True, "reason": "it is on the folio"}
NOT_FOUND = {"happened": False, "reason": "the folio is empty"}
GIVEN_UP = {"reason": "nobody needs it"}


def database_of(hotel: HotelUnderTest) -> Database:
    database: Database = hotel.gateway.app.state.gateway.database
    return database


async def parked(hotel: HotelUnderTest, status: OperationStatus = OperationStatus.DEAD, **values: Any) -> Parked:
    return await park(database_of(hotel), hotel.id, status=status, **values)


async def listed(client: Client, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get(LETTERS, **asked)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def shown(client: Client, letter: Parked) -> dict[str, Any]:
    answer = await client.get(letter.at)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def act(client: Client, letter: Parked, what: str, body: Any = None) -> httpx.Response:
    options = {} if body is None else {"json": body}
    return await client("POST", f"{letter.at}/{what}", **options)


async def jobs(hotel: HotelUnderTest, letter: Parked) -> int:
    async with database_of(hotel).unit_of_work() as work:
        found = text("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'operation' AND payload = :about")
        return int((await work.session.execute(found, {"about": letter.operation_id.encode()})).scalar_one())


async def locks(hotel: HotelUnderTest) -> int:
    async with database_of(hotel).unit_of_work() as work:
        found = text("SELECT count(*) FROM locks WHERE hotel_id = :hotel")
        return int((await work.session.execute(found, {"hotel": hotel.id})).scalar_one())


async def audited(hotel: HotelUnderTest, operation: str) -> list[dict[str, Any]]:
    answer = await hotel.client.get("/v1/audit", hotel_id=hotel.id, operation=operation)
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_a_letter_has_the_members_that_are_promised(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel, OperationStatus.QUEUED)
    told = await shown(hotel.client, letter)
    assert list(told) == MEMBERS
    assert told["payload"] == {"target": "R~2F1", "if_match": None, "body": {"text": WRITTEN}}
    assert told["error"] == {"message": AWAY["detail"], "code": AWAY["code"]}
    assert (told["id"], told["operation_id"]) == (str(letter.letter_id), letter.operation_id)
    assert (told["hotel_id"], told["operation"], told["attempts"]) == (hotel.id, "reservation.note", 1)
    assert (told["auto_retry"], told["replayable"], told["status"]) == (True, True, "pending")
    assert told["first_attempt_at"] <= told["last_attempt_at"] < told["next_attempt_at"]
    assert [told[name] for name in ("resolved_by", "resolved_at", "notes", "base", "theirs")] == [None] * 5
    assert await listed(hotel.client) == [told]


async def test_a_conflict_shows_what_the_change_was_made_for_and_what_stands_there(hotel: HotelUnderTest) -> None:
    stay = (await hotel.get(f"/reservations/{seeded(hotel, 'Lovelace').id}")).json()["data"]
    moved = {**stay, "adults": stay["adults"] + 1}
    conflict = Letter(error={"code": "precondition_failed", "detail": "it moved"}, base=stay, theirs=moved)
    letter = await parked(hotel, letter=conflict, kind=Capability.RESERVATION_MODIFY)
    told = await shown(hotel.client, letter)
    assert (told["base"], told["theirs"]) == (stay, moved)


async def test_a_write_that_waits_for_its_pms_is_listed_as_going_on_by_itself(wired: Wired) -> None:
    hotel = wired.hotel
    stay = seeded(hotel, "Lovelace").id
    await wired.pms.cut()
    answer = await hotel.send("POST", f"/reservations/{stay}/notes", {"text": WRITTEN}, key="n")
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "queued"), answer.text
    [letter] = await listed(hotel.client)
    assert (letter["operation_id"], letter["operation"]) == (answer.json()["data"]["id"], "reservation.note")
    assert (letter["status"], letter["auto_retry"]) == ("pending", True)
    assert (letter["payload"]["target"], letter["payload"]["body"]) == (stay, {"text": WRITTEN})
    assert (letter["error"]["code"], letter["attempts"]) == ("pms_unavailable", 1)
    assert letter["next_attempt_at"] is not None
    seen = await hotel.client.get(f"/v1/operations/{letter['operation_id']}")
    assert seen.json()["data"]["dead_letter_id"] == letter["id"]


async def test_a_reservation_that_was_refused_leaves_a_notice_that_nobody_can_send(wired: Wired) -> None:
    await wired.pms.cut()
    refused = await wired.hotel.send("POST", "/reservations", draft(wired.hotel), key="k")
    assert code_of(refused) == (503, "pms_unavailable")
    [letter] = await listed(wired.hotel.client, operation="reservation.create")
    assert (letter["status"], letter["auto_retry"], letter["replayable"]) == ("pending", False, False)
    answer = await wired.hotel.client("POST", f"{LETTERS}/{letter['id']}/retry")
    assert code_of(answer) == (409, "conflict")


async def test_every_filter_narrows_and_the_newest_is_first(hotel: HotelUnderTest) -> None:
    note = await parked(hotel)
    charge = await parked(hotel, OperationStatus.UNKNOWN, kind=Capability.CHARGE_POST)
    closed = await parked(hotel)
    await act(hotel.client, closed, "abandon", GIVEN_UP)
    ids = [str(one.letter_id) for one in (closed, charge, note)]

    async def found(**asked: str) -> list[str]:
        return [letter["id"] for letter in await listed(hotel.client, **asked)]

    assert await found() == ids
    assert await found(status="pending") == ids[1:]
    assert await found(status="abandoned") == ids[:1]
    assert await found(operation="charge.post") == [ids[1]]
    assert await found(hotel_id=hotel.id, operation="reservation.note", status="pending") == [ids[2]]
    assert await found(status="retrying") == []


@pytest.mark.parametrize(("field", "wrong"), [("status", "open"), ("operation", "note"), ("hotel_id", "a b")])
async def test_a_filter_that_makes_no_sense_is_refused(hotel: HotelUnderTest, field: str, wrong: str) -> None:
    answer = await hotel.client.get(LETTERS, **{field: wrong})
    assert code_of(answer) == (422, "validation_failed")
    assert [fault["loc"] for fault in answer.json()["errors"]] == [[field]]


async def test_pages_together_are_the_list_and_later_letters_do_not_show(hotel: HotelUnderTest) -> None:
    letters = [str((await parked(hotel)).letter_id) for _ in range(5)]
    answer = await hotel.client.get(LETTERS, limit=2)
    met = [letter["id"] for letter in answer.json()["data"]]
    while following := answer.json()["meta"]["next_cursor"]:
        await parked(hotel)
        answer = await hotel.client.get(LETTERS, limit=2, cursor=following)
        met += [letter["id"] for letter in answer.json()["data"]]
    assert met == letters[::-1]


async def test_letters_of_foreign_hotels_are_like_none_at_all(hotel: HotelUnderTest, make_hotel: MakeHotel) -> None:
    foreign = await make_hotel("bridge")
    theirs = await parked(foreign, OperationStatus.UNKNOWN)
    assert await listed(hotel.client) == []
    assert code_of(await hotel.client.get(LETTERS, hotel_id=foreign.id)) == (404, "not_found")
    for path in (theirs.at, f"{LETTERS}/00000000-0000-4000-8000-000000000000", f"{LETTERS}/none"):
        told = []
        for method, what, body in (
            ("GET", "", None),
            ("POST", "/retry", None),
            ("POST", "/abandon", GIVEN_UP),
            ("POST", "/resolve", FOUND),
        ):
            answer = await hotel.client(method, path + what, **({"json": body} if body else {}))
            told.append((code_of(answer), answer.json()["detail"]))
        assert told == [((404, "not_found"), "there is no such dead letter")] * 4, path
    assert (await operation_of(database_of(foreign), theirs)).status is OperationStatus.UNKNOWN
    assert [letter["id"] for letter in await listed(foreign.client)] == [str(theirs.letter_id)]


async def test_the_desk_is_for_ops_alone(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel)
    others = tuple(scope for scope in EVERY_SCOPE if scope != "ops")
    client = await hotel.gateway.client(scopes=others, hotels=[hotel.id])
    answers = [
        await client.get(LETTERS),
        await client.get(letter.at),
        await act(client, letter, "retry"),
        await act(client, letter, "abandon", GIVEN_UP),
        await act(client, letter, "resolve", FOUND),
    ]
    assert [code_of(answer) for answer in answers] == [(403, "forbidden")] * 5
    ops = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id])
    assert (await act(ops, letter, "retry")).status_code == 200


@pytest.mark.parametrize("status", [OperationStatus.DEAD, OperationStatus.EXPIRED, OperationStatus.REJECTED])
async def test_a_retry_gives_a_write_its_tries_and_its_time_anew(
    hotel: HotelUnderTest, status: OperationStatus
) -> None:
    letter = await parked(hotel, status)
    ops = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id], name="night manager")
    answer = await act(ops, letter, "retry")
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert (told["status"], told["auto_retry"], told["replayable"]) == ("retrying", True, False)
    assert (told["attempts"], told["resolved_by"], told["resolved_at"]) == (1, None, None)
    operation = await operation_of(database_of(hotel), letter)
    assert (operation.status, operation.owner, operation.handed_over) == (OperationStatus.QUEUED, None, False)
    assert (operation.replays, operation.looks) == (0, 0)
    assert operation.next_attempt_at is not None
    assert operation.expires_at is not None
    assert operation.expires_at - operation.next_attempt_at == timedelta(hours=24)
    assert await step_of(database_of(hotel), letter) is StepStatus.NOT_SENT
    assert await jobs(hotel, letter) == 1
    [line] = await audited(hotel, "dead_letter.retry")
    assert (line["actor"], line["target"], line["outcome"]) == ("night manager", told["id"], "succeeded")
    assert line["before"] == {"status": "pending", "operation_status": status.value}
    assert (line["after"]["operation_id"], line["after"]["operation_status"]) == (letter.operation_id, "queued")


@pytest.mark.parametrize("kind", [Capability.RESERVATION_CREATE, Capability.RESERVATION_MODIFY])
async def test_what_was_promised_at_a_price_expires_soon_when_it_is_sent_again(
    make_hotel: MakeHotel, kind: Capability
) -> None:
    hotel = await make_hotel("bridge", changes={"options": {"queue_expiry": 120}})
    letter = await parked(hotel, kind=kind, body=draft(hotel))
    assert (await act(hotel.client, letter, "retry")).status_code == 200
    operation = await operation_of(database_of(hotel), letter)
    assert operation.expires_at is not None
    assert operation.next_attempt_at is not None
    assert operation.expires_at - operation.next_attempt_at == timedelta(seconds=120)


async def test_what_is_queued_is_only_made_due_now(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel, OperationStatus.QUEUED)
    before = await operation_of(database_of(hotel), letter)
    told = (await act(hotel.client, letter, "retry")).json()["data"]
    after = await operation_of(database_of(hotel), letter)
    assert (told["status"], told["auto_retry"], told["attempts"]) == ("pending", True, before.attempts)
    assert before.next_attempt_at is not None
    assert after.next_attempt_at is not None
    assert after.next_attempt_at < before.next_attempt_at
    assert (after.status, after.expires_at) == (OperationStatus.QUEUED, before.expires_at)
    assert await jobs(hotel, letter) == 1


@pytest.mark.parametrize(
    ("status", "letter"),
    [
        (OperationStatus.UNKNOWN, letter_of(OperationStatus.UNKNOWN)),
        (OperationStatus.UNKNOWN, replace(letter_of(OperationStatus.UNKNOWN), replayable=True)),
        (OperationStatus.RUNNING, letter_of(OperationStatus.QUEUED)),
        (OperationStatus.DEAD, Letter(error=AWAY)),
        (OperationStatus.REJECTED, Letter(error=AWAY, notice=True)),
        (OperationStatus.SUCCEEDED, letter_of(OperationStatus.DEAD)),
    ],
)
async def test_what_must_not_be_sent_again_is_not(
    hotel: HotelUnderTest, status: OperationStatus, letter: Letter
) -> None:
    made = await parked(hotel, status, letter=letter)
    before = await shown(hotel.client, made)
    answer = await act(hotel.client, made, "retry")
    assert code_of(answer) == (409, "conflict")
    assert answer.json()["dead_letter_id"] == str(made.letter_id)
    assert answer.json()["operation_id"] == made.operation_id
    assert await shown(hotel.client, made) == before
    assert (await operation_of(database_of(hotel), made)).status is status
    assert (await jobs(hotel, made), await audited(hotel, "dead_letter.retry")) == (0, [])


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (OperationStatus.QUEUED, OperationStatus.WITHDRAWN),
        (OperationStatus.UNKNOWN, OperationStatus.DEAD),
        (OperationStatus.DEAD, OperationStatus.DEAD),
        (OperationStatus.EXPIRED, OperationStatus.EXPIRED),
        (OperationStatus.REJECTED, OperationStatus.REJECTED),
    ],
)
async def test_what_is_given_up_never_takes_effect(
    hotel: HotelUnderTest, status: OperationStatus, left: OperationStatus
) -> None:
    letter = await parked(hotel, status)
    assert await locks(hotel) == 1
    told = (await act(hotel.client, letter, "abandon", GIVEN_UP)).json()["data"]
    assert (told["status"], told["auto_retry"], told["replayable"]) == ("abandoned", False, False)
    assert told["notes"] == GIVEN_UP["reason"]
    assert told["resolved_by"] is not None
    assert told["resolved_at"] is not None
    assert (await operation_of(database_of(hotel), letter)).status is left
    assert await locks(hotel) == 0
    [line] = await audited(hotel, "dead_letter.abandon")
    assert (line["before"]["operation_status"], line["after"]["operation_status"]) == (status.value, left.value)
    assert line["after"]["reason"] == GIVEN_UP["reason"]
    for what, body in (("abandon", GIVEN_UP), ("retry", None), ("resolve", FOUND)):
        assert code_of(await act(hotel.client, letter, what, body)) == (409, "conflict"), what


async def test_what_runs_is_not_given_up(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel, OperationStatus.RUNNING)
    assert code_of(await act(hotel.client, letter, "abandon", GIVEN_UP)) == (409, "conflict")
    assert (await operation_of(database_of(hotel), letter)).status is OperationStatus.RUNNING


async def test_what_a_person_found_done_is_done(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel, OperationStatus.UNKNOWN, kind=Capability.CHARGE_POST)
    ops = await hotel.gateway.client(scopes=("ops",), hotels=[hotel.id], name="accountant")
    told = (await act(ops, letter, "resolve", FOUND)).json()["data"]
    assert (told["status"], told["resolved_by"], told["notes"]) == ("resolved", "accountant", FOUND["reason"])
    operation = await operation_of(database_of(hotel), letter)
    assert (operation.status, operation.is_live) == (OperationStatus.SUCCEEDED, False)
    assert operation.settled_at is not None
    assert await locks(hotel) == 0
    [line] = await audited(hotel, "dead_letter.resolve")
    assert line["after"]["operation_status"] == "succeeded"
    seen = (await hotel.client.get(f"/v1/operations/{letter.operation_id}")).json()["data"]
    assert seen["status"] == "succeeded"


async def test_what_a_person_found_done_makes_earlier_answers_outdated(hotel: HotelUnderTest) -> None:
    stay = seeded(hotel, "Lovelace")
    window = {"start": str(stay.arrival), "end": str(stay.arrival + timedelta(days=1))}
    paths: list[tuple[str, dict[str, str]]] = [(f"/reservations/{stay.id}", {}), ("/availability", window)]
    letter = await parked(hotel, OperationStatus.UNKNOWN, kind=Capability.RESERVATION_CANCEL, target=stay.id)
    for path, query in paths:
        await hotel.get(path, **query)
        assert (await hotel.get(path, **query)).headers["x-cache"] == "HIT", path
    assert (await act(hotel.client, letter, "resolve", FOUND)).status_code == 200
    for path, query in paths:
        assert (await hotel.get(path, **query)).headers["x-cache"] == "MISS", path


async def test_what_a_person_found_not_done_may_be_sent_again(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel, OperationStatus.UNKNOWN, kind=Capability.CHARGE_POST)
    told = (await act(hotel.client, letter, "resolve", NOT_FOUND)).json()["data"]
    assert (told["status"], told["replayable"], told["auto_retry"]) == ("pending", True, False)
    assert (told["notes"], told["resolved_at"]) == (NOT_FOUND["reason"], None)
    assert (await operation_of(database_of(hotel), letter)).status is OperationStatus.DEAD
    assert await step_of(database_of(hotel), letter) is StepStatus.NOT_SENT
    assert await locks(hotel) == 0
    assert code_of(await act(hotel.client, letter, "resolve", FOUND)) == (409, "conflict")
    assert (await act(hotel.client, letter, "retry")).json()["data"]["status"] == "retrying"


@pytest.mark.parametrize("status", sorted(set(OperationStatus) - {OperationStatus.UNKNOWN}))
async def test_only_what_is_unknown_can_be_resolved(hotel: HotelUnderTest, status: OperationStatus) -> None:
    letter = await parked(hotel, status)
    for body in (FOUND, NOT_FOUND):
        assert code_of(await act(hotel.client, letter, "resolve", body)) == (409, "conflict")
    assert (await operation_of(database_of(hotel), letter)).status is status


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("abandon", {}),
        ("abandon", {"reason": " "}),
        ("abandon", {"reason": "x", "status": "resolved"}),
        ("resolve", {"reason": "x"}),
        ("resolve", {"happened": "perhaps", "reason": "x"}),
        ("resolve", {"happened": True}),
    ],
)
async def test_a_decision_without_its_reason_is_refused(hotel: HotelUnderTest, what: str, wrong: Any) -> None:
    letter = await parked(hotel, OperationStatus.UNKNOWN)
    assert code_of(await act(hotel.client, letter, what, wrong)) == (422, "validation_failed")
    assert (await operation_of(database_of(hotel), letter)).status is OperationStatus.UNKNOWN


@pytest.mark.parametrize(
    ("status", "what", "body"),
    [
        (OperationStatus.DEAD, "retry", None),
        (OperationStatus.QUEUED, "abandon", GIVEN_UP),
        (OperationStatus.DEAD, "abandon", GIVEN_UP),
        (OperationStatus.UNKNOWN, "resolve", FOUND),
        (OperationStatus.UNKNOWN, "resolve", NOT_FOUND),
    ],
)
async def test_of_many_people_at_once_one_is_served(
    hotel: HotelUnderTest, status: OperationStatus, what: str, body: Any
) -> None:
    letter = await parked(hotel, status)
    answers = await asyncio.gather(*(act(hotel.client, letter, what, body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert len(await audited(hotel, f"dead_letter.{what}")) == 1
    assert await jobs(hotel, letter) == (1 if what == "retry" else 0)


async def test_people_who_disagree_are_not_both_served(hotel: HotelUnderTest) -> None:
    for _ in range(4):
        letter = await parked(hotel, OperationStatus.UNKNOWN)
        decisions = (("resolve", FOUND), ("resolve", NOT_FOUND), ("abandon", GIVEN_UP))
        answers = await asyncio.gather(*(act(hotel.client, letter, what, body) for what, body in decisions))
        status = (await operation_of(database_of(hotel), letter)).status
        served = [answer.status_code == 200 for answer in answers]
        # Giving up what was found not done is no contradiction.
        assert served in ([True, False, False], [False, True, False], [False, False, True], [False, True, True])
        assert status is (OperationStatus.SUCCEEDED if served[0] else OperationStatus.DEAD)


async def test_a_letter_of_an_erased_guest_tells_nothing_of_them(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel)
    async with database_of(hotel).unit_of_work() as work:
        # What erase_subjects does to the letters of a guest.
        blank = "UPDATE dead_letters SET payload = NULL, error = NULL, replayable = false WHERE id = :id"
        await work.session.execute(text(blank), {"id": letter.letter_id})
    told = await shown(hotel.client, letter)
    assert (told["payload"], told["error"]) == (None, {"message": "", "code": AWAY["code"]})
    assert code_of(await act(hotel.client, letter, "retry")) == (409, "conflict")


async def test_a_letter_that_no_key_opens_hides_no_other(hotel: HotelUnderTest, session_database_url: str) -> None:
    lost = StoreKeys(Keyring({"lost": b"k" * 32}), BlindIndex({"lost": b"k" * 32}), Marks(b"k" * 32))
    before = Database(session_database_url, keys=lost, pool_size=1)
    letter = await park(before, hotel.id, status=OperationStatus.DEAD)
    await before.close()
    other = await parked(hotel)
    answer = await hotel.client.get(LETTERS)
    readable, told = answer.json()["data"]
    assert (told["id"], told["payload"], told["error"]["code"]) == (str(letter.letter_id), None, AWAY["code"])
    assert readable["id"] == str(other.letter_id)
    assert readable["payload"] is not None
    assert [warning["code"] for warning in answer.json()["meta"]["warnings"]] == ["contents_unreadable"]


async def test_without_postgres_nobody_claims_that_nothing_is_parked(wired: Wired) -> None:
    letter = await parked(wired.hotel)
    assert await listed(wired.hotel.client)
    await wired.postgres.cut()
    assert code_of(await wired.hotel.client.get(LETTERS)) == (503, "storage_unavailable")
    assert code_of(await act(wired.hotel.client, letter, "retry")) == (503, "storage_unavailable")


async def test_a_letter_waits_anew_when_somebody_has_it_sent_again(hotel: HotelUnderTest) -> None:
    letter = await parked(hotel)
    database = database_of(hotel)

    async def since() -> datetime:
        async with database.unit_of_work() as work:
            query = text("SELECT waiting_since FROM dead_letters WHERE id = :id")
            found: datetime = (await work.session.execute(query, {"id": letter.letter_id})).scalar_one()
            return found

    first = await since()
    operation = await operation_of(database, letter)
    async with database.unit_of_work() as work:
        await work.dead_letters.put(operation, letter_of(OperationStatus.DEAD))
    assert await since() == first, "said anew, it has waited since it first did"
    await act(hotel.client, letter, "retry")
    second = await since()
    assert second > first
    async with database.unit_of_work() as work:
        await work.dead_letters.put(operation, letter_of(OperationStatus.QUEUED))
        await work.dead_letters.put(operation, letter_of(OperationStatus.DEAD))
        found = await work.dead_letters.of(operation.id)
    assert await since() == second
    assert found is not None
    assert found.status is LetterStatus.PENDING
