"""What could go wrong twice, silently or to somebody else: undoing, racing, and telling ours from theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.core.operation import Operation
from app.domain.errors import (
    CannotBeSeen,
    ConflictRefused,
    GatewayError,
    InvalidRequest,
    NoAvailability,
    NotSeen,
    OutcomeUnknown,
    VendorLacks,
    VendorRejected,
)
from app.domain.guest import GuestDraft
from app.domain.ids import OperationId
from app.domain.reservation import ReservationPatch, ReservationStatus
from app.simulators.faults import FaultKind
from app.simulators.records import StayStatus
from tests.adapters.qloapps.shop import connected
from tests.adapters.qloapps.writes import MINIBAR, Desk, ref
from tests.fixtures.simulators import FreshSite, SimulatorServer

ADA = GuestDraft(first_name="Ada", last_name="Byron", email="ada.b@example.test", phone="+15550111")


@pytest.fixture
async def desk(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[Desk]:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key) as connector:
        yield Desk(site, connector)


@dataclass
class Watched(Operation):
    """An operation that tells what it kept others out of while it sent."""

    held: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def alone(self, name: str, *, until_settled: bool = False) -> AsyncIterator[None]:
        """Note the name."""
        self.held.append(name)
        yield


def resumed(operation: Operation) -> Operation:
    """Give the operation as another process takes it over: what was recorded, and nothing to undo in memory."""
    return Operation(operation.id, doubtful=set(operation.doubtful), _results=dict(operation._results))


# Taking back


async def test_a_resumed_check_in_that_is_refused_half_way_is_taken_back_in_the_pms(desk: Desk) -> None:
    booking, operation = desk.booked(rooms=2), desk.operation()
    desk.fault(FaultKind.DROP_BEFORE, "PUT", "room_bookings", nth=2)
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.check_in(ref(booking), operation)
    later = resumed(operation)
    later.doubtful.clear()  # it was seen that the second room's never landed
    desk.fault(FaultKind.STATUS, "PUT", "room_bookings", status=400)
    with pytest.raises(GatewayError):
        await desk.hotel.check_in(ref(booking), later)
    assert await later.undo()
    found = await desk.hotel.get_reservation(ref(booking))
    assert {room.status for room in found.rooms} == {ReservationStatus.CONFIRMED}


async def test_an_order_that_cannot_be_found_again_is_not_called_taken_back(desk: Desk) -> None:
    operation = desk.operation()
    await desk.hotel.create_reservation(desk.draft(), operation)
    (booking,) = desk.books("Shelley")
    booking.external_reference = None
    assert not await operation.undo()
    assert booking.holds_room


@pytest.mark.parametrize("act", ["cancel", "undo"])
async def test_a_state_that_leaves_the_rooms_as_they_are_is_no_cancellation(
    desk: Desk, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = desk.operation()
    made = await desk.hotel.create_reservation(desk.draft(), operation)
    monkeypatch.setattr(desk.site.hotel, "annul", lambda booking: None)
    if act == "undo":
        assert not await operation.undo()
        return
    with pytest.raises(ConflictRefused):
        await desk.hotel.cancel_reservation(made.id, None, desk.operation())


async def test_a_shop_in_which_nothing_can_be_cancelled_takes_no_reservation_of_ours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("Awaiting payment", "Complete payment received", "Processing in progress", "Peruutettu")
    monkeypatch.setattr("app.simulators.qloapps.tables.ORDER_STATES", names)
    with pytest.raises(VendorLacks):
        await desk.made()
    assert desk.asked("POST", "bookings") == 0


# Races


async def test_a_stay_that_moves_never_takes_a_room_that_was_sold(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = desk.booked()
    desk.fill(but=1, days=10)
    rival = desk.made(arrival=desk.arrival + timedelta(days=10), departure=desk.arrival + timedelta(days=12))
    sold = await rival
    (sold_booking,) = desk.books("Shelley")
    assert int(sold.id) > int(ours.id)
    sold_booking.rooms[0].released = True  # what the shop sees while that order is being written
    current, operation = await desk.hotel.get_reservation(ref(ours)), Watched(OperationId("moves"))
    note_details = desk.site.app.state.tables.note_details  # type: ignore[attr-defined]

    def written(booking: Any) -> None:
        sold_booking.rooms[0].released = False
        note_details(booking)

    monkeypatch.setattr(desk.site.app.state.tables, "note_details", written)  # type: ignore[attr-defined]
    patch = ReservationPatch(arrival=sold.arrival, departure=sold.departure)
    with pytest.raises(NoAvailability):
        await desk.hotel.modify_reservation(current, patch, operation)
    assert await operation.undo()
    assert (await desk.hotel.get_reservation(ref(ours))).arrival == current.arrival
    assert operation.held == [f"order {ours.id}", "room type 1"]


async def test_two_bookings_of_one_new_guest_are_kept_apart_and_nobody_learns_the_address(desk: Desk) -> None:
    first, second, profile = (Watched(OperationId(name)) for name in ("first", "second", "profile"))
    await desk.hotel.create_reservation(desk.draft(guest={"email": "ada.b@example.test"}), first)
    with pytest.raises(ConflictRefused):
        await desk.hotel.create_reservation(
            desk.draft(room_type="2", guest={"email": "Ada.B@example.test", "first_name": "Percy"}), second
        )
    await desk.hotel.upsert_guest(ADA, None, profile)
    (guest,) = set(first.held) & set(second.held) & set(profile.held)
    assert "ada" not in guest.casefold()


async def test_a_profile_that_would_end_the_shop_is_not_booked_for(desk: Desk) -> None:
    made = await desk.made()
    guest = desk.site.hotel.guests[str(made.guest.id)]
    desk.site.hotel.change_guest(guest, first_name="Agent 47")
    with pytest.raises(InvalidRequest) as refused:
        await desk.made(guest={"id": made.guest.id, "first_name": None, "email": None, "phone": None})
    assert refused.value.errors[0].loc == ("guest", "first_name")
    assert desk.asked("POST", "bookings") == 1


# Ours or theirs


@pytest.mark.parametrize("text", ["one\n---\ntwo", "---", "one\n---", "---\ntwo"])
async def test_a_note_that_would_be_read_as_two_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(InvalidRequest):
        await desk.hotel.add_note(ref(desk.booked()), text, desk.operation())
    assert desk.asked("PUT") == 0


async def test_a_charge_of_the_same_name_at_another_price_is_not_taken_for_ours(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    desk.fault(FaultKind.DROP_BEFORE, "PUT", "bookings")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.post_charge(ref(booking), MINIBAR, operation)
    with pytest.raises(NotSeen):
        await desk.hotel.post_charge(ref(booking), MINIBAR, resumed(operation))
    desk.site.hotel.charge(booking, description="two beers", amount=Decimal("9.00"), quantity=1)
    with pytest.raises(CannotBeSeen):
        await desk.hotel.post_charge(ref(booking), MINIBAR, resumed(operation))


async def test_a_charge_is_taken_back_without_those_of_its_name_that_came_after(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    await desk.hotel.post_charge(ref(booking), MINIBAR, operation)
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    desk.site.hotel.charge(booking, description="two beers", amount=Decimal("9.00"), quantity=1)
    assert await operation.undo()
    assert sorted(line.total for line in booking.lines) == [Decimal("9.00"), Decimal("13.00")]


async def test_a_room_that_an_order_has_twice_is_charged_once(desk: Desk) -> None:
    booking = desk.booked(rooms=2)
    first, second = booking.rooms
    second.room_number = first.room_number
    second.arrival += timedelta(days=5)
    second.departure += timedelta(days=5)
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert [line.total for line in booking.lines] == [Decimal("13.00")]


async def test_an_order_that_has_lost_a_room_is_not_sent_back(desk: Desk) -> None:
    booking = desk.booked(rooms=2)
    booking.rooms[1].released = True
    with pytest.raises(VendorLacks):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert desk.asked("PUT") == 0


async def test_a_profile_that_somebody_else_made_meanwhile_is_not_taken_for_ours(desk: Desk) -> None:
    operation = desk.operation()
    desk.fault(FaultKind.DROP_BEFORE, "POST", "customers")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.upsert_guest(ADA, None, operation)
    desk.site.hotel.register(first_name="Anne", last_name="King", email=str(ADA.email), phone="1")
    with pytest.raises(NotSeen):
        await desk.hotel.upsert_guest(ADA, None, resumed(operation))


async def test_an_order_without_rooms_is_not_called_cancelled(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    desk.fault(FaultKind.DROP_BEFORE, "POST", "order_histories")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.cancel_reservation(ref(booking), None, operation)
    assert booking.status is not StayStatus.CANCELLED
    with pytest.raises(NotSeen):
        await desk.hotel.cancel_reservation(ref(booking), None, resumed(operation))


async def test_a_newest_record_from_the_future_tells_nothing(desk: Desk) -> None:
    booking = desk.booked()
    booking.created_at += timedelta(hours=5)  # as a shop writes that keeps another zone than the hotel's
    assert await desk.hotel.find_newest_record() is None


async def test_a_service_that_staff_added_meanwhile_does_not_undo_a_move(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking, operation = desk.booked(), desk.operation()
    current = await desk.hotel.get_reservation(ref(booking))
    patch = ReservationPatch(departure=current.departure + timedelta(days=1))
    desk.fault(FaultKind.STATUS, "PUT", "/bookings", status=400)
    with pytest.raises(VendorRejected):
        await desk.hotel.modify_reservation(current, patch, operation)
    desk.site.hotel.charge(booking, description="Breakfast", amount=Decimal("10.40"), quantity=1)
    moved = await desk.hotel.modify_reservation(current, patch, operation)
    assert moved.departure == patch.departure
    assert [line.description for line in booking.lines] == ["Breakfast"]
