"""`pms-gateway doctor`: is a hotel's connection well, and what does its PMS answer, capability by capability.

Or, with `--bridge`, does somebody's own bridge keep its contract.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.actor import operator
from app.cli.bridge_doctor import (
    BRIDGE_SECONDS,
    Bridge,
    BridgeVisit,
    Key,
    Only,
    Property,
    ReadOnly,
    Tonight,
    Yes,
    examine_bridge,
)
from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, print_table

if TYPE_CHECKING:
    from app.api.deps import Gateway
    from app.core.adapter import HealthFinding
    from app.domain.hotel import Hotel
    from app.gateway.doctor import Diagnosis
    from app.gateway.examination import Finding
    from app.settings import Settings

HotelArgument = Annotated[str | None, typer.Argument(metavar="[HOTEL]", help="The hotel's id.")]
ConnectionOnly = Annotated[
    bool, typer.Option("--connection", help="Look after the connection only, not after each capability.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=1, max=600, help="Seconds for all of a hotel (120), or for each answer of a bridge (30)."),
]

UNHEALTHY = 1
NOT_EXAMINED = 2
"""Statuses of the command; 0 is healthy."""
_CONNECTION_SECONDS = 30.0
_HOTEL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """What an examination found; `findings` is None where only the connection was looked at."""

    hotel: "Hotel"
    diagnosis: "Diagnosis"
    findings: "Sequence[Finding] | None"

    @property
    def wrong(self) -> int:
        """How many things are wrong."""
        unwell = sum(not check.ok for check in self.diagnosis.checks)
        return unwell + sum(one.result == "no" for one in self.findings or () if one.capability != "health")

    def as_json(self) -> dict[str, Any]:
        """Give it for machines."""
        told: dict[str, Any] = {
            "hotel_id": self.hotel.id,
            "vendor": self.hotel.vendor,
            "healthy": self.wrong == 0,
            "latency_ms": self.diagnosis.latency_ms,
            "checks": [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in self.diagnosis.checks],
        }
        if self.findings is not None:
            told["capabilities"] = [
                {
                    "capability": one.capability.value,
                    "asked": one.asked,
                    "result": one.result.value,
                    "ms": one.milliseconds,
                    "detail": one.detail,
                }
                for one in self.findings
            ]
        return told


def doctor(
    hotel_id: HotelArgument = None,
    connection: ConnectionOnly = False,
    as_json: AsJson = False,
    timeout: Timeout = None,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
    bridge: Bridge = None,
    property_id: Property = None,
    key: Key = None,
    read_only: ReadOnly = False,
    only: Only = None,
    tonight: Tonight = False,
    yes: Yes = False,
) -> None:
    """Examine a hotel without changing anything: its connection, then each capability that its vendor offers.

    Or hold somebody's own bridge against its contract, rule by rule, in a sandbox hotel: `doctor --bridge URL`.
    Ends with 0 when all is well, 1 when something is wrong, 2 when there is nothing to examine.
    """
    if hotel_id is not None and not any((bridge, property_id, key, read_only, only, tonight, yes)):
        settings = partial(operator_settings, embedded=embedded, folder=folder)
        seconds = timeout or _HOTEL_SECONDS
        raise typer.Exit(_examine_hotel(hotel_id, settings, connection=connection, as_json=as_json, seconds=seconds))
    if hotel_id is not None or bridge is None or any((connection, embedded, folder)):
        raise CommandError("name a registered HOTEL, or --bridge URL with its own options", status=NOT_EXAMINED)
    asked = {"only": only, "read_only": read_only, "tonight": tonight, "yes": yes, "as_json": as_json}
    visit = BridgeVisit.of(bridge, property_id, key, timeout=timeout or BRIDGE_SECONDS, **asked)
    raise typer.Exit(examine_bridge(visit))


def _examine_hotel(
    hotel_id: str, settings: "Callable[[], Settings]", *, connection: bool, as_json: bool, seconds: float
) -> int:
    """Examine a registered hotel and print what came of it; gives the exit status."""
    report = _report(hotel_id, settings, connection=connection, seconds=seconds)
    if as_json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    return UNHEALTHY if report.wrong else 0


def _report(hotel_id: str, settings: "Callable[[], Settings]", *, connection: bool, seconds: float) -> Report:
    """Examine the hotel.

    Raises:
        CommandError: there is no such hotel, or the settings or the database cannot be used.
    """
    from app.domain.errors import UnknownResource

    async def work(gateway: "Gateway") -> Report:
        try:
            return await _examined(gateway, hotel_id, connection=connection, seconds=seconds)
        except UnknownResource as error:
            raise CommandError(f"there is no hotel {hotel_id}; `pms-gateway hotels list` shows them") from error

    try:
        found = settings()
        from app.cli.database import at_gateway

        return at_gateway(found, work)
    except CommandError as error:
        raise CommandError(str(error), status=NOT_EXAMINED) from error


async def _examined(gateway: "Gateway", hotel_id: str, *, connection: bool, seconds: float) -> Report:
    from app.gateway.examination import Examiner
    from app.gateway.reads import Patience

    until = time.monotonic() + seconds
    registration = await gateway.hotels.get(hotel_id, operator())
    patience = Patience(until).at_most(_CONNECTION_SECONDS, time.monotonic())
    diagnosis = await gateway.doctor.check(registration, patience)
    if connection:
        return Report(registration.hotel, diagnosis, None)
    examiner = Examiner(gateway.connectors, gateway.ledger, gateway.clock)
    return Report(registration.hotel, diagnosis, await examiner.examine(registration, diagnosis, until))


def _print(report: Report) -> None:
    hotel = report.hotel
    print(f"{hotel.id}: {hotel.name}, {hotel.vendor} at {hotel.base_url}, property {hotel.property_id or 'none'}")
    print()
    print_checks(report.diagnosis.checks)
    if report.findings is not None:
        print()
        _print_findings(report.findings)
    print()
    print("healthy" if report.wrong == 0 else f"{report.wrong} thing{'s' if report.wrong > 1 else ''} wrong")


def print_checks(checks: "Iterable[HealthFinding]") -> None:
    """Print the findings of a connection as a table."""
    print_table(
        ("connection", "result", "detail"), ((one.name, "ok" if one.ok else "NO", one.detail) for one in checks)
    )


def _print_findings(findings: "Sequence[Finding]") -> None:
    from app.gateway.examination import Result

    headings = ("capability", "asked", "result", "ms", "detail")
    print_table(headings, (_row(one) for one in findings))
    counted = Counter(one.result for one in findings)
    print()
    print(", ".join(f"{counted[result]} {result.value}" for result in Result if counted[result]))


def _row(one: "Finding") -> tuple[str, ...]:
    milliseconds = "" if one.milliseconds is None else str(one.milliseconds)
    result = "NO" if one.result == "no" else one.result.value
    return one.capability.value, one.asked, result, milliseconds, one.detail
