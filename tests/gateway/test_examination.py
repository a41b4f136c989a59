"""What the doctor asks, capability by capability: it changes nothing, says nothing of a guest, and always ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.core.connectors import Registration
from app.core.matrix import Ledger
from app.domain.capability import TRAITS, WRITES, Capability
from app.gateway.examination import Examiner, Finding, Result
from app.gateway.reads import Patience
from app.simulators.faults import Fault, FaultKind
from app.simulators.site import Site
from tests.fixtures.clock import ManualClock
from tests.fixtures.connections import Surgery, registered, registration, surgery
from tests.fixtures.simulators import FreshSite, SimulatorServer

VENDORS = ["bridge", "qloapps"]
READS = {"/reservations/search", "/guests/search", "/quote", "/hotel_ari"}
"""What is read by POST."""

Examine = Callable[..., Awaitable[list[Finding]]]


async def examined(opened: Surgery, hotel: Registration, *, seconds: float = 60) -> list[Finding]:
    until = opened.clock.monotonic() + seconds
    diagnosis = await opened.doctor.check(hotel, Patience(until))
    return await Examiner(opened.connectors, Ledger.load(), opened.clock).examine(hotel, diagnosis, until)


@pytest.fixture
def examine(simulators: SimulatorServer) -> Examine:
    """Examines a site's first hotel."""

    async def one(site: Site, *, clock: ManualClock | None = None, seconds: float = 60) -> list[Finding]:
        async with surgery(clock=clock) as opened:
            return await examined(opened, registered(simulators, site), seconds=seconds)

    return one


def by_result(findings: list[Finding], result: Result) -> set[Capability]:
    return {one.capability for one in findings if one.result is result}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_every_capability_of_the_ledger_has_its_rows(
    vendor: str, fresh_site: FreshSite, examine: Examine
) -> None:
    findings = await examine(fresh_site(vendor))
    entry = Ledger.load().of(vendor)
    offered = {capability for capability in Capability if entry.supports(capability)}
    assert {one.capability for one in findings} == set(Capability)
    assert by_result(findings, Result.NOT_OFFERED) == set(Capability) - offered
    assert by_result(findings, Result.NOT_PROBED) == offered & (WRITES | TRAITS)
    assert by_result(findings, Result.OK) == offered - WRITES - TRAITS, findings
    assert all(one.milliseconds is not None for one in findings if one.result is Result.OK)
    assert all(one.detail for one in findings)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_nothing_is_sent_that_could_change_the_hotel(
    vendor: str, fresh_site: FreshSite, examine: Examine
) -> None:
    site = fresh_site(vendor)
    await examine(site)
    assert site.requests
    sent = [request for request in site.requests if request.method != "GET"]
    assert all(request.method == "POST" and request.path.endswith(tuple(READS)) for request in sent), sent


@pytest.mark.parametrize("vendor", VENDORS)
async def test_nothing_of_a_guest_is_told(vendor: str, fresh_site: FreshSite, examine: Examine) -> None:
    site = fresh_site(vendor)
    told = " ".join(one.detail for one in await examine(site)).casefold()
    known = [value for guest in site.hotel.guests.values() for value in (guest.last_name, guest.email, guest.phone)]
    assert any(known)
    words = set(told.replace(",", " ").split())
    assert not [value for value in known if value and value.casefold() in words]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_hotel_without_reservations_has_nothing_to_ask_for_which_is_no_failure(
    vendor: str, fresh_site: FreshSite, examine: Examine
) -> None:
    findings = await examine(fresh_site(vendor, seeded=False))
    skipped = by_result(findings, Result.SKIPPED)
    assert {Capability.RESERVATION_GET, Capability.GUEST_GET, Capability.BALANCE, Capability.CHARGE_LIST} <= skipped
    assert by_result(findings, Result.NO) == set()
    assert Capability.RESERVATION_SEARCH in by_result(findings, Result.OK)


async def test_what_an_installation_has_not_built_is_not_offered(fresh_site: FreshSite, examine: Examine) -> None:
    findings = await examine(fresh_site("bridge", modes={"built": "required"}))
    assert {Capability.GUEST_GET, Capability.BALANCE, Capability.ROOM_STATUS_LIST} <= by_result(
        findings, Result.NOT_OFFERED
    )
    assert by_result(findings, Result.NO) == set()


async def test_one_capability_that_fails_leaves_the_others_well(fresh_site: FreshSite, examine: Examine) -> None:
    broken = Fault(kind=FaultKind.STATUS, status=500, path="/room-types")
    findings = await examine(fresh_site("bridge", faults=(broken,)), clock=ManualClock())
    (bad,) = [one for one in findings if one.result is Result.NO]
    assert bad.capability is Capability.ROOM_TYPES
    assert "its own log says why" in bad.detail


async def test_a_refusal_is_told_without_the_vendors_words(fresh_site: FreshSite, examine: Examine) -> None:
    body = '{"code": "conflict", "detail": "Mrs Canary does not want this"}'
    refusing = Fault(kind=FaultKind.STATUS, status=409, path="/balance", body=body)
    findings = await examine(fresh_site("bridge", faults=(refusing,)))
    (bad,) = [one for one in findings if one.result is Result.NO]
    assert (bad.capability, bad.detail) == (
        Capability.BALANCE,
        "the PMS refused (conflict, code conflict); its own log says more",
    )


async def test_a_missing_right_is_told_at_every_capability_that_needs_it(
    fresh_site: FreshSite, examine: Examine
) -> None:
    findings = await examine(fresh_site("qloapps", modes={"rights": "hotels_only"}))
    refused = {one.capability: one.detail for one in findings if one.result is Result.NO}
    assert Capability.ROOM_TYPES in refused
    assert all("give it the right" in detail for detail in refused.values())


async def test_a_connection_that_does_not_work_is_not_asked_for_each_capability() -> None:
    async with surgery(clock=ManualClock()) as opened:
        findings = await examined(opened, registration(base_url="http://127.0.0.1:1"))
    assert by_result(findings, Result.NO) == {Capability.HEALTH}
    assert by_result(findings, Result.OK) == set()
    assert by_result(findings, Result.SKIPPED) == set(Capability) - WRITES - TRAITS - {Capability.HEALTH}


async def test_an_examination_whose_time_is_over_ends(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    clock = ManualClock()
    site = fresh_site("bridge", faults=(Fault(kind=FaultKind.LATENCY, seconds=1, path="/(room-types|rate-plans)"),))

    async def pass_time(seconds: float) -> None:
        clock.advance(seconds * 40)

    site.wait = pass_time
    async with surgery(clock=clock) as opened:
        findings = await examined(opened, registered(simulators, site))
    over = [one for one in findings if "time for the examination was over" in one.detail]
    assert {Capability.AVAILABILITY, Capability.BALANCE} <= {one.capability for one in over}
    assert all(one.result is Result.SKIPPED for one in over)


async def test_a_text_that_cannot_be_searched_for_is_no_failure_of_the_pms(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    for guest in site.hotel.guests.values():
        guest.last_name, guest.email = "O[Hara]", None
    async with surgery() as opened:
        findings = await examined(opened, registered(simulators, site))
    skipped: dict[str, Any] = {one.asked: one.detail for one in findings if one.result is Result.SKIPPED}
    assert "cannot be searched for" in skipped["its guest's last name"]
    assert by_result(findings, Result.NO) == set()
