"""The dates of a stay and who stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MAX_WINDOW_NIGHTS = 92


@dataclass(frozen=True, slots=True)
class Stay:
    """Nights from `arrival` up to but not including `departure`, hotel-local dates.

    Raises:
        ValueError: departure is not after arrival.
    """

    arrival: date
    departure: date

    def __post_init__(self) -> None:
        if self.departure <= self.arrival:
            raise ValueError("departure must be after arrival")

    def __len__(self) -> int:
        return (self.departure - self.arrival).days

    def __iter__(self) -> Iterator[date]:
        for offset in range(len(self)):
            yield self.arrival + timedelta(days=offset)

    def months(self) -> list[str]:
        """Give the calendar months that the nights touch, as `YYYY-MM`, in order."""
        return sorted({f"{night:%Y-%m}" for night in self})


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Who stays in one room: adults, and the age of each child in years."""

    adults: int
    child_ages: tuple[int, ...] = ()

    @property
    def guests(self) -> int:
        """How many people that is."""
        return self.adults + len(self.child_ages)
