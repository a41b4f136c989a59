"""`pms-gateway setup`: its steps at a gateway of the test's own, and the command as an operator types it."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from app.api.deps import Gateway
from app.cli.actor import operator as somebody
from app.cli.console import CommandError
from app.cli.questions import Questions
from app.cli.registering import Registering
from app.cli.wishes import MISUSED, Wish, read_credentials, read_options
from app.domain.hotel import Hotel
from app.simulators.site import Site
from tests.cli.conftest import CommandLine
from tests.fixtures.gateway import running_gateway, settings_for
from tests.fixtures.simulators import FreshSite, SimulatorServer

_IDS = (f"house-{number}" for number in itertools.count(1))
FACTS = ("name", "timezone", "currency", "country")


@dataclass(frozen=True)
class Run:
    """What a run of the command's steps came to."""

    healthy: bool
    out: str
    err: str


Setup = Callable[..., Awaitable[Run]]


@pytest.fixture
async def gateway(
    session_database_url: str, redis_url: str, simulators: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway of the test's own, with a secret in its environment."""
    monkeypatch.setenv("PMS_CRED_WRONG", "WRONGKEY")
    async with running_gateway(settings_for(session_database_url, redis_url), simulators) as running:
        found: Gateway = running.app.state.gateway
        yield found


@pytest.fixture
def uncached_loggers(gateway: Gateway) -> Iterator[None]:
    """Lets no logger keep the standard output of one test, which is closed in the next."""
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.configure(cache_logger_on_first_use=True)


@pytest.fixture
def setup(
    gateway: Gateway, uncached_loggers: None, simulators: SimulatorServer, capsys: pytest.CaptureFixture[str]
) -> Setup:
    """Goes through the steps for a site, unattended, as with these flags."""

    async def run(site: Site, *, key: str | None = None, **given: Any) -> Run:
        wish = Wish(
            vendor=site.simulator.vendor,
            base_url=simulators.base_url(site),
            property_id=given.get("property_id"),
            hotel_id=given.get("hotel_id"),
            said={name: given.get(name) for name in FACTS},
            credentials={} if key == "" else {"api_key": key or site.api_key},
            options=given.get("options", {}),
            dry_run=given.get("dry_run", False),
            force=given.get("force", False),
            flags=" --embedded",
        )
        capsys.readouterr()
        healthy = await Registering(gateway, wish, Questions(unattended=True), port=8123).run()
        return Run(healthy, *capsys.readouterr())

    return run


async def stored(gateway: Gateway, hotel_id: str) -> Hotel | None:
    return next((hotel for hotel in await gateway.hotels.visible(somebody()) if hotel.id == hotel_id), None)


async def test_a_hotel_is_introduced_registered_and_looked_after(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    site, hotel_id = fresh_site("bridge"), next(_IDS)
    done = await setup(site, property_id="HARBOUR", hotel_id=hotel_id)
    assert done.healthy, done.out
    for told in ("Harbour Lights Hotel", "the PMS says so", "Standard Double (STD", f"registered {hotel_id}"):
        assert told in done.out
    assert "all is well" in done.out
    assert f"keys create --client front-desk --scope read --hotel {hotel_id} --embedded" in done.out
    assert f"http://127.0.0.1:8123/v1/hotels/{hotel_id}/arrivals" in done.out
    assert site.api_key not in done.out + done.err
    hotel = await stored(gateway, hotel_id)
    assert hotel is not None
    assert (hotel.timezone, hotel.currency, hotel.country) == ("Europe/Vienna", "EUR", "AT")
    assert {request.method for request in site.requests} == {"GET"}


async def test_repeated_it_changes_the_hotel_and_keeps_what_was_not_said(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    site, hotel_id = fresh_site("qloapps"), next(_IDS)
    first = await setup(site, property_id="2", hotel_id=hotel_id, name="By the Sea", country="US")
    assert first.healthy, first.out
    again = await setup(site, property_id="2", options={"shop_wide_guests": True})
    assert f"changed {hotel_id}" in again.out
    assert "this property is registered so already" in again.out
    kept = await setup(site, property_id="2", hotel_id=hotel_id, key="")
    assert kept.healthy, kept.out
    hotel = await stored(gateway, hotel_id)
    assert hotel is not None
    assert (hotel.name, hotel.country) == ("By the Sea", "US")
    assert hotel.options.model_dump()["shop_wide_guests"] is True


async def test_stored_credentials_are_not_sent_to_another_host(setup: Setup, fresh_site: FreshSite) -> None:
    site, hotel_id = fresh_site("bridge"), next(_IDS)
    await setup(site, property_id="HARBOUR", hotel_id=hotel_id)
    other = fresh_site("qloapps")
    with pytest.raises(CommandError, match="are required when the vendor changes") as refused:
        await setup(other, property_id="1", hotel_id=hotel_id, key="")
    assert refused.value.status == MISUSED
    assert other.requests == []


async def test_wrong_credentials_register_nothing_and_say_what_to_do(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    hotel_id = next(_IDS)
    refused = await setup(fresh_site("bridge"), property_id="HARBOUR", hotel_id=hotel_id, key="env:PMS_CRED_WRONG")
    assert not refused.healthy
    assert "Compare the hotel's credentials" in refused.out
    assert "nothing was registered" in refused.err
    assert "PMS_CRED_WRONG in its environment" in refused.err
    assert await stored(gateway, hotel_id) is None


async def test_missing_rights_register_nothing_and_are_named(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    hotel_id = next(_IDS)
    site = fresh_site("qloapps", modes={"rights": "hotels_only"})
    facts = {"timezone": "America/New_York", "currency": "USD"}
    refused = await setup(site, property_id="1", hotel_id=hotel_id, **facts)
    assert not refused.healthy
    assert "POST hotel_ari" in refused.out
    assert "--force" in refused.err
    assert await stored(gateway, hotel_id) is None


async def test_force_registers_what_does_not_work_yet(setup: Setup, gateway: Gateway, fresh_site: FreshSite) -> None:
    hotel_id = next(_IDS)
    facts = {"name": "Soon", "timezone": "Europe/Vienna", "currency": "EUR"}
    forced = await setup(
        fresh_site("bridge"), property_id="HARBOUR", hotel_id=hotel_id, key="WRONGKEY", force=True, **facts
    )
    assert not forced.healthy
    assert "WRONG: credentials" in forced.out
    assert await stored(gateway, hotel_id) is not None


async def test_a_dry_run_shows_everything_and_registers_nothing(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    done = await setup(fresh_site("qloapps"), property_id="1", dry_run=True)
    assert done.healthy
    assert "made of vendor and property" in done.out
    assert "qloapps-1 would be registered" in done.out
    assert await stored(gateway, "qloapps-1") is None


async def test_unattended_it_never_chooses_between_properties(
    setup: Setup, fresh_site: FreshSite, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"--property-id.*1, 2") as refused:
        await setup(fresh_site("qloapps"))
    assert refused.value.status == MISUSED
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("The Hotel Prime", "The Seaside"))
    with pytest.raises(CommandError, match="9 is none of these properties: 1, 2"):
        await setup(fresh_site("qloapps"), property_id="9")


async def test_where_the_pms_cannot_tell_the_flag_that_is_missing_is_named(setup: Setup, fresh_site: FreshSite) -> None:
    with pytest.raises(CommandError, match="--property-id"):
        await setup(fresh_site("bridge"))
    with pytest.raises(CommandError, match=r"--timezone \(the PMS does not say it\)\n.*--currency"):
        await setup(fresh_site("qloapps", modes={"rights": "hotels_only"}), property_id="1", hotel_id=next(_IDS))
    with pytest.raises(CommandError, match="--credential api_key"):
        await setup(fresh_site("bridge"), property_id="HARBOUR", key="")


async def test_a_value_that_contradicts_the_pms_is_found_before_it_is_registered(
    setup: Setup, gateway: Gateway, fresh_site: FreshSite
) -> None:
    hotel_id = next(_IDS)
    refused = await setup(fresh_site("bridge"), property_id="HARBOUR", hotel_id=hotel_id, currency="CHF")
    assert not refused.healthy
    assert await stored(gateway, hotel_id) is None


async def test_the_table_says_where_each_value_is_from(setup: Setup, fresh_site: FreshSite) -> None:
    named = await setup(fresh_site("bridge"), property_id="HARBOUR", hotel_id=next(_IDS))
    assert re.search(r"property_id +HARBOUR +you said so", named.out)
    assert "client_cert  optional" in named.out
    assert "None" not in named.out


async def test_what_does_not_work_yet_is_sent_on_to_the_doctor(setup: Setup, fresh_site: FreshSite) -> None:
    forced = await setup(
        fresh_site("bridge"),
        property_id="HARBOUR",
        hotel_id="ill",
        key="WRONGKEY",
        timezone="UTC",
        name="Ill",
        currency="EUR",
        force=True,
    )
    assert "pms-gateway doctor ill --connection --embedded" in forced.out


def test_a_credential_that_the_vendor_does_not_have_is_told(operator: CommandLine) -> None:
    given = ("--vendor", "bridge", "--base-url", "https://pms.example", "--credential", "key=canary-secret")
    refused = operator("setup", "--yes", *given)
    assert refused.status == 2
    assert "no credential of Bridge: key; it has" in refused.err
    assert "canary-secret" not in refused.err + refused.out


def test_an_address_that_is_none_is_told_before_a_secret_is_asked_for(operator: CommandLine) -> None:
    refused = operator("setup", given="bridge\n127.0.0.1/bridge\n")
    assert refused.status == 2
    assert "base_url: must be an http or https URL" in refused.err
    assert "Credential api_key" not in refused.err


@pytest.mark.parametrize("given", ["canary-secret", "=canary-secret", "api_key="])
def test_a_malformed_credential_is_refused_without_being_repeated(given: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_credentials([given])
    assert refused.value.status == MISUSED
    assert "canary-secret" not in str(refused.value)


def test_a_secret_in_the_command_line_is_warned_of_and_a_reference_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_credentials(["api_key=env:PMS_CRED_X"]) == {"api_key": "env:PMS_CRED_X"}
    assert capsys.readouterr().err == ""
    assert read_credentials(["api_key=canary=secret"]) == {"api_key": "canary=secret"}
    warned = capsys.readouterr().err
    assert "list of processes" in warned
    assert "canary" not in warned


def test_options_are_json_where_they_can_be() -> None:
    given = ["idempotency_keys=false", "day_starts=05:00", 'charge_codes={"minibar": "X1"}']
    assert read_options(given) == {
        "idempotency_keys": False,
        "day_starts": "05:00",
        "charge_codes": {"minibar": "X1"},
    }


async def test_a_person_is_asked_for_what_was_not_said_and_secrets_are_not_shown(
    operator: CommandLine, simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    answers = ["qloapps", simulators.base_url(site), site.api_key, "2", "seaside", "Seaside Inn", "", "", "y"]
    done = await asyncio.to_thread(operator, "setup", given="".join(f"{answer}\n" for answer in answers))
    assert done.status == 0, done.err
    assert "Credential api_key, not shown" in done.err
    assert "Property, one of 1, 2" in done.err
    assert "[America/New_York]" in done.err
    assert site.api_key not in done.out + done.err
    assert "registered seaside" in done.out
    assert "Seaside Inn" in done.out


async def test_a_person_who_says_no_has_registered_nothing_and_standard_input_may_bring_the_secret(
    operator: CommandLine, simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge")
    place = ["--vendor", "bridge", "--base-url", simulators.base_url(site), "--property-id", "HARBOUR"]
    given = f"{site.api_key}\n\n\n\n\nn\n"
    done = await asyncio.to_thread(operator, "setup", *place, "--credential", "api_key=-", given=given)
    assert done.status == 1
    assert "nothing was registered" in done.err
    assert "list of processes" not in done.err


def test_an_unknown_vendor_is_answered_with_those_that_are_known(operator: CommandLine) -> None:
    refused = operator("setup", "--yes", "--vendor", "nobody", "--credential", "api_key=canary-secret")
    assert refused.status == 2
    assert "nobody is no vendor; there are: bridge (Bridge)" in refused.err
    assert "canary-secret" not in refused.err + refused.out
