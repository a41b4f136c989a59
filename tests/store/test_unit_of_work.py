"""A unit of work commits once or not at all, its jobs with it, and says so when the database is away."""

import socket
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.domain.errors import StorageUnavailable
from app.domain.hotel import Hotel
from app.store.database import Database
from app.store.repository import StoreKeys
from tests.store.conftest import NOW, a_reservation, an_intent


async def jobs(database: Database) -> list[tuple[str, bytes]]:
    async with database.unit_of_work() as work:
        rows = await work.session.execute(text("SELECT entrypoint, payload FROM pgqueuer ORDER BY id"))
        return [(name, payload) for name, payload in rows]


async def test_a_job_is_there_when_its_row_is(database: Database, hotel: Hotel) -> None:
    intent = an_intent(hotel.id)
    async with database.unit_of_work() as work:
        await work.operations.begin(intent)
        await work.enqueue("settle", about=intent.id)
    assert await jobs(database) == [("settle", intent.id.encode())]


@pytest.mark.parametrize("enqueue_first", [True, False])
async def test_a_rollback_leaves_neither_row_nor_job(database: Database, hotel: Hotel, enqueue_first: bool) -> None:
    async def changed_its_mind() -> None:
        async with database.unit_of_work() as work:
            if enqueue_first:
                await work.enqueue("settle", about="x")
            await work.reservations.upsert(hotel, [a_reservation(hotel.id)], read_no=1, as_of=NOW)
            await work.enqueue("settle", about="y", delay=timedelta(seconds=5))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await changed_its_mind()
    assert await jobs(database) == []
    async with database.unit_of_work() as work:
        assert await work.reservations.find(hotel.id, "r1") is None


async def test_a_second_job_of_one_key_is_nothing_and_spoils_nothing(database: Database) -> None:
    async with database.unit_of_work() as work:
        await work.enqueue("settle", about="x", dedupe_key="settle x")
        await work.enqueue("settle", about="x", dedupe_key="settle x")
    assert await jobs(database) == [("settle", b"x")]


async def test_a_unit_of_work_that_is_over_takes_no_job(database: Database) -> None:
    async with database.unit_of_work() as work:
        pass
    with pytest.raises(RuntimeError, match="open unit of work"):
        await work.enqueue("settle", about="x")


async def test_a_database_that_is_away_is_said_to_be_away(keys: StoreKeys) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        database = Database(f"postgresql://postgres@127.0.0.1:{port}/none", keys=keys)
        with pytest.raises(StorageUnavailable):
            async with database.unit_of_work() as work:
                await work.hotels.all()
        with pytest.raises(StorageUnavailable):
            await database.next_read_no()
        with pytest.raises(StorageUnavailable):
            await database.is_current()
        await database.close()


async def test_a_connection_lost_on_the_way_is_said_to_be_lost_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(StorageUnavailable):
        async with database.unit_of_work() as work:
            await work.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with database.unit_of_work() as work:
        assert await work.hotels.all() == []


async def test_connections_killed_while_idle_cost_no_request(database: Database) -> None:
    async with database.unit_of_work() as work, database.unit_of_work() as second:
        await work.hotels.all()
        await second.hotels.all()
    kill_others = text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with database.unit_of_work() as work:
        await work.session.execute(kill_others)
        async with database.unit_of_work() as second:
            assert await second.hotels.all() == []


async def test_a_fault_of_ours_is_not_taken_for_an_absent_database(database: Database) -> None:
    with pytest.raises(ProgrammingError):
        async with database.unit_of_work() as work:
            await work.session.execute(text("SELECT nonsense"))


async def test_the_text_of_a_database_error_holds_no_parameters(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.unit_of_work() as work:
            await work.session.execute(text("SELECT CAST(:guest AS text) FROM nowhere"), {"guest": "Canary"})
    assert "Canary" not in str(caught.value)


async def test_a_migrated_database_is_current(database: Database) -> None:
    assert await database.is_current()
    async with database.unit_of_work() as work:
        await work.session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not await database.is_current()


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_newer_schema_is_lived_with_where_it_says_so(database: Database, *, is_named: bool) -> None:
    async with database.unit_of_work() as work:
        own = await work.session.scalar(text("SELECT version_num FROM alembic_version"))
        await work.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        named = own if is_named else "0001"
        await work.session.execute(text("INSERT INTO compatible_revisions VALUES (:named)"), {"named": named})
    assert await database.is_current() is is_named
