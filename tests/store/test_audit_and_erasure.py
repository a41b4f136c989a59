"""The audit is only added to, guests' data stands nowhere in plain, and erasing finds all of it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.errors import ConflictRefused, StorageUnavailable
from app.domain.event import EventType
from app.domain.hotel import Hotel
from app.domain.ids import OperationId
from app.domain.text import fold
from app.store.audit import AuditEntry
from app.store.database import Database
from app.store.operation_records import OperationStatus, Result
from app.store.outbox import OutboxPosition
from app.store.people import Person
from app.store.steps import StepStatus
from app.store.subjects import Subject
from app.store.traces import unhurried
from tests.store.conftest import CANARY, NOW, a_guest, a_hotel, a_reservation, an_intent


def an_entry(hotel: Hotel, **changes: object) -> AuditEntry:
    values: dict[str, object] = {
        "actor": "voice",
        "hotel_id": hotel.id,
        "operation": "reservation.note",
        "target": "r1",
        "outcome": "succeeded",
        "correlation_id": "c-1",
        "vendor_request_id": "v-1",
        "after": {"text": CANARY},
        **changes,
    }
    return AuditEntry(**values)  # type: ignore[arg-type]


async def test_the_audit_gives_back_what_was_added_newest_first(database: Database, hotel: Hotel) -> None:
    for number in range(3):
        async with database.unit_of_work() as work:
            await work.audit.append(an_entry(hotel, target=f"r{number}", before={"n": number}))
    async with database.unit_of_work() as work:
        newest, middle, oldest = await work.audit.entries(hotel_ids=[hotel.id])
        assert newest.at is not None
        assert oldest.at is not None
        assert [entry.target for entry in (newest, middle, oldest)] == ["r2", "r1", "r0"]
        assert (newest.before, newest.after, newest.vendor_request_id) == ({"n": 2}, {"text": CANARY}, "v-1")
        assert await work.audit.entries(hotel_ids=["other"]) == []
        assert await work.audit.entries(target="r1") == [middle]
        assert await work.audit.entries(operation="charge.post") == []
        assert await work.audit.entries(since=middle.at) == [newest, middle]
        assert await work.audit.entries(before=middle.at) == [oldest]
        assert await work.audit.entries(limit=1) == [newest]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET outcome = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE {partition} SET outcome = 'x'",
        "DELETE FROM {partition}",
        "TRUNCATE {partition}",
        "TRUNCATE audit_log_default",
    ],
)
async def test_the_audit_refuses_to_be_changed(database: Database, hotel: Hotel, statement: str) -> None:
    async with database.unit_of_work() as work:
        await work.audit.append(an_entry(hotel))
    partition = f"audit_log_{datetime.now(UTC):%Y_%m}"
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.unit_of_work() as work:
            await work.session.execute(text(statement.format(partition=partition)))
    async with database.unit_of_work() as work:
        assert len(await work.audit.entries()) == 1


async def test_a_role_that_does_not_own_the_audit_cannot_claim_to_be_erasing(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        await work.audit.append(an_entry(hotel))
        role = "gateway_" + await work.session.scalar(text("SELECT current_database()"))
        await work.session.execute(text(f"CREATE ROLE {role}"))
        await work.session.execute(text(f"GRANT SELECT, UPDATE, DELETE ON audit_log TO {role}"))

    async def as_role(statement: str) -> None:
        async with database.unit_of_work() as work:
            await work.session.execute(text(f"SET LOCAL ROLE {role}"))
            await work.session.execute(text("SET LOCAL pms_gateway.erasing = 'on'"))
            await work.session.execute(text(statement))

    try:
        for statement in ("UPDATE audit_log SET outcome = 'x'", "DELETE FROM audit_log"):
            with pytest.raises(DBAPIError, match="append-only"):
                await as_role(statement)
        with pytest.raises(DBAPIError, match="permission denied"):
            await as_role("SELECT erase_hotel('prime', 'x', NULL)")
    finally:
        async with database.unit_of_work() as work:
            await work.session.execute(text(f"DROP OWNED BY {role}"))
            await work.session.execute(text(f"DROP ROLE {role}"))


async def test_a_month_without_a_partition_takes_lines_and_gives_them_to_its_partition_later(
    database: Database,
) -> None:
    far = datetime(2031, 2, 3, tzinfo=UTC)
    line = text(
        "INSERT INTO audit_log (at, id, actor, operation, outcome) "
        "VALUES (:at, gen_random_uuid(), 'voice', 'x', 'succeeded')"
    )
    where = text("SELECT tableoid::regclass::text FROM audit_log ORDER BY at")
    ensure = text("SELECT audit_log_ensure_partition(CAST(:day AS date))")
    async with database.unit_of_work() as work:
        await work.session.execute(line, {"at": far})
        await work.session.execute(line, {"at": far + timedelta(days=40)})
        assert list(await work.session.scalars(where)) == ["audit_log_default"] * 2
    for _ in range(2):
        async with database.unit_of_work() as work:
            assert await work.session.scalar(ensure, {"day": far.date()}) == "audit_log_2031_02"
    async with database.unit_of_work() as work:
        assert list(await work.session.scalars(where)) == ["audit_log_2031_02", "audit_log_default"]
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.unit_of_work() as work:
            await work.session.execute(text("DELETE FROM audit_log_2031_02"))


async def partitions(database: Database) -> set[str]:
    async with database.unit_of_work() as work:
        names = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass")
        return set(await work.session.scalars(names))


def months_from_now(count: int) -> list[str]:
    now = datetime.now(UTC)
    months = [now.year * 12 + now.month - 1 + ahead for ahead in range(count + 1)]
    return [f"audit_log_{month // 12:04}_{month % 12 + 1:02}" for month in months]


async def test_the_coming_months_have_their_partitions_before_they_begin(database: Database) -> None:
    before = await partitions(database)
    assert before == {"audit_log_default", *months_from_now(3)}
    for ahead in (14, 14, 0):
        async with database.unit_of_work() as work:
            assert await work.audit.ensure_partitions(ahead) == months_from_now(ahead)
    assert await partitions(database) == before | set(months_from_now(14))


async def test_an_audit_in_use_does_not_keep_writes_waiting_for_a_partition(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as busy:
        await busy.audit.append(an_entry(hotel))
        with pytest.raises(StorageUnavailable):
            async with database.unit_of_work() as work:
                await work.audit.ensure_partitions(9)
        async with database.unit_of_work() as work:  # what exists already needs no lock
            assert await work.audit.ensure_partitions(3) == months_from_now(3)
    assert len(await partitions(database)) == 5


async def fill(database: Database, hotel: Hotel, *, settle: bool = True) -> OperationId:
    """Put the canary guest into every room of the store."""
    guest, reservation = a_guest(hotel.id), a_reservation(hotel.id)
    async with database.unit_of_work() as work:
        subjects = tuple(work.subjects_of(hotel, [Subject.of(guest)]))
        intent = an_intent(hotel.id, subjects=subjects)
        await work.guests.upsert(hotel, [guest], read_no=1, as_of=NOW)
        await work.reservations.upsert(hotel, [reservation], read_no=1, as_of=NOW)
        await work.operations.begin(intent)
        await work.steps.start(intent.id, owner=intent.owner, name="note", reference="ref")
        await work.steps.finish(
            intent.id,
            hotel_id=hotel.id,
            owner=intent.owner,
            name="note",
            reference="ref",
            status=StepStatus.DONE,
            result=guest.model_dump_json().encode(),
        )
        if settle:
            done = Result(
                status=OperationStatus.SUCCEEDED,
                answer=guest.model_dump(mode="json"),
                error={"detail": CANARY},
            )
            await work.operations.finish(intent.id, owner=intent.owner, result=done)
        await work.outbox.append(hotel.id, EventType.GUEST_UPDATED, guest.model_dump(mode="json"), subjects=subjects)
        await work.inbox.receive(
            vendor="v",
            external_id=f"e-{hotel.id}",
            hotel_id=hotel.id,
            body=guest.model_dump_json().encode(),
            subjects=subjects,
        )
        await work.audit.append(an_entry(hotel, before=guest.model_dump(mode="json")), subjects=subjects)
        await work.enqueue("settle", about=intent.id)
    return intent.id


async def dumped(database: Database) -> dict[str, str]:
    """Give every table as text, `bytea` both in hex and as the characters it holds."""
    async with database.unit_of_work() as work:
        tables = await work.session.scalars(
            text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        )
        dump = {}
        for table in list(tables):
            rows = await work.session.scalars(text(f'SELECT t::text FROM "{table}" AS t'))  # noqa: S608 - own names
            plain = "\n".join(rows)
            binary = [bytes.fromhex(hexed) for hexed in re.findall(r"\\x((?:[0-9a-f]{2})+)", plain)]
            dump[table] = plain + "\n".join(value.decode("latin-1") for value in binary)
    return dump


async def test_no_column_shows_a_guest_or_a_secret(database: Database, hotel: Hotel) -> None:
    await fill(database, hotel)
    dump = await dumped(database)
    assert {"guests", "reservations", "operations", "operation_steps", "outbox", "inbox", "pgqueuer"} <= {
        table for table, rows in dump.items() if rows
    }
    for secret in (CANARY, CANARY.lower(), "0664 1234567", "6641234567", "s3cret"):
        assert [table for table, rows in dump.items() if secret in rows] == []


async def test_erasing_a_guest_blanks_all_that_holds_them_at_this_hotel_only(database: Database, hotel: Hotel) -> None:
    other = a_hotel("other")
    async with database.unit_of_work() as work:
        await work.hotels.put(other, credentials={})
    erased, kept = [await fill(database, each) for each in (hotel, other)]
    person = Person(frozenset({"nobody"}), emails=frozenset({fold(f" {CANARY.upper()}@guests.test")}))
    async with database.unit_of_work() as work:
        touched = await work.traces.erase(hotel, person, actor="dpo", correlation_id="c-9")
    assert touched == 7
    async with database.unit_of_work() as work:
        assert await work.guests.find(hotel.id, "g1") is None
        assert await work.reservations.find(hotel.id, "r1") is None
        assert await work.guests.find("other", "g1") is not None
        assert await work.reservations.find("other", "r1") is not None
        gone, left = await work.operations.find(erased), await work.operations.find(kept)
        [step] = await work.steps.all(hotel.id, erased)
        events = await work.outbox.read_after(OutboxPosition(), limit=9)
        own, line = await work.audit.entries(hotel_ids=[hotel.id])
        [theirs] = await work.audit.entries(hotel_ids=["other"])
        webhooks = await work.session.execute(text("SELECT hotel_id, payload IS NULL FROM inbox ORDER BY 1"))
        assert [tuple(row) for row in webhooks] == [("other", False), ("prime", True)]
    assert gone is not None
    assert left is not None
    assert (gone.payload, gone.answer, gone.error, gone.subjects) == (None, None, None, ())
    assert left.payload == {"text": f"call {CANARY}"}
    assert (step.status, step.result) == (StepStatus.DONE, None)
    assert {event.hotel_id: event.payload is None for event in events} == {"prime": True, "other": False}
    assert (line.before, line.after, line.operation) == (None, None, "reservation.note")
    assert (own.operation, own.actor, own.outcome, own.correlation_id) == (
        "guest.erase",
        "dpo",
        "succeeded",
        "c-9",
    )
    assert theirs.before is not None


async def test_a_guest_with_a_live_write_is_not_erased(database: Database, hotel: Hotel) -> None:
    await fill(database, hotel, settle=False)
    with pytest.raises(ConflictRefused):
        async with database.unit_of_work() as work:
            await work.traces.erase(hotel, Person(frozenset({"g1"})), actor="dpo", correlation_id=None)
    async with database.unit_of_work() as work:
        assert await work.guests.find(hotel.id, "g1") is not None


async def test_those_who_look_through_thousands_of_rows_leave_others_their_turn() -> None:
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(another())
    assert [row async for row in unhurried(range(1_000))] == list(range(1_000))
    task.cancel()
    assert turns >= 9
