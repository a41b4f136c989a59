"""The run: every rule once, in an order that depends on nothing but what they need of each other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import BASE, Broken, Level, NotBuilt, NotTried, Outcome, Rule
from app.cli.conformance.sandbox import Sandbox

_FINE = frozenset({Outcome.KEPT, Outcome.ADVICE})
_NO_RULES_FAULT = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading an answer raises that is of no form that anybody thought of."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of one rule; `exchange` shows it where it is not kept."""

    rule: Rule
    outcome: Outcome
    reason: str = ""
    expected: str = ""
    came: str = ""
    exchange: Exchange | None = None


@dataclass(kw_only=True)
class Inspection:
    """Holds one property against rules."""

    sandbox: Sandbox
    rules: Mapping[str, Rule]
    told: Callable[[Finding], None] = lambda _: None
    findings: dict[str, Finding] = field(default_factory=dict)

    def run(self, wanted: Sequence[Rule]) -> list[Finding]:
        """Try the wanted rules and what they need; gives what came of each, in the order of the contract.

        What was made is cancelled after each rule, and once more at the end, also if that is an interruption.
        """
        try:
            for rule in (self.rules[BASE], *wanted):
                if rule.watches is None:
                    self._reach(rule)
            for rule in wanted:
                if rule.watches is not None:
                    self._note(self._watched(rule))
        finally:
            self.sandbox.clear_up()
        return [self.findings[number] for number in self.rules if number in self.findings]

    def _reach(self, rule: Rule) -> Finding:
        """Try a rule, after those that it needs."""
        if rule.number not in self.findings:
            needed = [self._reach(self.rules[number]) for number in rule.needs]
            self._note(self._hindered(rule, needed) or self._tried(rule))
        return self.findings[rule.number]

    def _note(self, finding: Finding) -> None:
        self.findings[finding.rule.number] = finding
        self.told(finding)

    def _hindered(self, rule: Rule, needed: Iterable[Finding]) -> Finding | None:
        """Say why a rule can't be tried, if so."""
        if rule.writes and self.sandbox.terms.read_only:
            return Finding(rule=rule, outcome=Outcome.SKIPPED, reason="it would write")
        for need in needed:
            if need.outcome not in _FINE:
                outcome = Outcome.NOT_BUILT if need.outcome is Outcome.NOT_BUILT else Outcome.SKIPPED
                return Finding(rule=rule, outcome=outcome, reason=f"needs {need.rule.number}")
        missing = [capability for capability in rule.can if not self.sandbox.can(capability)]
        if missing:
            reason = f"{', '.join(missing)} not in capabilities"
            return Finding(rule=rule, outcome=Outcome.NOT_BUILT, reason=reason)
        return None

    def _tried(self, rule: Rule) -> Finding:
        journal = self.sandbox.caller.journal
        before = len(journal)
        try:
            if rule.act is not None:
                rule.act(self.sandbox)
            finding = Finding(rule=rule, outcome=Outcome.KEPT)
        except NotBuilt as lack:
            finding = Finding(rule=rule, outcome=Outcome.NOT_BUILT, reason=str(lack))
        except NotTried as hindrance:
            finding = Finding(rule=rule, outcome=Outcome.SKIPPED, reason=str(hindrance))
        except Broken as broken:
            shown = broken.exchange or (journal[-1] if len(journal) > before else None)
            came = broken.came or (shown.told() if shown else "")
            finding = _broken(rule, expected=broken.expected, came=came, exchange=shown)
        except _NO_RULES_FAULT as error:
            shown = journal[-1] if len(journal) > before else None
            came = f"{shown.told()} ({type(error).__name__}: {error})" if shown else str(error)
            finding = _broken(rule, expected="an answer as the schema says", came=came, exchange=shown)
        if rule.writes:
            self.sandbox.clear_up()
        return finding

    def _watched(self, rule: Rule) -> Finding:
        """Judge all exchanges by a rule; the first that breaks it is shown, the others are counted."""
        journal = self.sandbox.caller.journal
        complaints = [(seen, said) for seen in journal if rule.watches and (said := rule.watches(seen))]
        if complaints:
            seen, said = complaints[0]
            more = f" (and {len(complaints) - 1} more answers)" if len(complaints) > 1 else ""
            return _broken(rule, expected=rule.says, came=f"{said}{more}: {seen.told()}", exchange=seen)
        hindered = self._hindered(rule, [self._reach(self.rules[number]) for number in rule.needs])
        if hindered and hindered.outcome is Outcome.SKIPPED:
            return hindered
        if not any(seen.status and (not rule.shapes or seen.shows(rule.shapes)) for seen in journal):
            return hindered or Finding(rule=rule, outcome=Outcome.SKIPPED, reason="no such answer was seen")
        return Finding(rule=rule, outcome=Outcome.KEPT)


def _broken(rule: Rule, *, expected: str, came: str, exchange: Exchange | None) -> Finding:
    outcome = Outcome.BROKEN if rule.level is Level.MUST else Outcome.ADVICE
    return Finding(rule=rule, outcome=outcome, expected=expected, came=came, exchange=exchange)
