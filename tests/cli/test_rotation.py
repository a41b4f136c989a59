"""Keys at the command line: rotated, killed half-way and resumed, lost, changed, given up, and met by an upgrade."""

import asyncio
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command

from app.api.deps import Gateway
from app.cli.database import at_gateway
from app.settings import Settings, generate_key, generate_secret
from app.store.audit import AuditEntry
from app.store.schema import alembic_config
from tests.cli.conftest import CommandLine, FreePorts

K0, K1, I0, I1 = generate_key("k0"), generate_key("k1"), generate_key("i0"), generate_key("i1")
LINES = 12


def with_keys(operator: CommandLine, **keys: str) -> CommandLine:
    """Give the same command line with other keys."""
    return replace(operator, environment={**operator.environment, **keys})


@pytest.fixture
def before(operator: CommandLine) -> CommandLine:
    """An operator with the former keys, who has left some lines in the audit."""
    mine = with_keys(operator, ENCRYPTION_KEYS=K0, INDEX_KEYS=I0)
    values: dict[str, Any] = {name.lower(): value for name, value in mine.environment.items() if name != "PATH"}

    async def write(gateway: Gateway) -> None:
        async with gateway.database.unit_of_work() as work:
            for number in range(LINES):
                line = AuditEntry(
                    actor="me",
                    hotel_id=None,
                    operation="test",
                    target=None,
                    outcome="succeeded",
                    after={"number": number},
                )
                await work.audit.append(line)

    at_gateway(Settings(_env_file=None, **values), write)
    return mine


def execute(operator: CommandLine, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(operator.environment["DATABASE_URL"])
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def row_of(shown: str, key: str) -> list[str]:
    """Give the words of a key's row in the table of keys."""
    return next(line.split() for line in shown.splitlines() if re.search(rf"\b{key}\b", line))


def test_a_rotation_that_is_killed_half_way_goes_on_and_tells_when_the_key_may_go(before: CommandLine) -> None:
    both = with_keys(before, ENCRYPTION_KEYS=f"{K1},{K0}", INDEX_KEYS=f"{I1},{I0}")
    with both.start("keys", "rotate-encryption", "--batch", "1") as rotation:
        rotation.until(lambda: "audit_log: 2 of about" in rotation.said(), "the first lines")
        rotation.process.send_signal(signal.SIGKILL)
        rotation.ends()
    half = both("keys", "rotate-encryption", "--status").out
    moved = LINES - int(row_of(half, "k0")[4])
    assert 2 <= moved < LINES, half
    refused = with_keys(before, ENCRYPTION_KEYS=K1, INDEX_KEYS=I1)("keys", "list")
    assert (refused.status, "key k0 of ENCRYPTION_KEYS is missing" in refused.err) == (1, True)
    execute(both, "UPDATE key_register SET active_at = now() - interval '1 hour'")
    done = both("keys", "rotate-encryption")
    assert done.status == 0, done.err
    assert f"{LINES - moved} rows were written anew" in done.err
    assert "k0 may be removed from ENCRYPTION_KEYS now" in done.err
    assert "i0 may be removed from INDEX_KEYS now" in done.err
    after = with_keys(before, ENCRYPTION_KEYS=K1, INDEX_KEYS=I1)
    shown = after("keys", "status")
    assert row_of(shown.out, "k0")[2] == "retired"
    assert row_of(shown.out, "k1")[2:5] == ["active", "yes", str(LINES + 1)]  # the rotation itself is a line, too
    for key in (K0, K1, I0, I1):
        assert key.partition(":")[2] not in shown.out + done.out + done.err


def test_a_key_that_was_active_until_now_is_not_said_to_be_free(before: CommandLine) -> None:
    both = with_keys(before, ENCRYPTION_KEYS=f"{K1},{K0}", INDEX_KEYS=I0)
    done = both("keys", "rotate-encryption")
    assert done.status == 1, done.err  # a script that goes on with taking the old key out stops here
    assert "may be removed" not in done.err
    assert "wait for three minutes" in done.err
    shown = both("keys", "status")
    assert shown.status == 0
    assert "wait for three minutes" in shown.err


LOST = {
    "missing": (
        "serve",
        {"ENCRYPTION_KEYS": K1},
        "key k0 of ENCRYPTION_KEYS is missing, and data may be stored under it",
    ),
    "changed": ("serve", {"ENCRYPTION_KEYS": generate_key("k0")}, "key k0 of ENCRYPTION_KEYS is not the key of that"),
    "an index key": ("worker", {"INDEX_KEYS": I1}, "key i0 of INDEX_KEYS is missing"),
    "the secret": ("worker", {"IDEMPOTENCY_SECRET": generate_secret()}, "IDEMPOTENCY_SECRET is not the one"),
}


@pytest.mark.parametrize("lost", LOST)
def test_what_lacks_a_key_does_not_start_and_says_which(before: CommandLine, free_ports: FreePorts, lost: str) -> None:
    what, changed, told = LOST[lost]
    [port] = free_ports(1)
    refused = with_keys(before, **changed)(what, PORT=str(port))
    assert refused.status == 1
    assert told in refused.err
    assert "Traceback" not in refused.err + refused.out
    for secret in changed.values():
        assert secret.rpartition(":")[2] not in refused.err + refused.out


def test_a_key_that_is_lost_for_good_can_be_given_up(before: CommandLine) -> None:
    without = with_keys(before, ENCRYPTION_KEYS=K1)
    kept = without("keys", "give-up", "encryption", "k0", given="n\n")
    assert kept.status == 1
    assert "can never be read again" in kept.err
    assert without("keys", "list").status == 1
    assert "given up" in without("keys", "give-up", "encryption", "k0", "--yes").err
    assert without("keys", "list").status == 0
    again = without("keys", "give-up", "encryption", "k0", "--yes")
    assert (again.status, "no data is under a key k0" in again.err) == (1, True)


def test_a_secret_that_is_lost_for_good_can_be_given_up(before: CommandLine) -> None:
    without = with_keys(before, IDEMPOTENCY_SECRET=generate_secret())
    assert without("keys", "list").status == 1
    assert without("keys", "give-up", "idempotency", "--yes").status == 0
    assert without("keys", "list").status == 0
    assert before("keys", "list").status == 1


@pytest.mark.parametrize("arguments", [("encryption",), ("idempotency", "k0"), ("colour", "red")])
def test_what_is_no_key_cannot_be_given_up(bare: CommandLine, arguments: tuple[str, ...]) -> None:
    refused = bare("keys", "give-up", *arguments, "--yes")
    assert (refused.status, "say which key" in refused.err) == (1, True)


OF_BEFORE = {
    "the same key": (K0, None),
    "a new one in front": (f"{K1},{K0}", None),
    "another one": (K1, "key k0 of ENCRYPTION_KEYS is missing"),
    "other bytes": (generate_key("k0"), "key k0 of ENCRYPTION_KEYS is not the key of that name"),
}


@pytest.mark.parametrize("given", OF_BEFORE)
def test_a_database_of_before_the_register_says_itself_which_keys_it_needs(before: CommandLine, given: str) -> None:
    keys, told = OF_BEFORE[given]
    command.downgrade(alembic_config(before.environment["DATABASE_URL"]), "0003")
    assert before("migrate").status == 0
    tried = with_keys(before, ENCRYPTION_KEYS=keys)("keys", "list")
    assert tried.status == (0 if told is None else 1), tried.err
    assert (told or "") in tried.err


def test_the_note_of_an_embedded_installation_names_the_keys(before: CommandLine, tmp_path: Path) -> None:
    note = tmp_path / "house" / "environment"
    note.parent.mkdir()
    names = ("DATABASE_URL", "REDIS_URL", "INDEX_KEYS", "IDEMPOTENCY_SECRET")
    lines = [f"{name}={before.environment[name]}" for name in names] + [f"ENCRYPTION_KEYS={K1},{K0}"]
    note.write_text("\n".join(lines) + "\n")
    done = before("keys", "rotate-encryption", "--embedded", "--folder", str(note.parent))
    assert f"{LINES} rows were written anew" in done.err
