"""Whether somebody waits for what is asked of a PMS: who waits goes first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_nobody_waits: ContextVar[Callable[[], bool]] = ContextVar("nobody_waits", default=lambda: False)


class Audience:
    """Those who wait for one question to a PMS; what they have all left is background work from then on."""

    def __init__(self) -> None:
        self._waiting = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count somebody in for as long as the block runs."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    @contextmanager
    def listens(self) -> Iterator[None]:
        """Let all vendor calls inside be for this audience."""
        around = _nobody_waits.get()
        token = _nobody_waits.set(lambda: around() or self._waiting == 0)
        try:
            yield
        finally:
            _nobody_waits.reset(token)


@contextmanager
def background() -> Iterator[None]:
    """Let all vendor calls inside go behind those that a caller waits for."""
    with Audience().listens():
        yield


def is_background() -> bool:
    """Tell whether nobody waits for this call, or nobody any more."""
    return _nobody_waits.get()()
