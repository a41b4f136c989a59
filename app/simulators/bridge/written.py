"""Keeps under which key each record was written, for installations that honour no keys (section 4 of the contract)."""

from dataclasses import dataclass, field

from app.simulators.records import Booking, Guest, Line, Remark

Record = Booking | Remark | Line | Guest


@dataclass
class WrittenKeys:
    """The keys of one property's records. A note or a profile that is made on the way of a booking has none."""

    _kept: dict[tuple[type, str], str] = field(default_factory=dict)

    def keep(self, record: Record, key: str | None) -> None:
        """Note the key that a record was written under."""
        if key is not None:
            self._kept[type(record), record.id] = key

    def of(self, record: Record) -> str | None:
        """Give the key that a record was written under, or None where it came without one."""
        return self._kept.get((type(record), record.id))
