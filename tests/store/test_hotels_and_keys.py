import pytest
from pydantic import SecretStr

from app.domain.errors import ConflictRefused, InvalidRequest
from app.domain.hotel import Hotel, HotelOptions
from app.store.api_keys import token_hash
from app.store.audit import AuditEntry
from app.store.crypto import BlindIndex, Keyring, Marks
from app.store.database import Database
from app.store.operation_records import OperationStatus, Result
from app.store.repository import StoreKeys
from tests.store.conftest import NOW, OpenDatabase, a_hotel, a_reservation, an_intent


async def test_a_hotel_comes_back_as_it_was_put(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        record = await work.hotels.find(hotel.id)
        assert await work.hotels.find("other") is None
    assert record is not None
    assert record.as_hotel(HotelOptions.model_validate(dict(record.options))) == hotel
    assert record.credentials == {"api_key": SecretStr("s3cret")}
    assert "s3cret" not in repr(record)


async def test_a_put_without_credentials_keeps_them_and_is_a_newer_revision(database: Database, hotel: Hotel) -> None:
    renamed = hotel.model_copy(update={"name": "Renamed"})
    async with database.unit_of_work() as work:
        before = await work.hotels.find(hotel.id)
        put = await work.hotels.put(renamed, credentials=None)
    async with database.unit_of_work() as work:
        after = await work.hotels.find(hotel.id)
    assert before is not None
    assert after is not None
    assert not put.created
    assert (after.name, after.credentials) == ("Renamed", before.credentials)
    assert after.revision == put.revision > before.revision


async def test_a_new_hotel_needs_credentials(database: Database) -> None:
    with pytest.raises(InvalidRequest):
        async with database.unit_of_work() as work:
            await work.hotels.put(a_hotel("new"), credentials=None)


async def test_a_put_tells_a_new_hotel_from_a_known_one(database: Database) -> None:
    secrets = {"api_key": SecretStr("x")}
    async with database.unit_of_work() as work:
        assert (await work.hotels.put(a_hotel("new"), credentials=secrets)).created
    async with database.unit_of_work() as work:
        assert not (await work.hotels.put(a_hotel("new"), credentials=secrets)).created


async def test_hotels_are_listed_by_id(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        for hotel_id in ("abbey", "Zeppelin"):
            await work.hotels.put(a_hotel(hotel_id), credentials={})
        assert [record.id for record in await work.hotels.all()] == ["Zeppelin", "abbey", "prime"]
        assert [record.id for record in await work.hotels.all(["prime", "nowhere"])] == ["prime"]
        assert await work.hotels.all([]) == []


async def test_another_keyring_cannot_read_credentials(open_database: OpenDatabase, hotel: Hotel) -> None:
    strangers = StoreKeys(Keyring({"k1": b"x" * 32}), BlindIndex({"i1": b"x" * 32}), Marks(b"x" * 32))
    async with open_database(strangers) as database, database.unit_of_work() as work:
        (found,) = await work.hotels.all()
    assert (found.id, found.credentials) == (hotel.id, None)


async def test_deleting_a_hotel_erases_all_under_its_id_and_nothing_of_another(
    database: Database, hotel: Hotel
) -> None:
    other = a_hotel("other")
    async with database.unit_of_work() as work:
        await work.hotels.put(other, credentials={})
        for each in (hotel, other):
            intent = an_intent(each.id)
            await work.reservations.upsert(each, [a_reservation(each.id)], read_no=1, as_of=NOW)
            await work.operations.begin(intent)
            done = Result(status=OperationStatus.SUCCEEDED)
            await work.operations.finish(intent.id, owner=intent.owner, result=done)
            await work.audit.append(
                AuditEntry(actor="voice", hotel_id=each.id, operation="x", target="r1", outcome="succeeded")
            )
    async with database.unit_of_work() as work:
        before = await work.hotels.find(hotel.id)
        assert await work.hotels.delete(hotel.id, actor="admin", correlation_id="c1")
        assert not await work.hotels.delete("nowhere", actor="admin", correlation_id=None)
    async with database.unit_of_work() as work:
        await work.hotels.put(hotel, credentials={})
        again = await work.hotels.find(hotel.id)
        assert await work.reservations.find(hotel.id, "r1") is None
        assert (await work.operations.begin(an_intent(hotel.id))).created
        assert await work.reservations.find("other", "r1") is not None
        audit = await work.audit.entries()
    assert before is not None
    assert again is not None
    assert again.revision > before.revision
    assert [(entry.operation, entry.hotel_id, entry.actor) for entry in audit] == [
        ("hotel.delete", "prime", "admin"),
        ("x", "other", "voice"),
    ]


async def test_a_hotel_with_live_operations_is_not_deleted(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        await work.operations.begin(an_intent(hotel.id))
    with pytest.raises(ConflictRefused):
        async with database.unit_of_work() as work:
            await work.hotels.delete(hotel.id, actor="admin", correlation_id=None)
    async with database.unit_of_work() as work:
        assert await work.hotels.find(hotel.id) is not None


async def test_a_key_is_shown_once_and_known_by_its_hash(database: Database) -> None:
    async with database.unit_of_work() as work:
        made = await work.api_keys.create(client="voice", scopes=["read", "write"], hotels=["prime"])
    token = made.token.get_secret_value()
    mark, prefix, secret = token.split("_", 2)
    assert (mark, prefix) == ("pmsgw", made.key.prefix)
    assert len(secret) == 43
    async with database.unit_of_work() as work:
        [key] = await work.api_keys.all_live()
    assert key == made.key
    assert key.key_hash == token_hash(token)
    assert (key.client, key.scopes) == ("voice", frozenset({"read", "write"}))
    assert key.hotels == frozenset({"prime"})


async def test_a_revoked_key_is_listed_and_does_not_live(database: Database) -> None:
    async with database.unit_of_work() as work:
        made = await work.api_keys.create(client="voice", scopes=["read"], hotels=None)
        kept = await work.api_keys.create(client="desk", scopes=["ops"], hotels=None)
    async with database.unit_of_work() as work:
        assert await work.api_keys.revoke(made.key.prefix)
        assert not await work.api_keys.revoke(made.key.prefix)
        assert not await work.api_keys.revoke("nothing")
    async with database.unit_of_work() as work:
        assert [key.prefix for key in await work.api_keys.all_live()] == [kept.key.prefix]
        [revoked] = await work.api_keys.all(client="voice")
        assert len(await work.api_keys.all()) == 2
    assert revoked.revoked_at is not None
    assert kept.key.hotels is None
