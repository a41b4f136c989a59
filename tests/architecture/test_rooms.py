"""Every package is a room with a sign on its door: what it is for and what must not enter it.

Bought by a directory without `__init__.py`, which the import linter does not see: its contracts stayed "kept".
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.source import PROJECT


def packages() -> list[Path]:
    """Give all folders of the application that hold Python."""
    folders = {path.parent for path in (PROJECT / "app").rglob("*.py")}
    between = {parent for folder in folders for parent in folder.parents if (PROJECT / "app") in parent.parents}
    return sorted(folders | between)


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: folder.relative_to(PROJECT).as_posix())
def test_every_package_says_what_it_is_for(folder: Path) -> None:
    sign = folder / "__init__.py"
    assert sign.is_file(), "without it the import linter does not see the folder"
    assert ast.get_docstring(ast.parse(sign.read_text(encoding="utf-8"))), "it needs a docstring"
