"""What docs/failure-modes.md says is shown by tests: bought by manuals that went on to promise what nothing checked."""

import re

import pytest

from tests.architecture.source import PROJECT

_NAMED = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_MANUAL = (PROJECT / "docs" / "failure-modes.md").read_text()


@pytest.mark.parametrize(("file", "name"), sorted(set(_NAMED.findall(_MANUAL))))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert re.search(rf"^async def {name}\(|^def {name}\(", (PROJECT / file).read_text(), re.MULTILINE)


def test_every_mode_names_its_test() -> None:
    rows = [line for line in _MANUAL.splitlines() if line.startswith("| ") and not line.startswith("| mode ")]
    assert len(rows) > 20
    assert not [row[:40] for row in rows if not _NAMED.search(row)]
