import asyncio
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import deadline
from app.core.breaker import NoFreeConnection
from app.core.faults import BY_STATUS, error_from_answer, retry_after
from app.core.profile import VendorAnswer
from app.domain.errors import (
    Conflict,
    GatewayError,
    NoAvailability,
    NotFound,
    Outcome,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
    VersionMoved,
)
from tests.core.vendor import (
    PROFILE,
    Clients,
    Reply,
    ScriptedVendor,
    answer,
    ask,
    free_port,
    half_a_body,
    hang_up,
    reset,
    reset_within_the_body,
    silence,
    when,
    zipped,
)

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (300, VendorContractBroken, Outcome.UNKNOWN),
        (301, VendorContractBroken, Outcome.UNKNOWN),
        (304, VendorContractBroken, Outcome.UNKNOWN),
        (400, VendorRejected, Outcome.REJECTED),
        (401, VendorAuthFailed, Outcome.REJECTED),
        (402, VendorRejected, Outcome.REJECTED),
        (403, VendorAuthFailed, Outcome.REJECTED),
        (404, NotFound, Outcome.REJECTED),
        (405, VendorRejected, Outcome.REJECTED),
        (408, OutcomeUnknown, Outcome.UNKNOWN),
        (409, Conflict, Outcome.REJECTED),
        (410, NotFound, Outcome.REJECTED),
        (412, VersionMoved, Outcome.REJECTED),
        (422, VendorRejected, Outcome.REJECTED),
        (429, VendorThrottled, Outcome.NOT_SENT),
        (500, OutcomeUnknown, Outcome.UNKNOWN),
        (502, OutcomeUnknown, Outcome.UNKNOWN),
        (503, OutcomeUnknown, Outcome.UNKNOWN),
        (504, OutcomeUnknown, Outcome.UNKNOWN),
        (599, OutcomeUnknown, Outcome.UNKNOWN),
    ],
)
async def test_a_status_stands_for_one_error_with_one_outcome(
    vendor: ScriptedVendor, clients: Clients, status: int, kind: type[GatewayError], outcome: Outcome
) -> None:
    vendor.will(answer(status))
    with pytest.raises(GatewayError) as raised:
        await ask(clients.make())
    assert type(raised.value) is kind
    assert raised.value.outcome is outcome
    assert raised.value.vendor == "scripted"
    assert raised.value.vendor_code == str(status)


def test_the_table_names_only_failures() -> None:
    assert all(400 <= status < 500 for status in BY_STATUS)


@given(st.integers(200, 599))
def test_every_status_has_a_meaning(status: int) -> None:
    error = error_from_answer(PROFILE, VendorAnswer(status, {}, b""), NOW)
    assert (error is None) is (status < 300)


async def test_the_vendors_own_code_decides_before_the_status(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500, {"code": "SOLD_OUT", "message": "No room left"}))
    with pytest.raises(NoAvailability, match="No room left") as raised:
        await ask(clients.make(faults={"SOLD_OUT": NoAvailability}))
    assert raised.value.vendor_code == "SOLD_OUT"


async def test_a_200_that_the_vendor_means_as_a_failure_is_one(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, {"code": "SOLD_OUT"}))
    with pytest.raises(NoAvailability):
        await ask(
            clients.make(faults={"SOLD_OUT": NoAvailability}, is_success=lambda reply: "code" not in reply.json())
        )


async def test_words_of_a_vendor_that_is_broken_are_not_passed_on(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500, {"code": "X", "message": "SELECT canary FROM guests"}))
    with pytest.raises(OutcomeUnknown) as raised:
        await ask(clients.make())
    assert "canary" not in str(raised.value)


async def test_words_of_a_refusal_are_passed_on_but_not_without_end(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(422, {"code": "X", "message": "no" * 5_000}))
    with pytest.raises(VendorRejected) as raised:
        await ask(clients.make())
    assert "nono" in raised.value.detail
    assert len(raised.value.detail) < 500


async def test_a_body_that_is_not_as_documented_names_the_place_and_not_the_value(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(200, {"guest": "canary"}))
    with pytest.raises(VendorContractBroken, match="guest") as raised:
        await clients.make().ask("GET", "things", answer=dict[str, int])
    assert "canary" not in f"{raised.value} {raised.value.__cause__}"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (reset, Outcome.UNKNOWN),
        (hang_up, Outcome.UNKNOWN),
        (reset_within_the_body, Outcome.UNKNOWN),
        (half_a_body, Outcome.UNKNOWN),
        (silence, Outcome.UNKNOWN),
        (answer(200, b"not gzip at all", Content_Encoding="gzip"), Outcome.UNKNOWN),
        (zipped(b"{}", times=2), Outcome.UNKNOWN),
    ],
    ids=["reset", "hang-up", "reset-in-body", "slow-body", "silence", "broken-gzip", "gzip-in-gzip"],
)
async def test_an_exchange_that_breaks_after_the_request_left_is_unknown(
    vendor: ScriptedVendor, clients: Clients, fault: Reply, outcome: Outcome
) -> None:
    vendor.will(fault)
    with pytest.raises(GatewayError) as raised:
        await ask(clients.make(timeout=0.05))
    assert raised.value.outcome is outcome


async def test_a_connection_that_is_refused_was_never_sent(clients: Clients) -> None:
    with pytest.raises(VendorUnavailable) as raised:
        await ask(clients.make(url=f"http://127.0.0.1:{free_port()}"))
    assert raised.value.outcome is Outcome.NOT_SENT
    assert "could not be reached" in raised.value.detail


async def test_a_name_that_nobody_knows_was_never_sent(clients: Clients) -> None:
    with pytest.raises(VendorUnavailable) as raised:
        await ask(clients.make(url="http://nobody.invalid"))
    assert raised.value.outcome is Outcome.NOT_SENT


async def test_a_call_for_which_we_have_no_connection_was_never_sent_and_is_not_the_vendors_fault(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    gate = asyncio.Event()
    vendor.will(when(gate, answer(200, {"ok": 1})))
    client = clients.make(max_connections=1, connect_timeout=0.02)

    async def once() -> object:
        with deadline.until(clients.clock.monotonic() + 1):
            return await ask(client)

    first = asyncio.create_task(once())
    await vendor.has_seen(1)
    others = await asyncio.gather(*(once() for _ in range(6)), return_exceptions=True)
    assert {type(other) for other in others} == {NoFreeConnection}
    assert NoFreeConnection.outcome is Outcome.NOT_SENT
    gate.set()
    assert await first == {"ok": 1}
    assert await once() == {"ok": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("10000", 10_000),
        ("86400", 86_400),
        ("604800", 604_800),
        ("604801", None),
        ("1763632800", None),
        ("1763632800000", None),
        ("9" * 400, None),
        ("-1", None),
        ("1.5", 1.5),
        ("60.5", 60.5),
        ("1e3", None),
        ("1.", None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
        (format_datetime(NOW + timedelta(seconds=9), usegmt=True), 9),
        (format_datetime((NOW + timedelta(seconds=9)).astimezone(timezone(timedelta(hours=2)))), 9),
        (format_datetime(NOW - timedelta(seconds=9), usegmt=True), None),
        ("Fri, 20 Nov 2026 10:00:09 -0000", None),
        ("Fri, 20 Nov 2126 10:00:00 GMT", None),
        ("Fri, 32 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_absurd(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after({}, NOW) is None


@given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,5} \d{1,3}:\d{2}:\d{2} [-+]?\w{0,5}"))
def test_no_retry_after_is_ever_an_error(text: str) -> None:
    seconds = retry_after({"retry-after": text}, NOW)
    assert seconds is None or 0 <= seconds <= 604_800
