"""What the demo's tour did at each hotel: one row a step, one column a hotel, result and time in the cell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_OF_HOTEL = re.compile(r"^/v1/hotels/(?P<hotel>[^/]+)(?P<rest>/.*)$")
_ID_PLACES = re.compile(r"(?<=^/reservations/)[^/]+|(?<=^/guests/)(?!search\b)[^/]+|(?<=^/rooms/)[^/]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """How one step went at one hotel."""

    status: str
    seconds: float
    as_promised: bool

    def __str__(self) -> str:
        return f"{'' if self.as_promised else 'NOT '}{self.status} {self.seconds * 1000:.0f} ms"


class Logbook:
    """The steps of a tour, each hotel's first try of each."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}

    def note(self, method: str, path: str, entry: Entry) -> None:
        """Write down a call; what belongs to no hotel is left out, and a failure is never hidden by a success."""
        found = _OF_HOTEL.match(urlsplit(path).path)
        if found is None:
            return
        step = f"{method} {_ID_PLACES.sub('…', found['rest'])}"
        row = self._entries.setdefault(step, {})
        if found["hotel"] not in row or (row[found["hotel"]].as_promised and not entry.as_promised):
            row[found["hotel"]] = entry

    def rows(self, hotel_ids: Sequence[str]) -> list[tuple[str, ...]]:
        """Give a row for each step that was taken at one of these hotels, in the order of the tour."""
        return [
            (step, *(_shown(cells, hotel_id) for hotel_id in hotel_ids))
            for step, cells in self._entries.items()
            if cells.keys() & set(hotel_ids)
        ]


def _shown(cells: Mapping[str, Entry], hotel_id: str) -> str:
    return str(cells[hotel_id]) if hotel_id in cells else "-"
