"""Tries a key on the data: where the data names a key, and nobody has proved yet that it is this one."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.store.crypto import DecryptionFailed, IndexKind, RowCipher, encrypted_under, indexed_under
from app.store.recognition import columns_of
from app.store.repository import StoreKeys
from app.store.sealed import SealedTable, sealed_tables
from app.store.tables import GuestRow
from app.store.walking import ENCRYPTION, Under, marks

_LOOKED_AT = 1_000
"""Rows of each table in which something under the key is looked for: a start does not wait for more."""


class KeySamples:
    """Looks for one value under a key."""

    def __init__(self, session: AsyncSession, keys: StoreKeys) -> None:
        self._session = session
        self._keys = keys

    async def opens(self, key_id: str) -> bool:
        """Tell whether an encryption key opens a value that names it; true where none was found."""
        for table in reversed(sealed_tables()):  # hotels first: they are few, and each has a value
            for mark in await marks(self._session, table, after=None, limit=_LOOKED_AT):
                if Under(ENCRYPTION, key_id) in mark.under:
                    return await self._opens(table, mark.key, key_id)
        return True

    async def indexes(self, key_id: str) -> bool:
        """Tell whether an index key makes the index that names it of a guest's id; true where none was found."""
        query = select(GuestRow.hotel_id, GuestRow.id, GuestRow.subjects).limit(_LOOKED_AT)
        for hotel_id, guest_id, subjects in await self._session.execute(query):
            named = [subject for subject in subjects if indexed_under(subject) == key_id]
            if named:
                made = self._keys.index.indexes(IndexKind.GUEST_ID, guest_id, hotel_id=hotel_id)
                return any(subject in made for subject in named)
        return True

    async def _opens(self, table: SealedTable, key: tuple[object, ...], key_id: str) -> bool:
        conditions = (table.table.c[name] == value for name, value in zip(table.key, key, strict=True))
        found = await self._session.execute(select(*columns_of(table)).where(*conditions))
        row = dict(found.mappings().one())
        cipher = RowCipher(self._keys.keyring, table=table.name)
        for name in table.sealed:
            if row[name] is not None and encrypted_under(row[name]) == key_id:
                try:
                    cipher.open(name, row[name], hotel_id=row["bound_hotel"], row=table.row(row))
                except DecryptionFailed:
                    return False
        return True
