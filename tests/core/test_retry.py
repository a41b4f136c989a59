"""What is tried again, how often, how long it waits, and what is never sent twice.

Bought by retries that never fired because the client renamed its errors, and by a random key per attempt that
booked twice.
"""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import deadline
from app.core.profile import IdempotencyKey
from app.core.retry import FIRST_DELAY, LONGEST_DELAY, backoff
from app.domain.errors import (
    DeadlineExceeded,
    GatewayError,
    NotFound,
    Outcome,
    OutcomeUnknown,
    VendorContractBroken,
    VendorThrottled,
    VendorUnavailable,
)
from tests.core.vendor import (
    Clients,
    Reply,
    ScriptedVendor,
    after,
    answer,
    ask,
    free_port,
    hang_up,
    reset,
    reset_within_the_body,
    silence,
    write,
)
from tests.fixtures.clock import START

KEYED = IdempotencyKey("Idempotency-Key", 86_400)


@given(st.integers(1, 50), st.floats(0, 1))
def test_the_wait_doubles_from_one_second_to_thirty_with_half_of_it_as_jitter(attempt: int, jitter: float) -> None:
    least = min(FIRST_DELAY * 2.0 ** (attempt - 1), LONGEST_DELAY)
    assert least <= backoff(attempt, jitter) <= least * 1.5
    assert 1 <= backoff(attempt, jitter) <= 45


@pytest.mark.parametrize(
    "fault",
    [
        answer(500),
        answer(503),
        answer(408),
        answer(200, b"garbage"),
        answer(302),
        reset,
        reset_within_the_body,
        hang_up,
    ],
    ids=["500", "503", "408", "garbage", "302", "reset", "reset-in-body", "hang-up"],
)
async def test_a_read_is_tried_up_to_three_times(vendor: ScriptedVendor, clients: Clients, fault: Reply) -> None:
    vendor.will(fault, fault, answer(200, {"ok": 1}))
    assert await ask(clients.make()) == {"ok": 1}
    assert len(vendor.seen) == 3
    first, second = clients.clock.slept
    assert 1 <= first <= 1.5
    assert 2 <= second <= 3


async def test_a_read_ends_after_the_third_failure(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    with pytest.raises(OutcomeUnknown):
        await ask(clients.make())
    assert len(vendor.seen) == 3


async def test_a_read_that_times_out_is_tried_again(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(silence, answer(200, {"ok": 1}))
    assert await ask(clients.make(timeout=0.05)) == {"ok": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412, 422])
async def test_a_refusal_is_an_answer(vendor: ScriptedVendor, clients: Clients, status: int) -> None:
    vendor.will(answer(status))
    with pytest.raises(GatewayError) as refused:
        await ask(clients.make())
    assert refused.value.outcome is Outcome.REJECTED
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_the_vendor_asks_for_is_kept(vendor: ScriptedVendor, clients: Clients, status: int) -> None:
    vendor.will(answer(status, Retry_After="7"), answer(200, {"ok": 1}))
    await ask(clients.make())
    assert clients.clock.slept == [7]


async def test_the_vendor_may_name_a_date(vendor: ScriptedVendor, clients: Clients) -> None:
    until = format_datetime(START + timedelta(seconds=9), usegmt=True)
    vendor.will(answer(429, Retry_After=until), answer(200, {"ok": 1}))
    await ask(clients.make())
    assert clients.clock.slept == [9]


async def test_a_wait_that_leaves_less_than_half_a_second_is_not_waited(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(429, Retry_After="7"))
    with deadline.until(clients.clock.monotonic() + 7.4), pytest.raises(VendorThrottled) as refused:
        await ask(clients.make())
    assert refused.value.retry_after == 7
    assert clients.clock.slept == []
    assert len(vendor.seen) == 1


async def test_a_wait_that_leaves_enough_is_waited(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(429, Retry_After="7"), answer(200, {"ok": 1}))
    with deadline.until(clients.clock.monotonic() + 7.6):
        await ask(clients.make())
    assert len(vendor.seen) == 2


async def test_nothing_is_sent_after_the_deadline(vendor: ScriptedVendor, clients: Clients) -> None:
    with deadline.until(clients.clock.monotonic()), pytest.raises(DeadlineExceeded):
        await ask(clients.make())
    assert vendor.seen == []


async def test_an_earlier_deadline_outside_wins(vendor: ScriptedVendor, clients: Clients) -> None:
    now = clients.clock.monotonic()
    with deadline.until(now), deadline.until(now + 10), pytest.raises(DeadlineExceeded):
        await ask(clients.make())
    assert deadline.remaining(now) == float("inf")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(answer(500), OutcomeUnknown), (answer(200, b"garbage"), VendorContractBroken), (reset, OutcomeUnknown)],
    ids=["500", "garbage", "reset"],
)
async def test_a_write_that_may_have_happened_is_not_sent_again(
    vendor: ScriptedVendor, clients: Clients, fault: Reply, kind: type[GatewayError]
) -> None:
    vendor.will(fault, answer())
    operation = clients.operation()
    with pytest.raises(kind) as unknown:
        await write(clients.make(), operation)
    assert unknown.value.outcome is Outcome.UNKNOWN
    assert len(vendor.seen) == 1
    assert operation.sends == 1


async def test_a_write_with_a_key_that_the_vendor_honours_is_sent_again_with_the_same_key(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(500), reset, answer(200, {"ok": 1}))
    operation = clients.operation()
    assert await write(clients.make(idempotency_key=KEYED), operation) == {"ok": 1}
    keys = [seen.headers["idempotency-key"] for seen in vendor.seen]
    assert keys == [operation.reference("reserve")] * 3
    assert {seen.body for seen in vendor.seen} == {b'{"room":1}'}


async def test_a_write_that_the_vendor_surely_did_not_take_is_sent_again(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(429), answer(429), answer(200, {"ok": 1}))
    operation = clients.operation()
    assert await write(clients.make(), operation) == {"ok": 1}
    assert operation.sends == 1


async def test_a_write_that_never_reached_the_vendor_leaves_no_send(clients: Clients) -> None:
    operation = clients.operation()
    with pytest.raises(VendorUnavailable):
        await write(clients.make(url=f"http://127.0.0.1:{free_port()}"), operation)
    assert operation.sends == 0
    assert len(clients.clock.slept) == 2


@pytest.mark.parametrize("later", [429, 404, 409, 401])
async def test_once_a_send_may_have_landed_no_later_answer_says_that_it_did_not(
    vendor: ScriptedVendor, clients: Clients, later: int
) -> None:
    vendor.will(answer(500), answer(later))
    operation = clients.operation()
    with pytest.raises(OutcomeUnknown):
        await write(clients.make(idempotency_key=KEYED), operation)
    assert operation.sends >= 1


async def test_an_operation_that_ends_between_two_sends_is_not_told_as_never_sent(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(after(clients.clock, 59.5, answer(500)))
    with pytest.raises(OutcomeUnknown):
        await write(clients.make(idempotency_key=KEYED), clients.operation(budget=60))
    assert len(vendor.seen) == 1


async def test_a_refusal_after_none_but_bounces_is_the_answer(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(429), answer(404))
    with pytest.raises(NotFound):
        await write(clients.make(idempotency_key=KEYED), clients.operation())


async def test_a_fault_of_ours_is_never_tried_again(vendor: ScriptedVendor, clients: Clients) -> None:
    def stumble(_: Any) -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        await ask(clients.make(is_success=stumble))
    assert len(vendor.seen) == 1
