"""How long reads take that are made of several, on a clock that goes by itself."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from app.core.clock import SystemClock
from app.gateway.reads import STALE_AFTER
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate
from tests.fixtures.stays import seeded

SLACK = 1.0
"""Seconds of real time that a busy machine may add to an answer."""


@dataclass
class ForwardClock(SystemClock):
    """The machine's own clock, set forward now and then."""

    ahead: float = 0.0

    def now(self) -> datetime:
        """Give the instant, aware, UTC."""
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        """Give seconds that only ever grow."""
        return super().monotonic() + self.ahead


@pytest.fixture
def clock() -> ForwardClock:
    return ForwardClock()


@pytest.mark.parametrize("path", ["/in-house", "/arrivals", "/reservations/confirmation:{number}"])
@pytest.mark.parametrize("flushed", [False, True])
async def test_an_answer_of_two_readings_is_stale_as_soon_as_one_of_one(
    own_hotel: HotelUnderTest,
    clock: ForwardClock,
    gate: Gate,
    flush_redis: Callable[[], Awaitable[object]],
    path: str,
    *,
    flushed: bool,
) -> None:
    one = (await own_hotel.get(f"/reservations/{seeded(own_hotel, 'Lovelace').id}")).json()["data"]
    path = path.format(number=one["confirmation_number"])
    assert (await own_hotel.get(path)).status_code == 200
    clock.ahead = 1000
    assert (await own_hotel.get("/room-types")).status_code == 200  # the copies of keys and hotels are fresh again
    if flushed:
        await flush_redis()
    gate.stop(own_hotel.site)
    began = time.monotonic()
    answer = await own_hotel.send("GET", path, headers={"X-Request-Timeout": "2"})
    assert answer.headers["X-Cache"] == "STALE"
    assert time.monotonic() - began < (2.0 if flushed else STALE_AFTER) + SLACK
