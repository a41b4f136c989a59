"""Mews's own tables hold for every call that the simulator takes and every answer that it gives."""

import copy
import re
from typing import Any

import orjson
import pytest

from app.simulators.mews.service import OPERATIONS
from tests.adapters.mews.spec import Contract, folder
from tests.simulators.mews.caller import ALL, Connector
from tests.simulators.mews.conftest import call, connect

__all__ = ["call", "connect"]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract.load()


async def _look_around(call: Connector) -> None:
    """Ask for everything that can be read."""
    house, ada = call.place.hotel, call.seeded("Lovelace")
    units = {"FirstTimeUnitStartUtc": call.midnight(ada.arrival), "LastTimeUnitStartUtc": call.midnight(ada.departure)}
    services = {"ServiceIds": [call.stay, call.place.facts.order_service]}
    everything = dict.fromkeys(("Resources", "ResourceCategories", "ResourceCategoryAssignments"), True)
    groups = {"Rates": True, "AvailabilityBlockAssignments": False, "RateGroups": True}
    stay, guest = {"ReservationIds": [ada.id]}, {"AccountIds": [ada.contact.guest_id]}
    people = dict.fromkeys(("Reservations", "ReservationGroups", "Customers"), True)
    await call("configuration/get", **call.enterprise)
    await call("services/getAvailability", ServiceId=call.stay, **units)
    await call("rates/getPricing", RateId=next(iter(house.plans)), **units)
    await call("reservations/price", ServiceId=call.stay, Reservations=[call.wish()])
    await call("resourceCategoryAssignments/getAll", ResourceCategoryIds=list(house.kinds), **call.here)
    await call("resources/getAll", Extent=everything, **call.here)
    await call("rates/getAll", Extent=groups, **services, **call.here)
    for operation in ("resourceCategories", "productServiceOrders", "products"):
        await call(f"{operation}/getAll", **services, **call.here)
    for operation in ("services", "ageCategories", "payments", "accountingCategories", "reservations"):
        version = "/2023-06-06" if operation == "reservations" else ""
        await call(f"{operation}/getAll{version}", **call.here)
    await call("customers/getAll", LastNames=["Lovelace"], Extent={"Customers": True}, Limitation=ALL)
    await call("companionships/getAll", Extent=people, **stay, **call.here)
    await call("orderItems/getAll", **guest, **call.here)
    await call("serviceOrderNotes/getAll", ServiceOrderIds=[one.id for one in call.place.bookings()], **call.here)
    for operation in ("accountNotes/getAll", "addresses/getAll"):
        await call(operation, Limitation=ALL)
    for operation in ("taxations/getAll", "taxEnvironments/getAll"):
        await call(operation)


async def _write(call: Connector) -> None:
    """Do everything that can be done."""
    guest_id = await call.customer()
    address = {"Line1": "1 Main Street", "City": "London", "PostalCode": "N1", "CountryCode": "GB"}
    await call("customers/update", CustomerId=guest_id, Address=address, Classifications=["Important"], **call.chain)
    note = {"AccountId": guest_id, "Content": "floor: high", "Classifications": ["General"]}
    [added] = (await call("accountNotes/add", AccountNotes=[note], **call.chain))["AccountNotes"]
    update = {"AccountNoteId": added["Id"], "Content": {"Value": "floor: low"}, "Classifications": {}}
    await call("accountNotes/update", AccountNoteUpdates=[update], **call.chain)
    await call("accountNotes/delete", AccountNoteIds=[added["Id"]], **call.chain)
    booked = await call.book(State="Optional", Notes="ref 1")
    one, several = {"ReservationId": booked["Id"], **call.enterprise}, {"ReservationIds": [booked["Id"]]}
    await call("reservations/confirm", **several, **call.enterprise)
    await call.update(booked["Id"], EndUtc=booked["EndUtc"], AssignedResourceLocked=False)
    await call("reservations/updateInterval", EndUtc=booked["EndUtc"], ChargeCancellationFee=False, **one)
    await call("reservations/updateCustomer", CustomerId=guest_id, **one)
    await call("serviceOrderNotes/add", ServiceOrderNotes=[{"ServiceOrderId": booked["Id"], "Text": "Vegan"}])
    amount = {"Currency": "EUR", "GrossValue": 7.25, "TaxCodes": ["NL-2019-S"]}
    beer = {"Name": "Beer", "UnitCount": 1, "UnitAmount": amount, "ExternalIdentifier": "ref 2"}
    ordered = {"ServiceId": call.place.facts.order_service, "AccountId": guest_id, "Items": [beer]}
    await call("orders/add", LinkedReservationId=booked["Id"], **ordered, **call.enterprise)
    await call("reservations/cancel", Notes="ill", SendEmail=False, **several, **call.enterprise)
    await call("reservations/start", ReservationId=call.seeded("Johnson").id, **call.enterprise)
    leaving = {"ReservationId": call.seeded("Hopper").id, "AllowOpenBalance": True, "Notes": "invoice"}
    await call("reservations/process", **leaving, **call.enterprise)
    cleaned = {"ResourceId": call.place.resource_id("203"), "State": {"Value": "Clean"}}
    await call("resources/update", ResourceUpdates=[cleaned])


async def test_every_operation_of_the_simulator_is_as_the_vendor_writes_it(contract: Contract, call: Connector) -> None:
    await _write(call)
    await _look_around(call)
    judge: Any = call.site.app
    assert judge.misfits == []
    assert judge.seen == set(OPERATIONS)
    print(f"{len(judge.seen)} distinct operations of Mews held against its own tables")  # noqa: T201 - asked for


OLDER = "the example is older than the table"
EXAMPLES_APART: dict[str, tuple[str, ...]] = {
    OLDER: (
        "services/getAll answer: .Services[].Names is missing",
        "services/getAll answer: .Services[].Ordering is missing",
        "rates/getPricing answer: .AbsoluteAdjustment is missing",
        "rates/getPricing answer: .AgeCategoryAdjustments is missing",
        "rates/getPricing answer: .EmptyUnitAdjustment is missing",
        "rates/getPricing answer: .ExtraUnitAdjustment is missing",
        "rates/getPricing answer: .RelativeAdjustment is missing",
        "companionships/getAll request: .Extent is missing",
        *(
            f"products/getAll answer: .{list_of}[].{member} is missing"
            for list_of in ("Products", "CustomerProducts")
            for member in ("Classifications.Fee", "ConsumptionMoment", "Options.ExcludePriceFromOffer", "Ordering")
        ),
    ),
    "the example is of one year, the table says 3 months": (
        "resources/getAll request: .CreatedUtc is longer than 3 months",
    ),
    "the example names the enterprise, the table does not know it": (
        "reservations/price request: .EnterpriseId is unknown",
    ),
    "validity is open at one end, which other intervals are not": (
        "taxations/getAll answer: .TaxRates[].ValidityInvervalsUtc[].EndUtc is missing",
        "taxations/getAll answer: .TaxRates[].ValidityInvervalsUtc[].StartUtc is missing",
    ),
}
"""What the vendor's own examples have otherwise than its tables, by why that is let pass."""


async def test_the_vendors_own_examples_of_what_is_simulated_fit(contract: Contract) -> None:
    compared, misfits = 0, set()
    for operation in OPERATIONS:
        name = operation.replace("/", "_")
        for part, judged in (("request", contract.misfits_of_request), ("response", contract.misfits_of_answer)):
            example = folder() / "operations" / f"{name}.{part}.json"
            if example.is_file():
                compared += 1
                misfits |= {
                    re.sub(r"\[\d+\]", "[]", one) for one in judged(operation, orjson.loads(example.read_bytes()))
                }
    assert misfits == {one for several in EXAMPLES_APART.values() for one in several}
    assert compared > len(OPERATIONS)


STAY: dict[str, Any] = {
    "StartUtc": "2027-03-27T14:00:00Z",
    "EndUtc": "2027-03-29T09:00:00Z",
    "RequestedCategoryId": "a",
    "RateId": "b",
    "PersonCounts": [{"AgeCategoryId": "c", "Count": 2}],
}
PRICE: dict[str, Any] = {
    "ClientToken": "a",
    "AccessToken": "b",
    "Client": "c",
    "ServiceId": "d",
    "Reservations": [STAY],
}


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("Surprise",), 1, ".Surprise is unknown"),
        (("ServiceId",), None, ".ServiceId is missing"),
        (("Reservations",), STAY, ".Reservations is no array"),
        (("Reservations", 0, "Surprise"), 1, ".Reservations[0].Surprise is unknown"),
        (("Reservations", 0, "RateId"), 1, ".Reservations[0].RateId is 1, no string"),
        (("Reservations", 0, "StartUtc"), "2027-03-27", "2027-03-27', no instant"),
        (("Reservations", 0, "State"), "Inquired", "none of"),
        (("Reservations", 0, "PersonCounts", 0, "Count"), True, "no integer"),
        (("Reservations",), [STAY] * 2, None),
    ],
)
async def test_the_judge_sees_what_is_wrong(
    contract: Contract, place: tuple[Any, ...], value: Any, complaint: str | None
) -> None:
    sent = copy.deepcopy(PRICE)
    owner: Any = sent
    for step in place[:-1]:
        owner = owner[step]
    owner[place[-1]] = value
    misfits = contract.misfits_of_request("reservations/price", sent)
    assert ([complaint in one for one in misfits] == [True]) if complaint else misfits == []


async def test_the_judge_knows_no_operation_that_the_vendor_has_not(contract: Contract) -> None:
    assert contract.misfits_of_request("customers/addNote", {}) == ["there is no operation customers/addNote"]
    assert contract.misfits_of_answer("reservations/start", {"Id": "x"}) == ["reservations/start answer: has members"]
    assert contract.misfits_of_answer("reservations/start", {"error": "x"}, status=403)
