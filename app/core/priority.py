"""Whether somebody waits for what is asked of a PMS: who waits goes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_background: ContextVar[bool] = ContextVar("background", default=False)


@contextmanager
def background() -> Iterator[None]:
    """Let all vendor calls inside go behind those that a caller waits for."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


def is_background() -> bool:
    """Tell whether nobody waits for this call."""
    return _background.get()
