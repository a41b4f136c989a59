"""What a room of a booking shall be after a change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from app.adapters.qloapps import wire
from app.domain.reservation import ReservationDraft, ReservationPatch
from app.domain.stay import Occupancy, Stay


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a room of a booking shall be."""

    arrival: date
    departure: date
    kind: str
    adults: int
    children: int
    child_ages: tuple[int, ...]

    @classmethod
    def of(cls, draft: ReservationDraft) -> "Wanted":
        """Give what the room of a new reservation shall be."""
        ages = draft.child_ages
        return cls(draft.arrival, draft.departure, draft.room_type, draft.adults, len(ages), ages)

    @classmethod
    def at(cls, row: wire.PlacedRow) -> "Wanted":
        """Give what a room is now."""
        return cls(row.date_from, row.date_to, row.id_product, row.adults, row.children, row.child_ages)

    @classmethod
    def after(cls, row: wire.PlacedRow, patch: ReservationPatch) -> "Wanted":
        """Give what a room shall be after a change."""
        now = cls.at(row)
        if "child_ages" in patch.model_fields_set:
            ages = patch.child_ages or ()
            now = replace(now, children=len(ages), child_ages=ages)
        return replace(
            now,
            arrival=patch.arrival or now.arrival,
            departure=patch.departure or now.departure,
            kind=patch.room_type or now.kind,
            adults=patch.adults or now.adults,
        )

    @property
    def stay(self) -> Stay:
        """Its dates."""
        return Stay(self.arrival, self.departure)

    @property
    def guests(self) -> Occupancy:
        """Who stays; ages that nobody told count as 0."""
        return Occupancy(self.adults, self.child_ages or (0,) * self.children)

    def is_at(self, row: wire.RoomBookingRow) -> bool:
        """Tell whether a room is of this type on these dates."""
        return (row.date_from, row.date_to, row.id_product) == (self.arrival, self.departure, self.kind)

    def is_met(self, row: wire.RoomBookingRow) -> bool:
        """Tell whether a room is all that is wanted."""
        same = (row.adults, row.children, row.child_ages) == (self.adults, self.children, self.child_ages)
        return same and self.is_at(row)

    def occupancy(self) -> Mapping[str, str]:
        """Say who stays, as fields of a room booking."""
        ages = f"[{','.join(map(str, self.child_ages))}]"
        return {"adults": str(self.adults), "children": str(self.children), "child_ages": ages}
