"""Charges in a simulated shop: a service more, and nothing less."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from app.adapters.qloapps.profile import QloAppsOptions
from app.domain.errors import (
    CapabilityNotSupported,
    ConflictRefused,
    GatewayError,
    InvalidRequest,
    OutcomeUnknown,
    VendorLacks,
)
from app.domain.folio import ChargeDraft
from app.domain.money import Money
from app.simulators.faults import FaultKind
from tests.adapters.qloapps.shop import connected
from tests.adapters.qloapps.writes import MINIBAR, Desk, ref
from tests.fixtures.simulators import FreshSite, SimulatorServer

BEERS = "two beers"


@pytest.fixture
async def desk(fresh_site: FreshSite, simulators: SimulatorServer) -> AsyncIterator[Desk]:
    site = fresh_site("qloapps")
    async with connected(simulators.base_url(site), key=site.api_key) as connector:
        yield Desk(site, connector)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def posted(desk: Desk) -> list[tuple[str, int, Decimal]]:
    (booking,) = desk.books("Desk")
    return [(line.description, line.quantity, line.total) for line in booking.lines]


async def test_a_charge_raises_what_is_owed_by_its_total(desk: Desk) -> None:
    booking = desk.booked()
    before = await desk.hotel.get_balance(ref(booking))
    charge = await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    after = await desk.hotel.get_balance(ref(booking))
    assert after.balance == before.balance + usd("13.00")
    assert (charge.description, charge.amount, charge.quantity, charge.total) == (
        "two beers",
        usd("6.50"),
        2,
        usd("13.00"),
    )
    lines = {line.id: line for line in await desk.hotel.list_charges(ref(booking))}
    assert (lines[charge.id].description, lines[charge.id].amount) == (f"2 x {BEERS}", usd("13.00"))


async def test_charges_add_up_and_the_same_again_is_a_second_one(desk: Desk) -> None:
    booking = desk.booked(notes=["by the window"])
    desk.site.hotel.charge(booking, description="Breakfast", amount=Decimal("10.40"), quantity=1)
    for count in (1, 2):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
        assert sorted(posted(desk)) == [("Breakfast", 1, Decimal("10.40")), *[(BEERS, 2, Decimal("13.00"))] * count]
    found = await desk.hotel.get_reservation(ref(booking))
    assert [note.text for note in found.notes] == ["by the window"]


@pytest.mark.parametrize(
    "fault",
    [{"kind": FaultKind.DROP_AFTER}, {"kind": FaultKind.STATUS_AFTER, "status": 500}, {"kind": FaultKind.GARBAGE}],
)
async def test_a_charge_whose_answer_was_lost_is_seen(desk: Desk, fault: dict[str, Any]) -> None:
    booking = desk.booked()
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    desk.fault(method="PUT", path="bookings", **fault)
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert posted(desk) == [(BEERS, 2, Decimal("13.00"))] * 2
    assert desk.asked("PUT", "bookings") == 2


async def test_a_charge_that_did_not_land_is_not_claimed(desk: Desk) -> None:
    booking = desk.booked()
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    desk.fault(FaultKind.DROP_BEFORE, "PUT", "bookings")
    with pytest.raises(OutcomeUnknown):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert posted(desk) == [(BEERS, 2, Decimal("13.00"))]


async def test_a_charge_is_taken_back_alone(desk: Desk) -> None:
    booking, operation = desk.booked(), desk.operation()
    await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    await desk.hotel.post_charge(ref(booking), MINIBAR, operation)
    desk.site.hotel.charge(booking, description="Breakfast", amount=Decimal("10.40"), quantity=1)
    assert await operation.undo()
    assert sorted(posted(desk)) == [("Breakfast", 1, Decimal("10.40")), (BEERS, 2, Decimal("13.00"))]


@pytest.mark.parametrize(
    ("codes", "name"),
    [({"minibar": "Minibar"}, "Minibar: two beers"), ({"default": "Extras"}, "Extras: two beers"), ({}, BEERS)],
)
async def test_a_charge_has_the_hotels_own_word_for_its_category(
    fresh_site: FreshSite, simulators: SimulatorServer, codes: dict[str, str], name: str
) -> None:
    site = fresh_site("qloapps")
    options = QloAppsOptions(charge_codes=codes)
    async with connected(simulators.base_url(site), key=site.api_key, options=options) as connector:
        desk = Desk(site, connector)
        await connector.post_charge(ref(desk.booked()), MINIBAR, desk.operation())
        assert [line[0] for line in posted(desk)] == [name]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reference": "POS-1"}, CapabilityNotSupported),
        ({"tax_included": False}, CapabilityNotSupported),
        ({"amount": usd("0.00")}, InvalidRequest),
        ({"amount": Money(amount=Decimal(5), currency="EUR")}, InvalidRequest),
        ({"description": "one; two"}, InvalidRequest),
        ({"description": "x" * 129}, InvalidRequest),
    ],
)
async def test_a_charge_that_would_be_posted_as_another_is_refused(
    desk: Desk, changes: dict[str, Any], error: type[GatewayError]
) -> None:
    draft: ChargeDraft = MINIBAR.model_copy(update=changes)
    with pytest.raises(error):
        await desk.hotel.post_charge(ref(desk.booked()), draft, desk.operation())
    assert desk.asked("PUT") == 0


async def test_nothing_is_charged_to_a_cancelled_reservation(desk: Desk) -> None:
    booking = desk.booked()
    await desk.hotel.cancel_reservation(ref(booking), None, desk.operation())
    with pytest.raises(ConflictRefused):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())


async def test_where_bookings_cannot_be_read_nothing_is_charged(desk: Desk) -> None:
    booking = desk.booked()
    desk.site.set_modes({"price_display": "tax_excluded"})
    with pytest.raises(VendorLacks):
        await desk.hotel.post_charge(ref(booking), MINIBAR, desk.operation())
    assert desk.asked("PUT") == 0
