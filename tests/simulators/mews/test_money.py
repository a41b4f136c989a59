"""What is ordered, owed and paid."""

from decimal import Decimal
from typing import Any

import pytest

from app.simulators.mews.service import own_token
from tests.simulators.mews.caller import ALL, Connector
from tests.simulators.mews.conftest import MakeConnector

BEER = {"Name": "Beer", "UnitCount": 3}


def gross(value: float = 7.25, **changes: Any) -> dict[str, Any]:
    """Write an amount after tax."""
    return {"Currency": "EUR", "GrossValue": value, "TaxCodes": ["NL-2019-S"], **changes}


async def order(call: Connector, *, status: int = 200, **members: Any) -> Any:
    """Order three beers for Ada Lovelace, on her room."""
    ada = call.seeded("Lovelace")
    sent = {
        "ServiceId": call.place.facts.order_service,
        "AccountId": ada.contact.guest_id,
        "LinkedReservationId": ada.id,
        "Items": [BEER | {"UnitAmount": gross(), "ExternalIdentifier": "ref 1"}],
        **members,
    }
    return await call("orders/add", status, **call.enterprise, **sent)


async def items(call: Connector, **asked: Any) -> list[Any]:
    """Read items of orders."""
    told: list[Any] = (await call("orderItems/getAll", **asked, **call.here))["OrderItems"]
    return told


async def orders_of(call: Connector, reservation_id: str) -> list[str]:
    """Give the orders that are tied to a reservation."""
    service = {"ServiceIds": [call.place.facts.order_service]}
    told = await call("productServiceOrders/getAll", LinkedReservationIds=[reservation_id], **service, **call.here)
    return [one["Id"] for one in told["ProductServiceOrders"]]


async def test_what_is_ordered_is_on_the_guests_folio_under_its_reference(call: Connector) -> None:
    ada = call.seeded("Lovelace")
    order_id = (await order(call))["OrderId"]
    assert (ada.lines[-1].description, ada.lines[-1].total) == ("Beer", Decimal("21.75"))
    [beer] = await items(call, ServiceOrderIds=[order_id])
    assert (beer["ExternalIdentifier"], beer["UnitCount"], beer["Type"]) == ("ref 1", 3, "CustomItem")
    assert (beer["UnitAmount"]["GrossValue"], beer["Amount"]["GrossValue"]) == (7.25, 21.75)
    assert beer["Amount"]["TaxValues"] == [{"Code": "NL-2019-S", "Value": 3.77}]
    assert order_id in await orders_of(call, ada.id)


async def test_items_and_payments_together_are_the_balance(call: Connector) -> None:
    hopper = call.seeded("Hopper")
    orders = [hopper.id, *await orders_of(call, hopper.id)]
    owed = await items(call, ServiceOrderIds=orders, AccountingStates=["Open"])
    asked = {"ReservationIds": [hopper.id], "AccountingStates": ["Open"], "States": ["Charged"]}
    paid = (await call("payments/getAll", **asked, **call.here))["Payments"]
    assert [one["Amount"]["GrossValue"] for one in paid] == [-200.0]
    assert {one["Type"] for one in owed} == {"SpaceOrder", "CustomItem"}
    total = sum(Decimal(str(one["Amount"]["GrossValue"])) for one in [*owed, *paid])
    assert total == call.place.hotel.balance(hopper)


async def test_a_reservation_alone_owes_its_nights(call: Connector) -> None:
    turing = call.seeded("Turing")
    owed = await items(call, ServiceOrderIds=[turing.id])
    assert {one["ConsumedUtc"] for one in owed} == {call.midnight(night.date) for night in turing.rooms[0].nights}
    assert sum(Decimal(str(one["Amount"]["GrossValue"])) for one in owed) == turing.total


async def test_products_have_prices_of_their_own(call: Connector) -> None:
    listed = (await call("products/getAll", ServiceIds=[call.place.facts.order_service], **call.here))["Products"]
    breakfast = next(one for one in listed if one["Names"]["en-US"] == "Breakfast")
    told = await order(call, Items=None, ProductOrders=[{"ProductId": breakfast["Id"], "Count": 2}])
    [item] = await items(call, ServiceOrderIds=[told["OrderId"]])
    assert (item["Type"], item["Data"]["Product"]) == ("ProductOrder", {"ProductId": breakfast["Id"]})
    assert item["Amount"]["GrossValue"] == 2 * breakfast["Price"]["GrossValue"]
    categories = (await call("accountingCategories/getAll", **call.here))["AccountingCategories"]
    assert item["AccountingCategoryId"] in {one["Id"] for one in categories}


async def test_an_order_need_not_be_of_a_reservation(call: Connector) -> None:
    ada = call.seeded("Lovelace")
    before = len(ada.lines)
    told = await order(call, LinkedReservationId=None)
    assert len(ada.lines) == before
    [beer] = await items(call, ServiceOrderIds=[told["OrderId"]])
    assert beer["AccountId"] == ada.contact.guest_id
    assert beer in await items(call, AccountIds=[ada.contact.guest_id])


@pytest.mark.parametrize(
    "wrong",
    [
        {"AccountId": "another"},
        {"LinkedReservationId": "another"},
        {"ServiceId": "another"},
        {"Items": []},
        {"Items": [BEER]},
        {"Items": [BEER | {"UnitAmount": gross(Currency="USD")}]},
        {"Items": [BEER | {"UnitAmount": gross(TaxCodes=["another"])}]},
        {"Items": [BEER | {"UnitAmount": gross(TaxCodes=["NL-2019-S", "NL-2019-R"])}]},
        {"Items": [BEER | {"UnitAmount": gross(NetValue=6.0)}]},
        {"Items": [BEER | {"UnitAmount": {"Currency": "EUR", "NetValue": 6.0, "TaxCodes": []}}]},
        {"Items": [BEER | {"UnitAmount": gross(), "AccountingCategoryId": "another"}]},
        {"Items": None, "ProductOrders": [{"ProductId": "another"}]},
    ],
)
async def test_what_cannot_be_ordered_leaves_nothing_behind(call: Connector, wrong: dict[str, Any]) -> None:
    before = call.place.hotel.books
    assert (await order(call, status=400, **wrong))["Message"].startswith("Invalid ")
    assert call.place.hotel.books == before


async def test_the_stays_service_is_not_for_orders(call: Connector) -> None:
    await order(call, status=400, ServiceId=call.stay)


async def test_guests_who_pay_at_once_and_those_who_do_not_come_are_charged_nothing(call: Connector) -> None:
    newton = call.seeded("Newton")
    await order(call, status=403, LinkedReservationId=newton.id, AccountId=newton.contact.guest_id)
    ada = call.seeded("Lovelace").contact.guest_id
    await call("customers/update", CustomerId=ada, Classifications=["Cashlist"], **call.chain)
    await order(call, status=403)


async def test_an_enterprise_that_counts_before_tax_is_told_so(connect: MakeConnector) -> None:
    call = connect(pricing="net")
    assert (await call("configuration/get", **call.enterprise))["Enterprise"]["Pricing"] == "Net"
    await order(call, status=400)
    net = {"Currency": "EUR", "NetValue": 10.0, "TaxCodes": ["NL-2019-S"]}
    told = await order(call, Items=[BEER | {"UnitAmount": net}])
    [beer] = await items(call, ServiceOrderIds=[told["OrderId"]])
    assert (beer["UnitAmount"]["GrossValue"], beer["UnitAmount"]["NetValue"]) == (12.1, 10.0)


async def test_taxes_are_listed_by_environment(call: Connector) -> None:
    environments = (await call("taxEnvironments/getAll"))["TaxEnvironments"]
    enterprise = (await call("configuration/get", **call.enterprise))["Enterprise"]
    [codes] = [one["TaxationCodes"] for one in environments if one["Code"] == enterprise["TaxEnvironmentCode"]]
    rates = (await call("taxations/getAll"))["TaxRates"]
    assert {one["Code"] for one in rates if one["TaxationCode"] in codes} == {
        "NL-2019-R",
        "NL-2019-S",
        "NL-2019-Z",
    }


async def test_items_need_something_to_go_by(call: Connector) -> None:
    await call("orderItems/getAll", 400, AccountingStates=["Open"], **call.here)


async def test_money_of_another_enterprise_is_not_told(call: Connector) -> None:
    other = own_token(call.site.api_key, 2)
    ada = call.seeded("Lovelace").id
    told = await call("orderItems/getAll", AccessToken=other, ServiceOrderIds=[ada], Limitation=ALL)
    assert told["OrderItems"] == []
