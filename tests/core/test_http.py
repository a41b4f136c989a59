"""What goes onto the wire, and what is let in from it."""

import asyncio
import gzip
import tracemalloc
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from app.core import deadline
from app.core.profile import IdempotencyKey
from app.domain.errors import DeadlineExceeded, GatewayError, NotFound, Outcome, VendorContractBroken, VendorUnavailable
from app.telemetry import context, metrics
from tests.core.vendor import Clients, ScriptedVendor, after, answer, ask, silence, when, write, zipped

MEGABYTE = 1_000_000


async def only_once(clients: Clients, call: Any) -> Any:
    """Make a call that has no time for a second attempt."""
    with deadline.until(clients.clock.monotonic() + 1):
        return await call


@pytest.mark.parametrize("size", [1_001, 20 * MEGABYTE])
async def test_an_answer_larger_than_allowed_is_not_read_to_its_end(
    vendor: ScriptedVendor, clients: Clients, size: int
) -> None:
    vendor.will(answer(200, b"x" * size))
    with pytest.raises(VendorContractBroken, match="more than 1000 bytes"):
        await only_once(clients, ask(clients.make(max_response_bytes=1_000)))


async def test_an_answer_as_large_as_allowed_is_read(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, b"x" * 1_000))
    client = clients.make(max_response_bytes=1_000)
    assert len(await client.ask("GET", "things", answer=bytes)) == 1_000


async def test_a_gzip_bomb_goes_off_at_the_limit(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(zipped(b"0" * 50 * MEGABYTE))
    with pytest.raises(VendorContractBroken, match="more than 10000000 bytes"):
        await only_once(clients, ask(clients.make()))


async def test_a_bomb_is_never_held_unpacked(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(zipped(b"0" * 50 * MEGABYTE))
    client = clients.make(max_response_bytes=MEGABYTE)
    tracemalloc.start()
    with pytest.raises(VendorContractBroken):
        await only_once(clients, ask(client))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * MEGABYTE


async def test_a_bomb_within_a_bomb_is_not_unpacked_at_all(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(zipped(b"0" * 20 * MEGABYTE, times=2))
    with pytest.raises(VendorContractBroken, match="packed in a way"):
        await only_once(clients, ask(clients.make()))


async def test_a_packed_answer_is_unpacked(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(zipped(b'{"rooms": 3}'))
    assert await ask(clients.make()) == {"rooms": 3}
    assert vendor.seen[0].headers["accept-encoding"] == "gzip"


async def test_a_packed_answer_that_ends_too_early_is_no_answer(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, gzip.compress(b'{"rooms": 3}' * 100)[:-12], Content_Encoding="gzip"))
    with pytest.raises(VendorContractBroken, match="too early"):
        await only_once(clients, ask(clients.make()))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(vendor: ScriptedVendor, clients: Clients, status: int) -> None:
    vendor.will(answer(status, Location=f"{vendor.url}/elsewhere"), answer(200, {"ok": 1}))
    with pytest.raises(VendorContractBroken, match="base_url"):
        await only_once(clients, ask(clients.make()))
    assert [seen.target for seen in vendor.seen] == ["/things"]


async def test_cookies_are_neither_kept_nor_sent(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, Set_Cookie="session=canary; Path=/"))
    client = clients.make()
    await ask(client)
    await ask(client)
    await ask(clients.make())
    assert len(vendor.seen) == 3
    assert all("cookie" not in seen.headers for seen in vendor.seen)


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("../admin", "..%2Fadmin"),
        ("a?b=c", "a%3Fb%3Dc"),
        ("a#b", "a%23b"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("ä b", "%C3%A4%20b"),
        ("{name}", "%7Bname%7D"),
        ("...", "..."),
    ],
)
async def test_a_value_cannot_leave_its_segment(
    vendor: ScriptedVendor, clients: Clients, value: str, segment: str
) -> None:
    await ask(clients.make(), "things/{id}/notes", at={"id": value})
    assert vendor.seen[0].target == f"/things/{segment}/notes"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_value_that_is_no_segment_names_nothing_and_nothing_is_sent(
    vendor: ScriptedVendor, clients: Clients, value: str
) -> None:
    with pytest.raises(NotFound):
        await ask(clients.make(), "things/{id}", at={"id": value})
    assert vendor.seen == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text not in {".", ".."}))
async def test_no_value_changes_the_shape_of_a_path(vendor: ScriptedVendor, clients: Clients, value: str) -> None:
    await ask(clients.make(), "a/{id}/b", at={"id": value})
    first, _, last = vendor.seen[-1].target.removeprefix("/").split("/")
    assert (first, last) == ("a", "b")


async def test_a_base_url_keeps_its_own_path(vendor: ScriptedVendor, clients: Clients) -> None:
    await ask(clients.make(url=f"{vendor.url}/api/v1"), "things", params={"date": "2026-12-30", "id": ["1", "2"]})
    assert vendor.seen[0].target == "/api/v1/things?date=2026-12-30&id=1&id=2"


async def test_proxies_of_the_environment_are_not_used(vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    clients = Clients.of(vendor.url)
    assert await ask(clients.make()) == {}
    await clients.services.pools.aclose()


async def test_the_correlation_id_travels_where_the_vendor_has_a_place_for_it(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    with context.about(correlation_id="corr-1"):
        await ask(clients.make(correlation_header="X-Request-ID"))
        await ask(clients.make())
    await ask(clients.make(correlation_header="X-Request-ID"))
    assert [seen.headers.get("x-request-id") for seen in vendor.seen] == ["corr-1", None, None]


async def test_credentials_and_the_profiles_headers_go_with_every_request(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    await ask(clients.make(headers={"X-Api-Version": "2"}))
    assert vendor.seen[0].headers["authorization"] == "Bearer canary-key"
    assert vendor.seen[0].headers["x-api-version"] == "2"


async def test_no_secret_shows_in_the_repr_of_a_client(clients: Clients) -> None:
    assert "canary-key" not in repr(clients.make())


class Wish(BaseModel):
    room: int = Field(alias="roomId")
    floor: int | None = None


async def test_a_wire_model_is_sent_by_its_own_names_and_without_what_was_not_set(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    await ask(clients.make(), json=Wish(roomId=7))
    await ask(clients.make(), json=Wish(roomId=7, floor=None))
    assert [seen.body for seen in vendor.seen] == [b'{"roomId":7}', b'{"roomId":7,"floor":null}']
    assert vendor.seen[0].headers["content-type"] == "application/json"


async def test_an_answer_without_a_body_is_null(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(204, b""))
    assert await clients.make().ask("GET", "things", answer=dict[str, Any] | None) is None  # type: ignore[arg-type]


async def test_an_error_that_is_an_answer_to_this_call_is_given_as_one(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(404))
    assert await ask(clients.make(), instead={"404": {"none": True}}) == {"none": True}
    with pytest.raises(NotFound):
        await ask(clients.make(), instead={"410": {"none": True}})


async def test_a_write_outside_a_step_is_a_fault_of_the_adapter(vendor: ScriptedVendor, clients: Clients) -> None:
    with pytest.raises(RuntimeError, match="durable step"):
        await clients.make().act("POST", "things", answer=dict[str, Any])
    assert vendor.seen == []


async def test_a_write_that_was_given_up_before_it_was_sent_is_never_sent(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    operation = clients.operation()
    assert operation.give_up_waiting()
    with pytest.raises(DeadlineExceeded) as refused:
        await write(clients.make(), operation)
    assert refused.value.outcome is Outcome.NOT_SENT
    assert vendor.seen == []
    assert operation.sends == 0


async def test_a_write_that_was_given_up_while_it_was_signed_is_never_sent(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    operation = clients.operation()

    class SlowAuth:
        async def sign(self, request: httpx.Request) -> None:
            assert operation.give_up_waiting()

    with pytest.raises(DeadlineExceeded):
        await write(replace(clients.make(), auth=SlowAuth()), operation)
    assert vendor.seen == []


async def test_a_write_cannot_be_given_up_once_it_is_on_the_wire(vendor: ScriptedVendor, clients: Clients) -> None:
    gate = asyncio.Event()
    vendor.will(when(gate, answer(200, {"ok": 1})))
    operation = clients.operation()
    call = asyncio.create_task(write(clients.make(), operation))
    await vendor.has_seen(1)
    assert not operation.give_up_waiting()
    gate.set()
    assert await call == {"ok": 1}


async def test_a_write_that_waits_for_its_next_try_can_be_given_up(vendor: ScriptedVendor, clients: Clients) -> None:
    operation = clients.operation()

    async def gave_up(seconds: float) -> None:
        assert operation.give_up_waiting()
        clients.clock.advance(seconds)

    vendor.will(answer(429), answer(200, {"ok": 1}))
    clients.clock.sleep = gave_up  # type: ignore[method-assign]
    with pytest.raises(DeadlineExceeded):
        await write(clients.make(), operation)
    assert len(vendor.seen) == 1


async def test_no_send_is_opened_after_the_operations_own_end(vendor: ScriptedVendor, clients: Clients) -> None:
    operation = clients.operation(budget=60)
    clients.clock.advance(60)
    with pytest.raises(DeadlineExceeded):
        await write(clients.make(), operation)
    assert vendor.seen == []


async def test_an_attempt_of_a_write_ends_with_the_operation(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(silence)
    operation = clients.operation(budget=0.03)
    with pytest.raises(GatewayError) as cut:
        await write(clients.make(), operation)
    assert cut.value.outcome is Outcome.UNKNOWN
    assert operation.sends == 1


async def test_the_vendors_own_ids_of_our_writes_are_kept(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, X_Request_ID="v-1"), answer(500, X_Request_ID="v-2" * 200))
    operation = clients.operation()
    client = clients.make(request_id_header="X-Request-ID")
    await write(client, operation, "first")
    with pytest.raises(GatewayError):
        await write(client, operation, "second")
    assert operation.receipts == ["v-1", ("v-2" * 200)[:255]]


async def test_reads_leave_no_receipt(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, X_Request_ID="v-1"))
    assert await ask(clients.make(request_id_header="x-request-id")) == {}


async def test_a_key_of_ours_travels_only_where_the_vendor_honours_it(vendor: ScriptedVendor, clients: Clients) -> None:
    await write(clients.make(), clients.operation())
    await write(clients.make(idempotency_key=IdempotencyKey("Request-Key", 60)), clients.operation())
    assert "request-key" not in vendor.seen[0].headers
    assert vendor.seen[1].headers["request-key"] == clients.operation().reference("reserve")


async def test_latency_is_told_by_the_template_of_the_path(vendor: ScriptedVendor, clients: Clients) -> None:
    await ask(clients.make(), "latency/{id}", at={"id": "canary-17"})
    told = metrics.exposition(several_processes=False).decode()
    assert 'pms_api_latency_seconds_count{endpoint="latency/{id}",method="GET",vendor="scripted"} 1.0' in told
    assert "canary-17" not in told


async def test_a_failed_call_is_counted_by_its_operation(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(after(clients.clock, 0.2, answer(404)))
    with context.about(operation="failing.read"), pytest.raises(NotFound):
        await ask(clients.make())
    told = metrics.exposition(several_processes=False).decode()
    labels = '{error_type="NotFound",operation="failing.read",vendor="scripted"}'
    assert f"pms_errors_total{labels} 1.0" in told


async def test_a_pool_that_others_hold_is_not_closed_under_them(vendor: ScriptedVendor, clients: Clients) -> None:
    first = clients.make()
    for number in range(2, 20):
        clients.services.pools._capacity = 2
        other = clients.make(url=f"http://127.0.0.{number}:9")
        await other.aclose()
    assert await ask(first) == {}
    assert len(clients.services.pools._pools) <= 3


async def test_closing_one_client_leaves_the_others_of_its_host_alone(vendor: ScriptedVendor, clients: Clients) -> None:
    one, other = clients.make(), clients.make()
    await one.aclose()
    assert await ask(other) == {}


async def test_a_host_that_cannot_be_reached_is_named_by_the_vendor_alone(clients: Clients) -> None:
    with pytest.raises(VendorUnavailable) as raised:
        await only_once(clients, ask(clients.make(url="http://canary-host.invalid")))
    assert "canary-host" not in raised.value.detail
