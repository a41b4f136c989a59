from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.paging import MAX_PAGES, by_cursor, by_offset
from app.domain.errors import VendorContractBroken

PAGES = st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=6)


@given(PAGES)
async def test_a_walk_by_cursor_gives_every_item_once_and_in_order(pages: list[list[int]]) -> None:
    async def fetch(cursor: str | None) -> tuple[Sequence[int], str | None]:
        page = int(cursor or 0)
        return pages[page], str(page + 1) if page + 1 < len(pages) else None

    assert [item async for item in by_cursor(fetch)] == [item for page in pages for item in page]


@given(st.lists(st.integers(), max_size=23), st.integers(1, 5))
async def test_a_walk_by_offset_gives_every_item_once_and_in_order(items: list[int], size: int) -> None:
    async def fetch(offset: int, limit: int) -> Sequence[int]:
        return items[offset : offset + limit]

    assert [item async for item in by_offset(fetch, size)] == items


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
async def test_a_cursor_that_comes_back_ends_the_walk(cursors: list[str]) -> None:
    left = list(cursors)
    calls = 0

    async def fetch(_: str | None) -> tuple[Sequence[int], str | None]:
        nonlocal calls
        calls += 1
        return [calls], left.pop(0)

    with pytest.raises(VendorContractBroken, match="twice"):
        _ = [item async for item in by_cursor(fetch)]
    assert calls == len(cursors)


async def test_pages_that_never_end_are_refused() -> None:
    async def next_cursor(cursor: str | None) -> tuple[Sequence[int], str | None]:
        return [1], str(int(cursor or 0) + 1)

    async def full_page(_: int, limit: int) -> Sequence[int]:
        return [1] * limit

    for walk in (by_cursor(next_cursor), by_offset(full_page, 1)):
        with pytest.raises(VendorContractBroken, match=str(MAX_PAGES)):
            _ = [item async for item in walk]


async def test_pages_are_fetched_only_as_far_as_they_are_read() -> None:
    offsets = []

    async def fetch(offset: int, limit: int) -> Sequence[int]:
        offsets.append(offset)
        return list(range(limit))

    walk = by_offset(fetch, 2)
    assert await anext(walk) == 0
    assert offsets == [0]
    await walk.aclose()  # type: ignore[attr-defined]
