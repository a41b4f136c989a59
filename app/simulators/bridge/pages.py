"""Pages of a list: a cursor names the last record that was shown, so records that come or go shift nothing."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from app.simulators.bridge.exchange import Answer, Problem

T = TypeVar("T")


def page(
    items: Iterable[T], *, name: Callable[[T], str], show: Callable[[T], Any], size: int, cursor: str | None
) -> Answer:
    """Give one page of `items`, which must always come in the same order."""
    left = list(items)
    if cursor is not None:
        last = _read(cursor)
        names = [name(item) for item in left]
        if last not in names:
            raise Problem("invalid", "the cursor leads nowhere", errors=[("cursor", "is not one of ours")])
        left = left[names.index(last) + 1 :]
    shown = left[:size]
    more = len(left) > size
    return Answer({"items": [show(item) for item in shown], "next_cursor": _write(name(shown[-1])) if more else None})


def _write(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _read(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeError):
        raise Problem("invalid", "the cursor leads nowhere", errors=[("cursor", "is not one of ours")]) from None
