"""A vendor's quota is kept by us, so that the vendor never has to."""

import asyncio

import pytest

from app.core import deadline
from app.core.profile import RateLimit
from app.core.throttle import LocalQuota
from app.domain.errors import Outcome, VendorThrottled
from tests.core.vendor import Clients, ScriptedVendor, ask, write
from tests.fixtures.clock import ManualClock

THREE_A_MINUTE = (RateLimit(3, 60),)


async def test_the_vendor_never_sees_more_than_its_quota(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=THREE_A_MINUTE)

    async def once() -> object:
        with deadline.until(clients.clock.monotonic() + 10):
            return await ask(client)

    results = await asyncio.gather(*(once() for _ in range(10)), return_exceptions=True)
    assert len(vendor.seen) == 3
    throttled = [result for result in results if isinstance(result, VendorThrottled)]
    assert len(throttled) == 7
    assert all(0 < (error.retry_after or 0) <= 60 for error in throttled)


async def test_what_waits_for_its_turn_is_sent_when_it_comes(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(rate_limits=THREE_A_MINUTE)
    began = clients.clock.monotonic()
    await asyncio.gather(*(ask(client) for _ in range(10)))
    assert len(vendor.seen) == 10
    assert 180 <= clients.clock.monotonic() - began < 250


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
