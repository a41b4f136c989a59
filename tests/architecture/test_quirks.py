"""What is odd about a vendor has a number: told in its README, tagged in its code, proved by a test.

Bought by workarounds that nobody dared to remove, since nobody knew any more what they were for.
"""

import re

import pytest

from tests.architecture.source import PROJECT, modules, vendor_folders

TOLD = re.compile(r"^[-*|#\s]*\**Q(\d+)\b", re.MULTILINE)
TAGGED = re.compile(r"#\s?Q(\d+)\b")
PROVED = re.compile(r"def test_q(\d+)_")


def told(vendor: str) -> list[int]:
    readme = PROJECT / "app" / "adapters" / vendor / "README.md"
    assert readme.is_file(), f"app/adapters/{vendor} has no README.md"
    return [int(number) for number in TOLD.findall(readme.read_text(encoding="utf-8"))]


def found(pattern: re.Pattern[str], *folders: str) -> set[int]:
    return {int(number) for module in modules(*folders) for number in pattern.findall(module.text)}


@pytest.mark.parametrize("vendor", vendor_folders())
def test_quirks_are_numbered_from_one_without_a_gap(vendor: str) -> None:
    numbers = told(vendor)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("vendor", vendor_folders())
def test_every_quirk_is_tagged_where_the_code_minds_it(vendor: str) -> None:
    assert found(TAGGED, f"app/adapters/{vendor}") == set(told(vendor))


@pytest.mark.parametrize("vendor", vendor_folders())
def test_every_quirk_is_proved_by_a_test(vendor: str) -> None:
    assert found(PROVED, f"tests/adapters/{vendor}") == set(told(vendor))


@pytest.mark.parametrize("line", ["- **Q7** why", "### Q7 why", "| Q7 | why", "Q7. why"])
def test_a_quirk_is_read_in_any_form_of_list(line: str) -> None:
    assert TOLD.findall(f"before\n{line}\nas in Q8") == ["7"]
