"""`pms-gateway setup`, as an operator types it against simulated hotel systems."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.simulators.site import Site
from tests.cli.conftest import CommandLine, Ran
from tests.fixtures.simulators import FreshSite, SimulatorServer

NOWHERE = ["--vendor", "bridge", "--base-url", "http://127.0.0.1:1"]

Setup = Callable[..., Awaitable[Ran]]


@pytest.fixture
def setup(operator: CommandLine, simulators: SimulatorServer) -> Setup:
    """Runs the command for a site, whose simulator answers meanwhile."""

    async def run(site: Site, *arguments: str, given: str = "", key: str | None = None) -> Ran:
        place = ["--vendor", site.simulator.vendor, "--base-url", simulators.base_url(site)]
        reference = ["--credential", "api_key=env:PMS_CRED_HERE"] if key != "" else []
        return await asyncio.to_thread(
            operator, "setup", *place, *reference, *arguments, given=given, PMS_CRED_HERE=key or site.api_key
        )

    return run


async def registered(operator: CommandLine) -> str:
    return (await asyncio.to_thread(operator, "hotels", "list")).out


async def test_a_hotel_is_introduced_registered_and_looked_after_without_a_question(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    done = await setup(site, "--property-id", "HARBOUR", "--yes")
    assert done.status == 0, done.err
    for told in ("Harbour Lights Hotel", "the PMS says so", "made of vendor and property", "Standard Double (STD"):
        assert told in done.out
    assert "registered bridge-HARBOUR" in done.out
    assert "all is well" in done.out
    assert "keys create --client front-desk --scope read --hotel bridge-HARBOUR" in done.out
    assert "/v1/hotels/bridge-HARBOUR/arrivals" in done.out
    assert "PMS_CRED_HERE in its environment" in done.err
    assert site.api_key not in done.out + done.err
    listed = await registered(operator)
    assert all(part in listed for part in ("bridge-HARBOUR", "Europe/Vienna", "EUR"))
    assert {request.method for request in site.requests} == {"GET"}


async def test_repeated_it_changes_the_hotel_and_keeps_what_was_not_said(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    first = await setup(site, "--property-id", "2", "--id", "sea", "--name", "By the Sea", "--country", "US", "--yes")
    assert first.status == 0, first.err
    assert "registered sea" in first.out
    again = await setup(site, "--property-id", "2", "--option", "shop_wide_guests=true", "--yes")
    assert again.status == 0, again.err
    assert "changed sea" in again.out
    assert "this property is registered so already" in again.out
    assert "By the Sea" in again.out
    kept = await setup(site, "--id", "sea", "--property-id", "2", "--yes", key="")
    assert kept.status == 0, kept.err
    assert "By the Sea" in await registered(operator)


async def test_a_person_is_asked_for_what_was_not_said_and_secrets_are_not_shown(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    answers = [site.api_key, "2", "seaside", "Seaside Inn", "", "", "y"]
    done = await setup(site, given="".join(f"{answer}\n" for answer in answers), key="")
    assert done.status == 0, done.err
    assert "Credential api_key, not shown" in done.err
    assert "Property, one of 1, 2" in done.err
    assert "[America/New_York]" in done.err
    assert site.api_key not in done.out + done.err
    assert "registered seaside" in done.out
    assert "Seaside Inn" in await registered(operator)


async def test_a_person_who_says_no_has_registered_nothing(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    done = await setup(fresh_site("bridge"), "--property-id", "HARBOUR", given="\n\n\n\nn\n")
    assert done.status == 1
    assert "nothing was registered" in done.err
    assert "HARBOUR" not in await registered(operator)


async def test_a_connection_that_fails_registers_nothing_and_says_what_to_do(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    refused = await setup(site, "--property-id", "HARBOUR", "--yes", key="WRONGKEY")
    assert refused.status == 1
    assert "Compare the hotel's credentials" in refused.out
    assert "nothing was registered" in refused.err
    limited = await setup(fresh_site("qloapps", modes={"rights": "read_only"}), "--property-id", "1", "--yes")
    assert limited.status == 1
    assert "PUT bookings" in limited.out
    assert "--force" in limited.err
    assert "127.0.0.1" not in await registered(operator)


async def test_force_registers_what_does_not_work_yet(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    facts = ["--name", "Soon", "--timezone", "Europe/Vienna", "--currency", "EUR"]
    forced = await setup(site, "--property-id", "HARBOUR", "--force", "--yes", *facts, key="WRONGKEY")
    assert forced.status == 1
    assert "registered bridge-HARBOUR" in forced.out
    assert "WRONG: credentials" in forced.out
    assert "Soon" in await registered(operator)


async def test_a_dry_run_shows_everything_and_registers_nothing(
    setup: Setup, operator: CommandLine, fresh_site: FreshSite
) -> None:
    done = await setup(fresh_site("qloapps"), "--property-id", "1", "--yes", "--dry-run")
    assert done.status == 0, done.err
    assert "qloapps-1 would be registered" in done.out
    assert "qloapps-1" not in await registered(operator)


async def test_unattended_it_never_chooses_between_properties(setup: Setup, fresh_site: FreshSite) -> None:
    refused = await setup(fresh_site("qloapps"), "--yes")
    assert refused.status == 2
    assert all(name in refused.out for name in ("The Hotel Prime", "The Seaside"))
    assert "--property-id" in refused.err
    wrong = await setup(fresh_site("qloapps"), "--yes", "--property-id", "9")
    assert wrong.status == 1
    assert "9 is none of these properties: 1, 2" in wrong.err


async def test_a_vendor_that_cannot_list_its_properties_is_told_which_one(setup: Setup, fresh_site: FreshSite) -> None:
    refused = await setup(fresh_site("bridge"), "--yes")
    assert refused.status == 2
    assert "--property-id" in refused.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--vendor", "nobody"], "nobody is no vendor; there are: bridge (Bridge)"),
        (NOWHERE, "--credential api_key=… (API key"),
        (["--credential", "canary-secret"], "--credential is written NAME=VALUE"),
        (["--credential", "api_key=-"], "--credential api_key: there is no value"),
        (
            ["--vendor", "bridge", "--base-url", "http://10.1.2.3", "--credential", "api_key=canary-secret"],
            "base_url: ",
        ),
        (
            [*NOWHERE, "--credential", "token=canary-secret", "--credential", "api_key=canary-secret"],
            "credentials.token: ",
        ),
    ],
)
def test_what_is_missing_or_malformed_is_told_and_no_secret_repeated(
    operator: CommandLine, arguments: list[str], told: str
) -> None:
    refused = operator("setup", "--yes", *arguments)
    assert refused.status == 2
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert "canary-secret" not in refused.err + refused.out


async def test_a_secret_in_the_command_line_is_warned_of_and_one_from_standard_input_is_not(
    setup: Setup, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    given = ["--property-id", "HARBOUR", "--yes", "--dry-run", "--credential"]
    shown = await setup(site, *given, f"api_key={site.api_key}", key="")
    assert (shown.status, "list of processes" in shown.err) == (0, True)
    hidden = await setup(site, *given, "api_key=-", given=f"{site.api_key}\n", key="")
    assert (hidden.status, "list of processes" in hidden.err) == (0, False)
