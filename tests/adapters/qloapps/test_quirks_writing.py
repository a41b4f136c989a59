"""The quirks that writing has to mind, proved: Q23 and on."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.adapters.qloapps import overlay, wire, xmlforms
from app.adapters.qloapps.profile import QLOAPPS
from app.core.faults import error_from_answer
from app.core.profile import VendorAnswer
from app.domain.errors import ConflictRefused, InvalidRequest, NoAvailability, VendorLacks, VendorRejected
from app.domain.model import type_adapter
from app.domain.reservation import ReservationPatch
from tests.adapters.qloapps.replay import sample
from tests.adapters.qloapps.shop import connected
from tests.adapters.qloapps.writes import MINIBAR, Desk, ref
from tests.fixtures.simulators import FreshSite, SimulatorServer


@pytest.fixture
async def desk(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[Desk]:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key) as connector:
        yield Desk(site, connector)


def shown(name: str) -> wire.Booking:
    found: wire.WholeAnswer = type_adapter(wire.WholeAnswer).validate_json(sample(name).body)
    assert found.booking is not None
    return found.booking


def rooms(body: overlay.Body) -> list[dict[str, Any]]:
    return [room for kind in body["booking"]["associations"]["room_types"] for room in kind["rooms"]]


async def test_q23_an_existing_customer_is_named_and_never_renamed(desk: Desk) -> None:
    first = await desk.made()
    await desk.made()
    bodies = [one.json()["booking"] for one in desk.site.requests if one.path.endswith("bookings") and one.body]
    details = [body["associations"]["customer_detail"] for body in bodies if "source" in body]
    assert [detail.get("id_customer") for detail in details] == [None, int(str(first.guest.id))]
    with pytest.raises(ConflictRefused):
        await desk.made(guest={"last_name": "Person"})
    deadly = json.loads(sample("237").sent)["booking"]["associations"]["customer_detail"]["firstname"]
    with pytest.raises(InvalidRequest):
        await desk.made(guest={"first_name": deadly})


def test_q24_characters_of_four_bytes_become_question_marks() -> None:
    asked = json.loads(sample("420").sent)["booking"]["associations"]["customer_detail"]["firstname"]
    answered = sample("420").json["booking"]["associations"]["customer_detail"]["firstname"]
    assert xmlforms.kept(f" {asked} ") == answered


@pytest.mark.parametrize("name", ["351", "337", "354", "205", "254"])
def test_q25_a_booking_is_sent_back_with_all_that_it_has(name: str) -> None:
    booking = shown(name)
    body = overlay.unchanged(booking)
    recorded = sample(name).json["booking"]
    told = [room for kind in recorded["associations"]["room_types"] for room in kind["rooms"]]
    assert [room["id_room"] for room in rooms(body)] == [room["id_room"] for room in told]
    assert [room["total_tax"] for room in rooms(body)] == [room["total_tax"] for room in told]
    for ours, theirs in zip(rooms(body), told, strict=True):
        services = [(one["quantity"], one["total_price_without_tax"]) for one in theirs.get("services", ())]
        assert [(one["quantity"], one["total_price_without_tax"]) for one in ours["services"]] == services
    assert {kind["checkin_date"] for kind in body["booking"]["associations"]["room_types"]} == {
        kind["checkin_date"][:10] for kind in recorded["associations"]["room_types"]
    }


async def test_q25_what_cannot_be_said_again_is_not_risked(desk: Desk) -> None:
    booking = desk.booked()
    tables = desk.site.app.state.tables  # type: ignore[attr-defined]
    mark = tables.ledger.order(booking)
    mark.discount, mark.voucher = MINIBAR.total.amount, "SUMMER"
    with pytest.raises(VendorLacks):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert desk.asked("PUT") == 0


async def test_q26_every_room_is_sent_with_its_tax(desk: Desk) -> None:
    assert "total_tax" in sample("203").body
    await desk.made()
    (body,) = [one.json() for one in desk.site.requests if one.method == "POST" and one.path.endswith("/bookings")]
    assert all(room["total_tax"] > 0 for room in rooms(body))


def test_q27_a_service_of_this_booking_alone_is_made_anew() -> None:
    (room,) = rooms(overlay.unchanged(shown("354")))
    assert [(service.get("id_service"), service["name"]) for service in room["services"]] == [(None, "Minibar")]
    (room,) = rooms(overlay.unchanged(shown("351")))
    assert [(service["id_service"], service.get("name")) for service in room["services"]] == [(7, None)]


async def test_q28_notes_share_a_comment(desk: Desk) -> None:
    booking = desk.booked()
    for text in ("one\n\ntwo", "three"):
        await desk.hotel.add_note(ref(booking), text, desk.operation())
    assert booking.rooms[0].comment == "one\n\ntwo\n---\nthree"
    found = await desk.hotel.get_reservation(ref(booking))
    assert [note.text for note in found.notes] == ["one\n\ntwo", "three"]


async def test_q29_our_reference_is_nobodys_external_one(desk: Desk) -> None:
    made = await desk.made()
    theirs = desk.booked(external_reference="booking.example 123")
    assert made.external_reference is None
    assert (await desk.hotel.get_reservation(ref(theirs))).external_reference == "booking.example 123"


async def test_q30_an_order_that_shares_its_room_with_an_earlier_one_is_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.fill(but=1)
    rival = desk.booked()
    rival.rooms[0].released = True  # what the shop sees while the rival's order is being written
    enter = desk.site.hotel.enter

    def entered(*args: Any, **fields: Any) -> Any:
        rival.rooms[0].released = False
        return enter(*args, **fields)

    monkeypatch.setattr(desk.site.hotel, "enter", entered)
    operation = desk.operation()
    with pytest.raises(NoAvailability):
        await desk.hotel.create_reservation(desk.draft(), operation)
    assert await operation.undo()
    (ours,) = desk.books("Shelley")
    assert (ours.holds_room, rival.holds_room) == (False, True)


async def test_q31_the_guests_of_a_room_are_written_to_its_row(desk: Desk) -> None:
    asked = json.loads(sample("350").sent)["booking"]["associations"]["room_types"][0]["rooms"][0]
    answered = sample("350").json["booking"]["associations"]["room_types"][0]["rooms"][0]
    assert (asked["child"], answered["child"]) == (0, 2)
    assert sample("331").json["bookings"][0]["id"] != 3
    booking = desk.booked()
    booking.rooms[0].comment = "near the stairs"
    current = await desk.hotel.get_reservation(ref(booking))
    await desk.hotel.modify_reservation(current, ReservationPatch(adults=1), desk.operation())
    assert desk.asked("PUT", "/bookings") == 0
    patch = ReservationPatch(departure=current.departure + timedelta(days=1))
    moved = await desk.hotel.modify_reservation(current, patch, desk.operation())
    assert [note.text for note in moved.notes] == ["near the stairs"]
    assert moved.adults == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [("220", NoAvailability), ("222", NoAvailability), ("332", NoAvailability), ("229", VendorRejected)],
)
def test_q32_sold_out_is_told_by_its_words(name: str, error: type[VendorRejected]) -> None:
    one = sample(name)
    answer = VendorAnswer(one.status, one.headers, one.body.encode())
    assert type(error_from_answer(QLOAPPS, answer, datetime(2026, 11, 20, tzinfo=UTC))) is error
