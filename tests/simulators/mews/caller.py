"""A caller of the simulated Connector API, who knows the vendor's pages and nothing else."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx

from app.simulators.mews.premises import Premises
from app.simulators.mews.service import client_token
from app.simulators.mews.times import utc
from app.simulators.records import Booking
from app.simulators.site import Site

ALL = {"Count": 1000}


@dataclass
class Connector:
    """Calls one installation with the portfolio's token; `place` is what stands behind the first enterprise."""

    site: Site
    http: httpx.AsyncClient
    place: Premises

    async def send(self, operation: str, without: str = "", /, **members: Any) -> httpx.Response:
        """Send a request, `without` one of its members, and give the whole answer."""
        body = {
            "ClientToken": client_token(self.site.api_key),
            "AccessToken": self.site.api_key,
            "Client": "Tests 1.0.0",
            **members,
        }
        body.pop(without, None)
        return await self.http.post(operation, json=body)

    async def __call__(self, operation: str, status: int = 200, /, **members: Any) -> Any:
        """Send a request and give the answer's body."""
        answer = await self.send(operation, **members)
        assert answer.status_code == status, (operation, answer.text)
        return answer.json()

    @property
    def here(self) -> dict[str, Any]:
        """How a list of the first enterprise is asked for, whole."""
        return {"EnterpriseIds": [self.place.id], "Limitation": ALL}

    @property
    def enterprise(self) -> dict[str, str]:
        """How a write names the first enterprise."""
        return {"EnterpriseId": self.place.id}

    @property
    def chain(self) -> dict[str, str]:
        """How a write names the first enterprise's chain."""
        return {"ChainId": self.place.facts.chain}

    @property
    def stay(self) -> str:
        """The service under which rooms are booked."""
        return self.place.facts.stay_service

    def midnight(self, day: date) -> str:
        """Write when a day begins here."""
        return utc(self.place.clock.at(day))

    def seeded(self, last_name: str) -> Booking:
        """Give the reservation that is there for somebody."""
        return next(one for one in self.place.bookings() if one.contact.last_name == last_name)

    def month_ahead(self) -> date:
        """Give a day on which the house is empty."""
        return self.place.hotel.business_date + timedelta(days=30)

    def wish(self, arrival: date | None = None, nights: int = 2, /, **members: Any) -> dict[str, Any]:
        """Write a stay of two adults in the first room type, at the first rate."""
        first = arrival or self.month_ahead()
        return {
            "StartUtc": utc(self.place.clock.at(first, "15:00")),
            "EndUtc": utc(self.place.clock.at(first + timedelta(days=nights), "11:00")),
            "RequestedCategoryId": next(iter(self.place.hotel.kinds)),
            "RateId": next(iter(self.place.hotel.plans)),
            "PersonCounts": [{"AgeCategoryId": self.place.age_category("adult"), "Count": 2}],
            **members,
        }

    async def customer(self, email: str = "mary@example.test") -> str:
        """Make a guest and give the id."""
        sent = {"LastName": "Shelley", "FirstName": "Mary", "Email": email, "OverwriteExisting": True}
        return str((await self("customers/add", **self.chain, **sent))["Id"])

    async def book(self, *, status: int = 200, arrival: date | None = None, nights: int = 2, **members: Any) -> Any:
        """Book a stay, without a mail; gives the reservation as it is told, or the refusal."""
        wanted = self.wish(arrival, nights, CustomerId=await self.customer(), **members)
        sent = {"ServiceId": self.stay, "Reservations": [wanted], "SendConfirmationEmail": False}
        told = await self("reservations/add", status, **self.enterprise, **sent)
        return told["Reservations"][0]["Reservation"] if status == 200 else told

    async def update(self, reservation_id: str, *, status: int = 200, reason: str = "asked", **changes: Any) -> Any:
        """Change a reservation: what is named gets that value."""
        values = {name: {"Value": value} for name, value in changes.items()}
        sent = {"ReservationUpdates": [{"ReservationId": reservation_id, **values}], "Reason": reason}
        return await self("reservations/update", status, **self.enterprise, **sent)

    async def reservation(self, reservation_id: str) -> Any:
        """Read a reservation."""
        told = await self("reservations/getAll/2023-06-06", ReservationIds=[reservation_id], **self.here)
        return told["Reservations"][0]

    def at(self, moment: datetime) -> None:
        """Hold the clock of the PMS."""
        self.site.now = lambda: moment
