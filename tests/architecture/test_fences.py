"""What may be done in one room only.

No `try` in an adapter: bought by a façade that turned every exception into a message, so that a bug of ours looked
like a vendor's complaint; errors become ours in one place, as tables.
No `commit()` but one: bought by half-written orders, where two services each committed their part.
No environment but in settings: bought by a worker that read a variable which the web process did not have.
No HTTP client but one: bought by retries, limits and timeouts that were opt-in and were in 4 of 28 connectors.
"""

import ast
from collections.abc import Callable, Iterable

import pytest

from tests.architecture.source import Module, modules

Rule = Callable[[Module], Iterable[ast.AST]]


def tries(module: Module) -> Iterable[ast.AST]:
    """Find every `try`, and what suppresses errors without one."""
    for node in module.find(ast.Try, ast.TryStar, ast.Name, ast.Attribute):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if isinstance(node, ast.Try | ast.TryStar) or name == "suppress":
            yield node


def commits(module: Module) -> Iterable[ast.AST]:
    """Find every `something.commit`, called or handed on."""
    return (node for node in module.find(ast.Attribute) if isinstance(node, ast.Attribute) and node.attr == "commit")


def environment(module: Module) -> Iterable[ast.AST]:
    """Find every way to read the environment."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in module.find(ast.Attribute, ast.ImportFrom):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node
        if isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names}:
            yield node


def http_clients(module: Module) -> Iterable[ast.AST]:
    """Find every HTTP client of a library, and the libraries that we do not use."""
    makers = {"AsyncClient", "Client", "AsyncHTTPTransport", "HTTPTransport", "urlopen", "ClientSession"}
    strangers = {"hvac", "requests", "aiohttp", "urllib3", "urllib.request", "http.client"}
    for node in module.find(ast.Attribute, ast.ImportFrom, ast.Import):
        if isinstance(node, ast.Attribute):
            if node.attr in makers and isinstance(node.value, ast.Name) and node.value.id in {"httpx", "request"}:
                yield node
            continue
        imported = {alias.name for alias in getattr(node, "names", [])}
        origin = {node.module or ""} if isinstance(node, ast.ImportFrom) else imported
        if strangers & origin or ("httpx" in origin and makers & imported):
            yield node


FENCES: dict[str, tuple[Rule, tuple[str, ...], tuple[str, ...]]] = {
    "no try in an adapter": (tries, ("app/adapters",), ()),
    "commit only in a unit of work": (commits, ("app", "migrations"), ("app/store/database.py",)),
    "the environment only in settings": (environment, ("app", "migrations"), ("app/settings.py",)),
    # The command line is a client of our own gateway, of nobody else.
    "HTTP to vendors only in two rooms": (
        http_clients,
        ("app",),
        ("app/core/http.py", "app/core/pools.py", "app/core/vault.py", "app/cli"),
    ),
}
"""The rule, where it holds, and the beginnings of the paths that are excepted."""


@pytest.mark.parametrize("fence", FENCES)
def test_what_belongs_into_one_room_is_done_there_only(fence: str) -> None:
    rule, folders, allowed = FENCES[fence]
    found = [
        module.at(node) for module in modules(*folders) if not module.path.startswith(allowed) for node in rule(module)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (tries, "try:\n    pass\nexcept* ValueError:\n    pass"),
        (tries, "try:\n    pass\nfinally:\n    pass"),
        (tries, "with contextlib.suppress(KeyError): pass"),
        (commits, "session.commit()"),
        (commits, "end = self.session.commit"),
        (environment, "import os\nos.environ['A']"),
        (environment, "from os import getenv"),
        (environment, "import os\nos.getenv('A')"),
        (http_clients, "import httpx\nhttpx.AsyncClient()"),
        (http_clients, "from httpx import AsyncClient"),
        (http_clients, "import requests"),
        (http_clients, "from urllib import request\nrequest.urlopen(x)"),
    ],
)
def test_a_fence_finds_what_it_forbids(rule: Rule, sample: str) -> None:
    assert list(rule(Module("sample.py", sample)))


@pytest.mark.parametrize("fence", FENCES)
def test_the_room_that_may_is_there(fence: str) -> None:
    rule, folders, allowed = FENCES[fence]
    for room in allowed:
        excepted = [module for module in modules(*folders) if module.path.startswith(room)]
        assert excepted
        if rule is not commits:
            assert any(list(rule(module)) for module in excepted), "it needs no exception any more"
