"""How commands speak: results on standard output, everything else on standard error."""

import signal
import sys
from collections.abc import Iterable, Sequence

NOT_A_TERMINAL_COLUMNS = 240
"""Width of tables that a program reads; nothing is cut there."""


class CommandError(Exception):
    """A command cannot be done; the message tells a person what to do about it."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def take_signals() -> None:
    """Let SIGTERM do what Ctrl-C does, raise KeyboardInterrupt, and so too where a shell has Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def tell(message: str) -> None:
    """Say something to the person, beside the result."""
    print(harmless(message), file=sys.stderr, flush=True)


def harmless(text: str) -> str:
    """Give a text without what a terminal would act upon: names and errors come from callers and vendors."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a result as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    width = None if sys.stdout.isatty() else NOT_A_TERMINAL_COLUMNS
    Console(width=width, highlight=False).print(table)
