"""What the flags of `pms-gateway setup` say, before anything is asked or looked up."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.console import CommandError, tell
from app.core.secrets import is_reference

MISUSED = 2
"""Status of a command that was not told what it needs."""
_FROM_STDIN = "-"
_ENV = "env:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was given; None is what is asked for or found out."""

    vendor: str | None
    base_url: str | None
    property_id: str | None
    hotel_id: str | None
    said: Mapping[str, str | None]
    """Name, time zone, currency and country."""
    credentials: Mapping[str, str]
    options: Mapping[str, Any]
    dry_run: bool
    force: bool
    flags: str
    """Those that every command at this database needs, as they are typed."""


def read_credentials(given: Sequence[str]) -> dict[str, str]:
    """Read `name=value` pairs; `-` takes the next line of standard input.

    Raises:
        CommandError: one is malformed; no value is repeated.
    """
    found: dict[str, str] = {}
    for name, value in _pairs(given, "--credential"):
        found[name] = sys.stdin.readline().rstrip("\n") if value == _FROM_STDIN else value
        if not found[name]:
            raise CommandError(f"--credential {name}: there is no value", status=MISUSED)
        if value == found[name] and not is_reference(value):
            tell(
                f"note: the {name} in the command line can be read in the list of processes and stays in the shell's "
                f"history; better are --credential {name}=env:PMS_CRED_… and --credential {name}=- (standard input)"
            )
    return found


def read_options(given: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs; a value is JSON where it can be, such as `false` or `{"minibar": "X1"}`, else text.

    Raises:
        CommandError: one is malformed.
    """
    return {name: _json_or_text(value) for name, value in _pairs(given, "--option")}


def note_references(credentials: Mapping[str, str]) -> None:
    """Say whose environment a reference is looked up in: this command's is not that of the processes that serve."""
    names = sorted({value.removeprefix(_ENV) for value in credentials.values() if value.startswith(_ENV)})
    if names:
        tell(f"note: every gateway and worker needs {', '.join(names)} in its environment, not this command alone")


def _pairs(given: Sequence[str], flag: str) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in given]
    if any(not (name and equals) for name, equals, _ in pairs):
        raise CommandError(f"{flag} is written NAME=VALUE", status=MISUSED)
    return [(name, value) for name, _, value in pairs]


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
