"""Bookings, notes, check-in and guests in a simulated shop, whether it can show its bookings or not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.domain.errors import (
    CannotBeSeen,
    CapabilityNotSupported,
    ConflictRefused,
    GatewayError,
    InvalidRequest,
    NoAvailability,
    OutcomeUnknown,
    VendorLacks,
    VendorRejected,
    VersionMoved,
)
from app.domain.guest import GuestDraft, GuestQuery
from app.domain.reservation import ReservationPatch, ReservationStatus
from app.simulators.faults import FaultKind
from app.simulators.records import StayStatus
from tests.adapters.qloapps.shop import SHOP_WIDE, connected
from tests.adapters.qloapps.writes import Desk, ref
from tests.fixtures.simulators import FreshSite, SimulatorServer

LOST = [
    pytest.param({"kind": FaultKind.DROP_AFTER}, id="connection lost"),
    pytest.param({"kind": FaultKind.STATUS_AFTER, "status": 500}, id="500"),
    pytest.param({"kind": FaultKind.GARBAGE}, id="200 of a fatal error"),
]
"""Answers from which nobody can tell that it was done."""
BOOKINGS_READABLE = pytest.mark.parametrize("desk", ["tax_included"], indirect=True)
"""For what is refused where `/bookings` cannot be read."""


@pytest.fixture(params=["tax_included", "tax_excluded"])
async def desk(
    request: pytest.FixtureRequest, fresh_site: FreshSite, simulators: SimulatorServer
) -> AsyncIterator[Desk]:
    site = fresh_site("qloapps", modes={"price_display": request.param})
    async with connected(simulators.base_url(site), key=site.api_key) as connector:
        yield Desk(site, connector)


# Reservations made


async def test_a_reservation_is_made_as_asked_for(desk: Desk) -> None:
    quote, *_ = await desk.hotel.quote_rates(desk.draft().stay, desk.draft().occupancy, room_type="1")
    operation = desk.operation()
    made = await desk.hotel.create_reservation(desk.draft(child_ages=[7], notes=["late", "with a dog"]), operation)
    (booking,) = desk.books("Shelley")
    assert (made.id, made.status, made.total) == (booking.id, ReservationStatus.CONFIRMED, quote.total)
    assert (made.arrival, made.departure) == (desk.draft().arrival, desk.draft().departure)
    assert (made.adults, made.child_ages, made.room_type) == (2, (7,), "1")
    assert booking.external_reference == operation.reference("reserve")
    assert made.external_reference is None
    assert [note.text for note in booking.remarks] == ["late\nwith a dog"]
    assert desk.asked("POST", "bookings") == 1


@pytest.mark.parametrize("fault", LOST)
async def test_a_reservation_whose_answer_was_lost_is_found(desk: Desk, fault: dict[str, Any]) -> None:
    desk.fault(method="POST", path="bookings", **fault)
    made = await desk.made()
    (booking,) = desk.books("Shelley")
    assert made.id == booking.id
    assert desk.asked("POST", "bookings") == 1


async def test_what_was_not_done_is_not_claimed_and_not_sent_again(desk: Desk) -> None:
    desk.fault(FaultKind.DROP_BEFORE, "POST", "bookings")
    with pytest.raises(OutcomeUnknown):
        await desk.made()
    assert desk.books("Shelley") == []
    assert desk.asked("POST", "bookings") == 1


async def test_a_resumed_reservation_is_sent_once_even_where_it_took_the_last_room(desk: Desk) -> None:
    desk.fill(but=1)
    operation = desk.operation()
    first = await desk.hotel.create_reservation(desk.draft(), operation)
    again = await desk.hotel.create_reservation(desk.draft(), operation)
    assert again.id == first.id
    assert len(desk.books("Shelley")) == 1


async def test_two_orders_of_one_operation_are_for_a_person(desk: Desk) -> None:
    operation = desk.operation()
    for _ in range(2):
        desk.booked(external_reference=operation.reference("reserve"))
    desk.fault(FaultKind.DROP_BEFORE, "POST", "bookings")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.create_reservation(desk.draft(), operation)
    operation.doubtful.add("reserve")
    with pytest.raises(CannotBeSeen):
        await desk.hotel.create_reservation(desk.draft(), operation)


@pytest.mark.parametrize("mode", ["on", "one_live"])
async def test_of_many_callers_for_the_last_room_one_keeps_it(desk: Desk, mode: str) -> None:
    desk.fill(but=1)
    desk.site.set_modes({"race": mode})
    operations = [desk.operation() for _ in range(5)]
    drafts = [desk.draft(guest={"email": f"mary{number}@example.test"}) for number in range(5)]

    async def one(number: int) -> str:
        try:
            return (await desk.hotel.create_reservation(drafts[number], operations[number])).id
        except GatewayError as error:
            assert await operations[number].undo()
            return error.code

    told = await asyncio.gather(*map(one, range(5)))
    holding = [booking for booking in desk.books("Shelley") if booking.holds_room]
    assert [booking.id for booking in holding] == [answer for answer in told if answer != "no_availability"]
    assert len(holding) == 1


async def test_nothing_is_sent_for_a_sold_out_room_type(desk: Desk) -> None:
    desk.fill()
    with pytest.raises(NoAvailability):
        await desk.made()
    assert desk.asked("POST", "bookings") == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"guest": {"first_name": "Agent 47"}}, ("guest", "first_name")),
        ({"guest": {"last_name": "Zo\N{GRINNING FACE}"}}, ("guest", "last_name")),
        ({"guest": {"last_name": "x" * 33}}, ("guest", "last_name")),
        ({"guest": {"first_name": None}}, ("guest", "first_name")),
        ({"guest": {"email": None}}, ("guest", "email")),
        ({"guest": {"email": "mary@localhost"}}, ("guest", "email")),
        ({"guest": {"email": "a|b@example.test"}}, ("guest", "email")),
        ({"guest": {"phone": None}}, ("guest", "phone")),
        ({"guest": {"phone": "ask the desk"}}, ("guest", "phone")),
        ({"rate_code": "FLEX"}, ("rate_code",)),
        ({"notes": ["<b>loud</b>"]}, ("notes",)),
        ({"notes": ["x" * 1601]}, ("notes",)),
    ],
)
async def test_what_the_shop_would_die_on_or_lose_is_refused_before_any_call(
    desk: Desk, changes: dict[str, Any], field: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await desk.made(**changes)
    assert refused.value.errors[0].loc == field
    assert desk.site.requests == []


@pytest.mark.parametrize(("changes", "field"), [({"room_type": "99"}, "room_type"), ({"adults": 9}, "adults")])
async def test_what_is_not_the_hotels_is_refused(desk: Desk, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await desk.made(**changes)
    assert refused.value.errors[0].loc == (field,)
    assert desk.asked("POST", "bookings") == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"external_reference": "OTA-1"}, "external_reference"), ({"guest": {"country": "GB"}}, "guest.country")],
)
async def test_what_a_booking_cannot_carry_is_refused_by_name(desk: Desk, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(CapabilityNotSupported) as refused:
        await desk.made(**changes)
    assert refused.value.errors[0].loc == (field,)
    assert desk.site.requests == []


# Whom a booking is for


@pytest.mark.parametrize("changes", [{"last_name": "Godwin"}, {"first_name": "Percy"}])
async def test_a_booking_never_renames_whoever_has_the_e_mail_address(desk: Desk, changes: dict[str, Any]) -> None:
    await desk.made()
    with pytest.raises(ConflictRefused) as refused:
        await desk.made(guest=changes)
    assert "Shelley" not in refused.value.detail
    assert desk.asked("POST", "bookings") == 1
    (guest,) = await desk.hotel.search_guests(GuestQuery(email="mary@example.test"))
    assert (guest.first_name, guest.last_name) == ("Mary", "Shelley")


async def test_a_guest_who_comes_again_keeps_the_profile_and_its_spelling(desk: Desk) -> None:
    first = await desk.made()
    again = await desk.made(guest={"first_name": "MARY", "last_name": "shelley", "email": "Mary@example.test"})
    assert again.guest.id == first.guest.id
    assert (again.guest.first_name, again.guest.last_name) == ("Mary", "Shelley")


async def test_a_guest_can_be_named_by_id(desk: Desk) -> None:
    first = await desk.made()
    guest = {"id": first.guest.id, "first_name": None, "email": None, "phone": None}
    again = await desk.made(guest=guest)
    assert (again.guest.id, again.guest.email) == (first.guest.id, "mary@example.test")
    for wrong in ({"last_name": "Godwin"}, {"email": "other@example.test"}):
        with pytest.raises(ConflictRefused):
            await desk.made(guest={**guest, **wrong})
    with pytest.raises(InvalidRequest):
        await desk.made(guest={**guest, "id": "4711"})


# Cancelled


async def test_a_reservation_is_cancelled_once_and_again(desk: Desk) -> None:
    booking = desk.booked(rooms=2)
    for _ in range(2):
        cancelled = await desk.hotel.cancel_reservation(ref(booking), None, desk.operation())
        assert (cancelled.status, cancelled.vendor_status) == (ReservationStatus.CANCELLED, "Canceled")
    assert booking.status is StayStatus.CANCELLED
    assert desk.asked("POST", "order_histories") == 1


@pytest.mark.parametrize("fault", LOST)
async def test_a_cancellation_whose_answer_was_lost_is_seen(desk: Desk, fault: dict[str, Any]) -> None:
    booking = desk.booked()
    desk.fault(method="POST", path="order_histories", **fault)
    cancelled = await desk.hotel.cancel_reservation(ref(booking), "flight cancelled", desk.operation())
    assert cancelled.status is ReservationStatus.CANCELLED
    assert [note.text for note in cancelled.notes] == ["flight cancelled"]
    assert desk.asked("POST", "order_histories") == 1


# Changed


async def test_dates_and_type_move_and_nothing_is_lost(desk: Desk) -> None:
    booking = desk.booked(notes=["by the window"])
    booking.rooms[0].comment = "allergic to feathers"
    desk.site.hotel.charge(booking, description="Breakfast", amount=desk.site.hotel.kinds["1"].price, quantity=1)
    current = await desk.hotel.get_reservation(ref(booking))
    before = await desk.hotel.get_balance(ref(booking))
    patch = ReservationPatch(departure=current.departure + timedelta(days=1), room_type="2")
    if desk.excluded:
        with pytest.raises(VendorLacks):
            await desk.hotel.modify_reservation(current, patch, desk.operation())
        assert desk.asked("PUT") == 0
        return
    quote = await desk.hotel.quote_change(current, patch)
    changed = await desk.hotel.modify_reservation(current, patch, desk.operation())
    assert (changed.departure, changed.room_type, changed.adults) == (patch.departure, "2", 2)
    assert (changed.total, quote.available) == (quote.total, True)
    assert {note.text for note in changed.notes} == {"by the window", "allergic to feathers"}
    after = await desk.hotel.get_balance(ref(booking))
    assert after.balance.amount > before.balance.amount
    assert "Breakfast" in {line.description for line in await desk.hotel.list_charges(ref(booking))}


@pytest.mark.parametrize("fault", LOST)
@BOOKINGS_READABLE
async def test_a_change_whose_answer_was_lost_is_seen(desk: Desk, fault: dict[str, Any]) -> None:
    booking = desk.booked()
    current = await desk.hotel.get_reservation(ref(booking))
    desk.fault(method="PUT", path="bookings", **fault)
    patch = ReservationPatch(arrival=current.arrival + timedelta(days=1))
    changed = await desk.hotel.modify_reservation(current, patch, desk.operation())
    assert (changed.arrival, changed.departure) == (patch.arrival, current.departure)
    assert desk.asked("PUT", "bookings") == 1


@BOOKINGS_READABLE
async def test_a_change_can_be_taken_back(desk: Desk) -> None:
    booking = desk.booked()
    booking.rooms[0].comment = "near the stairs"
    current, operation = await desk.hotel.get_reservation(ref(booking)), desk.operation()
    patch = ReservationPatch(arrival=current.arrival + timedelta(days=1), child_ages=(3, 5))
    changed = await desk.hotel.modify_reservation(current, patch, operation)
    assert (changed.child_ages, changed.version == current.version) == ((3, 5), False)
    assert await operation.undo()
    back = await desk.hotel.get_reservation(ref(booking))
    assert (back.version, back.room_number, back.notes) == (current.version, current.room_number, current.notes)
    assert back.total == current.total


@BOOKINGS_READABLE
async def test_a_room_that_somebody_else_moved_is_not_doubled(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    current = await desk.hotel.get_reservation(ref(booking))
    patch = ReservationPatch(arrival=current.arrival + timedelta(days=1))
    desk.fault(FaultKind.STATUS, "PUT", "bookings", status=400)
    with pytest.raises(VendorRejected):
        await desk.hotel.modify_reservation(current, patch, operation)
    booking.rooms[0].departure += timedelta(days=3)
    with pytest.raises(VersionMoved):
        await desk.hotel.modify_reservation(current, patch, operation)
    assert len(booking.rooms) == 1


async def test_a_change_that_changes_nothing_sends_nothing(desk: Desk) -> None:
    current = await desk.hotel.get_reservation(ref(desk.booked()))
    patch = ReservationPatch(arrival=current.arrival, adults=2)
    assert (await desk.hotel.modify_reservation(current, patch, desk.operation())).version == current.version
    assert desk.asked("PUT") == 0


async def test_the_occupancy_is_changed_in_every_shop(desk: Desk) -> None:
    booking = desk.booked()
    current = await desk.hotel.get_reservation(ref(booking))
    patch = ReservationPatch(adults=1, child_ages=(4,))
    changed = await desk.hotel.modify_reservation(current, patch, desk.operation())
    assert (changed.adults, changed.child_ages) == (1, (4,))
    assert (changed.total, changed.room_number) == (current.total, current.room_number)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"guest": {"last_name": "Godwin"}}, CapabilityNotSupported),
        ({"guest": {"email": "new@example.test"}}, CapabilityNotSupported),
        ({"rate_code": "FLEX"}, InvalidRequest),
        ({"adults": 9}, InvalidRequest),
    ],
)
async def test_what_a_change_cannot_say_is_refused(
    desk: Desk, fields: dict[str, Any], error: type[GatewayError]
) -> None:
    current = await desk.hotel.get_reservation(ref(desk.booked()))
    with pytest.raises(error):
        await desk.hotel.modify_reservation(current, ReservationPatch.model_validate(fields), desk.operation())
    assert desk.asked("PUT") == 0


async def test_a_guest_in_house_is_not_moved_to_another_room(desk: Desk) -> None:
    booking = desk.booked()
    await desk.hotel.check_in(ref(booking), desk.operation())
    current = await desk.hotel.get_reservation(ref(booking))
    patch = ReservationPatch(departure=current.departure + timedelta(days=1))
    with pytest.raises(ConflictRefused):
        await desk.hotel.modify_reservation(current, patch, desk.operation())


@BOOKINGS_READABLE
async def test_no_room_for_a_change_leaves_the_booking_as_it_is(desk: Desk) -> None:
    booking = desk.booked()
    current = await desk.hotel.get_reservation(ref(booking))
    stay = {"arrival": current.arrival + timedelta(days=10), "departure": current.departure + timedelta(days=10)}
    desk.fill(days=10)
    with pytest.raises(NoAvailability):
        await desk.hotel.modify_reservation(current, ReservationPatch(**stay), desk.operation())
    assert (await desk.hotel.get_reservation(ref(booking))).version == current.version


# Notes


async def test_a_note_is_added_to_what_stands_there(desk: Desk) -> None:
    booking = desk.booked()
    booking.rooms[0].comment = "next to the lift"
    note = await desk.hotel.add_note(ref(booking), "brings a cot \N{BABY}", desk.operation())
    found = await desk.hotel.get_reservation(ref(booking))
    assert note.text == "brings a cot ????"
    assert [one.text for one in found.notes] == ["next to the lift", note.text]
    assert desk.asked("PUT", "bookings") == desk.asked("PUT", "room_bookings")


@pytest.mark.parametrize("fault", LOST)
async def test_a_note_whose_answer_was_lost_is_there_once_and_the_same_again_is_a_second_one(
    desk: Desk, fault: dict[str, Any]
) -> None:
    booking = desk.booked()
    for count in (1, 2):
        desk.fault(method="PUT", path="room_bookings", **fault)
        await desk.hotel.add_note(ref(booking), "towels, please", desk.operation())
        found = await desk.hotel.get_reservation(ref(booking))
        assert [note.text for note in found.notes] == ["towels, please"] * count


async def test_a_note_that_is_not_there_is_not_claimed(desk: Desk) -> None:
    booking = desk.booked()
    booking.rooms[0].comment = "towels, please"
    desk.fault(FaultKind.DROP_BEFORE, "PUT", "room_bookings")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.add_note(ref(booking), "towels, please", desk.operation())


# Check-in and check-out


async def test_all_rooms_are_checked_in_and_out(desk: Desk) -> None:
    booking = desk.booked(rooms=2)
    for act, status in (
        (desk.hotel.check_in, ReservationStatus.IN_HOUSE),
        (desk.hotel.check_out, ReservationStatus.CHECKED_OUT),
    ):
        desk.fault(FaultKind.DROP_AFTER, "PUT", "room_bookings", nth=2)
        for _ in range(2):
            found = await act(ref(booking), desk.operation())
            assert {room.status for room in found.rooms} == {status}
    assert desk.asked("PUT", "room_bookings") == 4
    assert booking.checked_in_at is not None
    assert booking.checked_out_at is not None


async def test_who_is_not_in_house_cannot_leave_and_who_left_cannot_come(desk: Desk) -> None:
    booking = desk.booked()
    with pytest.raises(ConflictRefused):
        await desk.hotel.check_out(ref(booking), desk.operation())
    await desk.hotel.check_in(ref(booking), desk.operation())
    await desk.hotel.check_out(ref(booking), desk.operation())
    with pytest.raises(ConflictRefused):
        await desk.hotel.check_in(ref(booking), desk.operation())
    cancelled = desk.booked()
    await desk.hotel.cancel_reservation(ref(cancelled), None, desk.operation())
    with pytest.raises(ConflictRefused):
        await desk.hotel.check_in(ref(cancelled), desk.operation())


async def test_a_check_in_can_be_taken_back(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    await desk.hotel.check_in(ref(booking), operation)
    assert await operation.undo()
    found = await desk.hotel.get_reservation(ref(booking))
    assert found.status is ReservationStatus.CONFIRMED


# Guests


@pytest.mark.parametrize("fault", [None, *LOST])
async def test_a_profile_is_made_once_and_found_by_its_maker(desk: Desk, fault: dict[str, Any] | None) -> None:
    guest = GuestDraft(first_name="Ada", last_name="Byron", email="ada.b@example.test", phone="+15550111")
    if fault:
        desk.fault(method="POST", path="customers", **fault)
    made = await desk.hotel.upsert_guest(guest, None, desk.operation())
    again = await desk.hotel.upsert_guest(guest.model_copy(update={"phone": "+15550112"}), None, desk.operation())
    assert (made.created, again.created) == (True, False)
    assert (again.guest.id, again.guest.phone) == (made.guest.id, "+15550112")
    assert desk.asked("POST", "customers") == 1


@pytest.mark.parametrize("fault", [None, *LOST])
async def test_a_profile_is_merged_and_keeps_the_rest(desk: Desk, fault: dict[str, Any] | None) -> None:
    made = await desk.made()
    existing = await desk.hotel.get_guest(made.guest.id or ref(desk.booked()))
    if fault:
        desk.fault(method="PUT", path="customers", **fault)
    draft = GuestDraft(id=existing.id, last_name="Wollstonecraft")
    merged = await desk.hotel.upsert_guest(draft, existing, desk.operation())
    assert (merged.created, merged.guest.last_name) == (False, "Wollstonecraft")
    assert (merged.guest.first_name, merged.guest.email) == ("Mary", "mary@example.test")
    assert await desk.hotel.get_guest(existing.id) == merged.guest


@pytest.mark.parametrize("field", ["country", "language", "loyalty_tier", "vip"])
async def test_what_a_customer_has_no_field_for_is_refused(desk: Desk, field: str) -> None:
    value = {"country": "GB", "language": "en", "loyalty_tier": "gold", "vip": True}[field]
    guest = GuestDraft.model_validate(
        {"first_name": "A", "last_name": "B", "email": "a@example.test", "phone": "1", field: value}
    )
    with pytest.raises(CapabilityNotSupported) as refused:
        await desk.hotel.upsert_guest(guest, None, desk.operation())
    assert refused.value.errors[0].loc == (field,)
    assert desk.site.requests == []


async def test_a_profile_of_another_hotel_of_the_shop_is_left_alone(
    fresh_site: FreshSite, simulators: SimulatorServer
) -> None:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key, property_id="2") as seaside:
        there = Desk(site, seaside)
        kind = (await seaside.list_room_types())[0].room_type
        known = await there.made(room_type=kind)
    async with connected(simulators.base_url(site), key=site.api_key, options=SHOP_WIDE) as prime:
        guest = GuestDraft(first_name="Mary", last_name="Shelley", email="mary@example.test", phone="+15550100")
        made = await prime.upsert_guest(guest, None, there.operation())
    assert made.created
    assert made.guest.id != known.guest.id


# What the gateway asks to settle


async def test_the_newest_record_is_the_newest_order(desk: Desk) -> None:
    desk.booked()
    booking = desk.booked()
    assert await desk.hotel.find_newest_record() == booking.created_at.replace(microsecond=0)
