"""The newest copies of guests' profiles."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.domain.guest import GuestProfile
from app.domain.hotel import Hotel
from app.store.crypto import DecryptionFailed, IndexKind
from app.store.repository import Repository, Stored
from app.store.subjects import Subject, subjects_of
from app.store.tables import GuestRow
from app.store.tombstones import erased_among


class Guests(Repository):
    """Profiles by the vendor's id. An erased guest has no row, and gets none."""

    table = "guests"

    async def upsert(
        self, hotel: Hotel, guests: Sequence[GuestProfile], *, read_no: int, as_of: datetime
    ) -> frozenset[str]:
        """Store what a read of number `read_no` answered, unless a later read is stored already.

        Returns:
            The ids whose rows have changed.
        """
        people = {guest.id: [Subject.of(guest)] for guest in guests}
        erased = await erased_among(self._session, self._marks, hotel, people)
        newest = {guest.id: guest for guest in guests if guest.id not in erased}
        rows = [self._values(hotel, newest[ref], read_no, as_of) for ref in sorted(newest)]
        return await self._upsert_newer(GuestRow, rows, name="id")

    async def find(self, hotel_id: str, ref: str) -> Stored[GuestProfile] | None:
        """Give the newest copy of one profile."""
        query = select(GuestRow).where(GuestRow.hotel_id == hotel_id, GuestRow.id == ref)
        row = await self._session.scalar(query)
        if row is None:
            return None
        try:
            payload = self._cipher.open("payload", row.payload, hotel_id=hotel_id, row=ref)
        except DecryptionFailed:
            return None  # a copy that no key of this process opens is as good as none
        return Stored(GuestProfile.model_validate_json(payload), row.as_of, row.read_no)

    def _values(self, hotel: Hotel, guest: GuestProfile, read_no: int, as_of: datetime) -> dict[str, object]:
        return {
            "hotel_id": hotel.id,
            "id": guest.id,
            "read_no": read_no,
            "email_index": self._index_of(hotel, IndexKind.EMAIL, guest.email),
            "phone_index": self._index_of(hotel, IndexKind.PHONE, guest.phone),
            "last_name_index": self._index_of(hotel, IndexKind.LAST_NAME, guest.last_name),
            "payload": self._seal("payload", guest.model_dump_json().encode(), hotel.id, guest.id),
            "subjects": subjects_of(self._index, hotel, [Subject.of(guest)]),
            "as_of": as_of,
        }
