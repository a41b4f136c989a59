"""Answers in place of errors that are known and no failure: `ask(…, instead=…)`, and advice in errors."""

from dataclasses import replace

import pytest

from app.core.faults import error_from_answer
from app.core.profile import VendorAnswer, VendorFault
from app.domain.errors import OutcomeUnknown, VendorAuthFailed
from tests.core.vendor import PROFILE, Clients, ScriptedVendor, answer, ask

NOTHING = {"nothing": True}


async def test_an_expected_error_is_an_answer_and_asked_once(clients: Clients, vendor: ScriptedVendor) -> None:
    vendor.will(answer(500, {"code": "warning"}))
    assert await ask(clients.make(), instead={"warning": NOTHING}) == NOTHING
    assert len(vendor.seen) == 1


async def test_an_expected_error_never_opens_the_circuit(clients: Clients, vendor: ScriptedVendor) -> None:
    vendor.will(*[answer(500, {"code": "warning"})] * 20, answer(200, {"fine": 1}))
    client = clients.make()
    for _ in range(20):
        await ask(client, instead={"warning": NOTHING})
    assert await ask(client) == {"fine": 1}


async def test_a_missing_thing_is_named_by_its_status_where_the_vendor_gives_no_code(
    clients: Clients, vendor: ScriptedVendor
) -> None:
    vendor.will(answer(404, b""))
    assert await ask(clients.make(), instead={"404": NOTHING}) == NOTHING


async def test_other_errors_stay_what_they_are(clients: Clients, vendor: ScriptedVendor) -> None:
    vendor.will(answer(500, {"code": "other"}))
    with pytest.raises(OutcomeUnknown):
        await ask(clients.make(), instead={"warning": NOTHING})
    assert len(vendor.seen) == 3


def test_an_error_says_what_to_do_where_the_vendors_folder_knows(clients: Clients) -> None:
    profile = replace(PROFILE, read_fault=lambda _: VendorFault("7", "secret words", advice="turn the key"))
    error = error_from_answer(profile, VendorAnswer(401, {}, b""), clients.clock.now())
    assert isinstance(error, VendorAuthFailed)
    assert error.detail == "The scripted PMS answered 401: turn the key"
