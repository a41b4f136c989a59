"""The way behind the scenes of the demo: makes a simulated PMS fail on purpose, and looks into its books."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from app.simulators.faults import Fault, FaultKind
from app.simulators.site import DemoHotel

_AWAY = Fault(
    kind=FaultKind.STATUS,
    status=503,
    headers={"Content-Type": "application/problem+json"},
    body='{"code": "unavailable"}',
)
_LOSES_A_BOOKING = Fault(
    kind=FaultKind.DROP_AFTER, method="POST", path=r"/(reservation|booking|order)s(/add)?$", times=1
)


class Backstage:
    """The control doors of the demo's simulated hotels, by the gateway's id of each."""

    def __init__(self, http: httpx.Client, doors: Mapping[str, str]) -> None:
        self._http = http
        self._doors = doors

    @classmethod
    @contextmanager
    def of(cls, simulators_url: str, hotels: Sequence[DemoHotel]) -> Iterator[Self]:
        """Find the doors of these hotels: `/_control` and the path under which the hotel's own API is."""
        paths = {hotel.hotel_id: urlsplit(hotel.body["base_url"]).path.rstrip("/") for hotel in hotels}
        with httpx.Client(base_url=f"{simulators_url}/_control", timeout=10, trust_env=False) as http:
            yield cls(http, paths)

    @contextmanager
    def switched_off(self, hotel_id: str) -> Iterator[None]:
        """Let the PMS do nothing and say so, as long as the block lasts."""
        self._set(hotel_id, _AWAY)
        try:
            yield
        finally:
            self._set(hotel_id)

    @contextmanager
    def losing_an_answer(self, hotel_id: str) -> Iterator[None]:
        """Let the PMS make the next booking and hang up instead of answering."""
        self._set(hotel_id, _LOSES_A_BOOKING)
        try:
            yield
        finally:
            self._set(hotel_id)

    def count(self, hotel_id: str, text: str) -> int:
        """Count how often a text stands in the PMS's own books, past the gateway."""
        return _occurrences(self._ask("GET", hotel_id)["books"], text)

    def _set(self, hotel_id: str, *faults: Fault) -> None:
        self._ask("PATCH", hotel_id, {"faults": [fault.model_dump(mode="json") for fault in faults]})

    def _ask(self, method: str, hotel_id: str, body: Any = None) -> Any:
        return self._http.request(method, self._doors[hotel_id], json=body).raise_for_status().json()


def _occurrences(value: Any, text: str) -> int:
    match value:
        case str():
            return value.count(text)
        case dict():
            return sum(_occurrences(one, text) for one in value.values())
        case list():
            return sum(_occurrences(one, text) for one in value)
    return 0
