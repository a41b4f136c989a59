"""The rooms of a hotel, as housekeeping and reception see them."""

from collections.abc import Sequence

from app.core.adapter import PMSAdapter
from app.core.connectors import Registration
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.hotel import Hotel, RoomStatus, RoomStatusChange
from app.domain.ids import VendorRef
from app.gateway import invalidation
from app.gateway.flights import Fetched
from app.gateway.reads import Answer, Held, Patience, Read, Reads
from app.gateway.record import Done
from app.gateway.write import Accepted, Order, Settled, Write
from app.gateway.writes import Writes
from app.store.database import UnitOfWork
from app.store.passes import FullPass

_LISTING = "room_status"


class Rooms:
    """Room states."""

    def __init__(self, reads: Reads, writes: Writes) -> None:
        self._reads = reads
        self._writes = writes

    async def list(self, registration: Registration, patience: Patience) -> Answer[list[RoomStatus]]:
        """Give all rooms, by number."""
        hotel = registration.hotel

        async def ask(connector: PMSAdapter) -> list[RoomStatus]:
            return sorted(await connector.list_room_statuses(), key=lambda room: room.room_number)

        async def keep(work: UnitOfWork, found: list[RoomStatus], fetched: Fetched) -> None:
            await _keep(work, hotel, found, fetched)
            if fetched.read_no is not None:
                await work.passes.record(FullPass(hotel.id, _LISTING, None, fetched.read_no, fetched.as_of))

        async def held(work: UnitOfWork) -> Held[list[RoomStatus]] | None:
            full_pass = await work.passes.find(hotel.id, _LISTING, None)
            if full_pass is None:
                return None
            return Held(await work.rooms.seen_in(full_pass), full_pass.finished_at)

        read = Read[list[RoomStatus]](
            capability=Capability.ROOM_STATUS_LIST,
            kind=list[RoomStatus],
            ask=ask,
            resources=(invalidation.ROOMS,),
            ttl=hotel.cache.room_status_ttl,
            keep=keep,
            held=held,
        )
        return await self._reads.answer(registration, read, patience)

    async def get(self, registration: Registration, number: str, patience: Patience) -> Answer[RoomStatus]:
        """Give one room.

        Raises:
            NotFound: the PMS has no such room.
        """
        hotel = registration.hotel

        async def keep(work: UnitOfWork, found: RoomStatus, fetched: Fetched) -> None:
            await _keep(work, hotel, [found], fetched)

        async def held(work: UnitOfWork) -> Held[RoomStatus] | None:
            stored = await work.rooms.find(hotel.id, number)
            return Held(stored.value, stored.as_of) if stored else None

        read = Read[RoomStatus](
            capability=Capability.ROOM_STATUS_GET,
            kind=RoomStatus,
            ask=lambda connector: connector.get_room_status(number),
            params=number,
            resources=(invalidation.ROOMS,),
            ttl=hotel.cache.room_status_ttl,
            keep=keep,
            held=held,
        )
        return await self._reads.answer(registration, read, patience)

    async def set_status(
        self, registration: Registration, number: str, change: RoomStatusChange, order: Order
    ) -> Settled | Accepted:
        """Change the housekeeping state of a room."""
        return await self._writes.do(registration, status_change(registration.hotel, number, change), order)


def status_change(hotel: Hotel, number: str, change: RoomStatusChange) -> Write[RoomStatus]:
    """Change the housekeeping state of a room."""

    async def keep(work: UnitOfWork, kept: RoomStatus, fetched: Fetched) -> None:
        await _keep(work, hotel, [kept], fetched)

    async def act(connector: PMSAdapter, op: Operation) -> Done[RoomStatus]:
        return Done(value=await connector.set_room_status(number, change, op), keep=keep)

    return Write(capability=Capability.ROOM_STATUS_SET, act=act, target=VendorRef(number))


async def _keep(work: UnitOfWork, hotel: Hotel, found: Sequence[RoomStatus], fetched: Fetched) -> None:
    if fetched.read_no is not None:
        await work.rooms.upsert(hotel.id, found, read_no=fetched.read_no, as_of=fetched.as_of)
