"""Settings for commands: read from the environment, or from what `serve --embedded` has noted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.console import CommandError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_settings import BaseSettings

    from app.settings import Settings

Embedded = Annotated[
    bool, typer.Option("--embedded", help="Use the servers and keys of the `serve --embedded` that runs.")
]
EmbeddedFolder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where --embedded keeps its data.", show_default=".local/embedded of the project"),
]

_Kind = TypeVar("_Kind", bound="BaseSettings")


def settings_of(kind: "type[_Kind]", **given: Any) -> "_Kind":
    """Read settings; those in `given` stand above the environment.

    Raises:
        CommandError: naming each setting that is missing or wrong, and what to do.
    """
    from pydantic import ValidationError

    try:
        return kind(**given)
    except ValidationError as error:
        raise CommandError(_explained(kind, error)) from None


def operator_settings(*, embedded: bool, folder: Path | None) -> "Settings":
    """Give the settings under which an operator's command meets the database.

    Raises:
        CommandError: they are incomplete, or nothing embedded was ever started there.
    """
    from app.cli.household import Household
    from app.settings import Settings

    if not embedded:
        return settings_of(Settings)
    return settings_of(Settings, _env_file=None, **Household.at(folder).noted())


def _explained(kind: "type[BaseSettings]", error: "ValidationError") -> str:
    lines = ["the settings are not complete."]
    for fault in error.errors(include_url=False, include_input=False):
        field = str(fault["loc"][0]) if fault["loc"] else ""
        described = kind.model_fields[field].description if field in kind.model_fields else ""
        problem = "is not set" if fault["type"] == "missing" else fault["msg"]
        lines.append(f"  {field.upper()}: {problem}. {described}")
    lines.append("Set them in the environment or in a file .env; .env.example explains each.")
    lines.append("`pms-gateway secrets` makes fresh keys; `pms-gateway serve --embedded` needs none of them.")
    return "\n".join(lines)
