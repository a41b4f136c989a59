"""`pms-gateway dead-letters`: what an operator sees of parked writes, and does about them, at the command line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from app.main import lay_ground
from app.settings import Settings
from app.simulators.server import demo_hotels
from app.store.database import Database
from app.store.operation_records import OperationRecord, OperationStatus
from tests.cli.conftest import CommandLine, FreePorts
from tests.fixtures.letters import AWAY, WRITTEN, Parked, operation_of, park

T = TypeVar("T")

HOTEL = json.dumps(dict(demo_hotels("http://127.0.0.1:8900")[0].body))


@pytest.fixture
def desk(operator: CommandLine) -> CommandLine:
    """The command line at a database with two hotels, `prime` and `other`."""
    for hotel in ("prime", "other"):
        assert operator("hotels", "put", hotel, "--file", "-", given=HOTEL).status == 0
    return operator


def in_database(desk: CommandLine, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do something in the operator's database, under the operator's keys."""
    given: dict[str, Any] = {
        name.lower(): value for name, value in desk.environment.items() if name.isupper() and "_" in name
    }
    settings = Settings(_env_file=None, **given)

    async def run() -> T:
        ground = lay_ground(settings)
        try:
            return await work(ground.stores.database)
        finally:
            await ground.aclose()

    return asyncio.run(run())


def parked(desk: CommandLine, status: OperationStatus, hotel: str = "prime") -> Parked:
    return in_database(desk, lambda database: park(database, hotel, status=status))


def operation(desk: CommandLine, letter: Parked) -> OperationRecord:
    return in_database(desk, lambda database: operation_of(database, letter))


def test_letters_are_listed_without_guests_and_shown_with_them(desk: CommandLine) -> None:
    queued, dead = parked(desk, OperationStatus.QUEUED), parked(desk, OperationStatus.DEAD, "other")
    listed = desk("dead-letters", "list")
    assert listed.status == 0, listed.err
    headings, newest, oldest = listed.out.splitlines()
    assert headings.split()[:4] == ["id", "hotel", "operation", "status"]
    assert newest.split()[:6] == [str(dead.letter_id), "other", "reservation.note", "pending", "yes", "1"]
    assert oldest.split()[:7] == [str(queued.letter_id), "prime", "reservation.note", "pending", "by", "itself", "yes"]
    assert WRITTEN not in listed.out
    assert AWAY["code"] in newest
    shown = json.loads(desk("dead-letters", "show", str(dead.letter_id)).out)
    assert (shown["id"], shown["payload"]["body"]) == (str(dead.letter_id), {"text": WRITTEN})
    assert shown["error"] == {"message": AWAY["detail"], "code": AWAY["code"]}


def test_the_list_is_narrowed_and_says_when_there_is_more(desk: CommandLine) -> None:
    queued, _ = parked(desk, OperationStatus.QUEUED), parked(desk, OperationStatus.DEAD, "other")
    assert len(desk("dead-letters", "list", "--hotel", "prime").out.splitlines()) == 2
    assert str(queued.letter_id) in desk("dead-letters", "list", "--hotel", "prime").out
    assert len(desk("dead-letters", "list", "--status", "resolved").out.splitlines()) == 1
    assert len(desk("dead-letters", "list", "--operation", "charge.post").out.splitlines()) == 1
    cut = desk("dead-letters", "list", "--limit", "1")
    assert len(cut.out.splitlines()) == 2
    assert "there are more" in cut.err


def test_a_letter_is_retried_once(desk: CommandLine) -> None:
    letter = parked(desk, OperationStatus.DEAD)
    done = desk("dead-letters", "retry", str(letter.letter_id))
    assert (done.status, letter.operation_id in done.err) == (0, True), done.err
    assert operation(desk, letter).status is OperationStatus.QUEUED
    again = desk("dead-letters", "retry", str(letter.letter_id))
    assert (again.status, again.err) == (1, "pms-gateway: it is being sent again already\n")


def test_a_letter_is_given_up_with_its_reason_by_the_user_of_the_system(desk: CommandLine) -> None:
    letter = parked(desk, OperationStatus.QUEUED)
    assert desk("dead-letters", "abandon", str(letter.letter_id)).status != 0
    done = desk("dead-letters", "abandon", str(letter.letter_id), "--reason", "the guest has left")
    assert done.status == 0, done.err
    assert operation(desk, letter).status is OperationStatus.WITHDRAWN
    shown = json.loads(desk("dead-letters", "show", str(letter.letter_id)).out)
    assert (shown["status"], shown["notes"]) == ("abandoned", "the guest has left")
    assert shown["resolved_by"].startswith("cli:")


@pytest.mark.parametrize(
    ("flag", "became", "told"),
    [
        ("--happened", OperationStatus.SUCCEEDED, "has succeeded"),
        ("--not-happened", OperationStatus.DEAD, "may be sent again with retry"),
    ],
)
def test_a_finding_is_taken_down(desk: CommandLine, flag: str, became: OperationStatus, told: str) -> None:
    letter = parked(desk, OperationStatus.UNKNOWN)
    refused = desk("dead-letters", "retry", str(letter.letter_id))
    assert (refused.status, "resolve it first" in refused.err) == (1, True)
    done = desk("dead-letters", "resolve", str(letter.letter_id), flag, "--reason", "looked at the folio")
    assert (done.status, told in done.err) == (0, True), done.err
    assert operation(desk, letter).status is became


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--status", "open"], "--status: open is none; there are pending, retrying, resolved, abandoned"),
        (["list", "--operation", "note"], "--operation: note is none; there are "),
        (["abandon", "x", "--reason", " "], "--reason: "),
        (["resolve", "x", "--happened", "--reason", ""], "--reason: "),
    ],
)
def test_what_makes_no_sense_is_refused(bare: CommandLine, arguments: list[str], told: str) -> None:
    refused = bare("dead-letters", *arguments)
    assert (refused.status, told in refused.err) == (1, True), refused.err
    assert "Traceback" not in refused.err


def test_a_finding_is_never_taken_for_granted(bare: CommandLine) -> None:
    refused = bare("dead-letters", "resolve", str(uuid4()), "--reason", "looked at the folio")
    assert refused.status == 2
    assert "--happened" in refused.err


def test_a_letter_that_is_not_there_is_named_as_such(desk: CommandLine) -> None:
    for letter_id in (str(uuid4()), "none"):
        refused = desk("dead-letters", "show", letter_id)
        assert (refused.status, refused.err) == (1, "pms-gateway: there is no such dead letter\n")


def test_several_processes_count_a_letter_once(desk: CommandLine, free_ports: FreePorts) -> None:
    parked(desk, OperationStatus.DEAD)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    line = 'pms_dead_letters{auto_retry="false",operation="reservation.note",status="pending"} 1.0'

    def counted() -> bool:
        return line in httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()

    with desk.start("serve", "--workers", "2", "--port", str(port)) as served:
        served.answers(f"{url}/health/ready")
        served.until(counted, "a count of one")
        assert [counted() for _ in range(20)] == [True] * 20
