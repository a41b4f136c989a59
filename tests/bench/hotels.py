"""Hotels for the bench: sites of the simulators, and their registrations at a gateway."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.simulators.server import simulators
from tests.bench.machine import Child

VENDOR = "bridge"
_LISTS = ("arrivals", "departures", "in-house")


@dataclass(frozen=True, slots=True)
class Pms:
    """The simulators' process."""

    process: Child
    url: str

    def fresh_site(self, name: str) -> dict[str, Any]:
        """Make a site with its guests anew; gives what its first hotel is registered with."""
        made = httpx.put(self._door(name), trust_env=False).raise_for_status().json()
        return dict(simulators()[VENDOR].registration(f"{self.url}{made['path']}", made["api_key"]).body)

    def calls(self, name: str) -> int:
        """Count what a site was ever asked."""
        counts: dict[str, int] = httpx.get(self._door(name), trust_env=False).raise_for_status().json()["requests"]
        return sum(counts.values())

    def _door(self, name: str) -> str:
        return f"{self.url}/_control/{VENDOR}/{name}"


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody with a key who registers hotels and asks for lists."""

    port: int
    headers: dict[str, str]

    def register(self, hotel_id: str, body: dict[str, Any]) -> None:
        """Register a hotel, or change it."""
        with self._http() as http:
            http.put(f"/{hotel_id}", json=body).raise_for_status()

    def reservations(self, hotel_id: str) -> list[str]:
        """Give the ids of those who arrive, depart and stay today."""
        with self._http() as http:
            lists = [http.get(f"/{hotel_id}/{one}").raise_for_status().json()["data"] for one in _LISTS]
        return sorted({one["id"] for found in lists for one in found})

    def read(self, hotel_id: str, reservation_id: str) -> dict[str, Any]:
        """Give a reservation as it is answered."""
        with self._http() as http:
            answer: dict[str, Any] = http.get(f"/{hotel_id}/reservations/{reservation_id}").raise_for_status().json()
            return answer

    def _http(self) -> httpx.Client:
        base = f"http://127.0.0.1:{self.port}/v1/hotels"
        return httpx.Client(base_url=base, headers=self.headers, trust_env=False, timeout=30)
