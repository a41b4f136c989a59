"""The project's own source as the house rules see it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the project, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    def find(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Give all its nodes of some kinds."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def at(self, node: ast.AST) -> str:
        """Name a place in it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def modules(*folders: str, below: Path = PROJECT) -> list[Module]:
    """Give all Python files of some folders of the project."""
    return [
        Module(path.relative_to(below).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((below / folder).rglob("*.py"))
    ]


def vendor_folders() -> list[str]:
    """Give the names of the vendors that have an adapter."""
    folders = (PROJECT / "app" / "adapters").iterdir()
    return sorted(folder.name for folder in folders if folder.is_dir() and folder.name[0] not in "_.")
