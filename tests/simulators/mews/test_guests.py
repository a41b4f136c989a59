"""Guests and what is noted about them."""

from typing import Any

import pytest

from tests.simulators.mews.caller import ALL, Connector
from tests.simulators.mews.conftest import MakeConnector


async def found(call: Connector, **asked: Any) -> list[str]:
    """Search, and give the last names."""
    told = await call("customers/getAll", Extent={"Customers": True}, Limitation=ALL, **asked)
    return [one["LastName"] for one in told["Customers"]]


async def test_guests_are_found_by_what_they_are_exactly_called(call: Connector) -> None:
    chain = {"ChainIds": [call.place.facts.chain]}
    assert await found(call, Emails=["ADA@example.test"], **chain) == ["Lovelace"]
    assert await found(call, LastNames=["Lovelace", "Hopper"], **chain) == ["Hopper", "Lovelace"]
    assert await found(call, LastNames=["Love"], **chain) == []
    assert await found(call, FirstNames=["Ada"], LastNames=["Hopper"], **chain) == []
    assert await found(call, CustomerIds=["another"], **chain) == []


async def test_a_search_needs_something_to_go_by(call: Connector) -> None:
    asked = {"Extent": {"Customers": True}, "ActivityStates": ["Active"], "Limitation": ALL}
    await call("customers/getAll", 400, ChainIds=[call.place.facts.chain], **asked)


async def test_chains_know_only_their_own_guests(call: Connector) -> None:
    other = list(call.site.app.state.premises.values())[1]  # type: ignore[attr-defined] # the application has them
    assert await found(call, LastNames=["Lovelace"]) == ["Lovelace", "Lovelace"]
    assert await found(call, LastNames=["Lovelace"], ChainIds=[other.facts.chain]) == ["Lovelace"]
    await call("customers/add", 400, LastName="Shelley", OverwriteExisting=False)


async def test_a_new_guest_is_told_at_the_top_of_the_answer(call: Connector) -> None:
    sent = {
        "LastName": "Shelley",
        "FirstName": "Mary",
        "Email": "mary@example.test",
        "Phone": "+44 20 5550100",
        "NationalityCode": "GB",
        "PreferredLanguageCode": "en-GB",
        "DietaryRequirements": "Vegetarian",
        "BirthDate": "1797-08-30",
        "Classifications": ["VeryImportant", "Returning"],
    }
    told = await call("customers/add", OverwriteExisting=False, **sent, **call.chain)
    assert {name: told[name] for name in sent} == sent
    [read] = (await call("customers/getAll", CustomerIds=[told["Id"]], Extent={}, Limitation=ALL))["Customers"]
    assert read == told
    assert call.place.hotel.guest(told["Id"]).vip


async def test_an_address_is_a_record_of_its_own(call: Connector) -> None:
    sent = {"LastName": "Shelley", "OverwriteExisting": False, "Address": {"City": "London", "CountryCode": "GB"}}
    told = await call("customers/add", **sent, **call.chain)
    [address] = (await call("addresses/getAll", AccountIds=[told["Id"]], Limitation=ALL))["Addresses"]
    assert (address["Id"], address["City"]) == (told["AddressId"], "London")


async def test_an_address_that_is_known_is_refused_or_written_over(call: Connector) -> None:
    first = await call.customer()
    sent = {"LastName": "Godwin", "Email": "MARY@example.test", **call.chain}
    await call("customers/add", 403, OverwriteExisting=False, **sent)
    told = await call("customers/add", OverwriteExisting=True, **sent)
    assert (told["Id"], told["LastName"], told["FirstName"]) == (first, "Godwin", "Mary")
    await call("customers/add", 400, **sent)


async def test_an_installation_may_have_several_guests_of_one_address(connect: MakeConnector) -> None:
    call = connect(duplicate_email="allowed")
    first = await call.customer()
    sent = {"LastName": "Godwin", "Email": "mary@example.test", "OverwriteExisting": False}
    assert (await call("customers/add", **sent, **call.chain))["Id"] != first


async def test_what_is_blank_in_a_change_is_kept(call: Connector) -> None:
    guest_id = await call.customer()
    sent = {"CustomerId": guest_id, "Phone": "+44 20 5550199", "FirstName": "", "Email": None}
    told = await call("customers/update", **sent, **call.chain)
    assert (told["Phone"], told["FirstName"], told["Email"]) == ("+44 20 5550199", "Mary", "mary@example.test")
    await call("customers/update", 400, CustomerId="another", **call.chain)


async def test_classifications_are_written_as_a_whole(call: Connector) -> None:
    ada = str(call.seeded("Lovelace").contact.guest_id)
    told = (await call("customers/getAll", CustomerIds=[ada], Extent={}, Limitation=ALL))["Customers"]
    assert told[0]["Classifications"] == ["VeryImportant"]
    changed = await call("customers/update", CustomerId=ada, Classifications=["Important"], **call.chain)
    assert (changed["Classifications"], call.place.hotel.guest(ada).vip) == (["Important"], True)
    changed = await call("customers/update", CustomerId=ada, Classifications=[], **call.chain)
    assert (changed["Classifications"], call.place.hotel.guest(ada).vip) == ([], False)


async def test_what_a_guest_likes_is_in_the_notes_on_them(call: Connector) -> None:
    guest = call.place.hotel.guest(str(call.seeded("Lovelace").contact.guest_id))

    async def notes() -> list[str]:
        told = await call("accountNotes/getAll", AccountIds=[guest.id], Limitation=ALL)
        return [one["Content"] for one in told["AccountNotes"]]

    assert await notes() == ["room: quiet (away from the lift)"]
    one = {"AccountId": guest.id, "Content": "floor: high", "Classifications": ["Reservations"]}
    [added] = (await call("accountNotes/add", AccountNotes=[one], **call.chain))["AccountNotes"]
    assert await notes() == ["floor: high", "room: quiet (away from the lift)"]
    assert [(liking.category, liking.value) for liking in guest.likings] == [("room", "quiet"), ("floor", "high")]
    update = {
        "AccountNoteId": added["Id"],
        "Content": {"Value": "Sings"},
        "Classifications": {"Other": {"Value": True}},
    }
    [changed] = (await call("accountNotes/update", AccountNoteUpdates=[update], **call.chain))["AccountNotes"]
    assert (changed["Content"], changed["Classifications"]) == ("Sings", ["Other"])
    assert [(liking.category, liking.value) for liking in guest.likings] == [("room", "quiet"), ("Other", "Sings")]
    assert await call("accountNotes/delete", AccountNoteIds=[added["Id"]], **call.chain) == {}
    assert await notes() == ["room: quiet (away from the lift)"]
    await call("accountNotes/delete", 400, AccountNoteIds=[added["Id"]], **call.chain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Classifications": []},
        {"Classifications": ["General", "Other"]},
        {"Classifications": ["Preferences"]},
        {"Content": "x" * 1001},
        {"AccountId": "another"},
    ],
)
async def test_a_note_that_cannot_be_is_refused(call: Connector, wrong: dict[str, Any]) -> None:
    one = {"AccountId": await call.customer(), "Content": "Sings", "Classifications": ["General"]}
    await call("accountNotes/add", 400, AccountNotes=[one | wrong], **call.chain)


async def test_notes_on_reservations_come_last_first(call: Connector) -> None:
    arriving = call.seeded("du Châtelet").id
    sent = [{"ServiceOrderId": arriving, "Text": text} for text in ("one", "two")]
    await call("serviceOrderNotes/add", ServiceOrderNotes=sent)
    told = await call("serviceOrderNotes/getAll", ServiceOrderIds=[arriving], **call.here)
    assert [one["Text"] for one in told["ServiceOrderNotes"]] == ["two", "one", "Arrives late, about 23:00"]
