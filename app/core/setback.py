"""The first failed attempt at a vendor call, told to who may have something better to do than wait for the next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.domain.errors import GatewayError

_listener: ContextVar[Callable[[GatewayError], None] | None] = ContextVar("setback", default=None)


@contextmanager
def told_to(listener: Callable[[GatewayError], None]) -> Iterator[None]:
    """Tell `listener` of every failed attempt inside that is going to be repeated."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(error: GatewayError) -> None:
    """Tell whoever listens that an attempt failed and another one follows."""
    listener = _listener.get()
    if listener is not None:
        listener(error)
