"""Copies of what the PMS said: they only ever move forward, and only a full pass makes a list of them."""

import asyncio
import secrets
from datetime import date, timedelta

from sqlalchemy import text

from app.domain.guest import GuestContact
from app.domain.hotel import Cleaning, Hotel, RoomStatus
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationStatus
from app.store.crypto import BlindIndex, Keyring, Marks
from app.store.database import Database
from app.store.passes import FullPass
from app.store.people import Person
from app.store.repository import StoreKeys
from tests.store.conftest import NOW, OpenDatabase, a_guest, a_reservation


async def test_a_reservation_comes_back_as_it_was_stored(database: Database, hotel: Hotel) -> None:
    reservation = a_reservation(hotel.id, "r/1 ü")
    async with database.unit_of_work() as work:
        assert await work.reservations.upsert(hotel, [reservation], read_no=1, as_of=NOW) == {"r/1 ü"}
    async with database.unit_of_work() as work:
        stored = await work.reservations.find(hotel.id, "r/1 ü")
    assert stored is not None
    assert (stored.value, stored.as_of, stored.read_no) == (reservation, NOW, 1)
    assert stored.value.version == reservation.version


async def test_a_late_read_never_overwrites_a_newer_row(database: Database, hotel: Hotel) -> None:
    newer = a_reservation(hotel.id, status=ReservationStatus.CANCELLED)
    async with database.unit_of_work() as work:
        await work.reservations.upsert(hotel, [newer], read_no=7, as_of=NOW)
    for late in (6, 7):
        async with database.unit_of_work() as work:
            changed = await work.reservations.upsert(
                hotel, [a_reservation(hotel.id)], read_no=late, as_of=NOW + timedelta(hours=1)
            )
        assert changed == frozenset()
    async with database.unit_of_work() as work:
        stored = await work.reservations.find(hotel.id, "r1")
    assert stored is not None
    assert stored.value.status is ReservationStatus.CANCELLED


async def test_of_a_batch_only_the_older_rows_are_moved(database: Database, hotel: Hotel) -> None:
    batch = [a_reservation(hotel.id, f"r{number}") for number in range(300)]
    async with database.unit_of_work() as work:
        await work.reservations.upsert(hotel, batch[:100], read_no=9, as_of=NOW)
        await work.reservations.upsert(hotel, batch[100:], read_no=3, as_of=NOW)
        changed = await work.reservations.upsert(hotel, batch, read_no=5, as_of=NOW)
    assert changed == {reservation.id for reservation in batch[100:]}


async def test_numbers_of_reads_only_grow(database: Database) -> None:
    numbers = [await database.next_read_no() for _ in range(5)]
    assert numbers == sorted(set(numbers))


async def test_a_reservation_is_found_by_its_confirmation_number_at_its_own_hotel_only(
    database: Database, hotel: Hotel
) -> None:
    other = hotel.model_copy(update={"id": "other"})
    async with database.unit_of_work() as work:
        await work.reservations.upsert(hotel, [a_reservation(hotel.id)], read_no=1, as_of=NOW)
        found = await work.reservations.find_by_confirmation(hotel, "C-r1")
        foreign = await work.reservations.find_by_confirmation(other, "C-r1")
        twin = a_reservation(hotel.id, "r2").model_copy(update={"confirmation_number": "C-r1"})
        await work.reservations.upsert(hotel, [twin], read_no=2, as_of=NOW)
        ambiguous = await work.reservations.find_by_confirmation(hotel, "C-r1")
        missing = await work.reservations.find_by_confirmation(hotel, "C-r2")
    assert found is not None
    assert found.value.id == "r1"
    assert foreign is None
    assert ambiguous is None
    assert missing is None


async def test_an_index_key_that_was_rotated_still_finds(open_database: OpenDatabase, hotel: Hotel) -> None:
    old, new, ring = secrets.token_bytes(32), secrets.token_bytes(32), Keyring({"k": secrets.token_bytes(32)})
    marks = Marks(secrets.token_bytes(32))
    before = StoreKeys(ring, BlindIndex({"i1": old}), marks)
    after = StoreKeys(ring, BlindIndex({"i2": new, "i1": old}), marks)
    async with open_database(before) as database, database.unit_of_work() as work:
        await work.reservations.upsert(hotel, [a_reservation(hotel.id)], read_no=1, as_of=NOW)
    async with open_database(after) as database, database.unit_of_work() as work:
        assert await work.reservations.find_by_confirmation(hotel, "C-r1") is not None


async def test_a_list_holds_what_the_pass_saw_and_leaves_out_what_it_no_longer_saw(
    database: Database, hotel: Hotel
) -> None:
    today = date(2026, 11, 20)
    gone, stays, later = (a_reservation(hotel.id, ref) for ref in ("gone", "stays", "later"))
    async with database.unit_of_work() as work:
        await work.reservations.upsert(hotel, [gone, stays], read_no=1, as_of=NOW)
        assert await work.passes.find(hotel.id, "arrivals", today) is None
        await work.reservations.upsert(hotel, [stays], read_no=5, as_of=NOW)
        await work.passes.record(FullPass(hotel.id, "arrivals", today, 5, NOW))
        await work.reservations.upsert(hotel, [later], read_no=6, as_of=NOW)
        await work.passes.record(FullPass(hotel.id, "arrivals", today, 4, NOW + timedelta(hours=1)))
    async with database.unit_of_work() as work:
        newest = await work.passes.find(hotel.id, "arrivals", today)
        assert newest == FullPass(hotel.id, "arrivals", today, 5, NOW)
        listed = await work.reservations.seen_in(newest, arrival=today, statuses={ReservationStatus.CONFIRMED})
        tomorrow = await work.reservations.seen_in(newest, arrival=today + timedelta(days=1))
    assert [item.id for item in listed.items] == ["later", "stays"]
    assert listed.complete
    assert tomorrow.items == []


async def test_a_pass_without_a_day_is_one_row_too(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        await work.passes.record(FullPass(hotel.id, "in_house", None, 1, NOW))
        await work.passes.record(FullPass(hotel.id, "in_house", None, 2, NOW))
        assert await work.passes.find(hotel.id, "in_house", None) == FullPass(hotel.id, "in_house", None, 2, NOW)


async def test_a_guest_comes_back_as_stored_and_only_at_their_hotel(database: Database, hotel: Hotel) -> None:
    guest = a_guest(hotel.id)
    async with database.unit_of_work() as work:
        await work.guests.upsert(hotel, [guest, guest], read_no=1, as_of=NOW)
        stored = await work.guests.find(hotel.id, "g1")
        assert await work.guests.find("other", "g1") is None
    assert stored is not None
    assert stored.value == guest


async def test_rooms_move_forward_and_are_listed_by_number(database: Database, hotel: Hotel) -> None:
    rooms = [RoomStatus(room_number=number, cleaning=Cleaning.DIRTY) for number in ("102", "101")]
    async with database.unit_of_work() as work:
        await work.rooms.upsert(hotel.id, rooms, read_no=2, as_of=NOW)
        cleaned = [RoomStatus(room_number="101", cleaning=Cleaning.CLEAN)]
        assert await work.rooms.upsert(hotel.id, cleaned, read_no=1, as_of=NOW) == frozenset()
        assert await work.rooms.upsert(hotel.id, cleaned, read_no=3, as_of=NOW) == {"101"}
        listed = await work.rooms.seen_in(FullPass(hotel.id, "room_status", None, 2, NOW))
        one = await work.rooms.find(hotel.id, "101")
    assert [(room.room_number, room.cleaning) for room in listed] == [
        ("101", Cleaning.CLEAN),
        ("102", Cleaning.DIRTY),
    ]
    assert one is not None
    assert one.read_no == 3


async def test_a_read_of_an_erased_guest_leaves_no_trace(database: Database, hotel: Hotel) -> None:
    today = date(2026, 11, 20)
    other_guest = GuestContact(id=VendorRef("g2"), last_name="Berger")
    async with database.unit_of_work() as work:
        await work.traces.erase(hotel, Person(frozenset({"g1"})), actor="dpo", correlation_id=None)
    async with database.unit_of_work() as work:
        await work.guests.upsert(hotel, [a_guest(hotel.id)], read_no=1, as_of=NOW)
        await work.reservations.upsert(
            hotel,
            [a_reservation(hotel.id), a_reservation(hotel.id, "r2", guest=other_guest)],
            read_no=1,
            as_of=NOW,
        )
        await work.passes.record(FullPass(hotel.id, "arrivals", today, 1, NOW))
        assert await work.guests.find(hotel.id, "g1") is None
        assert await work.reservations.find(hotel.id, "r1") is None
        listed = await work.reservations.seen_in(FullPass(hotel.id, "arrivals", today, 1, NOW), arrival=today)
    assert [item.id for item in listed.items] == ["r2"]
    assert not listed.complete


async def test_a_mark_outlives_the_index_key_that_the_guest_was_found_by(
    open_database: OpenDatabase, hotel: Hotel
) -> None:
    ring, marks = Keyring({"k": secrets.token_bytes(32)}), Marks(secrets.token_bytes(32))
    before, after = (StoreKeys(ring, BlindIndex({"i": secrets.token_bytes(32)}), marks) for _ in range(2))
    async with open_database(before) as database, database.unit_of_work() as work:
        await work.traces.erase(hotel, Person(frozenset({"g1"})), actor="dpo", correlation_id=None)
    async with open_database(after) as database, database.unit_of_work() as work:
        await work.guests.upsert(hotel, [a_guest(hotel.id)], read_no=1, as_of=NOW)
        assert await work.guests.find(hotel.id, "g1") is None


async def test_a_read_that_is_written_down_while_its_guest_is_erased_leaves_no_trace(
    database: Database, hotel: Hotel
) -> None:
    async def write_down() -> None:
        async with database.unit_of_work() as work:
            await work.guests.upsert(hotel, [a_guest(hotel.id)], read_no=1, as_of=NOW)

    async with database.unit_of_work() as work:
        await work.traces.erase(hotel, Person(frozenset({"g1"})), actor="dpo", correlation_id=None)
        writing = asyncio.create_task(write_down())
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name")
        named = {"name": await work.session.scalar(text("SELECT current_database()"))}
        async with database.unit_of_work() as other:
            while not await other.session.scalar(waiting, named):
                assert not writing.done(), "it did not wait"
    await writing
    async with database.unit_of_work() as work:
        assert await work.guests.find(hotel.id, "g1") is None


async def test_an_erased_guest_is_told_from_others_at_the_same_address(database: Database, hotel: Hotel) -> None:
    shared, number = "both@guests.test", "+43 664 1234567"
    person = Person(
        frozenset({"g1"}), frozenset({"anna"}), frozenset({"mayer"}), frozenset({shared}), frozenset({"+436641234567"})
    )
    contacts = {
        "same": GuestContact(first_name="Anna", last_name="MAYER", email=shared),
        "by phone": GuestContact(first_name="Anna", last_name="Mayer", phone=number),
        "no first name": GuestContact(last_name="Mayer", email=shared),
        "no name": GuestContact(email=shared),
        "spouse": GuestContact(id=VendorRef("g2"), first_name="Otto", last_name="Mayer", email=shared, phone=number),
        "friend": GuestContact(first_name="Anna", last_name="Berger", email=shared),
    }
    async with database.unit_of_work() as work:
        await work.traces.erase(hotel, person, actor="dpo", correlation_id=None)
        stays = [a_reservation(hotel.id, name, guest=contact) for name, contact in contacts.items()]
        await work.reservations.upsert(hotel, stays, read_no=1, as_of=NOW)
        kept = [name for name in contacts if await work.reservations.find(hotel.id, name) is not None]
    assert kept == ["spouse", "friend"]
