"""What the running request or job is about, for every log line and for the vendor's correlation header."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars, get_contextvars


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Let everything logged inside carry `fields`, such as `correlation_id`, `hotel_id`, `operation`."""
    with bound_contextvars(**fields):
        yield


def current(field: str) -> str | None:
    """Give one of the fields that `about` set, if any did."""
    value = get_contextvars().get(field)
    return value if isinstance(value, str) else None
