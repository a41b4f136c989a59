"""Writing rows anew under the active keys, beside gateways that serve and write.

Each step reads without a lock, encrypts, and then replaces in one short transaction exactly the values that it had
read: a row that was changed meanwhile, or that somebody holds, is left for the next time. Nobody waits for us, and we
wait for nobody, so that no two can wait for each other. Nothing but the bytes under keys changes: no revision, no
read number, no time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.store.crypto import DecryptionFailed, RowCipher, encrypted_under, indexed_under
from app.store.recognition import Contents, Recognition, columns_of
from app.store.repository import StoreKeys
from app.store.sealed import SUBJECTS, SealedTable
from app.store.walking import Mark, Sessions

Row = dict[str, Any]

_AUDIT = text(
    "SELECT audit_log_rekey(:key_at, :key_id, :old_before, :new_before, :old_after, :new_after, "
    ":old_subjects, :new_subjects)"
)
"""The audit lets nobody change it; this one function of its owner can do this one thing."""


class Rekeying:
    """Writes the rows of one table anew."""

    def __init__(self, table: SealedTable, keys: StoreKeys, *, sessions: Sessions, recognition: Recognition) -> None:
        self._table = table
        self._sessions = sessions
        self._recognition = recognition
        self._cipher = RowCipher(keys.keyring, table=table.name)
        self._contents = Contents(keys, table)
        self._encrypts, self._indexes = keys.keyring.active, keys.index.active
        self._statement = _AUDIT if table.name == "audit_log" else _replacement(table)

    async def renew(self, stale: Sequence[Mark]) -> int:
        """Write these rows anew as far as that can be done; gives how many had something to replace.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        async with self._sessions() as session:
            rows = await self._read(session, stale)
            renewals = await self._renewals(session, rows)
        changes = [change for row in rows if (change := self._change(row, renewals)) is not None]
        if changes:
            async with self._sessions() as session:
                await session.execute(self._statement, changes)
        return len(changes)

    async def _read(self, session: AsyncSession, stale: Sequence[Mark]) -> list[Row]:
        key = [self._table.table.c[name] for name in self._table.key]
        wanted = tuple_(*key, types=[column.type for column in key]).in_([mark.key for mark in stale])
        found = await session.execute(select(*columns_of(self._table)).where(wanted).order_by(*key))
        return [dict(row) for row in found.mappings()]

    async def _renewals(self, session: AsyncSession, rows: Collection[Row]) -> dict[bytes, bytes]:
        """Find out what the rows' indexes under former keys were made of, hotel by hotel."""
        wanted: dict[str, set[bytes]] = {}
        texts: dict[str, set[str]] = {}
        for row in rows:
            hotel_id, former = row["bound_hotel"], self._former(row)
            if hotel_id is not None and former:
                wanted.setdefault(hotel_id, set()).update(former)
                texts.setdefault(hotel_id, set()).update(self._contents.texts(row))
        found: dict[bytes, bytes] = {}
        for hotel_id, indexes in wanted.items():
            found |= await self._recognition.renewals(session, hotel_id, texts=texts[hotel_id], wanted=indexes)
        return found

    def _former(self, row: Mapping[str, Any]) -> list[bytes]:
        single = [row[name] for name in self._table.indexes if row[name] is not None]
        several = row[SUBJECTS] if self._table.has_subjects else []
        return [index for index in (*single, *several) if indexed_under(index) != self._indexes]

    def _change(self, row: Row, renewals: Mapping[bytes, bytes]) -> Row | None:
        """Give the values of the statement that writes a row anew; nothing where nothing of it can be replaced."""
        new: Row = {name: self._resealed(name, row) for name in self._table.sealed}
        new |= {name: renewals.get(row[name], row[name]) for name in self._table.indexes}
        if self._table.has_subjects:
            renewed = {renewals.get(index, index) for index in row[SUBJECTS]}
            new[SUBJECTS] = row[SUBJECTS] if renewed == set(row[SUBJECTS]) else sorted(renewed)
        if all(new[name] == row[name] for name in self._table.columns):
            return None
        return (
            {f"key_{name}": row[name] for name in self._table.key}
            | {f"old_{name}": row[name] for name in self._table.columns}
            | {f"new_{name}": new[name] for name in self._table.columns}
        )

    def _resealed(self, column: str, row: Row) -> bytes | None:
        value: bytes | None = row[column]
        if value is None or encrypted_under(value) == self._encrypts:
            return value
        hotel_id, place = row["bound_hotel"], self._table.row(row)
        try:
            opened = self._cipher.open(column, value, hotel_id=hotel_id, row=place)
        except DecryptionFailed:
            return value  # it is counted as left under its key
        return self._cipher.seal(column, opened, hotel_id=hotel_id, row=place)


def _replacement(table: SealedTable) -> Executable:
    """Make the statement that replaces a row's values where they are the ones that were read, and nobody holds it."""
    columns = table.table.c
    is_it = [columns[name] == bindparam(f"key_{name}", type_=columns[name].type) for name in table.key]
    is_as_read = [
        columns[name].is_not_distinct_from(bindparam(f"old_{name}", type_=columns[name].type)) for name in table.columns
    ]
    free = select(*(columns[name] for name in table.key)).where(*is_it, *is_as_read)
    held = free.with_for_update(skip_locked=True, key_share=True).cte("free")
    return (
        update(table.table)
        .where(*(columns[name] == held.c[name] for name in table.key))
        .values({name: bindparam(f"new_{name}", type_=columns[name].type) for name in table.columns})
    )
