"""Operators' commands, on a real database: keys, hotels, migrations."""

import json
import os
import time
from pathlib import Path

import pytest

from app.simulators.server import demo_hotels
from tests.cli.conftest import CommandLine, FreePorts

HOTEL = dict(demo_hotels("http://127.0.0.1:8900")[0].body)


def test_a_new_key_is_printed_alone_and_listed_without_its_secret(operator: CommandLine) -> None:
    made = operator("keys", "create", "--client", "front desk", "--scope", "read,write", "--hotel", "prime")
    assert made.status == 0, made.err
    token = made.out.strip()
    mark, prefix, secret = token.split("_", 2)
    assert (mark, made.out) == ("pmsgw", f"{token}\n")
    assert "prime is not registered yet" in made.err
    listed = operator("keys", "list").out
    assert all(part in listed for part in (prefix, "front desk", "read,write", "prime"))
    assert secret not in listed


def test_a_revoked_key_is_listed_as_such_and_cannot_be_revoked_again(operator: CommandLine) -> None:
    token = operator("keys", "create", "--client", "agent", "--scope", "read", "--all-hotels").out.strip()
    prefix = token.split("_")[1]
    assert operator("keys", "revoke", prefix).status == 0
    again = operator("keys", "revoke", token)
    assert again.status == 1
    assert f"no live key with the prefix {prefix}" in again.err
    headings, row = operator("keys", "list").out.splitlines()
    assert len(row.rstrip()) > headings.index("revoked")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scope", "read,fly", "--all-hotels"], "fly is no scope; there are read, write, charges, ops, admin"),
        (["--scope", ",", "--all-hotels"], "nothing is no scope"),
        (["--scope", "read"], "--hotel ID (or several), or --all-hotels"),
        (["--scope", "read", "--hotel", "a", "--all-hotels"], "--hotel ID (or several), or --all-hotels"),
        (["--scope", "read", "--hotel", "not an id"], "not an id is no hotel id"),
        (["--scope", "read", "--all-hotels", "--client", ""], "--client: give a name"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(bare: CommandLine, arguments: list[str], told: str) -> None:
    refused = bare("keys", "create", "--client", "agent", *arguments)
    assert refused.status == 1
    assert told in refused.err
    assert "Traceback" not in refused.err


def test_a_hotel_is_registered_changed_listed_and_erased(operator: CommandLine) -> None:
    body = operator.folder / "hotel.json"
    body.write_text(json.dumps(HOTEL))
    assert "registered prime" in operator("hotels", "put", "prime", "--file", str(body)).err
    renamed = {name: value for name, value in HOTEL.items() if name != "credentials"} | {"name": "Prime Two"}
    assert "changed prime" in operator("hotels", "put", "prime", "--file", "-", given=json.dumps(renamed)).err
    listed = operator("hotels", "list").out
    assert "Prime Two" in listed
    assert HOTEL["credentials"]["api_key"] not in listed
    kept = operator("hotels", "delete", "prime", given="n\n")
    assert (kept.status, "nothing was erased" in kept.err) == (1, True)
    assert "erased prime" in operator("hotels", "delete", "prime", "--yes").err
    gone = operator("hotels", "delete", "prime", "--yes")
    assert (gone.status, gone.err) == (1, "pms-gateway: there is no such hotel\n")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"timezone": "Mars/Base", "colour": "canary-secret"}, "timezone: "),
        ({"vendor": "nobody"}, "vendor: "),
        ({"base_url": "http://10.1.2.3"}, "base_url: "),
        ({"credentials": {"canary-secret-name": "canary-secret"}}, "credentials."),
    ],
)
def test_a_body_is_checked_as_the_api_does_and_no_credential_is_repeated(
    operator: CommandLine, changes: dict[str, object], told: str
) -> None:
    refused = operator("hotels", "put", "prime", "--file", "-", given=json.dumps({**HOTEL, **changes}))
    assert refused.status == 1
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert "canary-secret" not in (refused.err + refused.out).replace("canary-secret-name", "")
    assert HOTEL["credentials"]["api_key"] not in refused.err + refused.out


def test_migrate_brings_an_empty_database_to_the_head_and_then_finds_nothing_to_do(
    bare: CommandLine, empty_database_url: str
) -> None:
    first = bare("migrate", DATABASE_URL=empty_database_url)
    assert first.status == 0, first.err
    assert "upgrade" in first.err
    second = bare("migrate", DATABASE_URL=empty_database_url)
    assert second.status == 0
    assert second.err == f"{first.err.splitlines()[-1]}\n"
    assert second.err.startswith("the schema is at revision ")


def test_a_database_that_is_not_migrated_is_named_with_the_remedy(
    operator: CommandLine, empty_database_url: str
) -> None:
    refused = operator("keys", "list", DATABASE_URL=empty_database_url)
    assert (refused.status, refused.err) == (1, "pms-gateway: the schema is not current: run pms-gateway migrate\n")


def test_missing_settings_are_named_one_by_one(bare: CommandLine) -> None:
    refused = bare("serve", REDIS_URL="redis://127.0.0.1:1/0", IDEMPOTENCY_SECRET="canary")
    assert refused.status == 1
    for name in ("DATABASE_URL", "ENCRYPTION_KEYS", "INDEX_KEYS"):
        assert f"{name}: is not set" in refused.err
    assert "IDEMPOTENCY_SECRET: " in refused.err
    assert "REDIS_URL: " not in refused.err
    assert ".env.example" in refused.err
    assert "canary" not in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.parametrize("command", [["migrate"], ["keys", "list"], ["hotels", "list"], ["serve", "--port", "0"]])
def test_a_database_that_does_not_answer_is_named_without_its_password(
    operator: CommandLine, free_ports: FreePorts, command: list[str]
) -> None:
    (port,) = free_ports(1)
    command = [part if part != "0" else str(port) for part in command]
    refused = operator(*command, DATABASE_URL=f"postgresql://me:canary@127.0.0.1:{port}/none")
    assert refused.status == 1
    assert f"Postgres cannot be used at 127.0.0.1:{port}/none" in refused.err
    assert "canary" not in refused.err
    assert "Traceback" not in refused.err


def test_secrets_are_fresh_and_complete_settings(operator: CommandLine) -> None:
    first, second = operator("secrets").out, operator("secrets").out
    assert first != second
    (operator.folder / ".env").write_text(first)
    without = {"ENCRYPTION_KEYS": "", "INDEX_KEYS": "", "IDEMPOTENCY_SECRET": ""}
    assert operator("keys", "list", **without).status == 0


def test_the_list_of_hotels_marks_credentials_that_should_be_rotated(operator: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    key = folder / "key"
    key.write_text("canary-key")
    at = {"CREDENTIALS_DIR": str(folder)}
    body = json.dumps({**HOTEL, "credentials": {"api_key": "file:key"}})
    assert operator("hotels", "put", "prime", "--file", "-", given=body, **at).status == 0
    assert " 0 d " in operator("hotels", "list", **at).out
    long_ago = time.time() - 100.5 * 86_400
    os.utime(key, (long_ago, long_ago))
    listed = operator("hotels", "list", **at).out
    assert "100 d ROTATE" in listed
    assert "canary" not in listed
    assert "100 d ROTATE" not in operator("hotels", "list", **at, CREDENTIAL_MAX_AGE_DAYS="0").out
    assert " 0 d " in operator("hotels", "list").out, "as was known at the put"
