"""Asking a person at the terminal, or saying which flags would have answered."""

from collections.abc import Sequence

import typer

from app.cli.console import CommandError
from app.cli.wishes import MISUSED


class Questions:
    """Asks; unattended it refuses instead, with the flag that is missing."""

    def __init__(self, *, unattended: bool) -> None:
        self.unattended = unattended

    def text(self, question: str, flag: str, *, default: str | None = None) -> str:
        """Ask for a text; Enter takes the default, if there is one.

        Raises:
            CommandError: nobody can be asked.
        """
        self.require_someone([f"{flag} ({question})"])
        answer: str = typer.prompt(question, default=default, err=True)
        return answer.strip()

    def secret(self, question: str, flag: str, *, optional: bool = False) -> str:
        """Ask for a secret without showing it; an optional one may be left empty.

        Raises:
            CommandError: nobody can be asked.
        """
        self.require_someone([flag])
        default = "" if optional else None
        answer: str = typer.prompt(question, default=default, hide_input=True, show_default=False, err=True)
        return answer.strip()

    def confirm(self, question: str, *, default: bool, unattended: bool) -> bool:
        """Ask yes or no; `unattended` is the answer where nobody is asked."""
        return unattended if self.unattended else typer.confirm(question, default=default, err=True)

    def require_someone(self, missing: Sequence[str]) -> None:
        """Refuse to go on without these flags where nobody can be asked.

        Raises:
            CommandError: naming them.
        """
        if self.unattended and missing:
            raise CommandError("\n  ".join(["with --yes these are needed, too:", *missing]), status=MISUSED)
