"""`doctor --bridge` as an implementer types it, against simulators over real HTTP."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.simulators.site import Site
from tests.cli.conftest import CommandLine, Ran
from tests.fixtures.simulators import FreshSite, SimulatorServer

PROJECT = str(Path(__file__).resolve().parents[2])
ALL = {"PYTHONPATH": PROJECT}


async def doctor(bare: CommandLine, url: str, *arguments: str, given: str = "", **environment: str) -> Ran:
    told = ("doctor", "--bridge", url, "--property", "HARBOUR", *arguments)
    return await asyncio.to_thread(lambda: bare(*told, given=given, **ALL, **environment))


@pytest.fixture
def site(fresh_site: FreshSite) -> Site:
    return fresh_site("bridge")


async def test_a_true_bridge_is_found_so_and_left_as_it_was(
    bare: CommandLine, simulators: SimulatorServer, site: Site
) -> None:
    before = {stay.id: stay.version for stay in site.hotel.bookings.values()}
    ran = await doctor(
        bare, simulators.base_url(site), "--key", "env:PMS_CRED_SANDBOX", "--yes", PMS_CRED_SANDBOX=site.api_key
    )
    assert ran.status == 0, ran.out + ran.err
    assert "Property HARBOUR (Harbour Lights Hotel)" in ran.err
    assert "up to 100 reservations" in ran.err
    assert ran.out.splitlines()[-1] == "137 of 146 rules kept; 0 broken; 8 not built; 0 advised; 1 skipped"
    assert "skipped: 8.37" in ran.out
    stays = site.hotel.bookings
    assert {one: stays[one].version for one in before} == before
    assert {stay.status.value for one, stay in stays.items() if one not in before} == {"cancelled"}
    assert site.api_key not in ran.out + ran.err


async def test_reading_only_writes_nothing_and_asks_nobody(
    bare: CommandLine, simulators: SimulatorServer, site: Site
) -> None:
    before = site.hotel.books.as_json()
    ran = await doctor(bare, simulators.base_url(site), "--key", "-", "--read-only", "--json", given=site.api_key)
    told: dict[str, Any] = json.loads(ran.out)
    assert (ran.status, told["summary"]["broken"]) == (0, 0)
    assert told["summary"]["ok"] > 40
    assert {one["reason"] for one in told["rules"] if one["rule"] in {"4.2", "8.15"}} == {"it would write"}
    assert site.hotel.books.as_json() == before
    assert {request.method for request in site.requests} <= {"GET", "POST"}
    assert all(
        request.method == "GET" or request.template.endswith("/search") for request in site.requests if request.template
    )


async def test_a_wrong_key_is_told_at_the_first_rule_and_fails(
    bare: CommandLine, simulators: SimulatorServer, site: Site
) -> None:
    ran = await doctor(bare, simulators.base_url(site), "--key", "-", "--yes", given="wrong-key-of-mine")
    assert ran.status == 1
    assert "broken: 7.1" in ran.out
    assert "401" in ran.out
    assert "wrong-key-of-mine" not in ran.out + ran.err
    assert ran.out.splitlines()[-1].startswith("0 of 146 rules kept; 1 broken")


async def test_what_waits_for_one_broken_rule_does_not_hide_it(
    bare: CommandLine, simulators: SimulatorServer, site: Site
) -> None:
    ran = await doctor(bare, simulators.base_url(site), "--key", "-", "--yes", given="wrong-key-of-mine")
    skipped = [line for line in ran.out.splitlines() if line.startswith("skipped: ")]
    assert any(re.search(r"\d+ rules \(needs 7\.1\): 1\.1, 1\.2", line) for line in skipped)
    assert len(skipped) < 30


async def test_one_section_brings_what_it_needs(bare: CommandLine, simulators: SimulatorServer, site: Site) -> None:
    ran = await doctor(
        bare, simulators.base_url(site), "--key", "-", "--yes", "--only", "6", "--json", given=site.api_key
    )
    rules = {one["rule"] for one in json.loads(ran.out)["rules"]}
    assert ran.status == 0
    assert {"6.1", "6.8"} <= rules
    assert {"7.1", "8.15"} <= rules
    assert "8.44" not in rules


async def test_nothing_is_written_without_a_yes(bare: CommandLine, simulators: SimulatorServer, site: Site) -> None:
    url, before = simulators.base_url(site), len(site.hotel.bookings)
    refused = await doctor(bare, url, "--key", "env:PMS_CRED_X", given="n\n", PMS_CRED_X=site.api_key)
    assert (refused.status, len(site.hotel.bookings)) == (1, before)
    assert "nothing was written" in refused.err
    unasked = await doctor(bare, url, "--key", "-", given=site.api_key)
    assert "add --yes" in unasked.err
    assert len(site.hotel.bookings) == before


@pytest.mark.parametrize(
    ("url", "arguments", "told"),
    [
        ("http://pms.example/bridge", ("--key", "-"), "needs https"),
        ("http://127.0.0.1.example/bridge", ("--key", "-"), "needs https"),
        ("https://key@pms.example/bridge", ("--key", "-"), "such as https://pms.example/bridge"),
        ("https://pms.example/bridge?key=1", ("--key", "-"), "such as https://pms.example/bridge"),
        ("ftp://pms.example", ("--key", "-"), "such as https://pms.example/bridge"),
        ("https://pms.example:port/", ("--key", "-"), "is no URL"),
        ("http://localhost:1", ("--key", "literal-secret"), "never the key itself"),
        ("http://localhost:1", ("--key", "env:HOME"), "there is no key"),
        ("http://localhost:1", (), "there is no key"),
    ],
)
async def test_what_is_no_bridge_or_no_key_is_refused(
    bare: CommandLine, url: str, arguments: tuple[str, ...], told: str
) -> None:
    refused = await doctor(bare, url, *arguments, given="k")
    assert refused.status == 1
    assert told in refused.err
    assert "literal-secret" not in refused.out + refused.err
    assert "Traceback" not in refused.err


async def test_a_bridge_that_is_not_there_is_told_so(bare: CommandLine) -> None:
    ran = await doctor(bare, "http://127.0.0.1:9", "--key", "-", "--yes", given="key")
    assert ran.status == 1
    assert "no connection" in ran.out
    assert "Traceback" not in ran.out + ran.err
