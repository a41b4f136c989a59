"""What docs/failure-modes.md says is shown by tests: bought by manuals that went on to promise what nothing checked."""

import pytest

from tests.architecture.manual import NAMED, is_there, named_tests, page

PAGE = "failure-modes.md"


@pytest.mark.parametrize(("file", "name"), named_tests(PAGE))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert is_there(file, name)


def test_every_mode_names_its_test() -> None:
    rows = [line for line in page(PAGE).splitlines() if line.startswith("| ") and not line.startswith("| mode ")]
    assert len(rows) > 20
    assert not [row[:40] for row in rows if not NAMED.search(row)]
