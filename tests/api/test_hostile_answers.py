"""A PMS that means harm, or is broken as if it did: the caller gets a typed answer, and nobody else notices."""

import json
from typing import Any

import pytest

from app.simulators.faults import Fault, FaultKind
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import OpenGateway
from tests.fixtures.simulators import FreshSite

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
@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500])
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


LISTS = ("/rooms", "/room-types", "/rate-plans", "/arrivals", "/in-house", "/guests?last_name=Lovelace")


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("vendor", ["bridge", "qloapps"])
async def test_whatever_a_pms_writes_into_its_own_texts_can_be_read(
    open_gateway: OpenGateway, fresh_site: FreshSite, vendor: str, what: str
) -> None:
    gateway = await open_gateway()
    site = fresh_site(vendor)
    hotel_id = await gateway.register(site)
    client = await gateway.client(hotels=[hotel_id])
    before = {path: await client.get(f"/v1/hotels/{hotel_id}{path}") for path in LISTS}
    for path in LISTS:
        assert before[path].status_code == 200, before[path].text
