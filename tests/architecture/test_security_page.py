"""What docs/security.md says is shown by tests, and what it says of stolen tables is true of all of them."""

import re

import pytest
from sqlalchemy import ARRAY, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from app.store.tables import Base
from tests.architecture.manual import NAMED, is_there, named_tests, page

PAGE = "security.md"


@pytest.mark.parametrize(("file", "name"), named_tests(PAGE))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert is_there(file, name)


def test_every_threat_names_its_test() -> None:
    threats = page(PAGE).partition("## Threats")[2].partition("## What something stolen")[0]
    rows = [line for line in threats.splitlines() if re.match(r"\| (?!(threat|promise) )\w", line)]
    assert len(rows) > 30
    assert not [row[:60] for row in rows if not NAMED.search(row)]


def is_plain(kind: TypeEngine[object]) -> bool:
    """Tell whether a column shows a text to whoever reads the table."""
    if isinstance(kind, ARRAY):
        return not isinstance(kind.item_type, LargeBinary)
    return isinstance(kind, String | JSONB)


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_every_plain_column_is_told(table: str) -> None:
    plain = {column.name for column in Base.metadata.tables[table].columns if is_plain(column.type)}
    [row] = [line for line in page(PAGE).splitlines() if line.startswith(f"| `{table}` |")]
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == plain
