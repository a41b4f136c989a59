"""The last room of a QloApps shop, which locks nothing: eight callers, one room, never two stays in it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from app.simulators.house import RoomWish
from app.simulators.records import Booking, Contact
from app.simulators.site import Site
from tests.fixtures.gateway import HotelUnderTest, MakeHotel, RunningGateway, running_gateway, settings_for
from tests.fixtures.simulators import SimulatorServer
from tests.fixtures.stays import code_of

SITES, NIGHTS, CALLERS = 5, 10, 8
"""Fifty rounds: so many last rooms at each of so many shops, each asked for by so many at once."""


@pytest.fixture
async def second_gateway(
    session_database_url: str, redis_url: str, simulators: SimulatorServer
) -> AsyncIterator[RunningGateway]:
    """Another gateway over the same stores: what keeps the callers apart has to hold across processes."""
    async with running_gateway(settings_for(session_database_url, redis_url), simulators) as running:
        yield running


def leave_one_room(site: Site, arrival: date) -> None:
    """Let the front desk book all rooms of the type but one, for a night."""
    wish = RoomWish(kind="1", plan="BAR", arrival=arrival, departure=arrival + timedelta(days=1), adults=2)
    for _ in site.hotel.free_rooms("1", wish.arrival, wish.departure)[1:]:
        site.hotel.book([wish], Contact(last_name="Crowd"))


def holding(site: Site, arrival: date) -> list[Booking]:
    """Give the stays that the callers have in the shop's books for a night, as far as they hold a room."""
    return [
        booking
        for booking in site.hotel.bookings.values()
        if booking.holds_room and booking.contact.last_name == "Caller"
        for room in booking.rooms
        if room.arrival == arrival and not room.released
    ]


def draft(arrival: date, number: int) -> dict[str, Any]:
    """Give the body of one caller."""
    email = f"caller{number}@example.test"
    guest = {"first_name": "Cal", "last_name": "Caller", "email": email, "phone": "+1 555 0100"}
    departure = arrival + timedelta(days=1)
    stay = {"arrival": f"{arrival}", "departure": f"{departure}", "room_type": "1", "rate_code": "BAR", "adults": 2}
    return {**stay, "guest": guest}


async def rush(hotel: HotelUnderTest, other: RunningGateway, arrival: date) -> list[httpx.Response]:
    """Let eight callers ask for a night at once, half of them at the other gateway."""
    elsewhere = await other.client(hotels=[hotel.id])
    path = f"/v1/hotels/{hotel.id}/reservations"
    callers = [(hotel.client, elsewhere)[number % 2] for number in range(CALLERS)]
    asked = [
        caller("POST", path, json=draft(arrival, number), key=f"{arrival}-{number}")
        for number, caller in enumerate(callers)
    ]
    return await asyncio.gather(*asked)


async def test_eight_callers_for_the_last_room_never_get_it_twice(
    make_hotel: MakeHotel, second_gateway: RunningGateway
) -> None:
    winners: list[int] = []
    for shop in range(SITES):
        hotel = await make_hotel("qloapps", modes={"race": "on"}, seeded=False)
        other = hotel.gateway if shop else second_gateway
        for night in range(NIGHTS):
            arrival = hotel.site.hotel.business_date + timedelta(days=30 + night)
            leave_one_room(hotel.site, arrival)
            answers = await rush(hotel, other, arrival)
            told = [one.json()["data"]["id"] for one in answers if one.status_code == 201]
            assert [booking.id for booking in holding(hotel.site, arrival)] == told
            refused = {code_of(one) for one in answers if one.status_code != 201}
            assert refused == {(409, "no_availability")}
            winners.append(len(told))
    assert winners == [1] * (SITES * NIGHTS)
