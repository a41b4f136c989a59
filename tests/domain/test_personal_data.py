"""A canary guest goes through every model that can hold a guest's data and shows in no repr of any."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.domain import folio, guest, hotel, inventory, reservation
from app.domain.guest import (
    GuestContact,
    GuestDraft,
    GuestProfile,
    GuestQuery,
    Preference,
    PreferenceDraft,
    PreferenceSet,
)
from app.domain.reservation import (
    CancelRequest,
    DraftGuest,
    GuestChange,
    Note,
    NoteDraft,
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationQuery,
    ReservedRoom,
)
from app.domain.text import PersonalText

CANARY = "Canaria@birds.test"
NAMES = {"first_name": CANARY, "last_name": CANARY, "email": CANARY, "phone": CANARY}
PREFERENCE = {"category": "pillow", "value": CANARY, "note": CANARY}
DATES: dict[str, Any] = {"arrival": date(2026, 12, 30), "departure": date(2027, 1, 2)}
ROOM = ReservedRoom.model_validate({**DATES, "status": "confirmed"})

CANARIES: list[BaseModel] = [
    Preference.model_validate(PREFERENCE),
    PreferenceDraft.model_validate(PREFERENCE),
    PreferenceSet.model_validate({"preferences": [PREFERENCE]}),
    GuestContact.model_validate(NAMES),
    GuestProfile.model_validate({"id": "g", "hotel_id": "prime", "preferences": [PREFERENCE], **NAMES}),
    GuestDraft.model_validate(NAMES),
    GuestQuery.model_validate(dict.fromkeys(("email", "phone", "last_name"), CANARY)),
    Note.model_validate({"text": CANARY}),
    NoteDraft.model_validate({"text": CANARY}),
    CancelRequest.model_validate({"reason": CANARY}),
    DraftGuest.model_validate(NAMES),
    GuestChange.model_validate(NAMES),
    ReservationQuery.model_validate({"last_name": CANARY}),
    ReservationPatch.model_validate({"guest": NAMES}),
    ReservationDraft.model_validate(
        {**DATES, "room_type": "DLX", "rate_code": "BAR", "adults": 1, "guest": NAMES, "notes": [CANARY]}
    ),
    Reservation.of_rooms([ROOM], id="r", hotel_id="prime", status="confirmed", guest=NAMES, notes=({"text": CANARY},)),
]
PERSONAL_FIELDS = {
    "first_name",
    "last_name",
    "email",
    "phone",
    "guest",
    "notes",
    "text",
    "preferences",
    "value",
    "note",
}


def models() -> set[type[BaseModel]]:
    """Every model of the domain that has a field for something personal."""
    rooms = (folio, guest, hotel, inventory, reservation)
    found = {thing for room in rooms for thing in vars(room).values() if isinstance(thing, type)}
    return {thing for thing in found if issubclass(thing, BaseModel) and PERSONAL_FIELDS & thing.model_fields.keys()}


def test_every_model_with_something_personal_is_tried_here() -> None:
    assert models() <= {type(model) for model in CANARIES}


@pytest.mark.parametrize("model", CANARIES, ids=lambda model: type(model).__name__)
def test_a_guest_shows_in_no_repr_and_no_str(model: BaseModel) -> None:
    assert CANARY not in f"{model!r} {model} {[model]} {model.model_dump()}"
    assert CANARY in model.model_dump_json(), "the canary must be in there for this test to mean anything"


@pytest.mark.parametrize("model", CANARIES, ids=lambda model: type(model).__name__)
def test_a_copy_read_back_from_json_masks_itself_too(model: BaseModel) -> None:
    assert CANARY not in repr(type(model).model_validate_json(model.model_dump_json(exclude={"version"})))


def test_personal_text_is_the_same_text_in_all_but_its_repr() -> None:
    text = PersonalText(CANARY)
    assert text == CANARY
    assert hash(text) == hash(CANARY)
    assert CANARY not in repr(text)
    assert CANARY not in repr({"last_name": text})


@pytest.mark.parametrize("email", ["canary-without-host", "canary\x00@birds.test"])
def test_a_refused_value_is_not_quoted_by_its_refusal(email: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DraftGuest.model_validate({"last_name": "Lee", "email": email})
    assert "canary" not in f"{refused.value} {refused.value!r}"
    with pytest.raises(ValidationError) as broken:
        GuestContact.model_validate({"last_name": ["canary"]})
    assert "canary" not in f"{broken.value} {broken.value!r}"
