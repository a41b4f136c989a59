"""How a run goes: what it leaves, what it waits for, what it never does."""

import json
from dataclasses import replace

import pytest

from app.cli.conformance import report
from app.cli.conformance.contract import RULES
from app.cli.conformance.exchange import LARGEST
from app.cli.conformance.rules import Outcome, rule
from app.cli.conformance.sandbox import Sandbox, Terms
from app.simulators.records import StayStatus
from tests.cli.conformance import twists as by
from tests.cli.conformance.conftest import Inspect
from tests.cli.conformance.mutants import Ask, Asked, Said

_BY_NUMBER = {one.number: one for one in RULES}


async def test_all_that_was_made_is_cancelled(inspect: Inspect) -> None:
    verdict = await inspect()
    made = [
        stay
        for stay in verdict.site.hotel.bookings.values()
        if stay.external_reference or "Walk" in stay.contact.last_name
    ]
    assert len(made) > 40
    assert {stay.status for stay in made} == {StayStatus.CANCELLED}
    assert verdict.sandbox.made == {}
    assert report.left(verdict.sandbox) == [
        f"profiles that can't be deleted by the contract: {', '.join(verdict.sandbox.profiles)}"
    ]


async def test_nothing_is_booked_for_days_that_are_near(inspect: Inspect) -> None:
    verdict = await inspect()
    hotel = verdict.site.hotel
    tests = [stay for stay in hotel.bookings.values() if (stay.external_reference or "").startswith("CT-")]
    assert min((stay.arrival - hotel.business_date).days for stay in tests) >= 180


async def test_what_cannot_be_cancelled_is_told(inspect: Inspect) -> None:
    verdict = await inspect(by.cancel_without_effect, wanted=[_BY_NUMBER["8.16"]])
    left = report.left(verdict.sandbox)
    assert len(left) == len(verdict.sandbox.made) > 0
    assert all("cancel it by hand: reservation R" in line and "Gatewaytest" in line for line in left)


async def test_an_interrupted_run_cancels_what_it_made(inspect: Inspect) -> None:
    seen: list[Sandbox] = []

    @rule("8.99", "Interrupted", fix="None.", needs=("7.1",), writes=True)
    def interrupted(at: Sandbox) -> None:
        seen.append(at)
        at.book()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await inspect(wanted=[interrupted])
    assert seen[0].made == {}
    assert [one.path for one in seen[0].caller.journal][-1].endswith("/cancel")


async def test_a_bridge_that_is_busy_is_waited_for(inspect: Inspect) -> None:
    waits: list[float] = []
    busy = [2, 3]

    async def twist(asked: Asked, ask: Ask) -> Said:
        if busy and asked.path.endswith("/room-types"):
            return by.problem(429, "rate_limited", **{"retry-after": str(busy.pop(0))})
        return await ask(asked)

    verdict = await inspect(twist, wanted=[_BY_NUMBER["8.2"]], wait=waits.append)
    assert (verdict.told, waits) == ({}, [2.0, 3.0])


async def test_the_key_is_in_no_report_even_if_the_bridge_repeats_it(inspect: Inspect) -> None:
    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        return said.saying({**said.json, "detail": asked.headers.get("authorization")}) if said.status >= 400 else said

    verdict = await inspect(by.recoded(404, 200), wanted=[_BY_NUMBER["5.4"]])
    echoed = await inspect(twist, wanted=[_BY_NUMBER["2.1"]], key="not-the-key-at-all")
    told = json.dumps([report.as_json([*one.findings.values()], one.sandbox) for one in (verdict, echoed)])
    assert verdict.site.api_key not in told
    assert "not-the-key-at-all" not in told
    assert "***" in told


async def test_no_redirect_is_followed(inspect: Inspect) -> None:
    async def twist(asked: Asked, ask: Ask) -> Said:
        if asked.path.endswith("/rate-plans"):
            return replace(await ask(asked), status=307).under(location="http://127.0.0.1:1/elsewhere")
        return await ask(asked)

    verdict = await inspect(twist, wanted=[_BY_NUMBER["8.2"], _BY_NUMBER["1.11"]])
    assert set(verdict.told) == {"8.2", "1.11"}
    assert "http://127.0.0.1:1/elsewhere" in verdict.told["1.11"]


async def test_an_answer_without_end_is_read_no_further_than_needed(inspect: Inspect) -> None:
    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        return replace(said, body=b" " * (2 * LARGEST)) if asked.path.endswith("/rate-plans") else said

    verdict = await inspect(twist, wanted=[_BY_NUMBER["8.2"], _BY_NUMBER["1.12"]])
    assert set(verdict.told) == {"8.2", "1.12"}
    assert max(len(one.body) for one in verdict.sandbox.caller.journal) < 2 * LARGEST


async def test_reading_only_asks_for_nothing_that_writes(inspect: Inspect) -> None:
    verdict = await inspect(terms=Terms(read_only=True))
    writes = [one for one in verdict.sandbox.caller.journal if one.method != "GET" and not one.path.endswith("/search")]
    assert writes == []
    assert verdict.told == {}
    assert len(verdict.of(Outcome.KEPT)) > 40


async def test_what_the_bridge_answers_in_no_form_at_all_breaks_rules_and_not_the_run(inspect: Inspect) -> None:
    async def twist(asked: Asked, ask: Ask) -> Said:
        said = await ask(asked)
        root = asked.path.endswith("/HARBOUR")
        return said if said.status >= 400 or root else said.saying({"items": [[], 7, None], "room_types": "none"})

    verdict = await inspect(twist)
    assert len(verdict.findings) == len(RULES)
    assert {"8.2", "8.3"} <= set(verdict.told)
