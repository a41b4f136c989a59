"""Which value a blind index was made of: told by making the index of every value that it may be.

An index cannot be turned back. But whatever a row says of a guest stands in the row itself, or in what is stored of
the same guests, reservations and writes: each text found there is indexed under the keys of before, and where that
gives the very index which the row holds, the value is known and can be indexed under the new key.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Select, Text, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.hotel import Hotel, HotelOptions
from app.domain.text import fold_phone
from app.store.crypto import DecryptionFailed, IndexKind, RowCipher
from app.store.hotels import Hotels
from app.store.repository import StoreKeys
from app.store.sealed import SUBJECTS, SealedTable, sealed_tables
from app.store.subjects import folded

_LONGEST = 255
"""What is longer is no name, no number and no id."""
_HOPS = 2
"""From a row to the reservation that it names, and from there to its guest."""
_AT_MOST = 1_000
_KIN = ("reservations", "guests", "operations", "operation_steps")


class Recognition:
    """Knows the hotels, and looks for the values of blind indexes in what is stored of each."""

    def __init__(self, keys: StoreKeys, hotels: Mapping[str, Hotel]) -> None:
        self._index = keys.index
        self._hotels = hotels
        self._kin = {table.name: table for table in sealed_tables() if table.name in _KIN}
        self._contents = {name: Contents(keys, table) for name, table in self._kin.items()}

    @classmethod
    async def of(cls, session: AsyncSession, keys: StoreKeys) -> "Recognition":
        """Read which hotels there are: numbers of guests are compared as their hotel's country writes them."""
        records = await Hotels(session, keys).all()
        return cls(keys, {record.id: record.as_hotel(HotelOptions()) for record in records})

    async def renewals(
        self, session: AsyncSession, hotel_id: str, *, texts: Collection[str], wanted: Collection[bytes]
    ) -> dict[bytes, bytes]:
        """Give the new index for each of the `wanted` whose value was found: among `texts`, or near to them."""
        hotel = self._hotels.get(hotel_id)
        if hotel is None:
            return {}
        seen, fresh = set[str](), set(texts)
        found: dict[bytes, bytes] = {}
        for hop in range(_HOPS + 1):
            found |= self._made_of(hotel, fresh)
            missing = set(wanted) - found.keys()
            if not missing or hop == _HOPS:
                break
            seen |= fresh
            fresh = await self._near(session, hotel_id, seen, missing) - seen
        return {old: found[old] for old in wanted if old in found}

    def _made_of(self, hotel: Hotel, texts: Collection[str]) -> dict[bytes, bytes]:
        """Give every index under a former key that can be made of the texts, with the one that replaces it."""
        return {
            former: self._index.index(kind, now, hotel_id=hotel.id)
            for text in texts
            for kind in IndexKind
            if (now := _folded(kind, text, hotel))
            for was in _foldings(kind, text, now)
            for former in self._index.formers(kind, was, hotel_id=hotel.id)
        }

    async def _near(
        self, session: AsyncSession, hotel_id: str, texts: Collection[str], missing: Collection[bytes]
    ) -> set[str]:
        """Give the texts of what has one of the texts as its id, or shares a subject that is not known yet."""
        found = set[str]()
        operations: list[Any] = []
        for name in ("reservations", "guests", "operations"):
            columns = self._kin[name].table.c
            near = columns[SUBJECTS].op("&&", is_comparison=True)(_list("missing", missing, LargeBinary))
            if name == "operations":
                query = _rows_of(self._kin[name], columns.hotel_id == hotel_id, near)
            else:
                named = columns.id == func.any(_list("ids", texts, Text))
                query = _rows_of(self._kin[name], columns.hotel_id == hotel_id, or_(named, near))
            rows = [dict(row) for row in (await session.execute(query)).mappings()]
            operations += [row["id"] for row in rows if name == "operations"]
            found.update(text for row in rows for text in self._contents[name].texts(row))
        steps = self._kin["operation_steps"]
        if operations:
            query = _rows_of(steps, steps.table.c.operation_id.in_(operations))
            for row in (await session.execute(query)).mappings():
                found.update(self._contents[steps.name].texts(dict(row)))
        return found


class Contents:
    """Opens what a row of one table holds."""

    def __init__(self, keys: StoreKeys, table: SealedTable) -> None:
        self._cipher = RowCipher(keys.keyring, table=table.name)
        self._table = table

    def texts(self, row: Mapping[str, Any]) -> set[str]:
        """Give every text in a row that may be a name, a number or an id; what no key opens has none."""
        found = {str(row[name]) for name in self._table.binding.texts if row[name] is not None}
        place = self._table.row(row)
        for column in self._table.sealed:
            try:
                value = self._cipher.open_json(column, row[column], hotel_id=row["bound_hotel"], row=place)
            except (DecryptionFailed, ValueError):
                continue
            found.update(_leaves(value))
        return {text for text in found if 0 < len(text) <= _LONGEST}


def columns_of(table: SealedTable) -> list[ColumnElement[Any]]:
    """Give what has to be read of a row to open it, and to write it anew."""
    names = dict.fromkeys((*table.key, *table.binding.row, *table.binding.texts, *table.columns))
    return [*(table.table.c[name] for name in names), table.hotel]


def _rows_of(table: SealedTable, *conditions: ColumnElement[bool]) -> Select[Any]:
    return select(*columns_of(table)).where(*conditions).limit(_AT_MOST)


def _list(name: str, values: Collection[Any], kind: type[LargeBinary] | type[Text]) -> ColumnElement[Any]:
    return bindparam(name, sorted(values), type_=ARRAY(kind))


def _folded(kind: IndexKind, text: str, hotel: Hotel) -> str:
    if kind is IndexKind.PHONE and not any(char.isdecimal() for char in text):
        return ""
    return folded(kind, text, hotel)


def _foldings(kind: IndexKind, text: str, now: str) -> set[str]:
    """Give the forms in which a value may have been indexed: a hotel's country may have been set later."""
    return {now, fold_phone(text, None)} - {""} if kind is IndexKind.PHONE else {now}


def _leaves(value: Any) -> Iterator[str]:
    """Give every text and number in a JSON value; a vendor's own bodies hold ids that are numbers."""
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int():
            yield str(value)
        case dict():
            for one in value.values():
                yield from _leaves(one)
        case list():
            for one in value:
                yield from _leaves(one)
