"""What the adapter sends and reads, held against Mews's own tables and examples."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.adapters.mews import wire
from app.core.adapter import methods
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft, GuestQuery, PreferenceSet
from app.domain.hotel import RoomStatusChange
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationPatch, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.simulators.mews.enterprises import CANAL, ENTERPRISES
from tests.adapters.mews.desk import Desk, OpenDesk
from tests.adapters.mews.spec import Contract, folder


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract.load()


async def do_everything(desk: Desk) -> None:
    """Use every method of the adapter once, and more often where it has several ways."""
    hotel, ada, today = desk.hotel, desk.seeded("Lovelace"), desk.place.hotel.business_date
    nights, ref = Stay(desk.arrival, desk.arrival + timedelta(days=2)), VendorRef(ada.id)
    await hotel.find_properties()
    await hotel.find_newest_record()
    await hotel.check_health()
    await hotel.list_rate_plans()
    await hotel.get_availability(nights)
    await hotel.quote_rates(nights, Occupancy(2, (5,)))
    for query in (
        ReservationQuery(arrival=today),
        ReservationQuery(departure=today, statuses=frozenset({ReservationStatus.IN_HOUSE})),
        ReservationQuery(last_name="Lovelace"),
        ReservationQuery(confirmation_number=ada.confirmation_number),
        ReservationQuery(statuses=frozenset({ReservationStatus.IN_HOUSE})),
    ):
        assert await hotel.search_reservations(query)
    made = await hotel.create_reservation(desk.draft(child_ages=[3], notes=["Late"]), desk.operation())
    patch = ReservationPatch(departure=made.departure + timedelta(days=1), adults=1, rate_code=list(_plans(desk))[1])
    await hotel.quote_change(made, patch)
    await hotel.modify_reservation(made, patch, desk.operation())
    await hotel.set_checkout_time(made.id, "13:00", desk.operation())
    await hotel.add_note(made.id, "Vegan", desk.operation())
    amount = {"amount": "7.25", "currency": "EUR"}
    wine = {"description": "Wine", "amount": amount, "category": "bar", "quantity": 2}
    await hotel.post_charge(made.id, ChargeDraft.model_validate(wine), desk.operation())
    await hotel.list_charges(ref)
    await hotel.get_balance(ref)
    await hotel.cancel_reservation(made.id, "Ill", desk.operation())
    await hotel.check_in(desk.ref("Johnson"), desk.operation())
    await hotel.check_out(desk.ref("Hopper"), desk.operation())
    (guest,) = await hotel.search_guests(GuestQuery(email="ada@example.test"))
    change = GuestDraft.model_validate({"id": guest.id, "phone": "+44 1", "language": "en-GB"})
    await hotel.upsert_guest(change, await hotel.get_guest(guest.id), desk.operation())
    likings = {"preferences": [{"category": "floor", "value": "high"}]}
    await hotel.set_preferences(guest.id, PreferenceSet.model_validate(likings), desk.operation())
    await hotel.list_room_statuses()
    number = str(ada.rooms[0].room_number)
    await hotel.set_room_status(number, RoomStatusChange.model_validate({"cleaning": "clean"}), desk.operation())


def _plans(desk: Desk) -> Iterator[str]:
    yield from desk.place.hotel.plans


async def test_every_request_and_every_answer_is_as_the_vendor_writes_it(
    contract: Contract, open_desk: OpenDesk
) -> None:
    food = ENTERPRISES[CANAL.property_id].guid("accounting", "food")
    options = {"check_out_unpaid": True, "charge_tax_code": "NL-2019-S", "charge_codes": {"default": food}}
    async with open_desk(options=options) as desk:
        await do_everything(desk)
        assert desk.judge is not None
        assert desk.judge.misfits == []
        sent = {request.path.removeprefix("/api/connector/v1/") for request in desk.requests}
        assert sent == desk.judge.seen
        assert sent <= set(contract.operations)
    assert len(methods()) == 25
    print(f"{len(sent)} distinct operations of Mews sent by the adapter held against its own tables")  # noqa: T201 - asked for


ANSWERS: dict[str, type[wire.Wire]] = {
    "accountNotes_getAll": wire.AccountNotes,
    "ageCategories_getAll": wire.AgeCategories,
    "customers_add": wire.Customer,
    "customers_update": wire.Customer,
    "orders_add": wire.OrderMade,
    "productServiceOrders_getAll": wire.ProductOrders,
    "resourceCategoryAssignments_getAll": wire.Assignments,
    "serviceOrderNotes_add": wire.OrderNotes,
    "serviceOrderNotes_getAll": wire.OrderNotes,
    "services_getAll": wire.Services,
    "taxations_getAll": wire.Taxations,
}
"""The vendor's example answers to what the adapter reads, and as what it reads them."""


@pytest.mark.parametrize("name", ANSWERS)
def test_the_vendors_example_answers_are_read_without_loss(contract: Contract, name: str) -> None:
    example = orjson.loads((folder() / "operations" / f"{name}.response.json").read_bytes())
    read = ANSWERS[name].model_validate_json(orjson.dumps(example))
    assert list(_lost(read.model_dump(by_alias=True, exclude_unset=True), example, name)) == []


def _lost(read: Any, example: Any, place: str) -> Iterator[str]:
    """Name what was read of an example otherwise than it says."""
    if isinstance(read, Mapping):
        for name, value in read.items():
            yield from _lost(value, example[name], f"{place}.{name}")
    elif isinstance(read, tuple):
        yield from [f"{place}: a row"] if len(read) != len(example) else []
        for one, other in zip(read, example, strict=False):
            yield from _lost(one, other, place)
    elif read != _meant(example, type(read)):
        yield place


def _meant(example: Any, kind: type) -> Any:
    """Give what a value of an example means, told apart from the models."""
    if kind is datetime:
        return datetime.fromisoformat(example)
    if kind is timedelta:
        return timedelta(hours=int(example.partition("T")[2].partition("H")[0]))
    return Decimal(str(example)) if kind is Decimal else example


_PORTFOLIO = "a portfolio token has to name whom it is about, and the table knows the member"
_TABLE = "the example leaves out what the table knows"
BEYOND: dict[str, str] = {
    "accountNotes/delete.ChainId": _PORTFOLIO,
    "productServiceOrders/getAll.EnterpriseIds": _PORTFOLIO,
    "reservations/add.EnterpriseId": _PORTFOLIO,
    "customers/update.PreferredLanguageCode": _TABLE,
    "orderItems/getAll.ServiceOrderIds": _TABLE,
    "reservations/cancel.SendEmail": "not said, it is sent; " + _TABLE,
    "serviceOrderNotes/getAll.Types": "special requests are told only to those who name them; " + _TABLE,
    "orders/add.Items.UnitAmount.GrossValue": "the example's property counts net, this one gross",
}
"""Members that the adapter sends and the vendor's examples do not show, and why they are sent."""


async def test_the_adapters_requests_have_the_shape_of_the_vendors_examples(
    contract: Contract, open_desk: OpenDesk
) -> None:
    compared, beyond = set(), set()
    async with open_desk(options={"check_out_unpaid": True}) as desk:
        await do_everything(desk)
        for request in desk.requests:
            operation = request.path.removeprefix("/api/connector/v1/")
            example = folder() / "operations" / f"{operation.replace('/', '_')}.request.json"
            if example.is_file():
                compared.add(operation)
                known = set(_members(orjson.loads(example.read_bytes()), operation))
                beyond |= set(_members(request.json(), operation)) - known
    assert beyond == set(BEYOND)
    print(f"{len(compared)} distinct requests of the adapter compared with the vendor's examples")  # noqa: T201 - asked for
    assert len(compared) > 20


def _members(value: Any, place: str) -> Iterator[str]:
    """Name every member of a body, by the way to it."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield f"{place}.{name}"
            yield from _members(one, f"{place}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from _members(one, place)
