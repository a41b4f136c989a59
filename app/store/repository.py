"""What every repository stands on: the session of one unit of work, and the keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import ConflictRefused
from app.domain.hotel import Hotel
from app.store.crypto import BlindIndex, IndexKind, Keyring, Marks, RowCipher
from app.store.subjects import index_of
from app.store.tables import Base

T = TypeVar("T")

_BUSY = ("55006", "55P03")
"""What the erasing functions raise while writes are live, and Postgres where somebody holds a row for too long."""
_PATIENCE = text("SELECT set_config('lock_timeout', '500ms', true)")


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """The keys of the store: one ring encrypts, one indexes, one marks the erased."""

    keyring: Keyring
    index: BlindIndex
    marks: Marks


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """The newest copy that we hold: what it was at `as_of`, read under number `read_no`."""

    value: T
    as_of: datetime
    read_no: int


class Repository:
    """All queries about one aggregate. Commits nothing; the unit of work does."""

    table: ClassVar[str]

    def __init__(self, session: AsyncSession, keys: StoreKeys) -> None:
        self._session = session
        self._keys = keys
        self._index = keys.index
        self._marks = keys.marks
        self._cipher = RowCipher(keys.keyring, table=self.table)

    async def _upsert_newer(
        self, entity: type[Base], rows: Sequence[Mapping[str, Any]], *, name: str
    ) -> frozenset[str]:
        """Store copies of one hotel unless a later read is stored already, in one statement.

        `rows` are sorted by `name`, the column that is the key beside the hotel: one order everywhere, so
        that two batches never wait for each other in a circle. Gives the names of the rows that changed.
        """
        if not rows:
            return frozenset()
        table = cast("Table", entity.__table__)
        statement = insert(table)
        key = ("hotel_id", name)
        statement = statement.on_conflict_do_update(
            index_elements=key,
            set_={column: statement.excluded[column] for column in rows[0] if column not in key},
            where=table.c.read_no < statement.excluded.read_no,
        )
        changed = await self._session.scalars(statement.returning(table.c[name]), rows)
        return frozenset(changed)

    async def _erase(self, function: TextClause, values: Mapping[str, Any], *, busy: str) -> Any:
        """Call one of the database's erasing functions, which refuse while writes are live.

        Whoever works on a write holds it and then needs the hotel, which an erasing holds first: so that the two do not
        wait for each other, this one gives up.
        """
        try:
            await self._session.execute(_PATIENCE)
            return await self._session.scalar(function, values)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _BUSY:
                raise
            raise ConflictRefused(busy) from None

    def _index_of(self, hotel: Hotel, kind: IndexKind, value: str | None) -> bytes | None:
        return index_of(self._index, hotel, kind, value)

    def _open(self, column: str, value: bytes | None, hotel_id: str | None, row: object) -> Any:
        return self._cipher.open_json(column, value, hotel_id=hotel_id, row=str(row))

    def _seal(self, column: str, value: Any, hotel_id: str | None, row: object) -> bytes | None:
        return self._cipher.seal_present(column, value, hotel_id=hotel_id, row=str(row))
