"""One hotel from the environment: registered by `serve` before it serves, once, and again only when it changes."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.cli.configuration import settings_of
from app.cli.console import CommandError
from app.cli.single_hotel import TAKE_TURN, hotel_of, require_one_key
from app.core.auth import Bearer
from app.core.profile import Credentials, VendorProfile
from app.settings import Settings, generate_key, generate_secret
from app.simulators.server import demo_hotels
from tests.cli.conftest import CommandLine, FreePorts, Running, all_gone, family

Audit = Callable[[], list[tuple[str, str]]]

_WAITING = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""


@pytest.fixture
def registrations(database_url: str) -> Audit:
    """Gives the audit's lines of registrations: who, and which hotel."""

    async def read() -> list[tuple[str, str]]:
        connection = await asyncpg.connect(database_url)
        try:
            rows = await connection.fetch("SELECT actor, hotel_id FROM audit_log WHERE operation = 'hotel.put'")
        finally:
            await connection.close()
        return [(row["actor"], row["hotel_id"]) for row in rows]

    return lambda: asyncio.run(read())


@pytest.fixture
def shop(bare: CommandLine, free_ports: FreePorts) -> Iterator[dict[str, str]]:
    """The variables of a hotel whose PMS, a simulated shop, is there."""
    (port,) = free_ports(1)
    with bare.start("simulate", "--port", str(port)) as simulators:
        simulators.until(lambda: "/demo" in simulators.said(), "the addresses")
        yield variables(port)


def variables(port: int) -> dict[str, str]:
    found = {hotel.body["vendor"]: hotel.body for hotel in demo_hotels(f"http://127.0.0.1:{port}")}
    body = found["qloapps"]
    return {
        "PMS_TYPE": "QloApps",
        "PMS_BASE_URL": body["base_url"],
        "PMS_API_KEY": body["credentials"]["api_key"],
        "PMS_HOTEL_ID": body["property_id"],
        "PMS_CURRENCY": body["currency"],
    }


def served(stack: ExitStack, operator: CommandLine, port: int, *more: str, **environment: str) -> Running:
    running = stack.enter_context(operator.start("serve", "--port", str(port), *more, environment=environment))
    running.answers(f"http://127.0.0.1:{port}/health/ready")
    return running


def stopped(running: Running) -> str:
    running.process.terminate()
    assert running.ends() == 0, running.said()
    assert "Traceback" not in running.said()
    return running.said()


def client(operator: CommandLine, port: int) -> httpx.Client:
    made = operator("keys", "create", "--client", "desk", "--scope", "read,admin", "--all-hotels")
    assert made.status == 0, made.err
    headers = {"Authorization": f"Bearer {made.out.strip()}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=headers, timeout=30, trust_env=False)


def availability(http: httpx.Client, hotel_id: str) -> Any:
    start = date.today() + timedelta(days=30)  # noqa: DTZ011 - any day ahead will do
    dates = {"start": f"{start}", "end": f"{start + timedelta(days=2)}"}
    answer = http.get(f"/hotels/{hotel_id}/availability", params=dates)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_mock_serves_a_simulated_hotel_that_goes_with_the_gateway(
    operator: CommandLine, free_ports: FreePorts, registrations: Audit
) -> None:
    port, simulators_port = free_ports(2)
    mock = {"PMS_TYPE": "mock", "SIMULATORS_PORT": str(simulators_port), "ALLOW_LOOPBACK_PMS": "false"}
    for said in ("registered harbour-lights", "harbour-lights is registered as the environment has it"):
        with ExitStack() as stack:
            running = served(stack, operator, port, "--workers", "2", **mock)
            with client(operator, port) as http:
                assert [hotel["id"] for hotel in http.get("/hotels").json()["data"]] == ["harbour-lights"]
                assert availability(http, "harbour-lights")
            children = family(running.process.pid)
            assert said in stopped(running)
            assert all_gone(children)
    assert registrations() == [("pms-gateway environment", "harbour-lights")]


def test_a_hotel_is_registered_once_and_changed_only_when_the_environment_is(
    operator: CommandLine, free_ports: FreePorts, registrations: Audit, shop: dict[str, str]
) -> None:
    (port,) = free_ports(1)
    hotel_id = f"qloapps-{shop['PMS_HOTEL_ID']}"
    with ExitStack() as stack:
        running = served(stack, operator, port, **shop)
        with client(operator, port) as http:
            assert availability(http, hotel_id)
        said = stopped(running)
    assert (
        f"registered {hotel_id} from the environment; taken for granted, as it does not say: PMS_TIMEZONE UTC\n" in said
    )
    with ExitStack() as stack:
        running = served(stack, operator, port, **shop)
        assert f"{hotel_id} is registered as the environment has it" in stopped(running)
    assert registrations() == [("pms-gateway environment", hotel_id)]
    with ExitStack() as stack:
        renamed = shop | {"PMS_HOTEL_NAME": "Prime Two", "PMS_API_KEY": "k" * 32}
        assert f"changed {hotel_id}" in stopped(served(stack, operator, port, **renamed))
    assert len(registrations()) == 2
    with ExitStack() as stack:
        unnamed = shop | {"PMS_API_KEY": "k" * 32}
        assert "as the environment has it" in stopped(served(stack, operator, port, **unnamed))
    assert "Prime Two" in operator("hotels", "list").out
    assert shop["PMS_API_KEY"] not in said


def test_what_an_operator_has_chosen_besides_is_kept(
    operator: CommandLine, free_ports: FreePorts, registrations: Audit
) -> None:
    (port,) = free_ports(1)
    shop = variables(8900)
    hotel_id = f"qloapps-{shop['PMS_HOTEL_ID']}"
    with ExitStack() as stack:
        stopped(served(stack, operator, port, **shop))
    body = {
        "name": "Chosen",
        "vendor": "qloapps",
        "base_url": shop["PMS_BASE_URL"],
        "property_id": shop["PMS_HOTEL_ID"],
        "timezone": "Europe/Vienna",
        "currency": "JPY",
        "options": {"day_starts": "05:30"},
        "cache": {"availability_ttl": 7},
    }
    assert operator("hotels", "put", hotel_id, "--file", "-", given=json.dumps(body)).status == 0
    with ExitStack() as stack:
        running = served(stack, operator, port, **shop)
        with client(operator, port) as http:
            hotel = http.get(f"/hotels/{hotel_id}").json()["data"]
        assert f"changed {hotel_id}" in stopped(running)
    assert (hotel["currency"], hotel["timezone"], hotel["name"]) == (shop["PMS_CURRENCY"], "Europe/Vienna", "Chosen")
    assert (hotel["options"]["day_starts"], hotel["cache"]["availability_ttl"]) == ("05:30", 7)
    assert len(registrations()) == 3


def test_gateways_that_start_at_once_register_one_hotel_once(
    operator: CommandLine, free_ports: FreePorts, registrations: Audit, database_url: str
) -> None:
    ports, shop = free_ports(3), variables(8900)
    with ExitStack() as stack:
        with asyncio.Runner() as database:
            connection = database.run(asyncpg.connect(database_url))
            try:
                database.run(connection.execute(f"BEGIN; {TAKE_TURN}"))
                started = [
                    stack.enter_context(operator.start("serve", "--port", str(port), environment=shop))
                    for port in ports
                ]

                def all_wait() -> bool:
                    return int(database.run(connection.fetchval(_WAITING))) == len(ports)

                started[0].until(all_wait, "a queue of three")
            finally:
                database.run(connection.close())
        for port, running in zip(ports, started, strict=True):
            running.answers(f"http://127.0.0.1:{port}/health/ready")
    assert len(registrations()) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PMS_TYPE": "nobody"}, "PMS_TYPE=nobody is no vendor; there are: bridge, "),
        ({"PMS_BASE_URL": "http://canary.example.com"}, "  PMS_BASE_URL: must be https"),
        ({"PMS_API_KEY": "env:PMS_CRED_NOWHERE"}, "  PMS_API_KEY: the environment variable is not set"),
        ({"PMS_TIMEZONE": "Mars/Base", "PMS_CURRENCY": "canary"}, "  PMS_TIMEZONE: "),
    ],
)
def test_variables_that_make_no_hotel_end_the_start_with_a_sentence(
    operator: CommandLine, free_ports: FreePorts, registrations: Audit, changes: dict[str, str], told: str
) -> None:
    (port,) = free_ports(1)
    shop = variables(8900) | {"PMS_API_KEY": "canary"}
    refused = operator("serve", "--port", str(port), **(shop | changes))
    assert refused.status == 1
    assert told in refused.err
    assert "canary" not in refused.err
    assert "Traceback" not in refused.err
    assert registrations() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PMS_TYPE": ""}, "PMS_TYPE is not set, but PMS_BASE_URL and PMS_API_KEY: set it"),
        ({"PMS_BASE_URL": ""}, "PMS_TYPE=qloapps needs PMS_BASE_URL too"),
        ({"PMS_API_KEY": ""}, "PMS_TYPE=qloapps needs PMS_API_KEY too"),
        ({"PMS_HOTEL_ID": "a b"}, "PMS_HOTEL_ID makes no hotel id, 'qloapps-a b'; register the hotel with"),
    ],
)
def test_a_variable_that_is_missing_or_cannot_be_an_id_is_named(changes: dict[str, str], told: str) -> None:
    required = {
        "database_url": "postgresql://nobody@127.0.0.1/none",
        "redis_url": "redis://127.0.0.1",
        "encryption_keys": generate_key(),
        "index_keys": generate_key(),
        "idempotency_secret": generate_secret(),
    }
    given = {name.lower(): value for name, value in (variables(8900) | changes).items()}
    settings = settings_of(Settings, _env_file=None, **required, **given)
    with pytest.raises(CommandError) as refused:
        hotel_of(settings)
    assert str(refused.value).startswith(told)


def test_a_taken_port_of_the_simulated_hotel_is_named(
    operator: CommandLine, free_ports: FreePorts, taken_port: int
) -> None:
    (port,) = free_ports(1)
    refused = operator("serve", "--port", str(port), PMS_TYPE="mock", SIMULATORS_PORT=str(taken_port))
    assert refused.status == 1
    assert f"port {taken_port} of 127.0.0.1 is taken: SIMULATORS_PORT chooses another one" in refused.err


def test_a_schema_that_is_not_current_is_named_with_the_remedy(
    operator: CommandLine, free_ports: FreePorts, empty_database_url: str
) -> None:
    (port,) = free_ports(1)
    refused = operator("serve", "--port", str(port), DATABASE_URL=empty_database_url, **variables(8900))
    assert (refused.status, "run pms-gateway migrate" in refused.err) == (1, True)


class TwoTokens(Credentials):
    client_token: SecretStr
    access_token: SecretStr


def test_a_vendor_with_other_credentials_is_sent_to_the_hotels_command() -> None:
    profile = VendorProfile(
        vendor="acme",
        display_name="Acme",
        credentials=TwoTokens,
        authenticate=lambda given: Bearer(given.access_token),
        shared_host=True,
    )
    with pytest.raises(CommandError, match=r"client_token, access_token.*pms-gateway hotels put"):
        require_one_key(profile)
