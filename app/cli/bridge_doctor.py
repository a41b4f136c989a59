"""`pms-gateway doctor --bridge URL`: somebody's own implementation of the bridge contract, rule by rule.

It needs no database and no setting: whoever writes a bridge runs it against a sandbox hotel of theirs.
"""

import json
import ssl
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

import typer

from app.cli.console import CommandError, print_table, tell

if TYPE_CHECKING:
    from app.cli.conformance.rules import Rule
    from app.cli.conformance.run import Finding
    from app.cli.conformance.sandbox import Sandbox

BRIDGE_SECONDS = 30.0
NOT_TRIED = 2
PANEL = "A bridge of your own (docs/bridge.md § 10)"

Bridge = Annotated[
    str | None,
    typer.Option("--bridge", metavar="URL", help="What stands before /properties/….", rich_help_panel=PANEL),
]
Property = Annotated[
    str | None,
    typer.Option(
        "--property", metavar="SANDBOX", help="The property to try it in; it is written into.", rich_help_panel=PANEL
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="env:NAME|-",
        help="The bearer key: env:PMS_CRED_…, or - for standard input; else asked for.",
        rich_help_panel=PANEL,
    ),
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Try only what changes nothing.", rich_help_panel=PANEL)]
Only = Annotated[int | None, typer.Option(min=1, max=8, help="One section of docs/bridge.md.", rich_help_panel=PANEL)]
Tonight = Annotated[
    bool,
    typer.Option(
        "--tonight",
        help="Also book one guest for tonight, check in and out: it can't be undone.",
        rich_help_panel=PANEL,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before writing.", rich_help_panel=PANEL)]


@dataclass(frozen=True, kw_only=True)
class BridgeVisit:
    """What a run was asked for."""

    url: str
    property_id: str
    key: str = field(repr=False)
    only: int | None = None
    read_only: bool = False
    tonight: bool = False
    yes: bool = False
    as_json: bool = False
    timeout: float = BRIDGE_SECONDS

    @classmethod
    def of(cls, url: str, property_id: str | None, key: str | None, **asked: Any) -> Self:
        """Read what was typed.

        Raises:
            CommandError: the URL or the key may not be used, or nobody could be asked before something is written.
        """
        if property_id is None:
            raise CommandError("--property names the sandbox hotel to try it in", status=NOT_TRIED)
        visit = cls(url=checked_url(url), property_id=property_id, key=read_key(key), **asked)
        if key == "-" and not (visit.yes or visit.read_only):
            raise CommandError("standard input holds the key, so nobody can be asked: add --yes, or --read-only")
        return visit


def examine_bridge(visit: BridgeVisit) -> int:
    """Try a bridge out and print what came of it; gives the exit status, 0 when nothing is broken."""
    import httpx

    from app.cli.conformance.exchange import Caller
    from app.cli.conformance.rules import Outcome
    from app.cli.conformance.sandbox import Sandbox, Terms

    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    with httpx.Client(verify=tls, trust_env=False, follow_redirects=False, timeout=visit.timeout) as http:
        caller = Caller(url=visit.url, property_id=visit.property_id, key=visit.key, http=http, timeout=visit.timeout)
        sandbox = Sandbox(caller=caller, terms=Terms(read_only=visit.read_only, tonight=visit.tonight))
        _agree(visit, sandbox)
        findings = _inspect(visit, sandbox)
    _print(visit, sandbox, findings)
    return 1 if any(one.outcome is Outcome.BROKEN for one in findings) else 0


def checked_url(text: str) -> str:
    """Give a base URL without a slash at its end.

    Raises:
        CommandError: the key would travel in the open, or it is no URL.
    """
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError as error:
        raise CommandError(f"--bridge is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not host or url.query or url.fragment or url.username or url.password:
        raise CommandError("--bridge is what stands before /properties/…, such as https://pms.example/bridge")
    if url.scheme == "http" and not _is_loopback(host):
        raise CommandError("--bridge needs https: only a bridge on this machine may be asked over http")
    return text.rstrip("/")


def read_key(named: str | None) -> str:
    """Give the bearer key, which never stands on the command line, where other users of the machine can read it.

    Raises:
        CommandError: there is none, or it was given literally.
    """
    from app.settings import pms_credentials

    if named is None:
        key = typer.prompt("The bridge's key", hide_input=True, err=True) if sys.stdin.isatty() else ""
    elif named == "-":
        key = sys.stdin.readline()
    elif named.startswith("env:"):
        key = pms_credentials().get(named.removeprefix("env:"), "")
    else:
        raise CommandError("--key is env:PMS_CRED_… or -, never the key itself: others can read command lines")
    if not key.strip():
        raise CommandError("there is no key: --key env:PMS_CRED_NAME with that variable set, or --key - to read it")
    if not key.strip().isascii() or not key.strip().isprintable():
        raise CommandError("the key is not visible ASCII, so that it can't stand in a header")
    return key.strip()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _agree(visit: BridgeVisit, sandbox: "Sandbox") -> None:
    """Say what will be written, and ask whether it may be."""
    from app.cli.conformance.sandbox import FAR, LAST_NAME, WINDOW

    if visit.read_only:
        tell(f"Only reading from property {visit.property_id} of {visit.url}.")
        return
    name = sandbox.caller.send("GET", "").at("name")
    first = datetime.now(UTC).date() + timedelta(days=FAR)
    tell(
        f"Property {visit.property_id} ({name if isinstance(name, str) else 'its name cannot be read'}) of {visit.url} "
        "will be written into:\n"
        f"  up to 100 reservations of one room between {first} and {first + timedelta(days=WINDOW)}, for\n"
        f"  guests named Conformance {LAST_NAME} or the like; each is cancelled as soon as its rule is done,\n"
        "  up to 15 guest profiles, and those that your PMS makes of bookings; the contract can't delete any,\n"
        "  the cleaning state of one vacant room, which is put back."
        + ("\n  One stay tonight, checked in and out, which stays in the books." if visit.tonight else "")
    )
    if not visit.yes and not typer.confirm("Is this a hotel for tests, and may that be written?", err=True):
        raise CommandError("nothing was written; --read-only tries what changes nothing")


def _inspect(visit: BridgeVisit, sandbox: "Sandbox") -> "list[Finding]":
    from app.cli.conformance.contract import RULES
    from app.cli.conformance.run import Inspection

    wanted = [rule for rule in RULES if visit.only in {None, rule.section}]
    by_number: dict[str, Rule] = {rule.number: rule for rule in RULES}
    return Inspection(sandbox=sandbox, rules=by_number, told=_progress).run(wanted)


def _progress(finding: "Finding") -> None:
    """Show that something is going on, where somebody is looking."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{finding.rule.number} {finding.outcome}", end="", file=sys.stderr, flush=True)


def _print(visit: BridgeVisit, sandbox: "Sandbox", findings: "list[Finding]") -> None:
    from app.cli.conformance import report

    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if visit.as_json:
        print(json.dumps(report.as_json(findings, sandbox), indent=2, ensure_ascii=False))
        return
    print_table(report.HEADINGS, report.rows(findings))
    print()
    for line in report.details(findings):
        print(line)
    for line in report.left(sandbox):
        print(line)
    print(report.summary(findings))
