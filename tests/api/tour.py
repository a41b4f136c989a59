"""A tour through every operation of the gateway, around one guest."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.fixtures.gateway import Client

NOWHERE = "http://127.0.0.1:9"
"""Where no PMS is: nobody listens there."""


@dataclass(frozen=True)
class Person:
    """The guest of the tour."""

    first_name: str = "Ottilie"
    last_name: str = "Wendelgard"
    email: str = "ottilie@example.test"
    phone: str = "+43 1 5550155"
    note: str = "Allergic to feathers"
    preference: str = "a room with a view"
    reference: str = "agency-4711"

    @property
    def guest(self) -> dict[str, Any]:
        """Them, as a caller sends them."""
        fields = ("first_name", "last_name", "email", "phone")
        return {**{name: getattr(self, name) for name in fields}, "country": "AT"}


@dataclass
class Tour:
    """Walks through a hotel as one client and keeps every answer, by operation id."""

    client: Client
    hotel_id: str
    person: Person = field(default_factory=Person)
    name: str = "tour"
    """Begins every idempotency key."""
    answers: list[tuple[str, httpx.Response]] = field(default_factory=list)
    guest_id: str = ""
    """The guest's, once they have been made."""

    async def walk(self, registration: dict[str, Any]) -> "Tour":
        """Do everything that there is to do; every step succeeds."""
        await self.at_the_desk(registration)
        reservation_id = await self.reserving()
        await self.guests()
        await self.staying(reservation_id)
        await self.leaving(reservation_id)
        await self.parking(reservation_id, registration)
        await self.step("export_guest", "GET", f"guests/{self.guest_id}/export")
        return self

    async def step(self, operation_id: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request and keep its answer."""
        if method != "GET":
            options.setdefault("key", f"{self.name}-{len(self.answers)}")
        at = path if path.startswith("/") else f"/v1/hotels/{self.hotel_id}/{path}".rstrip("/")
        answer = await self.client(method, at, **options)
        self.answers.append((operation_id, answer))
        return answer

    async def at_the_desk(self, registration: dict[str, Any]) -> None:
        """Registration, ledger and health."""
        await self.step("put_hotel", "PUT", "", json=registration)
        await self.step("get_hotel", "GET", "")
        await self.step("list_hotels", "GET", "/v1/hotels")
        await self.step("get_capabilities", "GET", "capabilities")
        await self.step("check_hotel", "POST", "check")
        await self.step("refresh_hotel", "DELETE", "cache")
        await self.step("list_vendors", "GET", "/v1/vendors")
        await self.step("get_vendor", "GET", f"/v1/vendors/{registration['vendor']}")
        await self.step("get_liveness", "GET", "/health/live")
        await self.step("get_readiness", "GET", "/health/ready")
        await self.step("get_metrics", "GET", "/metrics")

    async def reserving(self) -> str:
        """What can be sold, and a reservation that begins today; gives its id."""
        today = datetime.now(UTC).date()
        nights = {"arrival": str(today), "departure": str(today + timedelta(days=2))}
        await self.step("list_room_types", "GET", "room-types")
        await self.step("list_rate_plans", "GET", "rate-plans")
        window = {"start": nights["arrival"], "end": nights["departure"]}
        await self.step("get_availability", "GET", "availability", params=window)
        await self.step("get_rates", "GET", "rates", params={**nights, "adults": 2, "child_ages": "5"})
        draft = {
            **nights,
            "room_type": "STE",
            "rate_code": "FLEX",
            "adults": 2,
            "child_ages": [5],
            "guest": self.person.guest,
            "notes": [self.person.note],
            "external_reference": self.person.reference,
        }
        made = await self.step("create_reservation", "POST", "reservations", json=draft)
        operation_id = made.json()["meta"]["operation_id"]
        await self.step("get_operation", "GET", f"/v1/operations/{operation_id}")
        return str(made.json()["data"]["id"])

    async def guests(self) -> None:
        """The guest's profile."""
        draft = {**self.person.guest, "language": "de"}
        made = await self.step("upsert_guest", "PUT", "guests", json=draft)
        guest_id = self.guest_id = made.json()["data"]["id"]
        await self.step("get_guest", "GET", f"guests/{guest_id}")
        await self.step("find_guests", "GET", "guests", params={"email": self.person.email})
        await self.step("find_guests", "GET", "guests", params={"phone": self.person.phone})
        await self.step("search_guests", "POST", "guests/search", json={"last_name": self.person.last_name})
        liking = {"category": "room", "value": self.person.preference, "note": self.person.note}
        await self.step(
            "set_guest_preferences", "PUT", f"guests/{guest_id}/preferences", json={"preferences": [liking]}
        )

    async def staying(self, reservation_id: str) -> None:
        """Everything about the stay itself."""
        at = f"reservations/{reservation_id}"
        await self.step("get_reservation", "GET", at)
        await self.step("search_reservations", "GET", "reservations", params={"last_name": self.person.last_name})
        await self.step("modify_reservation", "PATCH", at, json={"guest": {"phone": self.person.phone}})
        longer = {"departure": str(datetime.now(UTC).date() + timedelta(days=3))}
        await self.step("quote_reservation_change", "POST", f"{at}/quote", json=longer)
        await self.step("add_reservation_note", "POST", f"{at}/notes", json={"text": self.person.note})
        await self.step("set_checkout_time", "PUT", f"{at}/checkout-time", json={"checkout_time": "13:00"})
        await self.step("list_arrivals", "GET", "arrivals")
        await self.step("check_in", "POST", f"{at}/check-in")
        await self.step("list_in_house", "GET", "in-house")
        await self.step("list_departures", "GET", "departures")

    async def leaving(self, reservation_id: str) -> None:
        """The folio, the rooms, and two ends: a check-out, and a cancellation of somebody else's stay."""
        at = f"reservations/{reservation_id}"
        charge = {"description": "Minibar", "amount": {"amount": "4.50", "currency": "EUR"}, "category": "minibar"}
        await self.step("post_charge", "POST", f"{at}/charges", json=charge)
        await self.step("list_charges", "GET", f"{at}/charges")
        await self.step("get_balance", "GET", f"{at}/balance")
        rooms = await self.step("list_rooms", "GET", "rooms")
        room = rooms.json()["data"][0]["room_number"]
        await self.step("get_room", "GET", f"rooms/{room}")
        await self.step("set_room_status", "PUT", f"rooms/{room}/status", json={"cleaning": "dirty"})
        await self.step("check_out", "POST", f"{at}/check-out")
        found = await self.step("search_reservations", "GET", "reservations", params={"last_name": "Lamarr"})
        other = found.json()["data"][0]["id"]
        reason = {"reason": self.person.note}
        await self.step("cancel_reservation", "POST", f"reservations/{other}/cancel", json=reason)
        await self.step("list_audit", "GET", "/v1/audit", params={"hotel_id": self.hotel_id})

    async def parking(self, reservation_id: str, registration: dict[str, Any]) -> None:
        """Two notes that cannot be sent, as the PMS is somewhere else for a moment, and what becomes of them."""
        await self.step("put_hotel", "PUT", "", json={**registration, "base_url": NOWHERE})
        at, hurry = f"reservations/{reservation_id}/notes", {"X-Request-Timeout": "1"}
        letters = []
        for _ in range(2):
            note = {"text": self.person.note}
            answer = await self.step("add_reservation_note", "POST", at, json=note, headers=hurry)
            operation = await self.client.get(answer.headers["Location"])
            letters.append((operation.json()["data"]["id"], operation.json()["data"]["dead_letter_id"]))
        [(first, first_letter), (_, second_letter)] = letters
        await self.step("list_dead_letters", "GET", "/v1/dead-letters", params={"hotel_id": self.hotel_id})
        await self.step("get_dead_letter", "GET", f"/v1/dead-letters/{first_letter}")
        await self.step("retry_dead_letter", "POST", f"/v1/dead-letters/{first_letter}/retry")
        await self.step("withdraw_operation", "DELETE", f"/v1/operations/{first}")
        reason = {"reason": self.person.note}
        await self.step("abandon_dead_letter", "POST", f"/v1/dead-letters/{second_letter}/abandon", json=reason)
        await self.step("put_hotel", "PUT", "", json=registration)
