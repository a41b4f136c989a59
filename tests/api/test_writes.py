"""Every write of the contract: its status, what it answers, what the PMS has in its books after it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.simulators.house import RoomWish
from app.simulators.records import Contact, Housekeeping, StayStatus
from tests.fixtures.gateway import HotelUnderTest, MakeHotel
from tests.fixtures.stays import booked, code_of, draft, seeded, today


def _euro(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


async def _made(hotel: HotelUnderTest, **changes: Any) -> dict[str, Any]:
    answer = await hotel.send(
        "POST", "/reservations", draft(hotel, **changes), key=f"make {changes}"[:200].replace(" ", "")
    )
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_a_reservation_is_made_as_it_was_asked_for(hotel: HotelUnderTest) -> None:
    body = draft(
        hotel, room_type="DLX", child_ages=[7], notes=["Cot, please", "Late arrival"], external_reference="AGENCY-77"
    )
    answer = await hotel.send("POST", "/reservations", body, key="k")
    made, meta = answer.json()["data"], answer.json()["meta"]
    assert answer.status_code == 201
    assert {name: made[name] for name in ("arrival", "departure", "room_type", "rate_code", "adults")} == {
        name: body[name] for name in ("arrival", "departure", "room_type", "rate_code", "adults")
    }
    assert (made["status"], made["child_ages"], made["external_reference"]) == ("confirmed", [7], "AGENCY-77")
    assert [note["text"] for note in made["notes"]] == ["Cot, please", "Late arrival"]
    assert made["guest"] | body["guest"] == made["guest"]
    assert (meta["source"], meta["stale"], bool(meta["operation_id"])) == ("pms", False, True)
    [booking] = booked(hotel.site)
    assert (booking.id, booking.confirmation_number) == (made["id"], made["confirmation_number"])
    assert (await hotel.get(f"/reservations/{made['id']}")).json()["data"] == made


async def test_what_the_pms_does_not_take_is_told_in_its_words(hotel: HotelUnderTest) -> None:
    answer = await hotel.send("POST", "/reservations", draft(hotel, room_type="IGLOO"), key="k")
    problem = answer.json()
    assert code_of(answer) == (422, "pms_rejected")
    assert (problem["vendor"], problem["vendor_code"]) == ("bridge", "invalid")
    assert "IGLOO" in problem["detail"]
    assert problem["operation_id"]
    assert booked(hotel.site) == []


async def test_a_full_house_is_409_no_availability(hotel: HotelUnderTest) -> None:
    for key in ("a", "b"):
        assert (await hotel.send("POST", "/reservations", draft(hotel), key=key)).status_code == 201
    assert code_of(await hotel.send("POST", "/reservations", draft(hotel), key="c")) == (409, "no_availability")
    assert len(booked(hotel.site)) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"arrival": "2030-01-02", "departure": "2030-01-02"},
        {"arrival": "2030-01-02", "departure": "2030-01-01"},
        {"adults": 0},
        {"adults": None},
        {"guest": {"first_name": "Mary"}},
        {"guest": {"last_name": "  "}},
        {"guest": {"last_name": "Shelley", "email": "no address"}},
        {"room_type": None},
        {"color": "blue"},
        {"expected_total": {"amount": 12.5, "currency": "EUR"}},
    ],
)
async def test_a_draft_that_makes_no_sense_is_422_and_sends_nothing(
    hotel: HotelUnderTest, body: dict[str, Any]
) -> None:
    answer = await hotel.send("POST", "/reservations", draft(hotel, **body), key="k")
    assert code_of(answer) == (422, "validation_failed")
    assert answer.json()["errors"][0]["loc"]
    assert "Shelley" not in answer.text
    assert hotel.site.requests == []


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/reservations", "POST", {}),
        ("/reservations/R1001/notes", "POST", {"text": "x"}),
        ("/reservations/R1001/charges", "POST", {}),
        ("/guests", "PUT", {"last_name": "x"}),
    ],
)
async def test_what_could_be_done_twice_needs_a_key(
    hotel: HotelUnderTest, path: str, method: str, body: dict[str, Any]
) -> None:
    filled = draft(hotel) if path == "/reservations" else body
    if path.endswith("charges"):
        filled = {"description": "Tea", "amount": _euro("3.00"), "category": "bar"}
    assert code_of(await hotel.send(method, path, filled)) == (400, "idempotency_key_required")
    for key in ("with space", "ü", "x" * 256):
        answer = await hotel.send(method, path, filled, headers={"Idempotency-Key": key.encode()})
        assert code_of(answer) == (422, "validation_failed"), key
    assert hotel.site.requests == []


async def test_a_change_keeps_what_it_does_not_name(hotel: HotelUnderTest) -> None:
    made = await _made(hotel)
    later = str(today(hotel) + timedelta(days=33))
    answer = await hotel.send(
        "PATCH", f"/reservations/{made['id']}", {"departure": later, "guest": {"phone": "+43 1 2"}}
    )
    changed = answer.json()["data"]
    assert answer.status_code == 200
    assert changed["departure"] == later
    assert changed["guest"] == {**made["guest"], "phone": "+43 1 2"}
    kept = ("arrival", "room_type", "rate_code", "adults", "child_ages", "id", "confirmation_number")
    assert {name: changed[name] for name in kept} == {name: made[name] for name in kept}
    assert changed["version"] != made["version"]
    assert Decimal(changed["total"]["amount"]) > Decimal(made["total"]["amount"])


async def test_null_clears_what_can_be_cleared(hotel: HotelUnderTest) -> None:
    made = await _made(hotel, room_type="DLX", child_ages=[7])
    patch = {"child_ages": None, "guest": {"email": None, "country": None}}
    changed = (await hotel.send("PATCH", f"/reservations/{made['id']}", patch)).json()["data"]
    assert (changed["child_ages"], changed["guest"]["email"], changed["guest"]["country"]) == ([], None, None)
    assert changed["guest"]["first_name"] == "Mary"


@pytest.mark.parametrize("name", ["arrival", "departure", "room_type", "rate_code", "adults", "guest"])
async def test_null_for_what_a_stay_cannot_be_without_is_501_with_the_field(hotel: HotelUnderTest, name: str) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    answer = await hotel.send("PATCH", path, {name: None})
    assert code_of(answer) == (501, "capability_not_supported")
    assert answer.json()["errors"] == [{"loc": [name], "msg": "it cannot be cleared"}]
    assert {request.method for request in hotel.site.requests} == {"GET"}


async def test_a_change_of_nothing_changes_nothing(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    before = (await hotel.get(path)).json()["data"]
    answer = await hotel.send("PATCH", path, {})
    assert (answer.status_code, answer.json()["data"]) == (200, before)
    assert {request.method for request in hotel.site.requests} == {"GET"}


async def test_a_stay_of_several_rooms_is_not_changed_in_one(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Noether').id}"
    for patch in ({"adults": 1}, {"departure": str(today(hotel) + timedelta(days=9))}, {"child_ages": None}):
        assert code_of(await hotel.send("PATCH", path, patch)) == (409, "multi_room"), patch
    named = await hotel.send("PATCH", path, {"guest": {"first_name": "Amalie"}})
    assert (named.status_code, named.json()["data"]["guest"]["first_name"]) == (200, "Amalie")


async def test_if_match_guards_a_change(hotel: HotelUnderTest) -> None:
    path = f"/reservations/{seeded(hotel, 'Lamarr').id}"
    version = (await hotel.get(path)).json()["data"]["version"]

    async def change(name: str, if_match: str) -> Any:
        return await hotel.send("PATCH", path, {"guest": {"first_name": name}}, headers={"If-Match": if_match})

    first = await change("Hedwig", f'"{version}"')
    assert first.status_code == 200
    moved = await change("Eva", f'"{version}"')
    assert code_of(moved) == (412, "precondition_failed")
    assert seeded(hotel, "Lamarr").contact.first_name == "Hedwig"
    for right in ("*", f'"other", "{first.json()["data"]["version"]}"'):
        assert (await change("Hedwig", right)).status_code == 200, right


async def test_a_version_is_moved_by_what_the_pms_changed_and_by_nothing_else(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lamarr")
    path = f"/reservations/{booking.id}"
    version = (await hotel.get(path)).json()["data"]["version"]
    hotel.site.hotel.remark(booking, "A note is nothing that PATCH changes")
    guarded = {"headers": {"If-Match": f'"{version}"'}}
    assert (await hotel.send("PATCH", path, {"adults": 1}, **guarded)).status_code == 200
    guarded = {"headers": {"If-Match": f'"{(await hotel.get(path)).json()["data"]["version"]}"'}}
    hotel.site.hotel.name_guest(booking, first_name="Hedwig")
    assert code_of(await hotel.send("PATCH", path, {"adults": 2}, **guarded)) == (412, "precondition_failed")


async def _price(hotel: HotelUnderTest, body: dict[str, Any]) -> str:
    quotes = await hotel.get(
        "/rates",
        arrival=body["arrival"],
        departure=body["departure"],
        adults=body["adults"],
        room_type=body["room_type"],
        rate_code=body["rate_code"],
    )
    return str(quotes.json()["data"][0]["total"]["amount"])


async def test_a_promised_price_is_kept_or_refused_before_anything_is_sent(hotel: HotelUnderTest) -> None:
    body = draft(hotel)
    price = await _price(hotel, body)
    wrong = await hotel.send("POST", "/reservations", {**body, "expected_total": _euro("1.00")}, key="wrong")
    assert code_of(wrong) == (409, "price_changed")
    assert (wrong.json()["expected"], wrong.json()["actual"]) == (_euro("1.00"), _euro(price))
    assert booked(hotel.site) == []
    right = await hotel.send("POST", "/reservations", {**body, "expected_total": _euro(price)}, key="right")
    assert (right.status_code, right.json()["data"]["total"]["amount"]) == (201, price)
    assert right.json()["meta"]["warnings"] == []


async def test_a_changed_stay_costs_what_its_quote_said(hotel: HotelUnderTest) -> None:
    made = await _made(hotel)
    path = f"/reservations/{made['id']}"
    patch: dict[str, Any] = {"rate_code": "SAVER", "adults": 1}
    quote = await hotel.send("POST", f"{path}/quote", patch)
    assert quote.status_code == 200
    assert (await hotel.get(path)).json()["data"]["rate_code"] == "FLEX"
    refused = await hotel.send("PATCH", path, {**patch, "expected_total": made["total"]})
    assert code_of(refused) == (409, "price_changed")
    kept = await hotel.send("PATCH", path, {**patch, "expected_total": quote.json()["data"]["total"]})
    assert (kept.status_code, kept.json()["data"]["total"]) == (200, quote.json()["data"]["total"])


async def test_cancelling_twice_is_done_both_times(make_hotel: MakeHotel) -> None:
    for mode in ("ok", "refused"):
        hotel = await make_hotel("bridge", modes={"second_cancel": mode})
        made = await _made(hotel)
        path = f"/reservations/{made['id']}/cancel"
        answers = [await hotel.send("POST", path, body) for body in ({"reason": "Ill"}, {}, None)]
        assert [(one.status_code, one.json()["data"]["status"]) for one in answers] == [(200, "cancelled")] * 3
        assert booked(hotel.site)[0].cancel_reason == "Ill"


async def test_what_has_begun_cannot_be_cancelled(hotel: HotelUnderTest) -> None:
    answer = await hotel.send("POST", f"/reservations/{seeded(hotel, 'Lovelace').id}/cancel", {})
    assert code_of(answer) == (409, "conflict")
    assert answer.json()["vendor_code"] == "conflict"


async def test_a_note_is_added_to_what_stands_there(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lovelace")
    text = "Allergic to feathers,\n«vegan»"
    answer = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": text}, key="k")
    assert answer.status_code == 201
    assert answer.json()["data"]["text"] == text
    assert answer.json()["data"]["created_at"]
    assert [remark.text for remark in booking.remarks] == ["Extra pillows, please", text]


async def test_the_checkout_time_is_set(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lovelace")
    path = f"/reservations/{booking.id}/checkout-time"
    answer = await hotel.send("PUT", path, {"checkout_time": "13:00"})
    assert (answer.status_code, answer.json()["data"]["checkout_time"], booking.checkout_time) == (
        200,
        "13:00",
        "13:00",
    )
    for wrong in ("24:00", "1:00 pm", "13", None):
        assert code_of(await hotel.send("PUT", path, {"checkout_time": wrong})) == (422, "validation_failed")


async def test_guests_are_checked_in_and_out_and_once_more_is_no_error(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Johnson")
    path = f"/reservations/{booking.id}"
    for act, status in (("check-in", "in_house"), ("check-in", "in_house"), ("check-out", "checked_out")):
        answer = await hotel.send("POST", f"{path}/{act}")
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, status), act
    again = await hotel.send("POST", f"{path}/check-out")
    assert (again.status_code, booking.status) == (200, StayStatus.CHECKED_OUT)
    early = await hotel.send("POST", f"/reservations/{seeded(hotel, 'Lamarr').id}/check-in")
    assert code_of(early) == (409, "conflict")


async def test_a_charge_is_posted_with_its_quantity(hotel: HotelUnderTest) -> None:
    booking = seeded(hotel, "Lovelace")
    path = f"/reservations/{booking.id}"
    before = Decimal((await hotel.get(f"{path}/balance")).json()["data"]["balance"]["amount"])
    body = {"description": "Wine", "amount": _euro("7.25"), "quantity": 3, "category": "bar", "reference": "POS-9"}
    answer = await hotel.send("POST", f"{path}/charges", body, key="k")
    posted = answer.json()["data"]
    assert answer.status_code == 201
    assert (posted["amount"], posted["quantity"], posted["total"]) == (_euro("7.25"), 3, _euro("21.75"))
    assert (posted["reservation_id"], posted["description"], posted["reference"]) == (booking.id, "Wine", "POS-9")
    assert posted["posted_at"]
    lines = (await hotel.get(f"{path}/charges")).json()["data"]
    assert [line["amount"] for line in lines if line["description"] == "Wine"] == [_euro("21.75")]
    after = Decimal((await hotel.get(f"{path}/balance")).json()["data"]["balance"]["amount"])
    assert after - before == Decimal("21.75")


@pytest.mark.parametrize(("codes", "sent"), [({"bar": "F-100"}, "F-100"), ({"default": "F-999"}, "F-999"), ({}, "bar")])
async def test_a_category_becomes_the_hotels_own_code(make_hotel: MakeHotel, codes: dict[str, str], sent: str) -> None:
    hotel = await make_hotel("bridge", changes={"options": {"charge_codes": codes}})
    body = {"description": "Wine", "amount": _euro("7.25"), "category": "bar"}
    assert (await hotel.send("POST", f"/reservations/{seeded(hotel, 'Lovelace').id}/charges", body, key="k")).is_success
    assert seeded(hotel, "Lovelace").lines[-1].category == sent


async def test_a_charge_needs_its_own_scope(hotel: HotelUnderTest) -> None:
    writer = await hotel.gateway.client(scopes=("read", "write"), hotels=[hotel.id])
    cashier = await hotel.gateway.client(scopes=("charges",), hotels=[hotel.id])
    path = f"/v1/hotels/{hotel.id}/reservations/{seeded(hotel, 'Lovelace').id}/charges"
    body = {"description": "Wine", "amount": _euro("7.25"), "category": "bar"}
    assert code_of(await writer("POST", path, json=body, key="k")) == (403, "forbidden")
    assert (await cashier("POST", path, json=body, key="k")).status_code == 201
    assert code_of(await cashier.get(path)) == (403, "forbidden")


async def test_a_room_is_reported_clean(hotel: HotelUnderTest) -> None:
    room = next(one for one in hotel.site.hotel.rooms.values() if one.cleaning is Housekeeping.DIRTY)
    answer = await hotel.send("PUT", f"/rooms/{room.number}/status", {"cleaning": "inspected"})
    assert (answer.status_code, answer.json()["data"]["cleaning"]) == (200, "inspected")
    assert (await hotel.get(f"/rooms/{room.number}")).json()["data"] == answer.json()["data"]
    for wrong in ("unknown", "sparkling", None):
        assert code_of(await hotel.send("PUT", f"/rooms/{room.number}/status", {"cleaning": wrong})) == (
            422,
            "validation_failed",
        )


async def test_writes_take_confirmation_numbers_too(hotel: HotelUnderTest) -> None:
    made = await _made(hotel)
    named = f"/reservations/confirmation:{made['confirmation_number']}"
    assert (await hotel.send("POST", f"{named}/notes", {"text": "Hello"}, key="n")).status_code == 201
    assert (await hotel.send("PATCH", named, {"adults": 1})).json()["data"]["id"] == made["id"]
    assert (await hotel.send("POST", f"{named}/cancel", {})).json()["data"]["status"] == "cancelled"
    assert code_of(await hotel.send("POST", "/reservations/confirmation:NONE/cancel", {})) == (404, "not_found")


async def test_a_pms_without_the_room_lets_nobody_have_it(hotel: HotelUnderTest) -> None:
    day = today(hotel) + timedelta(days=31)
    wish = RoomWish(kind="STE", plan="FLEX", arrival=day, departure=day + timedelta(days=1), adults=1)
    hotel.site.hotel.book([wish, wish], Contact(last_name="First"))
    promised = draft(hotel, expected_total=_euro("700.00"))
    assert code_of(await hotel.send("POST", "/reservations", promised, key="k")) == (409, "no_availability")
    assert not [one for one in hotel.site.requests if one.template.endswith("/reservations")]
