"""What operators do at the command line is told by the audit, under their own name."""

import json
import os
import pwd
from typing import Any

from app.api.deps import Gateway
from app.cli.database import at_gateway
from app.settings import Settings
from app.simulators.server import demo_hotels
from app.store.audit import AuditEntry
from tests.cli.conftest import CommandLine

HOTEL = dict(demo_hotels("http://127.0.0.1:8900")[0].body)
ME = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


def audit(operator: CommandLine) -> list[AuditEntry]:
    """Give all lines, the oldest first."""

    async def read(gateway: Gateway) -> list[AuditEntry]:
        async with gateway.database.unit_of_work() as work:
            return (await work.audit.entries())[::-1]

    values: dict[str, Any] = {
        name.lower(): value for name, value in operator.environment.items() if name not in {"PATH", "HOME"}
    }
    return at_gateway(Settings(_env_file=None, **values), read)


def test_keys_are_made_and_revoked_before_witnesses(operator: CommandLine) -> None:
    made = operator("keys", "create", "--client", "front desk", "--scope", "write,read", "--hotel", "prime")
    _, prefix, secret = made.out.strip().split("_", 2)
    assert operator("keys", "revoke", prefix).status == 0
    assert operator("keys", "revoke", prefix).status == 1
    assert operator("keys", "create", "--client", "x", "--scope", "fly", "--all-hotels").status == 1
    lines = audit(operator)
    facts = {"client": "front desk", "scopes": ["read", "write"], "hotels": ["prime"]}
    assert [(one.operation, one.actor, one.hotel_id, one.target, one.before, one.after) for one in lines] == [
        ("key.create", ME, None, prefix, None, facts),
        ("key.revoke", ME, None, prefix, facts, None),
    ]
    assert secret not in repr(lines)


def test_a_key_of_every_hotel_is_told_as_such(operator: CommandLine) -> None:
    operator("keys", "create", "--client", "agent", "--scope", "read", "--all-hotels")
    [line] = audit(operator)
    assert line.after == {"client": "agent", "scopes": ["read"], "hotels": None}


def test_hotels_are_put_and_deleted_under_the_operators_name_whatever_the_environment_says(
    operator: CommandLine,
) -> None:
    body = json.dumps(HOTEL)
    assert operator("hotels", "put", "prime", "--file", "-", given=body, LOGNAME="mallory", USER="mallory").status == 0
    [put] = audit(operator)
    assert (put.operation, put.actor, put.hotel_id, put.after["name"]) == ("hotel.put", ME, "prime", HOTEL["name"])
    assert HOTEL["credentials"]["api_key"] not in repr(put)
    assert operator("hotels", "delete", "prime", "--yes").status == 0
    [deleted] = audit(operator)
    assert (deleted.operation, deleted.actor, deleted.hotel_id) == ("hotel.delete", ME, "prime")
