"""The newest copies of reservations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from app.domain.hotel import Hotel
from app.domain.reservation import Reservation, ReservationStatus
from app.store.crypto import DecryptionFailed, IndexKind
from app.store.passes import FullPass
from app.store.repository import Repository, Stored
from app.store.subjects import Subject, indexes_of, subjects_of
from app.store.tables import ReservationRow
from app.store.tombstones import erased_among


@dataclass(frozen=True, slots=True)
class StoredReservations:
    """A list from the store; `complete` is false where reservations of erased guests are left out."""

    items: list[Reservation]
    complete: bool


class Reservations(Repository):
    """Reservations by the vendor's id."""

    table = "reservations"

    async def upsert(
        self, hotel: Hotel, reservations: Sequence[Reservation], *, read_no: int, as_of: datetime
    ) -> frozenset[str]:
        """Store what a read of number `read_no` answered, unless a later read is stored already.

        Of an erased guest's reservation only id, status and dates are kept.

        Returns:
            The ids whose rows have changed.
        """
        newest = {item.id: item for item in reservations}
        people = {ref: [Subject.of_stay(item)] for ref, item in newest.items()}
        erased = await erased_among(self._session, self._marks, hotel, people)
        rows = [
            {**self._bare(newest[ref], read_no, as_of), **self._personal(hotel, newest[ref], ref in erased)}
            for ref in sorted(newest)
        ]
        return await self._upsert_newer(ReservationRow, rows, name="id")

    async def find(self, hotel_id: str, ref: str) -> Stored[Reservation] | None:
        """Give the newest copy of one reservation."""
        query = select(ReservationRow).where(ReservationRow.hotel_id == hotel_id, ReservationRow.id == ref)
        return self._stored(await self._session.scalar(query))

    async def find_by_confirmation(self, hotel: Hotel, number: str) -> Stored[Reservation] | None:
        """Give the copy of the one reservation with this confirmation number; nothing where several have it."""
        query = (
            select(ReservationRow)
            .where(
                ReservationRow.hotel_id == hotel.id,
                ReservationRow.confirmation_index.in_(indexes_of(self._index, hotel, IndexKind.CONFIRMATION, number)),
            )
            .limit(2)
        )
        rows = list(await self._session.scalars(query))
        return self._stored(rows[0]) if len(rows) == 1 else None

    async def seen_in(
        self,
        full_pass: FullPass,
        *,
        arrival: date | None = None,
        departure: date | None = None,
        statuses: Collection[ReservationStatus] | None = None,
    ) -> StoredReservations:
        """Give what a full pass saw, or a later read, of these dates and statuses; in the order of lists.

        A row that is older than the pass is left out: the PMS did not list it any more.
        """
        query = select(ReservationRow).where(
            ReservationRow.hotel_id == full_pass.hotel_id, ReservationRow.read_no >= full_pass.read_no
        )
        if arrival is not None:
            query = query.where(ReservationRow.arrival == arrival)
        if departure is not None:
            query = query.where(ReservationRow.departure == departure)
        if statuses is not None:
            query = query.where(ReservationRow.status.in_([status.value for status in statuses]))
        stored = [self._stored(row) for row in await self._session.scalars(query)]
        items = [copy.value for copy in stored if copy is not None]
        items.sort(key=lambda reservation: reservation.sort_key)
        return StoredReservations(items, complete=len(items) == len(stored))

    def _stored(self, row: ReservationRow | None) -> Stored[Reservation] | None:
        if row is None or row.payload is None:
            return None
        try:
            payload = self._cipher.open("payload", row.payload, hotel_id=row.hotel_id, row=row.id)
        except DecryptionFailed:
            return None  # a copy that no key of this process opens is as good as none, and hides no other
        return Stored(Reservation.model_validate_json(payload), row.as_of, row.read_no)

    def _bare(self, reservation: Reservation, read_no: int, as_of: datetime) -> dict[str, object]:
        return {
            "hotel_id": reservation.hotel_id,
            "id": reservation.id,
            "read_no": read_no,
            "status": reservation.status.value,
            "arrival": reservation.arrival,
            "departure": reservation.departure,
            "as_of": as_of,
        }

    def _personal(self, hotel: Hotel, reservation: Reservation, erased: bool) -> dict[str, object]:  # noqa: FBT001 - private
        if erased:
            blank = ("confirmation_index", "guest_index", "last_name_index", "payload")
            return {**dict.fromkeys(blank), "subjects": []}
        guest = reservation.guest
        # Live writes are joined when it is answered; the copy must not freeze them.
        payload = reservation.model_dump_json(exclude={"pending_operations"}).encode()
        return {
            "confirmation_index": self._index_of(hotel, IndexKind.CONFIRMATION, reservation.confirmation_number),
            "guest_index": self._index_of(hotel, IndexKind.GUEST_ID, guest.id),
            "last_name_index": self._index_of(hotel, IndexKind.LAST_NAME, guest.last_name),
            "payload": self._seal("payload", payload, hotel.id, reservation.id),
            "subjects": subjects_of(self._index, hotel, [Subject.of(guest)]),
        }
