"""What becomes of writes: lost answers, repeats, guests who are known already, and what is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from app.core.operation import Operation
from app.domain.errors import (
    CapabilityNotSupported,
    Conflict,
    ConflictRefused,
    GatewayError,
    InvalidRequest,
    NotFound,
    NotSeen,
    OutcomeUnknown,
    VendorLacks,
    VendorRejected,
)
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft, PreferenceSet
from app.domain.hotel import RoomStatusChange
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationPatch, ReservationStatus
from app.simulators.records import Housekeeping
from tests.adapters.mews.desk import Desk, OpenDesk, resumed
from tests.fixtures.stays import fault

Act = Callable[[Desk, Operation], Awaitable[object]]


def _wine() -> ChargeDraft:
    amount = {"amount": "7.25", "currency": "EUR"}
    return ChargeDraft.model_validate({"description": "Wine", "amount": amount, "quantity": 3, "category": "bar"})


def _guest_id(desk: Desk) -> VendorRef:
    return VendorRef(str(desk.seeded("Lovelace").contact.guest_id))


async def _modify(desk: Desk, op: Operation) -> object:
    current = await desk.hotel.get_reservation(desk.ref("Lamarr"))
    return await desk.hotel.modify_reservation(current, ReservationPatch(adults=1), op)


async def _new_guest(desk: Desk, op: Operation) -> object:
    draft = GuestDraft.model_validate({"last_name": "Curie", "email": "marie@example.test"})
    return await desk.hotel.upsert_guest(draft, None, op)


async def _changed_guest(desk: Desk, op: Operation) -> object:
    guest = await desk.hotel.get_guest(_guest_id(desk))
    return await desk.hotel.upsert_guest(GuestDraft.model_validate({"id": guest.id, "phone": "+44 1"}), guest, op)


def _prefer(desk: Desk, op: Operation) -> Awaitable[object]:
    wanted = PreferenceSet.model_validate({"preferences": [{"category": "floor", "value": "high"}]})
    return desk.hotel.set_preferences(_guest_id(desk), wanted, op)


def _clean(desk: Desk, op: Operation) -> Awaitable[object]:
    number = str(desk.seeded("Turing").rooms[0].room_number)
    desk.place.hotel.rooms[number].cleaning = Housekeeping.DIRTY
    return desk.hotel.set_room_status(number, RoomStatusChange.model_validate({"cleaning": "inspected"}), op)


ACTS: dict[str, tuple[str, Act]] = {
    "create, its guest": ("customers/add", lambda desk, op: desk.hotel.create_reservation(desk.draft(), op)),
    "create": ("reservations/add", lambda desk, op: desk.hotel.create_reservation(desk.draft(), op)),
    "modify": ("reservations/update", _modify),
    "cancel": ("reservations/cancel", lambda desk, op: desk.hotel.cancel_reservation(desk.ref("Lamarr"), None, op)),
    "note": ("serviceOrderNotes/add", lambda desk, op: desk.hotel.add_note(desk.ref("Lovelace"), "Vegan", op)),
    "checkout time": (
        "reservations/update",
        lambda desk, op: desk.hotel.set_checkout_time(desk.ref("Lovelace"), "13:00", op),
    ),
    "check in": ("reservations/start", lambda desk, op: desk.hotel.check_in(desk.ref("Johnson"), op)),
    "check out": ("reservations/process", lambda desk, op: desk.hotel.check_out(desk.ref("Hopper"), op)),
    "new guest": ("customers/add", _new_guest),
    "changed guest": ("customers/update", _changed_guest),
    "preferences": ("accountNotes/add", _prefer),
    "old preferences": ("accountNotes/delete", _prefer),
    "charge": ("orders/add", lambda desk, op: desk.hotel.post_charge(desk.ref("Lovelace"), _wine(), op)),
    "room": ("resources/update", _clean),
}
UNPAID = {"options": {"check_out_unpaid": True}}


@pytest.mark.parametrize("act", ACTS)
async def test_a_write_whose_answer_was_lost_is_found_and_not_sent_again(open_desk: OpenDesk, act: str) -> None:
    operation, write = ACTS[act]
    async with open_desk(**UNPAID) as desk:
        desk.site.faults.add(fault("drop_after", path=f"{operation}$", times=1))
        await write(desk, desk.operation())
        assert len(desk.sent(operation)) == 1


@pytest.mark.parametrize("act", ACTS)
async def test_a_write_that_never_landed_is_not_taken_for_done(open_desk: OpenDesk, act: str) -> None:
    operation, write = ACTS[act]
    async with open_desk(**UNPAID) as desk:
        desk.site.faults.add(fault("drop_before", path=f"{operation}$"))
        op = desk.operation()
        with pytest.raises(OutcomeUnknown):
            await write(desk, op)
        with pytest.raises(NotSeen):
            await write(desk, resumed(op))
        assert len(desk.sent(operation)) <= 1


@pytest.mark.parametrize("act", ["cancel", "check in", "check out"])
async def test_what_is_done_already_is_not_sent(open_desk: OpenDesk, act: str) -> None:
    operation, write = ACTS[act]
    async with open_desk(**UNPAID) as desk:
        first = await write(desk, desk.operation())
        assert await write(desk, desk.operation()) == first
        assert len(desk.sent(operation)) == 1


async def test_a_guest_who_is_known_by_address_and_name_is_booked_for_and_not_changed(desk: Desk) -> None:
    guest = {"first_name": "Augusta", "last_name": "LOVELACE", "email": "ada@example.test", "phone": "1"}
    made = await desk.hotel.create_reservation(desk.draft(guest=guest), desk.operation())
    assert (made.guest.id, made.guest.first_name, made.guest.phone) == (_guest_id(desk), "Ada", "+43 1 5550101")
    assert desk.sent("customers/add") == desk.sent("customers/update") == []


async def test_an_address_of_somebody_else_is_a_conflict_before_anything_is_sent(desk: Desk) -> None:
    with pytest.raises(ConflictRefused):
        await desk.hotel.create_reservation(desk.draft(guest={"email": "ada@example.test"}), desk.operation())
    assert desk.sent("customers/add") == desk.sent("reservations/add") == []


async def test_a_guest_may_be_named_by_id(desk: Desk) -> None:
    named = {"id": _guest_id(desk), "email": None}
    made = await desk.hotel.create_reservation(desk.draft(guest=named), desk.operation())
    assert made.guest.last_name == "Lovelace"
    with pytest.raises(InvalidRequest) as refused:
        await desk.hotel.create_reservation(desk.draft(guest={"id": "nobody"}), desk.operation())
    assert refused.value.errors[0].loc == ("guest", "id")


async def test_a_stay_that_is_refused_leaves_no_half_of_a_booking(desk: Desk) -> None:
    house = desk.place.hotel
    for room in house.rooms.values():
        house.take_out_of_order(room)
    op = desk.operation()
    with pytest.raises(VendorRejected, match="availability"):
        await desk.hotel.create_reservation(desk.draft(), op)
    assert await op.undo()
    assert not op.stands
    again = desk.operation()
    for room in house.rooms.values():
        house.take_out_of_order(room, out_of_order=False)
    await desk.hotel.create_reservation(desk.draft(), again)
    assert len([one for one in house.guests.values() if one.last_name == "Shelley"]) == 1


async def test_a_change_keeps_the_hours_of_a_stay_and_the_children_nobody_spoke_of(desk: Desk) -> None:
    made = await desk.hotel.create_reservation(desk.draft(adults=2, child_ages=[9]), desk.operation())
    late = await desk.hotel.set_checkout_time(made.id, "13:30", desk.operation())
    assert late.checkout_time == "13:30"
    longer = ReservationPatch(departure=made.departure + timedelta(days=1), adults=1)
    changed = await desk.hotel.modify_reservation(late, longer, desk.operation())
    assert (changed.departure, changed.checkout_time, changed.adults) == (longer.departure, "13:30", 1)
    (counts,) = [one["ReservationUpdates"][0]["PersonCounts"]["Value"] for one in desk.sent("reservations/update")[1:]]
    assert {"AgeCategoryId": desk.place.age_category("child"), "Count": 1} in counts


async def test_a_change_of_nothing_is_not_sent(desk: Desk) -> None:
    current = await desk.hotel.get_reservation(desk.ref("Lamarr"))
    patch = ReservationPatch(adults=current.adults, room_type=current.room_type)
    assert await desk.hotel.modify_reservation(current, patch, desk.operation()) == current
    assert desk.sent("reservations/update") == []


async def test_a_quote_of_a_change_is_what_the_change_then_costs(desk: Desk) -> None:
    current = await desk.hotel.get_reservation(desk.ref("Lamarr"))
    kinds = list(desk.place.hotel.kinds)
    patch = ReservationPatch(room_type=kinds[2], departure=current.departure + timedelta(days=1))
    quote = await desk.hotel.quote_change(current, patch)
    changed = await desk.hotel.modify_reservation(current, patch, desk.operation())
    assert quote.total == changed.total != current.total


async def test_somebody_elses_change_at_the_same_time_is_a_conflict(open_desk: OpenDesk) -> None:
    async with open_desk(modes={"contention": "on"}) as desk:
        with pytest.raises(Conflict):
            await _modify(desk, desk.operation())
        await _modify(desk, desk.operation())


REFUSED: dict[str, tuple[Act, str]] = {
    "external reference": (
        lambda desk, op: desk.hotel.create_reservation(desk.draft(external_reference="X"), op),
        "external_reference",
    ),
    "reference of a charge": (
        lambda desk, op: desk.hotel.post_charge(
            desk.ref("Lovelace"), _wine().model_copy(update={"reference": "X"}), op
        ),
        "reference",
    ),
    "pickup": (
        lambda desk, op: desk.hotel.set_room_status("101", RoomStatusChange.model_validate({"cleaning": "pickup"}), op),
        "cleaning",
    ),
    "tier": (
        lambda desk, op: desk.hotel.upsert_guest(
            GuestDraft.model_validate({"last_name": "A", "loyalty_tier": "Gold"}), None, op
        ),
        "loyalty_tier",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_said_is_refused_by_its_name_and_nothing_is_written(desk: Desk, what: str) -> None:
    write, field = REFUSED[what]
    op = desk.operation()
    with pytest.raises(CapabilityNotSupported) as refused:
        await write(desk, op)
    assert refused.value.errors[0].loc == (field,)
    assert op.sends == 0


async def test_a_guest_is_not_changed_by_their_stay(desk: Desk) -> None:
    current = await desk.hotel.get_reservation(desk.ref("Lamarr"))
    same = ReservationPatch.model_validate({"guest": {"last_name": "Lamarr"}})
    await desk.hotel.modify_reservation(current, same, desk.operation())
    other = ReservationPatch.model_validate({"guest": {"last_name": "Kiesler"}})
    with pytest.raises(CapabilityNotSupported) as refused:
        await desk.hotel.modify_reservation(current, other, desk.operation())
    assert refused.value.errors[0].loc == ("guest.last_name",)


async def test_a_stay_that_there_is_none_of_is_not_found(desk: Desk) -> None:
    for write in (desk.hotel.check_in, desk.hotel.check_out):
        with pytest.raises(NotFound):
            await write(VendorRef("nothing"), desk.operation())
    with pytest.raises(NotFound):
        await desk.hotel.get_guest(VendorRef("nobody"))


async def test_an_option_that_names_nothing_of_the_property_is_told(open_desk: OpenDesk) -> None:
    for option, write in (
        ("service_id", lambda desk, op: desk.hotel.list_room_types()),
        ("charge_service_id", ACTS["charge"][1]),
        ("charge_tax_code", ACTS["charge"][1]),
    ):
        async with open_desk(options={option: "nothing"}) as desk:
            with pytest.raises(VendorLacks, match=f"options.{option}"):
                await write(desk, desk.operation())


async def test_a_late_commit_is_found_by_the_next_attempt(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.site.wait = lambda _: gate.wait()
    desk.site.faults.add(fault("late_commit", path="reservations/add$", times=1, status=500))
    op: Any = desk.operation()
    with pytest.raises(GatewayError):
        await desk.hotel.create_reservation(desk.draft(), op)
    gate.set()
    await desk.site.settled()
    made = await desk.hotel.create_reservation(desk.draft(), resumed(op))
    assert made.status is ReservationStatus.CONFIRMED
    assert len(desk.sent("reservations/add")) == 1
