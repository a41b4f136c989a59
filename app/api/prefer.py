"""`Prefer: respond-async, wait=N` (RFC 7240): a caller of a write who would rather not wait."""

import re
from dataclasses import dataclass

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,6})\"?")


@dataclass(frozen=True, slots=True)
class Preference:
    """What a caller prefers: 202 as soon as `wait` seconds have passed, or at its deadline where it names none."""

    wait: float | None

    @property
    def seconds(self) -> float:
        """Give how long the caller wants to wait."""
        return float("inf") if self.wait is None else self.wait

    @property
    def applied(self) -> str:
        """Give the `Preference-Applied` that tells that it was honoured."""
        return "respond-async" if self.wait is None else f"respond-async, wait={self.wait:.0f}"


def preference_of(header: str | None) -> Preference | None:
    """Read the header; what is malformed or unknown is no preference and no error (RFC 7240, section 2)."""
    parts = [part.partition(";")[0].strip().lower() for part in (header or "").split(",")]
    if "respond-async" not in parts:
        return None
    waits = [found[1] for part in parts if (found := _WAIT.fullmatch(part))]
    return Preference(float(waits[0]) if waits else None)
