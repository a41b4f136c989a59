"""The moments of a write that are one statement each: they promise what the units of work promise."""

import pytest
from sqlalchemy import text

from app.domain.errors import StorageUnavailable
from app.domain.event import EventType
from app.domain.hotel import Hotel
from app.store.audit import AuditEntry
from app.store.database import Database
from app.store.milestones import Success
from app.store.operation_records import OperationRecord, OperationStatus
from app.store.outbox import OutboxPosition
from app.store.statements import Constant
from app.store.steps import StepEnd, StepStatus
from tests.store.conftest import an_intent

OWNER = "process-1"


async def _begun(database: Database, hotel: Hotel) -> OperationRecord:
    begun = await database.milestones.begin(an_intent(hotel.id, subjects=(b"a",)))
    assert begun is not None
    return begun


def _success(operation: OperationRecord, owner: str = OWNER) -> Success:
    return Success(
        operation=operation,
        owner=owner,
        answer_status=201,
        answer={"data": {"id": "n1"}},
        target="r9",
        steps=[StepEnd("note", "r" * 32, StepStatus.DONE, b'"n1"')],
        line=AuditEntry(
            actor="voice",
            hotel_id=operation.hotel_id,
            operation=operation.kind.value,
            target="r9",
            outcome="succeeded",
            after={"id": "n1"},
        ),
        event=EventType.RESERVATION_NOTE_ADDED,
        payload={"target": "r9"},
        resources=["reservations"],
        subjects=[b"a", b"b"],
    )


async def _traces(database: Database, hotel: Hotel) -> tuple[int, int, int]:
    async with database.unit_of_work() as work:
        lines = await work.audit.entries(hotel_ids=[hotel.id])
        events = await work.outbox.read_after(OutboxPosition(), limit=100, hotel_ids=[hotel.id])
        return len(lines), len(events), len(await work.invalidations.open())


async def test_an_intent_is_committed_and_known_without_being_read_again(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)
    async with database.unit_of_work() as work:
        assert await work.operations.find(begun.id) == begun


async def test_a_key_that_is_taken_begins_nothing(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)
    assert await database.milestones.begin(an_intent(hotel.id)) is None
    async with database.unit_of_work() as work:
        met = await work.operations.begin(an_intent(hotel.id))
    assert (met.created, met.operation.id) == (False, begun.id)


async def test_only_the_owner_may_send(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)
    assert not await database.milestones.send(begun.id, owner="process-2", name="note", reference="r" * 32)
    assert await database.milestones.send(begun.id, owner=OWNER, name="note", reference="r" * 32)
    async with database.unit_of_work() as work:
        assert [step.status for step in await work.steps.all(hotel.id, begun.id)] == [StepStatus.RUNNING]


async def test_a_success_is_written_whole_and_once(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)
    await database.milestones.send(begun.id, owner=OWNER, name="note", reference="r" * 32)
    assert await database.milestones.succeed(_success(begun)) is not None
    assert await database.milestones.succeed(_success(begun)) is None
    assert await _traces(database, hotel) == (1, 1, 1)
    async with database.unit_of_work() as work:
        found = await work.operations.find(begun.id)
        [step] = await work.steps.all(hotel.id, begun.id)
    assert found is not None
    assert (found.status, found.answer_status, found.answer) == (
        OperationStatus.SUCCEEDED,
        201,
        {"data": {"id": "n1"}},
    )
    assert (found.target, found.subjects, found.is_live) == ("r9", (b"a", b"b"), False)
    assert found.settled_at is not None
    assert (step.status, step.result) == (StepStatus.DONE, b'"n1"')


async def test_who_does_not_own_a_write_leaves_no_trace_of_its_success(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)
    assert await database.milestones.succeed(_success(begun, owner="process-2")) is None
    assert await _traces(database, hotel) == (0, 0, 0)
    async with database.unit_of_work() as work:
        assert await work.operations.find(begun.id) == begun


async def test_a_success_inside_a_unit_of_work_stands_and_falls_with_it(database: Database, hotel: Hotel) -> None:
    begun = await _begun(database, hotel)

    async def fail_after_it() -> None:
        async with database.unit_of_work() as work:
            assert await work.milestones.succeed(_success(begun)) is not None
            raise LookupError

    with pytest.raises(LookupError):
        await fail_after_it()
    assert await _traces(database, hotel) == (0, 0, 0)
    async with database.unit_of_work() as work:
        assert await work.milestones.succeed(_success(begun)) is not None
    assert await _traces(database, hotel) == (1, 1, 1)


async def test_a_connection_lost_under_a_statement_is_said_to_be_lost_and_the_next_one_works(
    database: Database, hotel: Hotel
) -> None:
    ends_itself = Constant(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with pytest.raises(StorageUnavailable):
        await database.alone.first(ends_itself, {})
    await _begun(database, hotel)


async def test_only_what_has_been_open_for_a_while_is_repeated(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        await work.invalidations.add(hotel.id, ["rooms"])
    async with database.unit_of_work() as work:
        assert await work.invalidations.open(older_than=60.0) == []
        assert len(await work.invalidations.open()) == 1
