"""A PMS that means harm, or is broken as if it did: the caller gets a typed answer, and nobody else notices."""

import json
from typing import Any

import httpx
import pytest

from app.simulators.faults import Fault, FaultKind
from tests.api.test_hostile_bodies import replaced, strings_of
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.simulators import SimulatorServer

ODD = {
    "a NUL": "\u0000",
    "half a surrogate": "\ud800",
    "an escape": "\u001b[31m",
    "a line separator": "\u2028",
    "a line break": "\r\nX-Evil: 1",
    "a bidi override": "\u202e",
    "a megabyte": "x" * 1_000_000,
}
DRAFT = {
    "arrival": "2027-03-01",
    "departure": "2027-03-03",
    "room_type": "STD",
    "rate_code": "FLEX",
    "adults": 2,
    "guest": {"last_name": "Wendelgard"},
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("status", [404, 409, 422, 500])
async def test_whatever_a_pms_says_of_a_failure_can_be_told(own_hotel: HotelUnderTest, what: str, status: int) -> None:
    odd = ODD[what]
    words = {"code": f"X{odd}", "message": f"no {odd}", "errors": [{"field": f"a{odd}", "message": f"no {odd}"}]}
    strike = Fault(kind=FaultKind.STATUS, status=status, body=json.dumps(words), headers={"Retry-After": "1"})
    own_hotel.site.faults.add(strike)
    answers = [
        await own_hotel.get("/rooms"),
        await own_hotel.get("/reservations/R1001"),
        await own_hotel.send("POST", "/reservations", DRAFT, key="k1"),
        await own_hotel.send("PUT", "/rooms/101/status", {"cleaning": "clean"}, key="k2"),
        await own_hotel.send("POST", "/check"),
    ]
    for answer in answers:
        assert answer.status_code in {200, 202, 404, 409, 422, 502, 503}, answer.text[:500]
        assert len(answer.content) < 5_000
        assert "x-evil" not in answer.headers
    letters = await own_hotel.gateway.admin.get("/v1/dead-letters", hotel_id=own_hotel.id)
    assert letters.status_code == 200, letters.text[:500]
    audit = await own_hotel.gateway.admin.get("/v1/audit", hotel_id=own_hotel.id)
    assert audit.status_code == 200, audit.text[:500]


READS = ("/rooms", "/room-types", "/rate-plans", "/arrivals", "/in-house", "/guests?last_name=Lovelace")


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("path", READS)
async def test_whatever_a_pms_has_in_its_own_texts_can_be_read_or_is_a_broken_contract(
    own_hotel: HotelUnderTest, simulators: SimulatorServer, path: str, what: str
) -> None:
    site, forced = own_hotel.site, {"Cache-Control": "no-cache"}
    at = f"/v1/hotels/{own_hotel.id}{path}"
    assert (await own_hotel.client("GET", at)).json()["data"], "there is something to be changed"
    asked = site.requests[-1]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {site.api_key}"}) as http:
        true = (await http.get(f"{simulators.base_url(site)}{asked.path}?{asked.query}")).json()
    places = texts_of_the_first(true)
    assert len(places) >= 3
    met = set()
    for place in places:
        site.faults.add(Fault(kind=FaultKind.GARBAGE_UNDONE, body=json.dumps(replaced(true, place, ODD[what]))))
        answer = await own_hotel.client("GET", at, headers=forced)
        assert answer.status_code in {200, 502}, (place, answer.text[:300])
        json.loads(answer.content)
        met.add(answer.status_code)
        site.faults.clear()
    assert (await own_hotel.client("GET", at, headers=forced)).status_code == 200


def texts_of_the_first(body: Any) -> list[tuple[str | int, ...]]:
    """Give the places of all texts in the first thing of a list."""
    return [place for place in strings_of(body) if all(step == 0 or isinstance(step, str) for step in place)]
