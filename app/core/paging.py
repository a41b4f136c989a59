"""Walkers over a vendor's pages, as asynchronous iterators that always end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from app.domain.errors import VendorContractBroken

T = TypeVar("T")

MAX_PAGES = 1_000


async def by_cursor(
    fetch: Callable[[str | None], Awaitable[tuple[Sequence[T], str | None]]],
) -> AsyncIterator[T]:
    """Walk pages that name the next one; `fetch(None)` gives the first and its cursor, or None at the end.

    Raises:
        VendorContractBroken: a cursor came back a second time, or the pages do not end.
    """
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        items, cursor = await fetch(cursor)
        for item in items:
            yield item
        if cursor is None:
            return
        if cursor in seen:
            raise VendorContractBroken("the PMS gave the same page cursor twice")
        seen.add(cursor)
    raise VendorContractBroken(f"the PMS gave more than {MAX_PAGES} pages")


async def by_offset(fetch: Callable[[int, int], Awaitable[Sequence[T]]], page_size: int) -> AsyncIterator[T]:
    """Walk `fetch(offset, page_size)` until a page comes back shorter than `page_size`.

    Raises:
        VendorContractBroken: the pages do not end.
    """
    for page in range(MAX_PAGES):
        items = await fetch(page * page_size, page_size)
        for item in items:
            yield item
        if len(items) < page_size:
            return
    raise VendorContractBroken(f"the PMS gave more than {MAX_PAGES} pages")
