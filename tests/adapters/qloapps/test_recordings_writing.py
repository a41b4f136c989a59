"""Every write against recorded calls of a real shop: we send what was sent then, and understand what came back."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from lxml import etree

from app.adapters.qloapps.profile import QloAppsOptions
from app.core.operation import Operation
from app.domain.errors import ConflictRefused, GatewayError, NoAvailability, Outcome
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft
from app.domain.ids import OperationId, VendorRef
from app.domain.money import Money
from app.domain.reservation import DraftGuest, ReservationDraft, ReservationPatch, ReservationStatus
from tests.adapters.qloapps.replay import PROJECT, Replay, sample
from tests.adapters.qloapps.shop import shop

Fill = Mapping[str, Mapping[str, Any]]
GRACE = DraftGuest(first_name="Grace", last_name="Hopper", email="grace@example.test", phone="+15550111")
LIVE = {"is_cancelled": 0, "is_refunded": 0, "is_back_order": 0, "id_status": 1, "comment": "", "child_ages": "[]"}
"""What no recording says of a room in this moment."""
PAYABLE = {"current_state": 1, "reference": "NEVERSEEN", "date_upd": "2026-11-20 05:13:01"}


class Known(Operation):
    """An operation whose reference is the one of a recording."""

    def reference(self, step: str) -> str:
        """Give what was sent as `source` then."""
        return "idem-key-0001"


def operation() -> Operation:
    return Operation(OperationId("recorded"))


def draft(**fields: Any) -> ReservationDraft:
    known = {"arrival": "2026-12-01", "departure": "2026-12-04", "room_type": "2", "rate_code": "BAR", "adults": 2}
    return ReservationDraft.model_validate({**known, "guest": GRACE.model_dump(), **fields})


def booking(body: str) -> Any:
    return json.loads(body)["booking"]


def covers(ours: Any, recorded: Any, where: str = "booking") -> list[str]:
    """Name what was recorded and is not in what we send, or is of another kind there."""
    if isinstance(recorded, dict):
        missing = [f"{where}.{key}" for key in recorded if key not in ours]
        return missing + [
            gap for key in recorded if key in ours for gap in covers(ours[key], recorded[key], f"{where}.{key}")
        ]
    if isinstance(recorded, list):
        return [gap for one, was in zip(ours, recorded, strict=True) for gap in covers(one, was, f"{where}[]")]
    same = type(ours) is type(recorded) or {type(ours), type(recorded)} <= {int, float}
    return [] if same else [where]


def unknown_to_the_shop(ours: Any, schema: etree._Element) -> list[str]:
    """Name what we send and the shop's own description of a booking does not list."""
    found = []
    for key, value in ours.items():
        node = schema.find(key)
        if node is None:
            found += [] if key == "id" else [key]
        elif isinstance(value, dict):
            found += unknown_to_the_shop(value, node)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += [gap for one in value for gap in unknown_to_the_shop(one, node[0])]
    return found


def assert_like(body: str, recorded: str) -> None:
    """See that a body has all that was sent then, as it was sent, and no field that the shop does not know."""
    synopsis = PROJECT / "../shared/vendors/specs/qloapps/schemas/bookings.synopsis.xml"
    assert covers(booking(body), booking(recorded)) == []
    assert unknown_to_the_shop(booking(body), etree.parse(synopsis).getroot()[0]) == []


def fields(document: str) -> Mapping[str, str]:
    row = etree.fromstring(document.encode())[0]
    return {str(node.tag): node.text or "" for node in row if node.tag != "associations"}


async def test_a_booking_is_made_as_one_was_made_then() -> None:
    fill = {"room_bookings": {"3": {**LIVE, "total_price_tax_incl": "2912.000000", "child_ages": "[5]"}}}
    replay = Replay("with_tax", until=203, prices="040", writes=["204:260"], fill=fill)
    async with shop(replay) as hotel:
        made = await hotel.create_reservation(draft(child_ages=[5], notes=["late arrival"]), operation())
    (body,) = replay.sent
    assert_like(body, sample("204").sent)
    (kind,) = booking(body)["associations"]["room_types"]
    (room,) = kind["rooms"]
    price = sample("040").json["hotel_ari"]["room_types"][1]
    assert (room["adults"], room["child"], room["child_ages"]) == (2, 1, [5])
    assert room["unit_price_without_tax"] * 3 + room["total_tax"] == price["total_price_with_tax"]
    assert (booking(body)["source"], booking(body)["remark"]) == (operation().reference("reserve"), "late arrival")
    answered = sample("204").json["booking"]["associations"]
    assert (made.id, made.guest.last_name) == ("3", answered["customer_detail"]["lastname"])
    assert made.total is not None
    assert made.total.amount == sum(
        answered["price_details"][name] for name in ("total_price_without_tax", "total_tax")
    )
    assert [note.text for note in made.notes] == answered["remarks"]


async def test_a_booking_that_was_answered_500_is_found_by_its_reference() -> None:
    row = {**LIVE, "id_order": 1, "id_hotel": 1, "id_product": 1, "id_customer": 2, "adults": 2, "children": 2}
    row |= {"id_room": 1, "date_from": "2026-12-10 00:00:00", "date_to": "2026-12-12 00:00:00", "room_num": "GR-101"}
    fill: Fill = {
        "orders": {"1": {"id_currency": 1, "total_paid_tax_incl": "2080", "total_paid_real": "0", **PAYABLE}},
        "room_bookings": {"1": {**row, "total_price_tax_incl": "2080"}},
        "customers": {"2": {"firstname": "Grace", "lastname": "Hopper", "email": "grace@example.test"}},
    }
    replay = Replay("excluded", until=430, prices="040", writes=["430:431"], fill=fill)
    async with shop(replay) as hotel:
        made = await hotel.create_reservation(draft(room_type="1"), Known(OperationId("op")))
    assert (made.id, made.confirmation_number) == ("1", PAYABLE["reference"])
    assert booking(replay.sent[0])["source"] == sample("431").json["orders"][0]["source"]
    assert len(replay.sent) == 1


@pytest.mark.parametrize(
    ("name", "error", "outcome"),
    [
        ("222", NoAvailability, Outcome.REJECTED),
        ("229", GatewayError, Outcome.REJECTED),
        ("236", GatewayError, Outcome.UNKNOWN),
        ("237", GatewayError, Outcome.UNKNOWN),
        ("203", GatewayError, Outcome.UNKNOWN),
    ],
)
async def test_what_a_refused_booking_is_told(name: str, error: type[GatewayError], outcome: Outcome) -> None:
    replay = Replay("with_tax", prices="040", writes=[name])
    async with shop(replay) as hotel:
        with pytest.raises(error) as caught:
            await hotel.create_reservation(draft(), operation())
    assert caught.value.outcome is outcome


async def test_a_guest_who_would_be_renamed_is_not_booked() -> None:
    replay = Replay("names", prices="040", writes=["423"])
    guest = {"first_name": "Renamed", "last_name": "Person", "email": "ct@example.test", "phone": "999999"}
    async with shop(replay) as hotel:
        replay._stand(421)
        with pytest.raises(ConflictRefused):
            await hotel.create_reservation(draft(guest=guest), operation())
    assert replay.sent == []


async def test_dates_are_changed_as_they_were_then() -> None:
    fill = {"room_bookings": {"3": {**LIVE, "total_price_tax_incl": "2080"}}, "orders": {"3": PAYABLE}}
    replay = Replay("changed", until=329, prices="040", writes=["330:331"], fill=fill)
    patch = ReservationPatch(arrival=date(2027, 1, 5), departure=date(2027, 1, 8))
    async with shop(replay) as hotel:
        current = await hotel.get_reservation(VendorRef("3"))
        replay.fill = {**fill, "room_bookings": {"6": LIVE}}
        changed = await hotel.modify_reservation(current, patch, operation())
    assert_like(replay.sent[0], sample("330").sent)
    ours, recorded = booking(replay.sent[0]), booking(sample("330").sent)
    assert ours["id"] == recorded["id"]
    guest = ours["associations"]["customer_detail"]
    assert guest.items() >= recorded["associations"]["customer_detail"].items()
    assert guest["id_customer"] == 2
    assert (changed.arrival, changed.departure, changed.room_number) == (patch.arrival, patch.departure, "GR-101")


@pytest.mark.parametrize(("until", "recorded", "after"), [(352, "353", "355"), (351, "350", "350")])
async def test_a_charge_is_posted_as_one_was_then(until: int, recorded: str, after: str) -> None:
    line = {"id_order": 5, "product_name": "General Rooms", "product_quantity": 2, "total_price_tax_incl": "2080"}
    fill: Fill = {"room_bookings": {"5": LIVE}, "orders": {"5": PAYABLE}, "order_details": {"5": line}}
    replay = Replay("changed", until=until, writes=[f"{recorded}:{after}"], fill=fill)
    minibar = ChargeDraft.model_validate(
        {"description": "Minibar", "amount": {"amount": "25.00", "currency": "USD"}, "category": "minibar"}
    )
    async with shop(replay, options=QloAppsOptions(charge_codes={"minibar": "Minibar"})) as hotel:
        charge = await hotel.post_charge(VendorRef("5"), minibar, operation())
    assert_like(replay.sent[0], sample(recorded).sent)
    (kind,) = booking(replay.sent[0])["associations"]["room_types"]
    (room,) = kind["rooms"]
    told = booking(sample(recorded).sent)["associations"]["room_types"][0]["rooms"][0]
    assert room["id_room"] == told["id_room"]
    for ours, theirs in zip(room["services"], told["services"], strict=True):
        assert ours.items() >= theirs.items()
    assert (charge.total, charge.description) == (Money.model_validate(minibar.amount.model_dump()), "Minibar")


async def test_a_charge_that_is_not_taken_is_no_charge() -> None:
    fill = {"room_bookings": {"5": LIVE}, "orders": {"5": PAYABLE}}
    replay = Replay("changed", until=325, writes=["336:337"], fill=fill)
    amount = {"amount": "25.00", "currency": "USD"}
    minibar = ChargeDraft.model_validate({"description": "Minibar", "amount": amount, "category": "minibar"})
    async with shop(replay) as hotel:
        with pytest.raises(GatewayError) as caught:
            await hotel.post_charge(VendorRef("5"), minibar, operation())
    assert caught.value.code == "conflict"


async def test_an_order_is_cancelled_by_its_history() -> None:
    rows = {"4": LIVE, "7": LIVE}
    fill = {"orders": {"4": PAYABLE}}
    replay = Replay("changed", until=356, writes=["360:362"], fill={**fill, "room_bookings": rows})
    async with shop(replay) as hotel:
        replay.fill = {"orders": {"4": {**PAYABLE, "current_state": 4}}, "room_bookings": {"4": {"comment": ""}}}
        cancelled = await hotel.cancel_reservation(VendorRef("4"), None, operation())
    assert fields(replay.sent[0]) == fields(sample("360").sent)
    assert (cancelled.status, cancelled.vendor_status) == (ReservationStatus.CANCELLED, "Canceled")


async def test_a_guest_is_checked_in_by_the_whole_row() -> None:
    fill = {"orders": {"6": PAYABLE}}
    replay = Replay("changed", until=371, writes=["372:376"], fill={**fill, "room_bookings": {"8": LIVE}})
    async with shop(replay) as hotel:
        replay.fill = fill
        staying = await hotel.check_in(VendorRef("6"), operation())
        now = hotel.clock.now()
    ours, recorded = fields(replay.sent[0]), fields(sample("372").sent)
    assert {**ours, "check_in": ""} == {**recorded, "check_in": ""}
    stamp = datetime.strptime(ours["check_in"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert 4 * 3600 <= (now - stamp).total_seconds() <= 5 * 3600 + 60  # New York
    assert staying.status is ReservationStatus.IN_HOUSE


async def test_a_note_changes_nothing_of_the_row_but_its_comment() -> None:
    fill = {"orders": {"6": PAYABLE}, "room_bookings": {"8": LIVE}}
    replay = Replay("changed", until=371, writes=["372:371"], fill=fill)
    async with shop(replay) as hotel:
        note = await hotel.add_note(VendorRef("6"), "allergic to \N{SHRIMP}", operation())
    ours, read = fields(replay.sent[0]), fields(sample("371").body)
    assert ours == {**read, "comment": "allergic to ????"}
    assert note.text == "allergic to ????"


async def test_a_guest_is_made_as_one_was_then() -> None:
    replay = Replay("fresh", until=102, writes=["103:104"])
    guest = GuestDraft(first_name="Zoë", last_name="O'Brien-Łukasz", email="zoe@example.test", phone="+48 600 100 200")
    async with shop(replay) as hotel:
        made = await hotel.upsert_guest(guest, None, operation())
    ours, recorded = fields(replay.sent[0]), fields(sample("103").sent)
    assert {**ours, "passwd": ""} == {**recorded, "passwd": "", "active": "1"}
    assert (made.created, made.guest.id, made.guest.last_name) == (True, "4", "O'Brien-Łukasz")
