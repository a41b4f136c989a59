"""Which answers are asked for so often that they are read anew before their time is over."""

from collections import OrderedDict

LAST_PART = 0.8
"""From which part of its time on an answer is read anew."""
HOT_HITS = 3
"""How often it has to have been asked for, in this process, since it was last read anew."""
_CAPACITY = 10_000


class RefreshAhead:
    """Counts hits per entry; at most `capacity` entries are remembered, the one unasked for longest is dropped."""

    def __init__(self, *, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._hits: OrderedDict[str, int] = OrderedDict()

    def is_due(self, entry: str, spent: float) -> bool:
        """Count a hit on an answer of whose time the part `spent` is over; true for one hit of those at its end."""
        hits = self._hits.pop(entry, 0) + 1
        if hits >= HOT_HITS and spent >= LAST_PART:
            return True
        self._hits[entry] = hits
        if len(self._hits) > self._capacity:
            self._hits.popitem(last=False)
        return False
