from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.domain.folio import ChargeDraft
from app.domain.guest import GuestContact, GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import RoomStatusChange
from app.domain.ids import HotelId, VendorRef
from app.domain.model import shape
from app.domain.money import Money
from app.domain.reservation import (
    CancelRequest,
    CheckoutTimeChange,
    Note,
    NoteDraft,
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationQuery,
    ReservationStatus,
    ReservedRoom,
)
from app.domain.text import PersonalText

ROOM = ReservedRoom(
    room_type="DLX",
    rate_code="BAR",
    arrival=date(2026, 12, 30),
    departure=date(2027, 1, 2),
    adults=2,
    child_ages=(5,),
    status=ReservationStatus.CONFIRMED,
)
GUEST = GuestContact(id=VendorRef("g1"), first_name=PersonalText("Ann"), last_name=PersonalText("Lee"))
DRAFT: dict[str, Any] = {
    "arrival": "2026-12-30",
    "departure": "2027-01-02",
    "room_type": "DLX",
    "rate_code": "BAR",
    "adults": 2,
    "guest": {"last_name": "Lee"},
}


def reservation(*rooms: ReservedRoom, **fields: Any) -> Reservation:
    values = {"id": "r1", "hotel_id": HotelId("prime"), "status": ReservationStatus.CONFIRMED, "guest": GUEST}
    return Reservation.of_rooms(rooms or [ROOM], **{**values, **fields})


@pytest.mark.parametrize(
    "changed",
    [
        reservation(ROOM.model_copy(update={"arrival": date(2026, 12, 31)})),
        reservation(ROOM.model_copy(update={"departure": date(2027, 1, 3)})),
        reservation(ROOM.model_copy(update={"room_type": "STD"})),
        reservation(ROOM.model_copy(update={"rate_code": "FLEX"})),
        reservation(ROOM.model_copy(update={"adults": 1})),
        reservation(ROOM.model_copy(update={"child_ages": (5, 6)})),
        reservation(ROOM, ROOM),
        *(
            reservation(guest=GUEST.model_copy(update={name: PersonalText("changed")}))
            for name in ("first_name", "last_name", "email", "phone", "country")
        ),
    ],
)
def test_the_version_moves_with_everything_that_patch_can_change(changed: Reservation) -> None:
    assert changed.version != reservation().version


def test_the_version_moves_when_one_of_several_rooms_does() -> None:
    other = ROOM.model_copy(update={"room_type": "STD"})
    third = ROOM.model_copy(update={"room_type": "SUI"})
    assert reservation(ROOM, other).version != reservation(ROOM, third).version


@pytest.mark.parametrize(
    "fields",
    [
        {"status": ReservationStatus.CANCELLED},
        {"vendor_status": "in_house"},
        {"notes": (Note(text=PersonalText("late")),)},
        {"total": Money(amount=Decimal(1), currency="EUR")},
        {"balance": Money(amount=Decimal(1), currency="EUR")},
        {"checkout_time": "13:00"},
        {"confirmation_number": "C1"},
        {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"pending_operations": ("o1",)},
        {"vendor_version": "7"},
        {"guest": GUEST.model_copy(update={"id": "g2"})},
    ],
)
def test_the_version_stays_with_everything_else(fields: dict[str, Any]) -> None:
    assert reservation(**fields).version == reservation().version


def test_the_version_stays_when_only_a_rooms_number_or_status_moves() -> None:
    room = ROOM.model_copy(update={"room_number": "101", "status": ReservationStatus.IN_HOUSE})
    assert reservation(room).version == reservation().version


def test_the_version_is_the_same_after_json() -> None:
    assert Reservation.model_validate_json(reservation().model_dump_json()).version == reservation().version


def test_the_vendors_own_version_is_told_to_nobody() -> None:
    told = reservation(vendor_version="canary-7")
    assert "canary-7" not in told.model_dump_json() + repr(told)


def test_the_flat_fields_are_those_of_the_only_room() -> None:
    made = reservation(ROOM.model_copy(update={"room_number": "101"}))
    flat = (made.room_type, made.rate_code, made.room_number, made.adults, made.child_ages)
    assert flat == ("DLX", "BAR", "101", 2, (5,))


def test_the_flat_fields_are_null_where_rooms_differ_and_the_dates_span_all() -> None:
    other = ReservedRoom(
        room_type="STD",
        rate_code="BAR",
        arrival=date(2026, 12, 29),
        departure=date(2027, 1, 1),
        adults=2,
        child_ages=(),
        status=ReservationStatus.CONFIRMED,
    )
    made = reservation(ROOM, other)
    assert (made.arrival, made.departure) == (date(2026, 12, 29), date(2027, 1, 2))
    assert (made.room_type, made.rate_code, made.child_ages) == (None, "BAR", None)
    assert len(made.rooms) == 2


def test_an_absent_member_of_a_patch_is_not_a_null() -> None:
    assert ReservationPatch.model_validate_json("{}").changes == {}
    assert ReservationPatch.model_validate_json('{"child_ages": null}').changes == {"child_ages": None}
    guest = ReservationPatch.model_validate_json('{"guest": {"email": null}}').guest
    assert guest is not None
    assert guest.model_fields_set == {"email"}


def test_a_promised_total_is_no_change() -> None:
    patch = ReservationPatch.model_validate({"expected_total": {"amount": "1.00", "currency": "EUR"}})
    assert patch.changes == {}
    assert not patch.touches_room


@pytest.mark.parametrize(("body", "touches"), [({"adults": 1}, True), ({"guest": {"phone": "1"}}, False)])
def test_a_patch_knows_whether_it_speaks_of_the_room(body: dict[str, Any], touches: bool) -> None:
    assert ReservationPatch.model_validate(body).touches_room is touches


@pytest.mark.parametrize(
    ("arrival", "departure"),
    [("2026-12-30", "2026-12-30"), ("2026-12-30", "2026-12-29"), ("2026-12-30", "2028-01-01")],
)
def test_a_stay_has_1_to_366_nights(arrival: str, departure: str) -> None:
    dates = {"arrival": arrival, "departure": departure}
    for model, body in ((ReservationDraft, {**DRAFT, **dates}), (ReservationPatch, dates)):
        with pytest.raises(ValidationError, match="366 days"):
            model.model_validate(body)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ReservationDraft, DRAFT),
        (ReservationPatch, {}),
        (NoteDraft, {"text": "late"}),
        (CancelRequest, {}),
        (CheckoutTimeChange, {"checkout_time": "13:00"}),
        (GuestDraft, {"last_name": "Lee"}),
        (GuestQuery, {"last_name": "Lee"}),
        (PreferenceSet, {"preferences": []}),
        (RoomStatusChange, {"cleaning": "clean"}),
        (
            ChargeDraft,
            {"description": "Tea", "amount": {"amount": "1.00", "currency": "EUR"}, "category": "bar"},
        ),
    ],
)
def test_an_unknown_member_is_refused_never_dropped(model: type[BaseModel], body: dict[str, Any]) -> None:
    model.model_validate(body)
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.model_validate({**body, "romm_type": "DLX"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"guest": {"last_name": "Lee", "middle_name": "B"}},
        {"guest": {"last_name": "L\x00ee"}},
        {"guest": {"first_name": "Ann"}},
        {"guest": {"last_name": "Lee", "country": "at"}},
        {"notes": ["a\x00b"]},
        {"notes": [""]},
        {"room_type": "D\nLX"},
        {"adults": 0},
        {"adults": "2"},
        {"adults": True},
        {"child_ages": [18]},
        {"child_ages": [-1]},
        {"arrival": None},
        {"external_reference": "x" * 256},
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    ReservationDraft.model_validate(DRAFT)
    with pytest.raises(ValidationError):
        ReservationDraft.model_validate({**DRAFT, **wrong})


def test_a_draft_knows_its_stay_and_its_people() -> None:
    draft = ReservationDraft.model_validate({**DRAFT, "child_ages": [3]})
    assert len(draft.stay) == 3
    assert draft.occupancy.guests == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ReservationQuery(), True),
        (ReservationQuery(last_name=PersonalText("LÉE")), True),
        (ReservationQuery(last_name=PersonalText("Leeson")), False),
        (ReservationQuery(guest_id=VendorRef("g1"), arrival=date(2026, 12, 30)), True),
        (ReservationQuery(guest_id=VendorRef("g1"), arrival=date(2026, 12, 31)), False),
        (ReservationQuery(confirmation_number="C1"), False),
        (ReservationQuery(statuses=frozenset({ReservationStatus.CANCELLED})), False),
        (ReservationQuery(statuses=frozenset()), False),
    ],
)
def test_a_query_wants_all_that_it_names(query: ReservationQuery, found: bool) -> None:
    assert query.matches(reservation()) is found


def test_a_name_of_nothing_finds_no_reservation_without_a_name() -> None:
    nameless = reservation(guest=GuestContact())
    assert not ReservationQuery(last_name=PersonalText("\u0301")).matches(nameless)
    assert ReservationQuery().matches(nameless)


def test_a_vendors_texts_are_taken_as_long_as_they_are() -> None:
    made = reservation(ROOM.model_copy(update={"room_type": "x" * 300, "rate_code": ""}))
    assert Reservation.model_validate_json(made.model_dump_json()) == made


def test_lists_are_sorted_by_folded_last_name_then_id() -> None:
    named = [("r3", "Ähm"), ("r2", "ahm"), ("r1", "Zoe"), ("r4", None)]
    made = [
        reservation(id=key, guest=GuestContact(last_name=PersonalText(name) if name else None)) for key, name in named
    ]
    assert [one.id for one in sorted(made, key=lambda one: one.sort_key)] == ["r4", "r2", "r3", "r1"]


def test_a_guests_version_moves_with_what_callers_can_change_only() -> None:
    guest = GuestProfile(id=VendorRef("g1"), hotel_id="prime", last_name=PersonalText("Lee"))
    assert guest.model_copy(update={"vip": True}).version != guest.version
    assert guest.model_copy(update={"updated_at": datetime(2026, 1, 1, tzinfo=UTC)}).version == guest.version


@pytest.mark.parametrize("body", [{}, {"last_name": None}, {"first_name": "Ann"}])
def test_a_guest_without_id_needs_a_last_name_and_a_search_something_to_look_for(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuestDraft.model_validate(body)
    with pytest.raises(ValidationError):
        GuestQuery.model_validate(body)


def test_the_shape_of_an_answer_tells_versions_of_it_apart() -> None:
    assert shape(list[Reservation]) == shape(list[Reservation])
    assert len({shape(Reservation), shape(list[Reservation]), shape(date | None)}) == 3
