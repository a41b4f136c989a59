"""Write intents: one per key, one owner at a time, steps that are never sent twice once they stand."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.domain.hotel import Hotel
from app.domain.ids import OperationId
from app.store.database import Database
from app.store.operation_records import OperationRecord, OperationStatus, Result
from app.store.steps import StepStatus
from tests.store.conftest import an_intent

DONE = Result(status=OperationStatus.SUCCEEDED, answer_status=201, answer={"data": {"id": "n1"}})


async def begun(database: Database, hotel: Hotel, **changes: object) -> OperationRecord:
    async with database.unit_of_work() as work:
        return (await work.operations.begin(an_intent(hotel.id, **changes))).operation  # type: ignore[arg-type]


async def test_a_repeat_of_a_key_meets_the_first_operation(database: Database, hotel: Hotel) -> None:
    first = await begun(database, hotel)
    async with database.unit_of_work() as work:
        again = await work.operations.begin(an_intent(hotel.id))
    assert not again.created
    assert again.operation == first
    assert first.status is OperationStatus.RUNNING
    assert first.attempts == 1
    assert first.deadline_at - first.created_at == timedelta(seconds=60)


async def test_of_parallel_repeats_exactly_one_begins(database: Database, hotel: Hotel) -> None:
    async def attempt() -> tuple[bool, str]:
        async with database.unit_of_work() as work:
            met = await work.operations.begin(an_intent(hotel.id))
        return met.created, met.operation.id

    met = await asyncio.gather(*(attempt() for _ in range(8)))
    assert sum(created for created, _ in met) == 1
    assert len({operation_id for _, operation_id in met}) == 1


async def test_writes_without_a_key_never_meet(database: Database, hotel: Hotel) -> None:
    first = await begun(database, hotel, key_hash=None)
    second = await begun(database, hotel, key_hash=None)
    assert first.id != second.id


async def test_a_settled_operation_gives_its_answer_again(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        assert await work.operations.finish(operation.id, owner="process-1", result=DONE)
    async with database.unit_of_work() as work:
        met = await work.operations.begin(an_intent(hotel.id))
    assert not met.created
    assert (met.operation.answer_status, met.operation.answer) == (201, {"data": {"id": "n1"}})
    assert met.operation.settled_at is not None
    assert not met.operation.is_live


async def test_a_key_is_free_again_seven_days_after_its_operation_settled(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        await work.operations.finish(operation.id, owner="process-1", result=DONE)
        expiry = text("UPDATE operations SET key_expires_at = key_expires_at - make_interval(days => :days)")
        await work.session.execute(expiry, {"days": 6})
        assert not (await work.operations.begin(an_intent(hotel.id))).created
        await work.session.execute(expiry, {"days": 1})
    async with database.unit_of_work() as work:
        assert (await work.operations.begin(an_intent(hotel.id))).created


async def test_only_the_owner_settles_and_only_once(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        assert not await work.operations.finish(operation.id, owner="process-2", result=DONE)
        assert await work.operations.finish(operation.id, owner="process-1", result=DONE)
        assert not await work.operations.finish(operation.id, owner="process-1", result=DONE)


async def test_an_operation_of_which_nothing_was_sent_is_run_again_by_one(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    refused = Result(
        status=OperationStatus.REJECTED, answer_status=503, error={"code": "pms_unavailable"}, runs_again=True
    )
    async with database.unit_of_work() as work:
        await work.operations.finish(operation.id, owner="process-1", result=refused)

    async def attempt(owner: str) -> OperationRecord | None:
        async with database.unit_of_work() as work:
            return await work.operations.run_again(operation.id, replace(an_intent(hotel.id), owner=owner))

    taken = [found for found in await asyncio.gather(attempt("p2"), attempt("p3")) if found]
    assert len(taken) == 1
    assert taken[0].status is OperationStatus.RUNNING
    assert (taken[0].attempts, taken[0].error, taken[0].payload) == (2, None, operation.payload)


async def test_a_client_finds_only_its_own_operations(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        assert await work.operations.find(operation.id) == operation
        assert await work.operations.find(operation.id, client="voice") == operation
        assert await work.operations.find(operation.id, client="other") is None
        assert await work.operations.find("nonsense") is None
        assert await work.operations.find(str(uuid4())) is None


async def test_live_writes_are_listed_by_what_they_are_about(database: Database, hotel: Hotel) -> None:
    first = await begun(database, hotel, key_hash=b"1")
    second = await begun(database, hotel, key_hash=b"2")
    settled = await begun(database, hotel, key_hash=b"3")
    async with database.unit_of_work() as work:
        await work.operations.finish(settled.id, owner="process-1", result=DONE)
        live = await work.operations.live_by_target(hotel.id, ["r1", "r2"])
        assert await work.operations.live_by_target("other", ["r1"]) == {}
    assert live == {"r1": (first.id, second.id)}


async def test_a_step_that_stands_gives_its_result_to_whoever_goes_on(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        assert await work.steps.start(operation.id, owner="process-1", name="guest", reference="ref-1")
    async with database.unit_of_work() as work:
        assert await work.steps.finish(
            operation.id,
            hotel_id=hotel.id,
            owner="process-1",
            name="guest",
            reference="ref-1",
            status=StepStatus.DONE,
            result=b'{"id":"g1"}',
        )
        await work.steps.start(operation.id, owner="process-1", name="reserve", reference="ref-2")
    async with database.unit_of_work() as work:
        guest, reserve = await work.steps.all(hotel.id, operation.id)
        found = await work.operations.find(operation.id)
    assert (guest.status, guest.result, guest.reference) == (StepStatus.DONE, b'{"id":"g1"}', "ref-1")
    assert (reserve.status, reserve.result) == (StepStatus.RUNNING, None)
    assert found is not None
    assert found.last_sent_at is not None


async def test_a_step_of_an_operation_that_was_taken_over_is_not_sent(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    async with database.unit_of_work() as work:
        assert not await work.steps.start(operation.id, owner="process-2", name="guest", reference="ref-1")
        assert await work.steps.all(hotel.id, operation.id) == []


async def test_a_failed_step_starts_anew_under_the_same_reference(database: Database, hotel: Hotel) -> None:
    operation = await begun(database, hotel)
    for _ in range(2):
        async with database.unit_of_work() as work:
            await work.steps.start(operation.id, owner="process-1", name="reserve", reference="ref-1")
            await work.steps.finish(
                operation.id,
                hotel_id=hotel.id,
                owner="process-1",
                name="reserve",
                reference="ref-1",
                status=StepStatus.NOT_SENT,
            )
    async with database.unit_of_work() as work:
        [step] = await work.steps.all(hotel.id, operation.id)
    assert (step.attempts, step.status, step.reference) == (2, StepStatus.NOT_SENT, "ref-1")


@pytest.mark.parametrize("wrong", ["", "x" * 40])
async def test_what_is_no_id_of_ours_finds_nothing(database: Database, wrong: str) -> None:
    async with database.unit_of_work() as work:
        assert await work.operations.find(OperationId(wrong)) is None
