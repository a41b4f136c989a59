"""The quirks of the bridge's README, one test each."""

import json

import pytest

from app.adapters.bridge.profile import BridgeOptions
from app.core.operation import Operation
from app.domain.errors import NotSeen, Outcome, OutcomeUnknown, VendorUnavailable
from app.domain.guest import GuestDraft, GuestQuery
from app.domain.reservation import ReservationQuery
from app.domain.text import PersonalText
from app.simulators.faults import Fault, FaultKind
from tests.adapters.bridge.conftest import Bridge, Connect


def problem(status: int, code: str) -> str:
    return json.dumps({"title": code, "status": status, "code": code, "detail": "made by a test"})


async def test_q1_searches_are_posts_with_the_filters_in_the_body(bridge: Bridge) -> None:
    await bridge.connector.search_guests(GuestQuery(last_name="Lovelace"))
    request = bridge.site.requests[0]
    assert (request.method, request.query, request.json()["last_name"]) == ("POST", "", "Lovelace")


async def test_q2_a_record_on_two_pages_is_taken_once(bridge: Bridge) -> None:
    reservations = await bridge.connector.search_reservations(ReservationQuery(last_name="Lovelace"))
    guests = await bridge.connector.search_guests(GuestQuery(last_name="Lovelace"))
    shown = {
        "/reservations/search": {"id": reservations[0].id, "status": "confirmed", "guest": {"last_name": "Lovelace"}}
        | {"rooms": [{"room_type": "STD", "arrival": "2026-12-01", "departure": "2026-12-02"}]},
        "/guests/search": {"id": guests[0].id, "last_name": "Lovelace"},
    }
    for path, item in shown.items():
        for nth, cursor in enumerate(["next", None], start=1):
            page = json.dumps({"items": [item], "next_cursor": cursor})
            bridge.site.faults.add(
                Fault(kind=FaultKind.GARBAGE_UNDONE, path=path, nth=nth, times=1, body=page),
            )
    assert len(await bridge.connector.search_reservations(ReservationQuery(last_name="Lovelace"))) == 1
    assert len(await bridge.connector.search_guests(GuestQuery(last_name="Lovelace"))) == 1
    assert len(bridge.site.requests) == 6


async def test_q3_unavailable_means_that_nothing_was_done(bridge: Bridge) -> None:
    bridge.site.faults.add(Fault(kind=FaultKind.STATUS, status=503, body=problem(503, "unavailable")))
    with pytest.raises(VendorUnavailable) as refused:
        await bridge.connector.create_reservation(bridge.draft(), bridge.operation())
    assert refused.value.outcome is Outcome.NOT_SENT


async def test_q4_in_progress_is_asked_again_until_the_first_send_has_ended(bridge: Bridge) -> None:
    before = len(bridge.hotel.bookings)
    running = Fault(kind=FaultKind.STATUS, status=409, body=problem(409, "in_progress"), times=1)
    bridge.site.faults.add(running)
    await bridge.connector.create_reservation(bridge.draft(), bridge.operation())
    assert len(bridge.hotel.bookings) == before + 1
    bridge.site.faults.clear()
    bridge.site.faults.add(running.model_copy(update={"times": None}))
    with pytest.raises(OutcomeUnknown):
        await bridge.connector.create_reservation(bridge.draft(), bridge.operation())


async def test_q5_a_filter_that_is_ignored_finds_nobody_elses_reservation(connect: Connect) -> None:
    bridge = connect(hotel={"options": BridgeOptions(idempotency_keys=False)}, modes={"idempotency": "off"})
    room = {"room_type": "STE", "arrival": "2026-12-01", "departure": "2026-12-02"}
    for path, step, item in (
        ("reservations", "reserve", {"status": "confirmed", "rooms": [room], "guest": {"last_name": "Shelley"}}),
        ("guests", "guest", {"last_name": "Curie"}),
    ):
        op = bridge.operation()
        op.doubtful = {step}
        items = [{"id": "1", **item}, {"id": "2", **item, "write_key": "another"}]
        ours = {"id": "3", **item, "write_key": op.reference(step)}
        for page in (items, [*items, ours]):
            bridge.site.faults.clear()
            body = json.dumps({"items": page})
            bridge.site.faults.add(Fault(kind=FaultKind.GARBAGE_UNDONE, path=f"/{path}/search$", body=body))
            if ours not in page:
                with pytest.raises(NotSeen):
                    await _make(bridge, op, step)
            else:
                assert await _make(bridge, op, step) == "3"
        assert bridge.site.requests[-1].json()["write_key"] == op.reference(step)


async def _make(bridge: Bridge, op: Operation, step: str) -> str:
    if step == "reserve":
        return (await bridge.connector.create_reservation(bridge.draft(), op)).id
    return (await bridge.connector.upsert_guest(GuestDraft(last_name=PersonalText("Curie")), None, op)).guest.id
