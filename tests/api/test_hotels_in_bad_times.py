"""Hotels while a neighbour is away, a caller is in a hurry, or what is stored of one cannot be used."""

import time
from typing import Any

import pytest
from sqlalchemy import update

from app.store.tables import HotelRow
from tests.api.test_hotels import MINIMAL
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest, RunningGateway
from tests.fixtures.own_gateway import OpenGateway, Wired
from tests.fixtures.simulators import FreshSite


async def test_putting_a_hotel_holds_no_connections_to_its_pms(own_hotel: HotelUnderTest) -> None:
    gateway = own_hotel.gateway
    pools = gateway.app.state.gateway.connectors._factory.services.pools
    for _ in range(3):
        await gateway.register(own_hotel.site, own_hotel.id)
    assert pools._holders.total() == 0


async def test_a_refresh_that_the_cache_did_not_confirm_is_none(wired: Wired) -> None:
    await wired.hotel.get("/rooms")
    await wired.redis.cut()
    answer = await wired.hotel.send("DELETE", "/cache")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    await wired.redis.mend()
    assert (await wired.hotel.get("/rooms")).headers["x-cache"] == "MISS"


# --- how long a caller waits ---


@pytest.mark.parametrize(
    "path", ["/v1/hotels", "/v1/hotels/x", "/v1/vendors", "/v1/vendors/bridge", "/v1/operations/x"]
)
async def test_every_operation_takes_a_budget_that_is_one(gateway: RunningGateway, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await gateway.admin(method, path, headers={"X-Request-Timeout": "banana"}, json=MINIMAL)
        if answer.status_code != 405:
            assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["x-request-timeout"]), method
    nobody = await gateway.http.get(path, headers={"X-Request-Timeout": "banana"})
    assert nobody.status_code == 401


async def test_a_budget_is_kept_while_postgres_hangs(wired: Wired) -> None:
    gateway = wired.hotel.gateway
    path = f"/v1/hotels/{wired.hotel.id}"
    hurried = {"headers": {"X-Request-Timeout": "0.3"}}
    assert (await gateway.admin.get(path)).status_code == 200
    wired.postgres.hold()
    for method, where, status in (
        ("GET", "/v1/hotels", 200),
        ("GET", "/v1/vendors", 200),
        ("GET", "/v1/operations/00000000-0000-0000-0000-000000000000", 503),
        ("PUT", path, 503),
        ("DELETE", path, 503),
    ):
        began = time.monotonic()
        answer = await gateway.admin(method, where, json=MINIMAL if method == "PUT" else None, **hurried)
        assert answer.status_code == status, (method, where, answer.text)
        assert time.monotonic() - began < 1.3
    wired.postgres.release()


# --- hotels that this version can make nothing of ---


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vendor": "gone"}, "gone"),
        ({"options": {"no_such_option": 1}}, "no_such_option"),
        ({"cache": {"guest_ttl": -1}}, "guest_ttl"),
        ({"credentials": b"x"}, "credentials"),
    ],
)
async def test_a_hotel_that_is_broken_breaks_no_other(
    open_gateway: OpenGateway, fresh_site: FreshSite, clock: ManualClock, change: dict[str, Any], told: str
) -> None:
    gateway = await open_gateway()
    well, broken = [await gateway.register(fresh_site("bridge")) for _ in range(2)]
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        await work.session.execute(update(HotelRow).where(HotelRow.id == broken).values(**change))
    clock.advance(3)
    try:
        assert (await gateway.admin.get(f"/v1/hotels/{well}/rooms")).status_code == 200
        for path in ("", "/rooms", "/capabilities"):
            answer = await gateway.admin.get(f"/v1/hotels/{broken}{path}")
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert told in answer.json()["detail"]
        client = await gateway.client(hotels=[well, broken])
        assert [one["id"] for one in (await client.get("/v1/hotels")).json()["data"]] == [well]
        assert (await gateway.admin("PUT", f"/v1/hotels/{broken}", json=MINIMAL)).status_code == 200
        assert (await gateway.admin.get(f"/v1/hotels/{broken}")).status_code == 200
    finally:
        assert (await gateway.admin("DELETE", f"/v1/hotels/{broken}")).status_code == 204


async def test_a_hotel_that_is_broken_can_be_erased(
    open_gateway: OpenGateway, fresh_site: FreshSite, clock: ManualClock
) -> None:
    gateway = await open_gateway()
    broken = await gateway.register(fresh_site("bridge"))
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        await work.session.execute(update(HotelRow).where(HotelRow.id == broken).values(vendor="gone"))
    clock.advance(3)
    assert (await gateway.admin("DELETE", f"/v1/hotels/{broken}")).status_code == 204
    assert (await gateway.admin.get(f"/v1/hotels/{broken}")).status_code == 404
