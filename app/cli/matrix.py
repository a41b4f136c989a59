"""`pms-gateway matrix`: what each vendor can do, and the documents that are printed from the code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import CommandError, tell

_PROJECT = Path(__file__).resolve().parents[2]
_README = "README.md"
_EXAMPLE = ".env.example"

_EXAMPLES = {
    "DATABASE_URL": "postgresql://gateway:change-me@127.0.0.1:5432/gateway",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}


def matrix(
    check: Annotated[bool, typer.Option("--check", help="Fail when a printed document is stale.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Print into README.md and .env.example.")] = False,
) -> None:
    """Print the capability table as Markdown; refuse when the ledger and the code do not agree."""
    from app.cli.ledger import capability_table, true_ledger

    table = capability_table(true_ledger())
    if not check and not write:
        print(table)
        return
    stale = {name: text for name, text in _documents(table).items() if _text(name) != text}
    if check and stale:
        raise CommandError(f"stale: {', '.join(sorted(stale))}. Run: pms-gateway matrix --write")
    for name, text in stale.items():
        (_PROJECT / name).write_text(text, encoding="utf-8")
        tell(f"wrote {name}")


def settings_table() -> str:
    """Print the configuration as a Markdown table."""
    rows = [f"| `{name}` | {_default(field)} | {field.description} |" for name, field in _fields().items()]
    return "\n".join(["| variable | default | what it decides |", "|---|---|---|", *rows])


def env_example() -> str:
    """Print every setting as a line of a `.env` file; what has a default stands commented out."""
    lines = [
        "# Copy to .env and fill in. Printed from app/settings.py by `pms-gateway matrix --write`.",
        "# `pms-gateway secrets` makes fresh keys.",
    ]
    for name, field in _fields().items():
        given = _EXAMPLES.get(name, "") if field.is_required() else _plain(field.default)
        lines += ["", f"# {field.description}", f"{'' if field.is_required() else '#'}{name}={given}"]
    lines += ["", "# Credentials of hotels that are registered as `env:PMS_CRED_…`.", "#PMS_CRED_PRIME="]
    return "\n".join(lines) + "\n"


def _documents(table: str) -> dict[str, str]:
    readme = _between("matrix", table, _text(_README))
    return {_README: _between("settings", settings_table(), readme), _EXAMPLE: env_example()}


def _between(marker: str, table: str, text: str) -> str:
    """Put a table between `<!-- marker -->` and `<!-- /marker -->`."""
    block = re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- /{marker} -->)", re.DOTALL)
    replaced, count = block.subn(lambda _: f"{table}\n", text)
    if count != 1:
        raise CommandError(f"{_README} needs the lines <!-- {marker} --> and <!-- /{marker} --> once")
    return replaced


def _text(name: str) -> str:
    try:
        return (_PROJECT / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _fields() -> Mapping[str, Any]:
    from app.settings import Settings

    return {name.upper(): field for name, field in Settings.model_fields.items()}


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    return f"`{_plain(field.default)}`" if _plain(field.default) else "none"


def _plain(value: object) -> str:
    """Write a default as one would in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value == ():
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
