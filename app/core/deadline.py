"""The moment by which a chain of vendor calls has to end, carried by context instead of by every signature."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Let all vendor calls inside end by `moment` (monotonic seconds); an earlier deadline outside wins."""
    outer = _deadline.get()
    token = _deadline.set(moment if outer is None else min(moment, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining(now: float) -> float:
    """Give the seconds left at `now` (monotonic); infinite where nobody set a deadline."""
    moment = _deadline.get()
    return float("inf") if moment is None else moment - now
