"""deploy/postgres/roles.sql: under its own role the gateway can do all that it does, and never touch the audit."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.api.tour import Tour
from tests.fixtures.gateway import Client, HotelUnderTest, running_gateway, settings_for
from tests.fixtures.own_worker import FAST, Hands, HurriedClock
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import eventually, fault, seeded

ROLES = (Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql").read_text(encoding="utf-8")
PASSWORD = "of-this-test-alone"


async def run_as_owner(url: str, role: str) -> None:
    """Do as the manual says, for a role of the test's own: roles belong to the whole server."""
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(f"SET pms_gateway.role = '{role}'")
        await owner.execute(ROLES)
    finally:
        await owner.close()


@pytest.fixture
async def gateways_url(database_url: str) -> AsyncIterator[str]:
    """The test's database, as the gateway's own role reaches it."""
    parts = urlsplit(database_url)
    role = f"gateway_of_{parts.path[1:]}"
    for _ in range(2):  # doing it again changes nothing
        await run_as_owner(database_url, role)
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    yield parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
    await owner.execute(f"DROP OWNED BY {role}")
    await owner.execute(f"DROP ROLE {role}")
    await owner.close()


async def test_the_gateway_and_its_worker_do_everything_under_that_role(
    gateways_url: str, redis_url: str, simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    settings = settings_for(gateways_url, redis_url, pms_timeout=5)
    async with running_gateway(settings, simulators, clock=HurriedClock(), waits=FAST) as gateway:
        await gateway.admin("DELETE", "/v1/hotels/none")
        site = fresh_site("bridge")
        tour = Tour(gateway.admin, "prime")
        await tour.walk(dict(simulators.registration(site).body))
        failed = [(step, answer.status_code) for step, answer in tour.answers if answer.status_code >= 400]
        assert failed == []
        hotel = HotelUnderTest("prime", site, gateway.admin, gateway)
        async with Hands(settings).working():
            await a_queued_note_is_sent(hotel)
        assert (await gateway.admin("DELETE", "/v1/hotels/prime")).status_code == 204


async def a_queued_note_is_sent(hotel: HotelUnderTest) -> None:
    hotel.site.faults.add(fault("status", method="POST", path="notes$", status=503))
    at = f"/reservations/{seeded(hotel, 'Lovelace').id}/notes"
    answer = await hotel.send("POST", at, {"text": "Vegan"}, key="queued", headers={"X-Request-Timeout": "2"})
    assert answer.status_code == 202, answer.text
    hotel.site.faults.clear()
    admin: Client = hotel.client

    async def status() -> str:
        return str((await admin.get(answer.headers["Location"])).json()["data"]["status"])

    await eventually(status, lambda now: now == "succeeded", within=30)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET outcome = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM audit_log_default",
        "INSERT INTO audit_log_default SELECT * FROM audit_log",
        "SELECT set_config('pms_gateway.erasing', 'on', false); DELETE FROM audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "DROP TABLE audit_log",
        "CREATE TABLE somewhere (copied text)",
        "UPDATE alembic_version SET version_num = '0000'",
        "CREATE OR REPLACE FUNCTION erase_hotel(text, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ],
)
async def test_that_role_changes_neither_the_audit_nor_the_schema(gateways_url: str, statement: str) -> None:
    gateway = await asyncpg.connect(gateways_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway.execute(statement)
        assert await gateway.fetchval("SELECT count(*) FROM audit_log") == 0
    finally:
        await gateway.close()


async def test_months_that_the_gateway_itself_makes_are_as_safe(gateways_url: str) -> None:
    gateway = await asyncpg.connect(gateways_url)
    try:
        partition = await gateway.fetchval("SELECT audit_log_ensure_partition('2031-05-01')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway.execute(f"DELETE FROM {partition}")  # noqa: S608 - a name that the database gave
    finally:
        await gateway.close()


async def test_every_function_that_is_kept_from_the_public_is_the_gateways(gateways_url: str) -> None:
    gateway = await asyncpg.connect(gateways_url)
    try:
        found = await gateway.fetch(
            "SELECT oid::regprocedure::text AS name, has_function_privilege(oid, 'EXECUTE') AS may FROM pg_proc "
            "WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        )
    finally:
        await gateway.close()
    assert len(found) >= 3
    assert [row["name"] for row in found if not row["may"]] == []


async def test_after_a_restore_that_gave_them_to_everybody_they_are_the_gateways_alone_again(
    gateways_url: str, database_url: str
) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC")
        await run_as_owner(database_url, str(urlsplit(gateways_url).username))
        open_to_all = await owner.fetchval(
            "SELECT count(*) FROM pg_proc WHERE prosecdef AND has_function_privilege('public', oid, 'EXECUTE')"
        )
    finally:
        await owner.close()
    assert open_to_all == 0


async def test_a_role_that_could_do_as_the_owner_does_is_refused(database_url: str) -> None:
    role = f"mighty_of_{urlsplit(database_url).path[1:]}"
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"CREATE ROLE {role} CREATEROLE")
    try:
        with pytest.raises(asyncpg.RaiseError, match="has the rights of others"):
            await run_as_owner(database_url, role)
    finally:
        await owner.execute(f"DROP ROLE {role}")
        await owner.close()
