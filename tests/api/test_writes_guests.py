"""Guest profiles: found, merged, refused, and their preferences."""

from typing import Any

import pytest

from app.simulators.records import Guest
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.stays import code_of, seeded


def _profile(hotel: HotelUnderTest, last_name: str) -> Guest:
    return hotel.site.hotel.guest(str(seeded(hotel, last_name).contact.guest_id))


async def _put(hotel: HotelUnderTest, body: dict[str, Any], key: str = "k") -> Any:
    return await hotel.send("PUT", "/guests", body, key=key)


async def test_a_new_guest_is_made(hotel: HotelUnderTest) -> None:
    body = {
        "first_name": "Marie",
        "last_name": "Curie",
        "email": "marie@example.test",
        "phone": "+33 1 23",
        "country": "FR",
        "language": "fr",
        "loyalty_tier": "Gold",
        "vip": True,
    }
    answer = await _put(hotel, body)
    made = answer.json()["data"]
    assert answer.status_code == 201
    assert made | body == made
    assert (made["hotel_id"], made["external_ids"], made["preferences"]) == (hotel.id, {"pms": made["id"]}, [])
    assert (await hotel.get(f"/guests/{made['id']}")).json()["data"] == made


async def test_a_guest_is_merged_by_id(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    answer = await _put(hotel, {"id": ada.id, "language": "fr", "phone": None})
    merged = answer.json()["data"]
    assert (answer.status_code, merged["id"], merged["language"], merged["phone"]) == (200, ada.id, "fr", None)
    assert (merged["last_name"], merged["email"], merged["loyalty_tier"]) == ("Lovelace", "ada@example.test", "Gold")
    assert code_of(await _put(hotel, {"id": "G99999", "language": "fr"}, key="none")) == (404, "not_found")


async def test_a_guest_is_merged_by_email_when_the_last_name_agrees(hotel: HotelUnderTest) -> None:
    emilie = _profile(hotel, "du Châtelet")
    before = len(hotel.site.hotel.guests)
    answer = await _put(hotel, {"last_name": "DU CHATELET", "email": "Emilie@EXAMPLE.test", "language": "fr"})
    assert (answer.status_code, answer.json()["data"]["id"]) == (200, emilie.id)
    assert (emilie.language, len(hotel.site.hotel.guests)) == ("fr", before)


async def test_an_email_of_somebody_else_is_409_that_tells_nothing_of_them(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    answer = await _put(hotel, {"last_name": "Byron", "first_name": "Annabella", "email": "ada@example.test"})
    assert code_of(answer) == (409, "conflict")
    for secret in (ada.id, "Ada", "Lovelace", ada.phone, "ada@example.test", "Gold", "GB"):
        assert str(secret) not in answer.text, secret
    assert (ada.first_name, ada.last_name) == ("Ada", "Lovelace")


async def test_on_conflict_create_makes_a_profile_beside_the_other(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    answer = await _put(hotel, {"last_name": "Byron", "email": "ada@example.test", "on_conflict": "create"})
    assert answer.status_code == 201
    assert answer.json()["data"]["id"] != ada.id
    found = (await hotel.get("/guests", email="ada@example.test")).json()["data"]
    assert [one["last_name"] for one in found] == ["Byron", "Lovelace"]


async def test_of_several_that_agree_the_oldest_is_taken(hotel: HotelUnderTest) -> None:
    twin = hotel.site.hotel.register(last_name="lovelace", email="ADA@example.test")
    answer = await _put(hotel, {"last_name": "Lovelace", "email": "ada@example.test", "language": "it"})
    assert answer.json()["data"]["id"] == _profile(hotel, "Lovelace").id
    assert twin.language is None


@pytest.mark.parametrize(
    "body",
    [{}, {"first_name": "Marie"}, {"last_name": "Curie", "email": "none"}, {"last_name": "Curie", "country": "fr"}],
)
async def test_a_profile_that_makes_no_sense_is_refused(hotel: HotelUnderTest, body: dict[str, Any]) -> None:
    assert code_of(await _put(hotel, body)) == (422, "validation_failed")
    assert hotel.site.requests == []


async def test_a_phone_is_never_a_reason_to_refuse(hotel: HotelUnderTest) -> None:
    answer = await _put(hotel, {"last_name": "Curie", "phone": "ask at the desk"})
    assert (answer.status_code, answer.json()["data"]["phone"]) == (201, "ask at the desk")


async def test_a_reservation_never_renames_a_profile(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    body = {
        "arrival": "2027-06-01",
        "departure": "2027-06-03",
        "room_type": "STE",
        "rate_code": "FLEX",
        "adults": 1,
        "guest": {"id": ada.id, "first_name": "Augusta", "last_name": "King", "email": "king@example.test"},
    }
    made = await hotel.send("POST", "/reservations", body, key="k")
    assert (made.status_code, made.json()["data"]["guest"]["last_name"]) == (201, "King")
    assert (ada.first_name, ada.last_name, ada.email) == ("Ada", "Lovelace", "ada@example.test")


async def test_preferences_are_set_as_a_whole(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    path = f"/guests/{ada.id}/preferences"
    wanted = [
        {"category": "pillow", "value": "feather-free", "note": "Allergic"},
        {"category": "floor", "value": "high", "note": None},
    ]
    answer = await hotel.send("PUT", path, {"preferences": wanted})
    assert (answer.status_code, answer.json()["data"]["preferences"]) == (200, wanted)
    assert [(one.category, one.value, one.note) for one in ada.likings] == [
        ("pillow", "feather-free", "Allergic"),
        ("floor", "high", None),
    ]
    emptied = await hotel.send("PUT", path, {"preferences": []})
    assert (emptied.status_code, emptied.json()["data"]["preferences"], ada.likings) == (200, [], [])
    assert code_of(await hotel.send("PUT", "/guests/G99999/preferences", {"preferences": []})) == (404, "not_found")


async def test_a_version_of_a_guest_moves_with_the_guest(hotel: HotelUnderTest) -> None:
    ada = _profile(hotel, "Lovelace")
    before = (await hotel.get(f"/guests/{ada.id}")).json()["data"]["version"]
    after = (await _put(hotel, {"id": ada.id, "language": "fr"})).json()["data"]["version"]
    back = (await _put(hotel, {"id": ada.id, "language": "en"}, key="back")).json()["data"]["version"]
    assert (after != before, back == before) == (True, True)
