"""The capability ledger for commands: read, checked against the code, and printed."""

from app.cli.console import CommandError
from app.core.discovery import adapters
from app.core.matrix import Ledger, LedgerLies, VendorEntry, require_truth
from app.domain.capability import Capability

_SIGNS = {"native": "●", "emulated": "◐", "partial": "◐", "none": "○"}


def true_ledger() -> Ledger:
    """Give the ledger.

    Raises:
        CommandError: it and the code do not agree; every contradiction is named.
    """
    try:
        ledger = Ledger.load()
        require_truth(ledger, adapters())
    except LedgerLies as error:
        lies = "\n".join(f"  {lie}" for lie in error.args)
        raise CommandError(f"capability_matrix.yaml and the code do not agree:\n{lies}") from error
    return ledger


def capability_table(ledger: Ledger) -> str:
    """Print who can do what as a Markdown table, a vendor a column."""
    entries = list(ledger.vendors.values())
    lines = [
        _row("", *(entry.display_name for entry in entries)),
        _row("---", *(":---:" for _ in entries)),
        *(_row(f"`{capability}`", *(_sign(entry, capability) for entry in entries)) for capability in Capability),
        _row("verified by", *(entry.verified.how.value for entry in entries)),
    ]
    return "\n".join(lines)


def _sign(entry: VendorEntry, capability: Capability) -> str:
    return _SIGNS[entry.capabilities[capability].support.value]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
