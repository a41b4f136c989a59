"""Keys are rotated beside those who write: everything is moved, nothing else changes, and nobody waits."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import ANY

import pytest
from pydantic import SecretStr
from sqlalchemy import Table, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.event import EventType
from app.gateway.rotation import Progress, Rotated, Rotation
from app.store.audit import AuditEntry
from app.store.crypto import BlindIndex, IdempotencyHasher, IndexKind, Keyring, Marks, encrypted_under, indexed_under
from app.store.database import Database
from app.store.dead_letters import Letter
from app.store.key_register import DeclaredKeys, KeyKind
from app.store.operation_records import OperationStatus, Result
from app.store.outbox import OutboxPosition
from app.store.people import Person
from app.store.recognition import Recognition
from app.store.rekeying import Rekeying
from app.store.repository import StoreKeys
from app.store.sealed import sealed_tables
from app.store.steps import StepStatus
from app.store.subjects import Subject, indexes_of, lookups_of
from app.store.tables import SEALED, Base, GuestRow, ReservationRow
from app.store.walking import marks
from tests.store.conftest import NOW, OpenDatabase, a_guest, a_hotel, a_reservation, an_intent

HOTEL = a_hotel("prime")
LAST_NAME = str(a_guest("prime").last_name)
WHOLE = Subject.of(a_guest("prime"))


def ring(encryption: str, index: str) -> StoreKeys:
    """Make rings of keys of these names, the active one first; the same name is always the same key."""

    def keys(names: str) -> dict[str, bytes]:
        return {name: hashlib.sha256(name.encode()).digest() for name in names.split()}

    return StoreKeys(Keyring(keys(encryption)), BlindIndex(keys(index)), Marks(b"m" * 32))


FORMER, BOTH, NEW = ring("k0", "i0"), ring("k1 k0", "i1 i0"), ring("k1", "i1")


def declared(keys: StoreKeys) -> list[DeclaredKeys]:
    return [
        DeclaredKeys(KeyKind.ENCRYPTION, keys.keyring.proofs),
        DeclaredKeys(KeyKind.INDEX, keys.index.proofs),
        DeclaredKeys(KeyKind.IDEMPOTENCY, IdempotencyHasher(b"s" * 32).proofs),
    ]


def ignored(_: Progress) -> None:
    """Pay no attention to the progress."""


async def rotated(database: Database, keys: StoreKeys = BOTH, batch: int = 3, tell: Any = ignored) -> Rotated:
    """Start as a gateway does, an hour after the last word of any other one, and rotate."""
    async with database.unit_of_work() as work:
        await work.session.execute(text("UPDATE key_register SET active_at = active_at - interval '1 hour'"))
        await work.key_register.note(declared(keys))
    return await Rotation(database, keys, declared(keys)).run(actor="cli:me", batch=batch, tell=tell)


@pytest.fixture
async def filled(open_database: OpenDatabase) -> AsyncIterator[Database]:
    """A database that was filled under the former keys, opened with both."""
    async with open_database(FORMER) as before:
        async with before.unit_of_work() as work:
            await work.key_register.note(declared(FORMER))
        await fill(before)
    async with open_database(BOTH) as database:
        yield database


async def fill(database: Database) -> None:
    """Write something into every column that is under a key, as the gateway's own repositories do."""
    async with database.unit_of_work() as work:
        await work.hotels.put(HOTEL, credentials={"api_key": SecretStr("s3cret")})
    async with database.unit_of_work() as work:
        await work.guests.upsert(HOTEL, [a_guest("prime")], read_no=1, as_of=NOW)
        await work.reservations.upsert(HOTEL, [a_reservation("prime")], read_no=1, as_of=NOW)
        subjects = work.subjects_of(HOTEL, [WHOLE, Subject(reservation_id="r1")])
        intent = an_intent("prime", subjects=tuple(subjects))
        operation = (await work.operations.begin(intent)).operation
        await work.steps.start(operation.id, owner="process-1", name="note", reference="r" * 32)
        await work.steps.finish(
            operation.id,
            hotel_id="prime",
            owner="process-1",
            name="note",
            reference="r" * 32,
            status=StepStatus.DONE,
            result=b'{"id":"n1"}',
        )
        letter = Letter(error={"code": "pms_unavailable"}, base={"notes": 1}, theirs={"notes": 2})
        await work.dead_letters.put(operation, letter)
        await work.dead_letters.close(operation.id, by="me", notes="it is on the folio")
        result = Result(status=OperationStatus.DEAD, answer={"id": "n1"}, error={"code": "pms_unavailable"})
        await work.operations.finish(operation.id, owner="process-1", result=result)
        await work.audit.append(an_entry(), subjects=subjects)
        await work.outbox.append("prime", EventType.RESERVATION_NOTE_ADDED, {"target": "r1"}, subjects=subjects)
        await work.inbox.receive(
            vendor="bridge", external_id="d-1", hotel_id="prime", body=b'{"guest":{"id":"g1"}}', subjects=subjects[:1]
        )


def an_entry() -> AuditEntry:
    """Give a line that names a reservation and nobody's name."""
    return AuditEntry(
        actor="voice",
        hotel_id="prime",
        operation="reservation.note",
        target="r1",
        outcome="succeeded",
        before={"notes": []},
        after={"notes": ["Vegan"]},
    )


def under_keys(table: Table) -> list[str]:
    """Give the columns of a table that hold something under a key, told by the table alone."""
    names = [column.name for column in table.columns]
    sealed = [column.name for column in table.columns if column.info.get(SEALED)]
    return [*sealed, *(name for name in names if name.endswith("_index") or name == "subjects")]


async def rows_of(database: Database, table: Table) -> list[dict[str, Any]]:
    async with database.unit_of_work() as work:
        return [dict(row) for row in (await work.session.execute(select(table))).mappings()]


async def keys_of(database: Database) -> dict[str, set[str | None]]:
    """Give the keys that each column of every table is under, read from the bytes themselves."""
    found: dict[str, set[str | None]] = {}
    for table in Base.metadata.tables.values():
        rows = await rows_of(database, table) if under_keys(table) else []
        for name in under_keys(table):
            values = [row[name] for row in rows if row[name]]
            if name == "subjects":
                read = {indexed_under(one) for value in values for one in value}
            else:
                read = {(indexed_under if name.endswith("_index") else encrypted_under)(value) for value in values}
            found[f"{table.name}.{name}"] = read
    return found


def expected(encryption: str, index: str) -> dict[str, set[str | None]]:
    """Give what `keys_of` gives where everything is under these two, and nothing is empty."""
    return {
        f"{table.name}.{name}": {index if name.endswith("_index") or name == "subjects" else encryption}
        for table in Base.metadata.tables.values()
        for name in under_keys(table)
    }


def states_of(done: Rotated) -> dict[str, tuple[bool, int]]:
    """Give for each key but the secret whether it is retired, and how many values are under it."""
    return {
        state.key.key_id: (state.key.retired_at is not None, state.count) for state in done.states if state.key.key_id
    }


def test_every_column_under_a_key_is_known_by_its_table() -> None:
    described = {f"{table.name}.{name}" for table in sealed_tables() for name in table.columns}
    assert described == expected("k", "i").keys()


async def test_every_value_moves_to_the_active_keys_and_nothing_else_changes(filled: Database) -> None:
    assert await keys_of(filled) == expected("k0", "i0")
    tables = [table for table in Base.metadata.tables.values() if under_keys(table)]
    before = {table.name: await rows_of(filled, table) for table in tables}
    done = await rotated(filled)
    assert await keys_of(filled) == expected("k1", "i1")
    assert {name: state[0] for name, state in states_of(done).items()} == {
        "k0": True, "i0": True, "k1": False, "i1": False,
    }  # fmt: skip
    for table in tables:
        after = await rows_of(filled, table)
        kept = [column.name for column in table.columns if column.name not in under_keys(table)]
        for row, was in zip(after, before[table.name], strict=False):  # the audit has one line more
            assert {name: row[name] for name in kept} == {name: was[name] for name in kept}


async def test_everything_can_be_read_and_found_when_the_former_keys_are_gone(
    filled: Database, open_database: OpenDatabase
) -> None:
    await rotated(filled)
    async with open_database(NEW) as database, database.unit_of_work() as work:
        await work.key_register.note(declared(NEW))
        [record] = await work.hotels.all()
        assert record.credentials == {"api_key": SecretStr("s3cret")}
        guest = await work.guests.find("prime", "g1")
        assert guest is not None
        assert guest.value == a_guest("prime")
        stored = await work.reservations.find_by_confirmation(HOTEL, "C-r1")
        assert stored is not None
        assert stored.value == a_reservation("prime")
        by_name = indexes_of(NEW.index, HOTEL, IndexKind.LAST_NAME, LAST_NAME)
        for row in (GuestRow, ReservationRow):
            assert list(await work.session.scalars(select(row.id).where(row.last_name_index.in_(by_name))))
        [letter] = await work.dead_letters.entries()
        assert (letter.readable, letter.notes, letter.base, letter.theirs) == (
            True, "it is on the folio", {"notes": 1}, {"notes": 2},
        )  # fmt: skip
        operation = await work.operations.find(letter.operation_id)
        assert operation is not None
        assert (operation.answer, operation.error) == ({"id": "n1"}, {"code": "pms_unavailable"})
        assert set(operation.subjects) == set(lookups_of(NEW.index, HOTEL, [WHOLE, Subject(reservation_id="r1")]))
        [step] = await work.steps.all("prime", operation.id)
        assert step.result == b'{"id":"n1"}'
        rotation, line = await work.audit.entries()
        assert (line.readable, line.before, line.after) == (True, {"notes": []}, {"notes": ["Vegan"]})
        assert (rotation.operation, rotation.actor) == ("key.rotate", "cli:me")
        assert rotation.after["retired"] == ["key k0 of ENCRYPTION_KEYS", "key i0 of INDEX_KEYS"]
        assert await work.traces.erase(HOTEL, Person(frozenset({"g1"})), actor="me", correlation_id=None) >= 7


async def test_the_outbox_keeps_its_order(filled: Database, open_database: OpenDatabase) -> None:
    async with filled.unit_of_work() as work:
        for number in range(5):
            await work.outbox.append("prime", EventType.RESERVATION_NOTE_ADDED, {"n": number}, subjects=[])
    await rotated(filled)
    async with open_database(NEW) as database, database.unit_of_work() as work:
        events = await work.outbox.read_after(OutboxPosition(), limit=10)
    assert [event.payload for event in events] == [{"target": "r1"}, *({"n": number} for number in range(5))]


async def test_it_goes_on_where_it_was_ended(filled: Database) -> None:
    def end_it(progress: Progress) -> None:
        if progress.table == "dead_letters":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await rotated(filled, batch=1, tell=end_it)
    half = await keys_of(filled)
    assert (half["audit_log.after"], half["reservations.payload"]) == ({"k1"}, {"k0"})
    again: list[Progress] = []
    await rotated(filled, tell=again.append)
    assert {progress.table for progress in again} == {
        "operations",
        "operation_steps",
        "reservations",
        "guests",
        "hotels",
    }
    assert await keys_of(filled) == expected("k1", "i1")


async def test_a_row_that_somebody_holds_is_left_for_later_and_nobody_waits(filled: Database) -> None:
    async with filled.unit_of_work() as busy:
        await busy.hotels.find("prime", lock=True)
        held = "SELECT 1 FROM operations, audit_log FOR UPDATE"
        await busy.session.execute(text(held))
        done = await asyncio.wait_for(rotated(filled), 5)
        left = {name for name, keys in (await keys_of(filled)).items() if keys & {"k0", "i0"}}
        assert left == {
            "hotels.credentials", "operations.payload", "operations.answer", "operations.error", "operations.subjects",
            "audit_log.before", "audit_log.after", "audit_log.subjects",
        }  # fmt: skip
        assert {name: retired for name, (retired, _) in states_of(done).items()}["k0"] is False
    done = await rotated(filled)
    assert await keys_of(filled) == expected("k1", "i1")
    assert states_of(done)["k0"] == (True, 0)


async def test_what_is_written_meanwhile_is_never_replaced_by_something_older(
    filled: Database, open_database: OpenDatabase
) -> None:
    async with open_database(FORMER) as theirs:
        ended = asyncio.Event()
        written = 1

        async def keep_writing() -> None:
            nonlocal written
            while not ended.is_set():
                written += 1
                copy = a_reservation("prime").model_copy(update={"confirmation_number": f"C-{written}"})
                async with theirs.unit_of_work() as work:
                    await work.reservations.upsert(HOTEL, [copy], read_no=written, as_of=NOW)

        writer = asyncio.create_task(keep_writing())
        for _ in range(10):
            await rotated(filled, batch=1)
        ended.set()
        await writer
    await rotated(filled)
    async with open_database(NEW) as database, database.unit_of_work() as work:
        stored = await work.reservations.find("prime", "r1")
        assert stored is not None
        assert (stored.read_no, stored.value.confirmation_number) == (written, f"C-{written}")
        assert await work.reservations.find_by_confirmation(HOTEL, f"C-{written}") == stored


async def test_a_newer_value_that_came_between_reading_and_replacing_stays(filled: Database) -> None:
    newer = a_reservation("prime").model_copy(update={"confirmation_number": "C-newer"})
    table = next(table for table in sealed_tables() if table.name == "reservations")
    async with filled.unit_of_work() as work:
        recognition = await Recognition.of(work.session, BOTH)
        found = await marks(work.session, table, after=None, limit=1)
    transactions = itertools.count(1)

    @asynccontextmanager
    async def sessions() -> AsyncIterator[AsyncSession]:
        if next(transactions) == 2:  # the one that replaces what the first has read
            async with filled.unit_of_work() as work:
                await work.reservations.upsert(HOTEL, [newer], read_no=2, as_of=NOW)
        async with filled.unit_of_work() as work:
            yield work.session

    await Rekeying(table, BOTH, sessions=sessions, recognition=recognition).renew(found)
    async with filled.unit_of_work() as work:
        stored = await work.reservations.find("prime", "r1")
    assert next(transactions) == 3
    assert stored is not None
    assert (stored.read_no, stored.value) == (2, newer)


async def test_a_subject_that_nobody_can_name_any_more_stays_and_keeps_its_key(
    filled: Database, open_database: OpenDatabase
) -> None:
    stranger = Subject(email="long.gone@guests.test")
    async with open_database(FORMER) as former, former.unit_of_work() as work:
        await work.audit.append(an_entry(), subjects=work.subjects_of(HOTEL, [stranger]))
    done = await rotated(filled)
    [state] = [state for state in done.states if state.key.key_id == "i0"]
    assert (state.key.retired_at, state.count) == (None, 1)
    assert state.held["audit_log"].newest is not None
    assert states_of(done)["k0"] == (True, 0)
    assert (await rotated(filled)).renewed == 0


async def test_an_erased_guest_stays_erased_under_new_keys(filled: Database, open_database: OpenDatabase) -> None:
    async with filled.unit_of_work() as work:
        await work.traces.erase(HOTEL, Person(frozenset({"g1"})), actor="me", correlation_id=None)
    assert states_of(await rotated(filled))["i0"] == (True, 0)
    async with open_database(NEW) as database, database.unit_of_work() as work:
        await work.guests.upsert(HOTEL, [a_guest("prime")], read_no=99, as_of=NOW)
        assert await work.guests.find("prime", "g1") is None


async def test_a_number_is_recognised_that_was_stored_before_the_hotel_had_a_country(
    open_database: OpenDatabase,
) -> None:
    nowhere = HOTEL.model_copy(update={"country": None})
    async with open_database(FORMER) as former, former.unit_of_work() as work:
        await work.hotels.put(nowhere, credentials={"api_key": SecretStr("s3cret")})
        await work.guests.upsert(nowhere, [a_guest("prime")], read_no=1, as_of=NOW)
        await work.hotels.put(HOTEL, credentials=None)
    async with open_database(BOTH) as database:
        await rotated(database)
        [row] = await rows_of(database, cast("Table", GuestRow.__table__))
    assert row["phone_index"] in indexes_of(NEW.index, HOTEL, IndexKind.PHONE, "+43 664 1234567")
    assert {indexed_under(one) for one in row["subjects"]} == {"i1"}


async def test_a_guest_of_whom_a_line_tells_only_the_reservation_is_found_through_it(
    filled: Database, open_database: OpenDatabase
) -> None:
    async with open_database(BOTH) as database, database.unit_of_work() as work:  # read anew since, under the new keys
        await work.reservations.upsert(HOTEL, [a_reservation("prime")], read_no=9, as_of=NOW)
        await work.guests.upsert(HOTEL, [a_guest("prime")], read_no=9, as_of=NOW)
    await rotated(filled)
    async with filled.unit_of_work() as work:
        wanted = lookups_of(NEW.index, HOTEL, [WHOLE])
        query = text("SELECT count(*) FROM audit_log WHERE operation = 'reservation.note' AND subjects @> :wanted")
        found = query.bindparams(wanted=wanted)
        assert await work.session.scalar(found) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"new_after": None},
        {"new_after": b"plain text"},
        {"new_subjects": []},
        {"new_subjects": [b"a", b"b", b"c", b"d", b"e"]},
    ],
)
async def test_the_way_into_the_audit_can_neither_blank_nor_add(filled: Database, changed: dict[str, Any]) -> None:
    call = text(
        "SELECT audit_log_rekey(:at, :id, :old_before, :new_before, :old_after, :new_after, "
        "CAST(:old_subjects AS bytea[]), CAST(:new_subjects AS bytea[]))"
    )
    [row] = await rows_of(filled, Base.metadata.tables["audit_log"])
    same = {f"{age}_{name}": row[name] for name in ("before", "after", "subjects") for age in ("old", "new")}
    values = {"at": row["at"], "id": row["id"], **same}
    with pytest.raises(DBAPIError, match="nothing else"):
        async with filled.unit_of_work() as work:
            await work.session.execute(call, values | changed)
    async with filled.unit_of_work() as work:
        assert await work.session.scalar(call, values | {"old_after": b"\x01other"}) is False
        assert await work.session.scalar(call, values) is True
    assert await rows_of(filled, Base.metadata.tables["audit_log"]) == [row]


async def test_lines_in_other_partitions_move_too(filled: Database) -> None:
    async with filled.unit_of_work() as work:
        await work.session.execute(text("SET LOCAL pms_gateway.erasing = 'on'"))
        await work.session.execute(text("UPDATE audit_log SET at = '2031-02-03T00:00:00Z'"))
    await rotated(filled)
    assert (await keys_of(filled))["audit_log.after"] == {"k1"}


async def test_a_copy_under_a_key_that_a_process_does_not_know_is_as_good_as_none(
    filled: Database, open_database: OpenDatabase
) -> None:
    await rotated(filled)
    async with open_database(FORMER) as behind, behind.unit_of_work() as work:
        assert await work.reservations.find("prime", "r1") is None
        assert await work.guests.find("prime", "g1") is None
        [record] = await work.hotels.all()
        assert record.credentials is None
        [letter] = await work.dead_letters.entries()
        assert letter.readable is False


async def test_an_index_key_is_not_free_while_a_write_that_was_begun_under_it_is_in_somebodys_hands(
    filled: Database, open_database: OpenDatabase
) -> None:
    async with open_database(FORMER) as before, before.unit_of_work() as work:
        subjects = tuple(work.subjects_of(HOTEL, [Subject(reservation_id="r1")]))
        intent = an_intent("prime", key_hash=None, subjects=subjects)
        begun = (await work.operations.begin(intent)).operation
        await work.session.execute(text("UPDATE operations SET created_at = created_at - interval '1 hour'"))
    async with filled.unit_of_work() as work:
        in_hand = await work.operations.find(begun.id)  # as who goes on with it has read it
    assert in_hand is not None
    done = await rotated(filled)
    assert states_of(done) == {"k0": (True, 0), "k1": (False, ANY), "i0": (False, 0), "i1": (False, ANY)}
    async with filled.unit_of_work() as work:
        await work.audit.append(an_entry(), subjects=in_hand.subjects)
        result = Result(status=OperationStatus.REJECTED, error={"code": "conflict"})
        await work.operations.finish(begun.id, owner="process-1", result=result)
    done = await rotated(filled)
    assert states_of(done)["i0"] == (True, 0)
