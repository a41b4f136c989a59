"""Walking through what is under keys, in small steps: whose turn it is, and how much is under which key.

Only the first bytes of a value are read for that. Each step reads so many rows behind the last one of the step
before, by the primary key: it is quick in the largest table, and starting anew costs nothing but the looking.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.store.crypto import HEAD_BYTES, encrypted_under, indexed_under
from app.store.sealed import SUBJECTS, SealedTable

COUNTED_AT_ONCE = 5_000
"""Rows of which one query reads the first bytes."""
ENCRYPTION = "encryption"
INDEX = "index"

Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]


class Under(NamedTuple):
    """A key as the data names it; `key_id` is None for what names none."""

    kind: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A row, and the keys that its values are under."""

    key: tuple[Any, ...]
    under: tuple[Under, ...]
    """One for each value."""
    seen: datetime

    def is_stale(self, active: frozenset[Under]) -> bool:
        """Tell whether something in it is not under an active key."""
        return not active.issuperset(self.under)


@dataclass(slots=True)
class Held:
    """How much of a table is under a key, and when the newest row of it was written."""

    count: int = 0
    newest: datetime | None = None

    def add(self, seen: datetime) -> None:
        """Count one more value."""
        self.count += 1
        self.newest = seen if self.newest is None else max(self.newest, seen)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values are under which key, by table."""

    held: dict[Under, dict[str, Held]] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)
    """How many rows of each table hold something that is not under an active key."""

    def add(self, table: str, mark: Mark, active: frozenset[Under]) -> None:
        """Count a row."""
        for under in mark.under:
            self.held.setdefault(under, {}).setdefault(table, Held()).add(mark.seen)
        self.stale[table] = self.stale.get(table, 0) + mark.is_stale(active)

    def total(self, under: Under) -> int:
        """Give how many values are under a key."""
        return sum(held.count for held in self.held.get(under, {}).values())


async def marks(
    session: AsyncSession, table: SealedTable, *, after: tuple[Any, ...] | None, limit: int
) -> Sequence[Mark]:
    """Give the next rows of a table, in the order of its key."""
    columns = table.table.c
    key = [columns[name] for name in table.key]
    heads = [func.substring(columns[name], 1, HEAD_BYTES).label(name) for name in table.sealed]
    indexes = [columns[name] for name in table.columns if name not in table.sealed]
    seen = columns[table.binding.seen].label("seen_at")
    query = select(*(column.label(f"key_{number}") for number, column in enumerate(key)), *heads, *indexes, seen)
    query = query.order_by(*key).limit(limit)
    if after is not None:
        behind: ColumnElement[bool] = tuple_(*key) > tuple_(*after, types=[column.type for column in key])
        query = query.where(behind)
    found = await session.execute(query)
    return [_mark(table, row) for row in found.mappings()]


async def walk(sessions: Sessions, table: SealedTable, *, step: int = COUNTED_AT_ONCE) -> AsyncIterator[Sequence[Mark]]:
    """Give all rows of a table, so many at a time, each step read in a transaction of its own."""
    after: tuple[Any, ...] | None = None
    while True:
        async with sessions() as session:
            found = await marks(session, table, after=after, limit=step)
        if found:
            yield found
        if len(found) < step:
            return
        after = found[-1].key


async def tally(sessions: Sessions, tables: Sequence[SealedTable], active: frozenset[Under]) -> Tally:
    """Count what is under which key."""
    counted = Tally()
    for table in tables:
        async for step in walk(sessions, table):
            for mark in step:
                counted.add(table.name, mark, active)
    return counted


def under_of(table: SealedTable, values: Mapping[str, Any]) -> tuple[Under, ...]:
    """Tell under which keys the values of a row are; of encrypted ones the first bytes are enough."""
    sealed = (values[name] for name in table.sealed)
    indexes = [values[name] for name in table.indexes]
    indexes += values[SUBJECTS] if table.has_subjects else []
    return (
        *(Under(ENCRYPTION, encrypted_under(value)) for value in sealed if value is not None),
        *(Under(INDEX, indexed_under(value)) for value in indexes if value is not None),
    )


def _mark(table: SealedTable, row: RowMapping) -> Mark:
    key = tuple(row[f"key_{number}"] for number in range(len(table.key)))
    return Mark(key, under_of(table, dict(row)), row["seen_at"])
