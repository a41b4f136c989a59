"""A run of all rules against a bridge of the test's own."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import httpx
import pytest

from app.cli.conformance.contract import RULES
from app.cli.conformance.exchange import SLOWEST, Caller
from app.cli.conformance.rules import Outcome, Rule
from app.cli.conformance.run import Finding, Inspection
from app.cli.conformance.sandbox import Sandbox, Terms
from app.simulators.site import Site
from tests.cli.conformance.mutants import Twist, served_mutant, true
from tests.fixtures.simulators import FreshSite, SimulatorServer


class Verdict:
    """What came of a run."""

    def __init__(self, findings: list[Finding], sandbox: Sandbox, site: Site) -> None:
        self.findings = {finding.rule.number: finding for finding in findings}
        self.sandbox = sandbox
        self.site = site

    def of(self, outcome: Outcome) -> list[str]:
        """Give the numbers of the rules of which that came."""
        return [number for number, finding in self.findings.items() if finding.outcome is outcome]

    @property
    def told(self) -> dict[str, str]:
        """What is broken, with what came."""
        return {
            number: f"{self.findings[number].expected} / {self.findings[number].came}"
            for number in self.of(Outcome.BROKEN)
        }


class Inspect(Protocol):
    """Holds a bridge against the contract."""

    async def __call__(
        self,
        twist: Twist = true,
        *,
        wanted: Sequence[Rule] = RULES,
        terms: Terms | None = None,
        slowest: float = SLOWEST,
        key: str | None = None,
        wait: Callable[[float], None] = lambda _: None,
        **options: Any,
    ) -> Verdict: ...


@pytest.fixture
def inspect(fresh_site: FreshSite, simulators: SimulatorServer) -> Inspect:
    async def run(
        twist: Twist = true,
        *,
        wanted: Sequence[Rule] = RULES,
        terms: Terms | None = None,
        slowest: float = SLOWEST,
        key: str | None = None,
        wait: Callable[[float], None] = lambda _: None,
        **options: Any,
    ) -> Verdict:
        site = fresh_site("bridge", **options)
        async with served_mutant(simulators.simulators, site, twist) as url:
            with httpx.Client(trust_env=False, timeout=30) as http:
                caller = Caller(
                    url=url,
                    property_id=site.hotel.setup.property_id,
                    key=key or site.api_key,
                    http=http,
                    timeout=30,
                    slowest=slowest,
                    wait=wait,
                )
                sandbox = Sandbox(caller=caller, terms=terms or Terms())
                rules = {rule.number: rule for rule in RULES}
                findings = await asyncio.to_thread(Inspection(sandbox=sandbox, rules=rules).run, wanted)
        return Verdict(findings, sandbox, site)

    return run
