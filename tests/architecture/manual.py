"""Pages of the manual that promise something, and the tests that they name."""

import re
from pathlib import Path

from tests.architecture.source import PROJECT

NAMED = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


def page(name: str) -> str:
    """Give a page of `docs`."""
    return (PROJECT / "docs" / name).read_text(encoding="utf-8")


def named_tests(name: str) -> list[tuple[str, str]]:
    """Give the file and the name of every test that a page names."""
    return sorted(set(NAMED.findall(page(name))))


def is_there(file: str, name: str) -> bool:
    """Tell whether a test is where the page says."""
    path: Path = PROJECT / file
    return path.exists() and bool(re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE))
