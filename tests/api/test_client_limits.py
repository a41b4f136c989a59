"""What a client is told that asks too often, at two gateways over one Redis."""

import httpx
import pytest

from tests.api.document import PROBLEM
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import Client, RunningGateway
from tests.fixtures.own_gateway import OpenGateway
from tests.fixtures.stays import code_of
from tests.fixtures.wire import wire_to

LIMIT = 12
Two = tuple[RunningGateway, RunningGateway]


@pytest.fixture
async def two(open_gateway: OpenGateway) -> Two:
    return (
        await open_gateway(client_requests_per_minute=LIMIT, expected_processes=2),
        await open_gateway(client_requests_per_minute=LIMIT, expected_processes=2),
    )


def elsewhere(client: Client, gateway: RunningGateway) -> Client:
    """Let the same caller speak to another gateway."""
    return Client(gateway.http, client.token)


async def statuses(*callers: Client, times: int, path: str = "/v1/vendors") -> list[int]:
    return [(await caller.get(path)).status_code for _ in range(times) for caller in callers]


async def test_a_client_has_its_limit_once_and_not_at_each_gateway(two: Two) -> None:
    caller = await two[0].client()
    answers = await statuses(caller, elsewhere(caller, two[1]), times=LIMIT)
    assert answers == [200] * LIMIT + [429] * LIMIT


async def test_a_refusal_is_a_problem_that_says_when_to_come_back(two: Two) -> None:
    caller = await two[0].client()
    await statuses(caller, times=LIMIT)
    answer = await caller.get("/v1/vendors")
    assert code_of(answer) == (429, "rate_limited")
    assert answer.headers["Content-Type"] == PROBLEM
    assert 1 <= int(answer.headers["Retry-After"]) == answer.json()["retry_after"] <= 60


async def test_two_keys_of_one_client_share_its_limit_and_another_client_has_its_own(two: Two) -> None:
    old, new = await two[0].client(name="with-two-keys"), await two[1].client(name="with-two-keys")
    other = await two[0].client()
    assert await statuses(old, new, times=LIMIT) == [200] * LIMIT + [429] * LIMIT
    assert await statuses(other, times=LIMIT) == [200] * LIMIT


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/hotels", 200),
        ("/v1/hotels?limit=1", 200),
        ("/v1/hotels?no_such_filter=1", 422),
        ("/v1/hotels/nowhere/reservations?last_name=X", 404),
    ],
)
async def test_each_request_counts_once_whatever_becomes_of_it(two: Two, path: str, status: int) -> None:
    caller = await two[0].client()
    assert await statuses(caller, times=LIMIT + 1, path=path) == [status] * LIMIT + [429]


async def test_who_is_nobody_uses_up_nothing_and_is_told_so(two: Two) -> None:
    caller = await two[0].client()
    nobody = Client(caller.http, f"{caller.token}x")
    assert await statuses(nobody, times=LIMIT + 1) == [401] * (LIMIT + 1)
    assert await statuses(caller, times=LIMIT) == [200] * LIMIT


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/openapi.json"])
async def test_what_needs_no_key_is_not_limited(two: Two, path: str) -> None:
    caller = await two[0].client()
    await statuses(caller, times=LIMIT)
    assert await statuses(caller, times=LIMIT + 1, path=path) == [200] * (LIMIT + 1)


async def test_refusals_are_counted_without_a_name(two: Two) -> None:
    caller = await two[0].client(name="the-busy-one")
    before = await _refusals(two[0].http)
    await statuses(caller, times=LIMIT + 3)
    assert await _refusals(two[0].http) - before == 3
    assert "the-busy-one" not in (await two[0].http.get("/metrics")).text


async def _refusals(http: httpx.AsyncClient) -> float:
    lines = (await http.get("/metrics")).text.splitlines()
    (line,) = (line for line in lines if line.startswith("pms_client_refusals_total "))
    return float(line.split()[1])


async def test_without_a_limit_nobody_is_refused(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(client_requests_per_minute=0)
    assert await statuses(await gateway.client(), times=50) == [200] * 50


async def test_while_redis_is_away_each_gateway_keeps_to_its_share(
    open_gateway: OpenGateway, redis_url: str, clock: ManualClock
) -> None:
    async with wire_to(redis_url) as wire:
        gateway = await open_gateway(
            redis_url=wire.instead_of(redis_url), client_requests_per_minute=LIMIT, expected_processes=4
        )
        caller = await gateway.client()
        await wire.cut()
        assert await statuses(caller, times=LIMIT // 4 + 2) == [200] * (LIMIT // 4) + [429] * 2
        clock.advance(60)
        assert await statuses(caller, times=1) == [200]
