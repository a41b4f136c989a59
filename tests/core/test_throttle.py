"""A vendor's quota is kept by us, so that the vendor never has to."""

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest
from pydantic import SecretStr

from app.core import deadline, priority
from app.core.auth import Bearer
from app.core.clock import SystemClock
from app.core.http import VendorClient
from app.core.profile import RateLimit
from app.core.services import VendorServices
from app.core.throttle import LONGEST_PAUSE, PAUSE_SECONDS, LocalQuota, QuotaLeft, kept_for
from app.domain.errors import GatewayError, Outcome, VendorThrottled
from tests.core.vendor import LOOPBACK, PROFILE, Clients, Exchange, ScriptedVendor, answer, ask, write
from tests.fixtures.clock import ManualClock
from tests.fixtures.windows import most_within

THREE_A_MINUTE = (RateLimit(3, 60),)
A_MINUTE = kept_for(THREE_A_MINUTE[0])
"""A minute, and what a request may take to arrive."""
THREE_IN_THIRTY = (RateLimit(3, 30),)


async def test_the_vendor_never_sees_more_than_its_quota(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=THREE_A_MINUTE)

    async def once() -> object:
        with deadline.until(clients.clock.monotonic() + 10):
            return await ask(client)

    results = await asyncio.gather(*(once() for _ in range(10)), return_exceptions=True)
    assert len(vendor.seen) == 3
    throttled = [result for result in results if isinstance(result, VendorThrottled)]
    assert len(throttled) == 7
    assert all(0 < (error.retry_after or 0) <= A_MINUTE for error in throttled)


async def test_what_waits_for_its_turn_is_sent_when_it_comes(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=THREE_IN_THIRTY)
    began = clients.clock.monotonic()
    await asyncio.gather(*(ask(client) for _ in range(10)))
    assert len(vendor.seen) == 10
    assert 3 * kept_for(THREE_IN_THIRTY[0]) <= clients.clock.monotonic() - began < 125


async def test_nobody_waits_for_longer_than_a_minute_even_without_a_deadline() -> None:
    clock = ManualClock()
    quota = LocalQuota(clock)
    await quota.close("scripted", "silent", 9_000)
    for account, limits in (("silent", ()), ("silent", THREE_A_MINUTE), ("nothing", (RateLimit(0, 1),))):
        with pytest.raises(VendorThrottled):
            await quota.take("scripted", account, limits)
    for _ in range(3):
        await quota.take("scripted", "account", THREE_A_MINUTE)
    with pytest.raises(VendorThrottled) as refused:
        await quota.take("scripted", "account", THREE_A_MINUTE)
    assert refused.value.retry_after == A_MINUTE
    assert clock.slept == []


async def test_in_no_window_are_there_more_than_the_quota_allows() -> None:
    clock = ManualClock()
    quota, sent = LocalQuota(clock), []
    for _ in range(40):
        await quota.take("scripted", "account", (RateLimit(5, 10), RateLimit(12, 60)))
        sent.append(clock.monotonic())
        clock.advance(0.7)
    for requests, window in ((5, 10), (12, 60)):
        assert all(later - first >= window - 1e-6 for first, later in zip(sent, sent[requests:], strict=False))


async def test_waiting_for_quota_is_no_failure_of_the_vendor(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=(RateLimit(1, 60),))
    for _ in range(8):
        with deadline.until(clients.clock.monotonic() + 1):
            await asyncio.gather(ask(client), return_exceptions=True)
    assert set(clients.services.breakers.states().values()) == {"closed"}
    assert len(vendor.seen) == 1


async def test_a_write_that_found_no_quota_was_not_sent(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=(RateLimit(1, 60),))
    await ask(client)
    operation = clients.operation()
    with deadline.until(clients.clock.monotonic() + 1), pytest.raises(VendorThrottled) as throttled:
        await write(client, operation)
    assert throttled.value.outcome is Outcome.NOT_SENT
    assert operation.sends == 0
    assert len(vendor.seen) == 1


async def test_other_credentials_have_a_quota_of_their_own() -> None:
    clock = ManualClock()
    quota = LocalQuota(clock)
    for account in ("one", "other"):
        for _ in range(3):
            await quota.take("scripted", account, THREE_A_MINUTE)
    await quota.take("another vendor", "one", THREE_A_MINUTE)
    assert clock.slept == []


async def test_without_a_limit_nothing_waits() -> None:
    clock = ManualClock()
    quota = LocalQuota(clock)
    for _ in range(1_000):
        await quota.take("scripted", "account", ())
    assert clock.slept == []


async def test_a_request_that_is_late_does_not_meet_those_of_the_next_window() -> None:
    clock = ManualClock()
    quota = LocalQuota(clock)
    for _ in range(3):
        await quota.take("scripted", "account", THREE_A_MINUTE)
    clock.advance(60.1)
    assert await quota.left("scripted", "account", THREE_A_MINUTE) == QuotaLeft(3, 60, 0)
    clock.advance(2)
    assert await quota.left("scripted", "account", THREE_A_MINUTE) == QuotaLeft(3, 60, 3)


async def test_what_is_left_is_that_of_the_tightest_limit() -> None:
    quota = LocalQuota(ManualClock())
    assert await quota.left("scripted", "account", ()) is None
    for _ in range(2):
        await quota.take("scripted", "account", THREE_A_MINUTE)
    limits = (RateLimit(100, 3_600), *THREE_A_MINUTE)
    assert await quota.left("scripted", "account", limits) == QuotaLeft(3, 60, 1)


@pytest.mark.parametrize("limits", [(), THREE_A_MINUTE], ids=["no limit", "a limit"])
@pytest.mark.parametrize(
    ("headers", "silence"),
    [({"Retry_After": "7"}, 7), ({}, PAUSE_SECONDS), ({"Retry_After": "9000"}, LONGEST_PAUSE)],
    ids=["seconds", "nothing", "hours"],
)
async def test_nothing_is_sent_while_the_vendor_wants_nothing(
    vendor: ScriptedVendor,
    clients: Clients,
    limits: tuple[RateLimit, ...],
    headers: dict[str, str],
    silence: float,
) -> None:
    client = clients.make(rate_limits=limits)
    vendor.will(answer(429, **headers), answer(200, {"ok": 1}))
    for _ in range(3):
        with deadline.until(clients.clock.monotonic() + 0.5), pytest.raises(VendorThrottled) as throttled:
            await ask(client)
    assert len(vendor.seen) == 1
    assert throttled.value.retry_after == silence
    clients.clock.advance(silence)
    assert await ask(client) == {"ok": 1}


async def test_a_gate_is_closed_for_those_credentials_alone_and_never_opened_early() -> None:
    clock = ManualClock()
    quota = LocalQuota(clock)
    await quota.close("scripted", "one", 60)
    await quota.close("scripted", "one", 5)
    await quota.take("scripted", "other", ())
    await quota.take("another vendor", "one", ())
    assert clock.slept == []
    await quota.take("scripted", "one", ())
    assert clock.slept == [60]


async def test_the_background_has_half_of_a_window_and_callers_have_all_of_it() -> None:
    clock = ManualClock()
    quota, four = LocalQuota(clock), (RateLimit(4, 60),)
    with priority.background():
        for _ in range(2):
            await quota.take("scripted", "account", four)
        with deadline.until(clock.monotonic() + 1), pytest.raises(VendorThrottled):
            await quota.take("scripted", "account", four)
    for _ in range(2):
        await quota.take("scripted", "account", four)
    assert clock.slept == []


async def test_the_background_waits_behind_a_caller_who_waits() -> None:
    clock, order = ManualClock(), list[str]()
    quota, one = LocalQuota(clock), (RateLimit(1, 3),)
    await quota.take("scripted", "account", one)

    async def take(name: str) -> None:
        await quota.take("scripted", "account", one)
        order.append(name)

    with priority.background():
        behind = asyncio.create_task(take("background"))
    await asyncio.gather(take("caller"), behind)
    assert order == ["caller", "background"]


async def test_no_permission_grows_stale_while_all_connections_are_in_use(vendor: ScriptedVendor) -> None:
    arrived, began = list[float](), time.monotonic()

    async def stall_and_then_be_fast(exchange: Exchange) -> None:
        arrived.append(time.monotonic())
        await asyncio.sleep(max(0.0, began + 1.7 - time.monotonic()))
        await answer()(exchange)

    vendor.script = [stall_and_then_be_fast]
    services = VendorServices.of(LOOPBACK, clock=SystemClock())
    profile = replace(PROFILE, rate_limits=(RateLimit(40, 1),), max_connections=20)
    pool = services.pools.of(profile, vendor.url)
    client = VendorClient(profile, vendor.url, Bearer(SecretStr("key")), "account", services, pool)

    async def once() -> object:
        with deadline.until(time.monotonic() + 6):
            return await ask(client)

    await asyncio.gather(*(once() for _ in range(110)))
    assert len(arrived) == 110
    assert most_within(1, arrived) <= 40
    await services.pools.aclose()


async def test_who_tries_out_whether_the_vendor_is_back_does_not_wait_long_for_quota(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    limited, free = clients.make(rate_limits=(RateLimit(5, 20),)), clients.make()
    other = replace(free, account="other")
    vendor.will(*[answer(500)] * 5, answer(200, {"ok": 1}))
    for _ in range(5):
        with contextlib.suppress(GatewayError), deadline.until(clients.clock.monotonic() + 0.4):
            await ask(limited)
    [state] = clients.services.breakers.states().values()
    assert state == "open"
    clients.clock.advance(30)
    await clients.services.quota.close("scripted", "account", 20)
    with deadline.until(clients.clock.monotonic() + 50):
        answers = await asyncio.gather(ask(limited), ask(other), return_exceptions=True)
    assert answers[1] == {"ok": 1}
