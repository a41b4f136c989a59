"""No module beyond 500 lines, no function beyond 40, and nobody is excused.

Bought by projects read before this one: services of 4,216 lines, a helper façade of 1,086 wrappers, one class per
exchange at 86 kB. None of them was written that way; each grew there, one excused line after the other.
"""

import ast

import pytest

from tests.architecture.source import Module, modules

LONGEST_MODULE = 500
LONGEST_FUNCTION = 40


def long_functions(module: Module) -> list[str]:
    """Name the functions that are too long, counted from `def` to the last line without the docstring."""
    return [
        f"{module.at(node)} {node.name} has {length(node)} lines"
        for node in module.find(ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > LONGEST_FUNCTION
    ]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function; a docstring is a page of the manual and is not counted."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    documentation = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documentation


@pytest.mark.parametrize("module", modules("app", "migrations", "tests"), ids=lambda module: module.path)
def test_a_module_fits_into_a_head(module: Module) -> None:
    assert len(module.text.splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("module", modules("app", "migrations"), ids=lambda module: module.path)
def test_a_function_fits_onto_a_screen(module: Module) -> None:
    assert long_functions(module) == []


@pytest.mark.parametrize(("lines", "found"), [(39, 0), (40, 1)])
def test_the_rule_finds_what_it_forbids(lines: int, found: int) -> None:
    sample = Module("sample.py", 'async def long():\n    """Say so."""\n' + "    pass\n" * lines)
    assert len(long_functions(sample)) == found
