"""What a PMS's answers say of its clock: they carry their time in the `Date` header (RFC 9110 § 6.6.1)."""

from datetime import datetime
from email.utils import parsedate_to_datetime


class PmsClock:
    """Remembers the newest answer's time beside ours; it is read only when somebody asks."""

    def __init__(self) -> None:
        self._said: str | None = None
        self._ours: datetime | None = None

    def note(self, said: str | None, ours: datetime) -> None:
        """Remember the `Date` of an answer that came at `ours`; one without leaves what is known."""
        if said is not None:
            self._said, self._ours = said, ours

    def ahead(self) -> float | None:
        """Give by how many seconds the PMS's clock is ahead of ours; None where no answer told a time."""
        if self._said is None or self._ours is None:
            return None
        try:
            return (parsedate_to_datetime(self._said) - self._ours).total_seconds()
        except (TypeError, ValueError):
            return None
