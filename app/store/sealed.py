"""What in the tables is under a key, and where each value is bound: taken from the tables themselves.

A column that holds encrypted values says so in its type (`Sealed`); one that holds blind indexes is called `subjects`
or `…_index`. Only how a row is named to the cipher has to be said here; a table that nobody said it of is refused, so
that no column is ever left behind under an old key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Table, select

from app.store.crypto import IndexKind
from app.store.tables import SEALED, Base, OperationRow

SUBJECTS = "subjects"
_INDEX = "_index"
_KINDS = {
    "confirmation_index": IndexKind.CONFIRMATION,
    "email_index": IndexKind.EMAIL,
    "guest_index": IndexKind.GUEST_ID,
    "last_name_index": IndexKind.LAST_NAME,
    "phone_index": IndexKind.PHONE,
}


@dataclass(frozen=True, slots=True)
class Binding:
    """How a table's repository names a row to the cipher.

    `row` are the columns whose texts, joined by `joint`, name it; `hotel` is the column with the hotel, nothing where
    the row belongs to an operation and its hotel is that one's. `seen` tells when the row was written, and `texts` are
    the columns of ids in plain that its subjects may be made of.
    """

    seen: str
    hotel: str | None = "hotel_id"
    row: tuple[str, ...] = ("id",)
    joint: str = ""
    texts: tuple[str, ...] = ()


BINDINGS: Mapping[str, Binding] = {
    "audit_log": Binding(seen="at", texts=("target",)),
    "outbox": Binding(seen="created_at", row=("event_id",)),
    "inbox": Binding(seen="received_at", row=("vendor", "external_id"), joint="|", texts=("external_id",)),
    "dead_letters": Binding(seen="created_at"),
    "operations": Binding(seen="created_at", texts=("target",)),
    "operation_steps": Binding(seen="started_at", hotel=None, row=("operation_id", "name"), joint="/"),
    "reservations": Binding(seen="as_of", texts=("id",)),
    "guests": Binding(seen="as_of", texts=("id",)),
    "hotels": Binding(seen="updated_at", hotel="id"),
}
"""In the order in which they are written anew: what helps to recognise the subjects of others comes after them."""


@dataclass(frozen=True)
class SealedTable:
    """One table with its columns that are under a key."""

    table: Table
    binding: Binding
    sealed: tuple[str, ...]
    indexes: Mapping[str, IndexKind]
    has_subjects: bool

    @property
    def name(self) -> str:
        """The table's name, which is a part of where its values are bound."""
        return str(self.table.name)  # SQLAlchemy's own kind of text is no text to others

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The primary key, by which the table is walked."""
        return tuple(column.name for column in self.table.primary_key)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is under a key."""
        return (*self.sealed, *self.indexes, *((SUBJECTS,) if self.has_subjects else ()))

    @property
    def hotel(self) -> ColumnElement[Any]:
        """The hotel that a row's values are bound to, as a column of a query."""
        if self.binding.hotel is not None:
            return self.table.c[self.binding.hotel].label("bound_hotel")
        of_operation = select(OperationRow.hotel_id).where(OperationRow.id == self.table.c.operation_id)
        return of_operation.scalar_subquery().label("bound_hotel")

    def row(self, values: Mapping[str, Any]) -> str:
        """Name a row as its repository does."""
        return self.binding.joint.join(str(values[name]) for name in self.binding.row)


def sealed_tables() -> Sequence[SealedTable]:
    """Give every table that has columns under a key.

    Raises:
        LookupError: a table, or a column of blind indexes, was added and is not described here.
    """
    found = {table.name: made for table in Base.metadata.tables.values() if (made := _sealed_table(table)) is not None}
    return [found[name] for name in BINDINGS if name in found]


def _sealed_table(table: Table) -> SealedTable | None:
    sealed = tuple(column.name for column in table.columns if column.info.get(SEALED))
    indexes = [column.name for column in table.columns if column.name.endswith(_INDEX)]
    has_subjects = SUBJECTS in table.columns
    if not (sealed or indexes or has_subjects):
        return None
    if table.name not in BINDINGS or not _KINDS.keys() >= set(indexes):
        raise LookupError(f"say in app/store/sealed.py where the values of {table.name} are bound, and what is indexed")
    kinds = {name: _KINDS[name] for name in indexes}
    return SealedTable(table, BINDINGS[table.name], sealed, kinds, has_subjects)
