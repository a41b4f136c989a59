from uuid import UUID

from app.domain.event import EventType
from app.domain.hotel import Hotel
from app.store.database import Database
from app.store.outbox import OutboxPosition
from tests.store.conftest import a_hotel


async def read(database: Database, position: OutboxPosition, limit: int = 100) -> list[tuple[OutboxPosition, UUID]]:
    async with database.unit_of_work() as work:
        events = await work.outbox.read_after(position, limit=limit)
    return [(event.position, event.event_id) for event in events]


async def test_a_reader_never_passes_an_event_of_a_slower_transaction(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as slow:
        first = await slow.outbox.append(hotel.id, EventType.GUEST_UPDATED, {"n": 1}, subjects=[])
        async with database.unit_of_work() as quick:
            second = await quick.outbox.append(hotel.id, EventType.GUEST_UPDATED, {"n": 2}, subjects=[])
        assert await read(database, OutboxPosition()) == []
    seen = await read(database, OutboxPosition())
    assert [event_id for _, event_id in seen] == [first, second]


async def test_pages_of_the_outbox_join_without_gap_or_repeat(database: Database, hotel: Hotel) -> None:
    written = []
    for batch in (3, 1, 4):
        async with database.unit_of_work() as work:
            written += [
                await work.outbox.append(hotel.id, EventType.CHARGE_POSTED, {"n": number}, subjects=[])
                for number in range(batch)
            ]
    seen, position = [], OutboxPosition()
    while page := await read(database, position, limit=3):
        seen += [event_id for _, event_id in page]
        position = page[-1][0]
    assert seen == written


async def test_an_event_says_what_was_written(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        await work.hotels.put(a_hotel("other"), credentials={})
        await work.outbox.append("other", EventType.GUEST_UPDATED, {}, subjects=[])
        await work.outbox.append(hotel.id, EventType.GUEST_UPDATED, {"name": "Anna"}, subjects=[b"s"])
    async with database.unit_of_work() as work:
        [event] = await work.outbox.read_after(OutboxPosition(), limit=9, hotel_ids=[hotel.id])
    assert (event.type, event.payload, event.hotel_id) == (
        EventType.GUEST_UPDATED,
        {"name": "Anna"},
        hotel.id,
    )


async def test_a_webhook_is_kept_once(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        assert await work.inbox.receive(vendor="v", external_id="1", hotel_id=hotel.id, body=b"{}")
        assert not await work.inbox.receive(vendor="v", external_id="1", hotel_id=hotel.id, body=b"{}")
        assert await work.inbox.receive(vendor="w", external_id="1", hotel_id=None, body=b"\x00")


async def test_an_invalidation_is_open_until_it_is_confirmed(database: Database, hotel: Hotel) -> None:
    async with database.unit_of_work() as work:
        first = await work.invalidations.add(hotel.id, ["guests", "arrivals"])
        second = await work.invalidations.add(hotel.id, ["rooms"])
    async with database.unit_of_work() as work:
        assert await work.invalidations.open() == [first, second]
        await work.invalidations.confirm([first.id])
    async with database.unit_of_work() as work:
        assert await work.invalidations.open() == [second]
    assert first.resources == ("arrivals", "guests")
