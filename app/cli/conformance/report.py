"""What came of a run, for a person and for a program."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from app.cli.conformance.contract import SECTIONS
from app.cli.conformance.exchange import shortened
from app.cli.conformance.rules import Outcome
from app.cli.conformance.run import Finding
from app.cli.conformance.sandbox import Sandbox

_SHARED_BY_MANY = 3
HEADINGS = ("section", *(outcome.value for outcome in Outcome))


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Count the outcomes of each section; a dot is none."""
    found = []
    for section, title in SECTIONS.items():
        counts = Counter(one.outcome for one in findings if one.rule.section == section)
        if counts:
            found.append((f"{section}. {title}", *(str(counts[outcome] or "·") for outcome in Outcome)))
    return found


def details(findings: Sequence[Finding]) -> Iterator[str]:
    """Tell what is not kept, with what is needed to mend it, and why others were not tried."""
    for outcome in (Outcome.BROKEN, Outcome.ADVICE):
        for one in findings:
            if one.outcome is outcome:
                yield from _told(one)
    yield from _untried(findings)


def _untried(findings: Sequence[Finding]) -> Iterator[str]:
    together = _together(findings)
    for outcome in (Outcome.NOT_BUILT, Outcome.SKIPPED):
        for one in findings:
            if one.outcome is outcome and not (outcome is Outcome.SKIPPED and one.reason in together):
                yield f"{outcome}: {one.rule.number} {one.rule.says} ({one.reason})"
    for reason, numbers in together.items():
        yield f"{Outcome.SKIPPED}: {len(numbers)} rules ({reason}): {', '.join(numbers)}"


def _together(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """Give the numbers of skipped rules by reasons that many share: a line for each would hide what is broken."""
    numbers: dict[str, list[str]] = {}
    for one in findings:
        if one.outcome is Outcome.SKIPPED:
            numbers.setdefault(one.reason, []).append(one.rule.number)
    return {reason: those for reason, those in numbers.items() if len(those) > _SHARED_BY_MANY}


def _told(one: Finding) -> Iterator[str]:
    yield f"{one.outcome}: {one.rule.number} ({one.rule.level}) {one.rule.says}"
    if one.exchange is not None:
        yield f"    sent      {sent(one)}"
    yield f"    expected  {one.expected}"
    yield f"    came      {shortened(one.came)}"
    yield f"    fix       {one.rule.fix}"
    yield ""


def sent(one: Finding) -> str:
    """Write the request in one line; its headers are left out, as they hold the key."""
    return f"{one.exchange.method} {one.exchange.path} {one.exchange.sent}".rstrip() if one.exchange else ""


def left(sandbox: Sandbox) -> list[str]:
    """Say what the run leaves in the property."""
    lines = [f"still stands, cancel it by hand: reservation {name} of {who}" for name, who in sandbox.made.items()]
    if sandbox.profiles:
        lines.append(f"profiles that can't be deleted by the contract: {', '.join(sandbox.profiles)}")
    return lines


def summary(findings: Sequence[Finding]) -> str:
    """Say it in one line."""
    counts = Counter(one.outcome for one in findings)
    return (
        f"{counts[Outcome.KEPT]} of {len(findings)} rules kept; {counts[Outcome.BROKEN]} broken; "
        f"{counts[Outcome.NOT_BUILT]} not built; {counts[Outcome.ADVICE]} advised; {counts[Outcome.SKIPPED]} skipped"
    )


def as_json(findings: Sequence[Finding], sandbox: Sandbox) -> dict[str, Any]:
    """Give all of it for a program."""
    counts = Counter(one.outcome for one in findings)
    return {
        "bridge": sandbox.caller.url,
        "property_id": sandbox.caller.property_id,
        "summary": {outcome.value.replace(" ", "_"): counts[outcome] for outcome in Outcome} | {"rules": len(findings)},
        "rules": [_one(finding) for finding in findings],
        "left": {"reservations": list(sandbox.made), "guests": sandbox.profiles},
    }


def _one(one: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "rule": one.rule.number,
        "says": one.rule.says,
        "level": one.rule.level,
        "outcome": one.outcome.replace(" ", "_"),
    }
    if one.outcome in {Outcome.BROKEN, Outcome.ADVICE}:
        told |= {"sent": sent(one), "expected": one.expected, "came": one.came, "fix": one.rule.fix}
    elif one.reason:
        told["reason"] = one.reason
    return told
