"""What the bridge's adapter makes of refusals and failures, and that nothing is ever done twice."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.adapters.bridge.profile import BridgeOptions
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
)
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestQuery
from app.domain.ids import VendorRef
from app.domain.reservation import Reservation, ReservationQuery
from app.simulators.faults import Fault, FaultKind
from tests.adapters.bridge.conftest import Bridge, Connect, euro, made, ref, seeded


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda b: b.connector.get_reservation(VendorRef("none")), NotFound),
        (lambda b: b.connector.get_guest(VendorRef("none")), NotFound),
        (lambda b: b.connector.get_room_status("none"), NotFound),
        (lambda b: b.connector.get_reservation(VendorRef("..")), NotFound),
        (lambda b: b.connector.check_in(ref(seeded(b, "Newton")), b.operation()), Conflict),
        (lambda b: b.connector.cancel_reservation(ref(seeded(b, "Turing")), None, b.operation()), Conflict),
        (lambda b: made(b, room_type="TENT"), VendorRejected),
    ],
)
async def test_a_refusal_says_that_nothing_was_done(
    bridge: Bridge, attempt: Callable[[Bridge], Awaitable[object]], error: type[GatewayError]
) -> None:
    with pytest.raises(error) as refused:
        await attempt(bridge)
    assert refused.value.outcome is Outcome.REJECTED
    assert refused.value.vendor_code in {"not_found", "conflict", "invalid", None}


async def test_a_refusal_names_the_field(bridge: Bridge) -> None:
    with pytest.raises(VendorRejected) as refused:
        await made(bridge, adults=9)
    assert [fault.loc for fault in refused.value.errors] == [("adults",)]


async def test_of_many_callers_for_the_last_room_one_gets_it(bridge: Bridge) -> None:
    await made(bridge)
    answers = await asyncio.gather(*(made(bridge) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(answer, Reservation) for answer in answers) == 1
    assert sum(isinstance(answer, NoAvailability) for answer in answers) == 49


@pytest.mark.parametrize(
    "kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.CUT_BODY, FaultKind.STATUS_AFTER, FaultKind.GARBAGE]
)
async def test_a_write_whose_answer_was_lost_is_done_once(bridge: Bridge, kind: FaultKind) -> None:
    before = len(bridge.hotel.bookings)
    bridge.site.faults.add(Fault(kind=kind, method="POST", times=1))
    reservation = await made(bridge)
    assert len(bridge.hotel.bookings) == before + 1
    assert reservation.id in bridge.hotel.bookings
    keys = {request.headers["idempotency-key"] for request in bridge.site.requests}
    assert (len(bridge.site.requests), len(keys)) == (2, 1)


async def test_each_write_that_is_repeated_is_done_once(bridge: Bridge) -> None:
    reservation = await made(bridge)
    charge = ChargeDraft(description="Bar", amount=euro("4.00"), category="bar")
    charges, notes = len(bridge.hotel.books.charges), len(bridge.hotel.books.notes)
    for write in (
        lambda op: bridge.connector.post_charge(reservation.id, charge, op),
        lambda op: bridge.connector.add_note(reservation.id, "Cot", op),
    ):
        bridge.site.faults.clear()
        bridge.site.faults.add(Fault(kind=FaultKind.STATUS_AFTER, status=500, times=2))
        await write(bridge.operation())
    assert len(bridge.hotel.books.charges) == charges + 1
    assert len(bridge.hotel.books.notes) == notes + 1


async def test_an_operation_that_is_resumed_sends_nothing_again(bridge: Bridge) -> None:
    op = bridge.operation()
    first = await bridge.connector.create_reservation(bridge.draft(), op)
    sent = len(bridge.site.requests)
    assert await bridge.connector.create_reservation(bridge.draft(), op) == first
    assert len(bridge.site.requests) == sent


async def test_another_operation_books_another_stay(bridge: Bridge) -> None:
    assert (await made(bridge)).id != (await made(bridge)).id


async def test_an_outcome_that_stays_open_is_unknown(bridge: Bridge) -> None:
    bridge.site.faults.add(Fault(kind=FaultKind.STATUS_AFTER, status=500))
    with pytest.raises(OutcomeUnknown) as failed:
        await made(bridge)
    assert failed.value.outcome is Outcome.UNKNOWN
    assert [request.path for request in bridge.site.requests].count("/properties/HARBOUR/reservations") == 3


async def test_an_answer_that_is_not_the_contracts_is_told_as_such(bridge: Bridge) -> None:
    bridge.site.faults.add(Fault(kind=FaultKind.GARBAGE, body='{"items": "none"}'))
    with pytest.raises(VendorContractBroken):
        await bridge.connector.list_room_types()


async def test_a_quota_that_is_used_up_says_when_to_come_back(bridge: Bridge) -> None:
    bridge.site.faults.add(Fault(kind=FaultKind.STATUS, status=429, headers={"Retry-After": "7"}))
    with pytest.raises(VendorThrottled) as refused:
        await bridge.connector.list_room_types()
    assert (refused.value.retry_after, refused.value.outcome) == (7, Outcome.NOT_SENT)


async def test_wrong_credentials_are_told_from_other_refusals(bridge: Bridge) -> None:
    bridge.site.api_key = "changed in the PMS"
    with pytest.raises(VendorAuthFailed):
        await bridge.connector.list_room_types()


async def test_what_an_installation_lacks_is_refused_in_its_words(connect: Connect) -> None:
    bridge = connect(modes={"built": "required"})
    with pytest.raises(VendorRejected) as refused:
        await bridge.connector.list_room_statuses()
    assert refused.value.vendor_code == "not_supported"


async def test_the_receipt_of_a_write_is_kept_and_the_key_is_on_writes_alone(bridge: Bridge) -> None:
    op = bridge.operation()
    await bridge.connector.create_reservation(bridge.draft(), op)
    await bridge.connector.search_reservations(ReservationQuery())
    write, read = bridge.site.requests
    assert write.headers["idempotency-key"] == op.reference("reserve")
    assert "idempotency-key" not in read.headers
    assert len(op.receipts) == 1


async def test_names_and_addresses_stay_out_of_urls(bridge: Bridge) -> None:
    await bridge.connector.search_guests(GuestQuery(email="ada@example.test", last_name="Lovelace"))
    await bridge.connector.search_reservations(ReservationQuery(last_name="Lovelace"))
    assert all("ovelace" not in request.path + request.query for request in bridge.site.requests)


async def test_without_keys_a_lost_answer_is_never_sent_again(connect: Connect) -> None:
    options = BridgeOptions(idempotency_keys=False)
    lost = Fault(kind=FaultKind.DROP_AFTER, method="POST", path="/reservations$")
    bridge = connect(hotel={"options": options}, modes={"idempotency": "forgotten"}, faults=(lost,))
    with pytest.raises(OutcomeUnknown):
        await bridge.connector.create_reservation(bridge.draft(), bridge.operation())
    assert [request.path for request in bridge.site.requests].count("/properties/HARBOUR/reservations") == 1


ROOM = {"room_type": "STD", "arrival": "2026-12-01", "departure": "2026-12-02"}
RESERVATION = {"id": "r1", "status": "confirmed", "rooms": [ROOM], "guest": {"last_name": "Lee"}}


def answers(bridge: Bridge, path: str, body: dict[str, Any]) -> None:
    """Let the PMS answer with `body`, whatever it is asked at `path`."""
    bridge.site.faults.add(Fault(kind=FaultKind.GARBAGE_UNDONE, path=path, body=json.dumps(body)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rooms": []},
        {"id": ""},
        {"id": "x" * 256},
        {"guest": {"id": ""}},
        {"checkout_time": "noon"},
        {"version": "é"},
        {"version": 'a"b'},
        {"version": "a\nb"},
        {"version": "a b"},
    ],
)
async def test_a_reservation_that_cannot_be_is_a_broken_contract(bridge: Bridge, wrong: dict[str, Any]) -> None:
    answers(bridge, "/reservations/r1", RESERVATION | wrong)
    with pytest.raises(VendorContractBroken):
        await bridge.connector.get_reservation(VendorRef("r1"))


async def test_what_is_odd_about_a_text_hides_no_reservation(bridge: Bridge) -> None:
    room = {**ROOM, "room_type": "x" * 65, "rate_code": "", "room_number": "a\nb"}
    odd = {"rooms": [room], "checkout_time": "11:00:00", "version": "W/7-a.b~!"}
    answers(bridge, "/reservations/search", {"items": [RESERVATION | odd]})
    (found,) = await bridge.connector.search_reservations(ReservationQuery(last_name="Lee"))
    assert (found.room_type, found.checkout_time, found.vendor_version) == ("x" * 65, "11:00", "W/7-a.b~!")


async def test_an_empty_preference_hides_no_guest(bridge: Bridge) -> None:
    likings = [{"category": "", "value": ""}, {"category": "x" * 65, "value": "y" * 256, "note": ""}]
    answers(bridge, "/guests/g1", {"id": "g1", "preferences": likings})
    assert len((await bridge.connector.get_guest(VendorRef("g1"))).preferences) == 2


async def test_a_room_type_with_a_long_code_hides_no_other(bridge: Bridge) -> None:
    kinds = [{"room_type": code, "name": code} for code in ("STD", "x" * 65)]
    answers(bridge, "/room-types", {"items": kinds})
    assert [kind.room_type for kind in await bridge.connector.list_room_types()] == ["STD", "x" * 65]
