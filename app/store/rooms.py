"""The newest copies of rooms' states; they hold nothing about a guest and are not encrypted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.domain.hotel import RoomStatus
from app.store.passes import FullPass
from app.store.repository import Repository, Stored
from app.store.tables import RoomRow


class Rooms(Repository):
    """Room states by room number."""

    table = "rooms"

    async def upsert(
        self, hotel_id: str, rooms: Sequence[RoomStatus], *, read_no: int, as_of: datetime
    ) -> frozenset[str]:
        """Store what a read of number `read_no` answered, unless a later read is stored already.

        Returns:
            The numbers of the rooms whose rows have changed.
        """
        newest = {room.room_number: room for room in rooms}
        rows = [
            {
                "hotel_id": hotel_id,
                "room_number": number,
                "read_no": read_no,
                "payload": newest[number].model_dump(mode="json"),
                "as_of": as_of,
            }
            for number in sorted(newest)
        ]
        return await self._upsert_newer(RoomRow, rows, name="room_number")

    async def find(self, hotel_id: str, room_number: str) -> Stored[RoomStatus] | None:
        """Give the newest copy of one room."""
        query = select(RoomRow).where(RoomRow.hotel_id == hotel_id, RoomRow.room_number == room_number)
        row = await self._session.scalar(query)
        if row is None:
            return None
        return Stored(RoomStatus.model_validate(row.payload), row.as_of, row.read_no)

    async def seen_in(self, full_pass: FullPass) -> list[RoomStatus]:
        """Give every room that a full pass over the hotel's rooms saw, or a later read, by number."""
        query = select(RoomRow.payload).where(
            RoomRow.hotel_id == full_pass.hotel_id, RoomRow.read_no >= full_pass.read_no
        )
        rooms = [RoomStatus.model_validate(payload) for payload in await self._session.scalars(query)]
        return sorted(rooms, key=lambda room: room.room_number)  # a database's order depends on its collation
