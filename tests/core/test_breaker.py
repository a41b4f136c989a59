"""The breaker opens when it should, and only then.

Bought by a client that turned every failure into its own error type while its breaker counted only the HTTP
library's (11 failures, state closed), and by what pybreaker does to coroutines.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.core import deadline
from app.core.breaker import Breaker, CircuitOpen, DeadlineCut
from app.domain.errors import (
    GatewayError,
    NotFound,
    Outcome,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorThrottled,
    VendorUnavailable,
)
from app.telemetry import metrics
from tests.core.vendor import Clients, ScriptedVendor, answer, ask, free_port, reset, silence, when
from tests.fixtures.clock import ManualClock

FAULTS = [OutcomeUnknown, VendorUnavailable, VendorContractBroken]
REFUSALS = [NotFound, VendorAuthFailed, VendorThrottled, DeadlineCut]


async def state_of(clients: Clients) -> str:
    (state,) = clients.services.breakers.states().values()
    return state


async def fail(clients: Clients, times: int) -> None:
    """Let `times` attempts fail, one attempt a call."""
    client = clients.make()
    for _ in range(times):
        with deadline.until(clients.clock.monotonic() + 1), pytest.raises(GatewayError):
            await ask(client)


@pytest.mark.parametrize(
    "reply", [answer(500), answer(200, b"<html>"), answer(302), reset], ids=["500", "garbage", "redirect", "reset"]
)
async def test_five_failures_open_the_circuit_though_the_errors_are_our_own(
    vendor: ScriptedVendor, clients: Clients, reply: Any
) -> None:
    vendor.will(reply)
    await fail(clients, 4)
    assert await state_of(clients) == "closed"
    await fail(clients, 1)
    assert await state_of(clients) == "open"
    assert len(vendor.seen) == 5


async def test_a_vendor_that_cannot_be_reached_opens_the_circuit(clients: Clients) -> None:
    clients.url = f"http://127.0.0.1:{free_port()}"
    await fail(clients, 5)
    assert await state_of(clients) == "open"


async def test_a_vendor_slower_than_its_own_timeout_opens_the_circuit(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(silence)
    client = clients.make(timeout=0.02)
    for _ in range(5):
        with deadline.until(clients.clock.monotonic() + 1), pytest.raises(OutcomeUnknown):
            await ask(client)
    assert await state_of(clients) == "open"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 429])
async def test_refusals_never_open_the_circuit(vendor: ScriptedVendor, clients: Clients, status: int) -> None:
    vendor.will(answer(status))
    await fail(clients, 12)
    assert await state_of(clients) == "closed"


async def test_an_attempt_that_a_callers_deadline_cut_short_counts_as_nothing(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(silence)
    client = clients.make()
    for _ in range(6):
        with deadline.until(clients.clock.monotonic() + 0.02), pytest.raises(DeadlineCut) as cut:
            await ask(client)
    assert cut.value.outcome is Outcome.UNKNOWN
    assert await state_of(clients) == "closed"


async def test_a_cancelled_call_counts_as_nothing(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(silence)
    client = clients.make()
    for known in range(1, 7):
        call = asyncio.create_task(ask(client))
        await vendor.has_seen(known)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert await state_of(clients) == "closed"


async def test_a_cancelled_call_does_not_forgive_earlier_failures(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    await fail(clients, 4)
    vendor.will(silence)
    call = asyncio.create_task(ask(clients.make()))
    await vendor.has_seen(5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    vendor.will(answer(500))
    await fail(clients, 1)
    assert await state_of(clients) == "open"


async def test_a_success_forgives_earlier_failures(vendor: ScriptedVendor, clients: Clients) -> None:
    for _ in range(3):
        vendor.will(answer(500))
        await fail(clients, 4)
        vendor.will(answer())
        await ask(clients.make())
    assert await state_of(clients) == "closed"


async def test_an_open_circuit_ends_the_retry_at_once_and_says_when_to_come_back(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    clients.clock.advance(10)
    with pytest.raises(CircuitOpen) as refused:
        await ask(clients.make())
    assert refused.value.retry_after == pytest.approx(20)
    assert refused.value.outcome is Outcome.NOT_SENT
    assert len(vendor.seen) == 5
    assert clients.clock.slept == []


async def test_a_circuit_that_opens_under_a_retry_ends_it(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    await fail(clients, 4)
    with pytest.raises(CircuitOpen):
        await ask(clients.make())
    assert len(vendor.seen) == 5


async def test_half_open_lets_exactly_one_of_many_through(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    clients.clock.advance(30)
    gate = asyncio.Event()
    vendor.will(when(gate, answer()))
    client = clients.make()
    calls = [asyncio.create_task(ask(client)) for _ in range(5)]
    await vendor.has_seen(6)
    refused = [call for call in calls if call.done()]
    assert len(refused) == 4
    assert all(isinstance(call.exception(), CircuitOpen) for call in refused)
    assert await state_of(clients) == "half-open"
    gate.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await state_of(clients) == "closed"
    assert len(vendor.seen) == 6


async def test_a_probe_that_fails_opens_the_circuit_for_another_while(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    clients.clock.advance(30)
    await fail(clients, 1)
    assert await state_of(clients) == "open"
    clients.clock.advance(29)
    await fail(clients, 1)
    assert len(vendor.seen) == 6
    clients.clock.advance(1)
    vendor.will(answer())
    await ask(clients.make())
    assert await state_of(clients) == "closed"


async def test_a_cancelled_probe_does_not_close_and_the_next_call_probes_again(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    clients.clock.advance(30)
    vendor.will(silence)
    probe = asyncio.create_task(ask(clients.make()))
    await vendor.has_seen(6)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert await state_of(clients) == "half-open"
    vendor.will(answer())
    await ask(clients.make())
    assert await state_of(clients) == "closed"


@pytest.mark.parametrize("status", [404, 401])
async def test_a_probe_that_is_refused_shows_that_the_vendor_is_back(
    vendor: ScriptedVendor, clients: Clients, status: int
) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    clients.clock.advance(30)
    vendor.will(answer(status))
    await fail(clients, 1)
    assert await state_of(clients) == "closed"


async def test_a_late_answer_from_before_the_circuit_opened_decides_nothing(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    gate = asyncio.Event()
    vendor.will(when(gate, answer()))
    early = asyncio.create_task(ask(clients.make()))
    await vendor.has_seen(1)
    vendor.will(answer(500))
    await fail(clients, 5)
    gate.set()
    await early
    assert await state_of(clients) == "open"


async def test_one_host_that_fails_does_not_cut_off_the_others(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    vendor.will(answer())
    await ask(clients.make(url=vendor.url.replace("127.0.0.1", "localhost")))
    assert sorted(clients.services.breakers.states().values()) == ["closed", "open"]


async def test_hosts_of_single_hotels_are_published_as_counts_by_state(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(500))
    await fail(clients, 5)
    vendor.will(answer())
    await ask(clients.make(url=vendor.url.replace("127.0.0.1", "localhost")))
    told = metrics.exposition(several_processes=False).decode()
    for state, count in (("closed", 1), ("open", 1), ("half-open", 0)):
        line = f'pms_circuit_breaker_state{{service="self-hosted:{state}",vendor="scripted"}} {count}.0'
        assert line in told
    port = vendor.url.rsplit(":", 1)[1]
    assert f":{port}" not in told, "the host of a single hotel is in no label"


async def test_every_change_of_a_circuit_is_published_when_it_happens(vendor: ScriptedVendor, clients: Clients) -> None:
    client = clients.make(vendor="watched", shared_host=True)
    line = f'pms_circuit_breaker_state{{service="{vendor.url.removeprefix("http://")}",vendor="watched"}} '

    def published() -> float:
        told = metrics.exposition(several_processes=False).decode()
        return next(float(one.removeprefix(line)) for one in told.splitlines() if one.startswith(line))

    vendor.will(answer())
    await ask(client)
    assert published() == 0
    vendor.will(answer(500))
    for _ in range(5):
        with deadline.until(clients.clock.monotonic() + 1), pytest.raises(OutcomeUnknown):
            await ask(client)
    assert published() == 1
    clients.clock.advance(30)
    gate = asyncio.Event()
    vendor.will(when(gate, answer()))
    probe = asyncio.create_task(ask(client))
    await vendor.has_seen(7)
    assert published() == 2
    gate.set()
    await probe
    assert published() == 0


async def test_a_shared_host_is_published_by_its_name_and_state(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    client = clients.make(vendor="shared", shared_host=True)
    for _ in range(5):
        with deadline.until(clients.clock.monotonic() + 1), pytest.raises(OutcomeUnknown):
            await ask(client)
    host = vendor.url.removeprefix("http://")
    told = metrics.exposition(several_processes=False).decode()
    assert f'pms_circuit_breaker_state{{service="{host}",vendor="shared"}} 1.0' in told


async def test_every_call_that_a_breaker_sees_is_counted_by_its_result(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(), answer(404), answer(500))
    client = clients.make(vendor="counted")
    for _ in range(8):
        with deadline.until(clients.clock.monotonic() + 1):
            await asyncio.gather(ask(client), return_exceptions=True)
    told = metrics.exposition(several_processes=False).decode()
    for state, result, count in (
        ("closed", "success", 1),
        ("closed", "refusal", 1),
        ("closed", "failure", 5),
        ("open", "blocked", 1),
    ):
        labels = f'{{result="{result}",state="{state}",vendor="counted"}}'
        assert f"pms_circuit_breaker_calls_total{labels} {count}.0" in told


class BreakerMachine(RuleBasedStateMachine):
    """The breaker against the rule in one sentence: five failures in a row open it, and 30 s later one call decides."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = Breaker("scripted", self.clock)
        self.in_a_row = 0
        self.opened_at: float | None = None
        self.was_refused = 0

    def _call(self, error: GatewayError | None) -> bool:
        """Make one call; tell whether it was let through."""
        let_through = False

        async def attempt() -> None:
            nonlocal let_through
            let_through = True
            if error is not None:
                raise error

        with pytest.raises((StopIteration, GatewayError)) as end:  # nothing in it really waits
            self.breaker.call(attempt).__await__().__next__()
        if not let_through:
            assert end.type is CircuitOpen
        elif error is not None:
            assert end.value is error
        else:
            assert end.type is StopIteration
        return let_through

    def _is_due(self) -> bool:
        return self.opened_at is None or self.clock.monotonic() >= self.opened_at + 30

    @rule(kind=st.sampled_from(FAULTS))
    def fails(self, kind: type[GatewayError]) -> None:
        due = self._is_due()
        assert self._call(kind("no")) is due
        if due:
            self.in_a_row += 1
            if self.opened_at is not None or self.in_a_row >= 5:
                self.opened_at = self.clock.monotonic()

    @rule()
    def succeeds(self) -> None:
        due = self._is_due()
        assert self._call(None) is due
        if due:
            self.in_a_row, self.opened_at = 0, None

    @rule(kind=st.sampled_from(REFUSALS))
    def is_refused(self, kind: type[GatewayError]) -> None:
        due = self._is_due()
        assert self._call(kind("no")) is due
        if due and self.opened_at is not None and kind in {NotFound, VendorAuthFailed}:
            self.in_a_row, self.opened_at = 0, None

    @rule(seconds=st.sampled_from([1.0, 29.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def it_is_closed_only_below_five_failures(self) -> None:
        assert (self.breaker.state == "closed") is (self.opened_at is None)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
