"""What the files of this room share: how they fail and how they tell what they are doing."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Told, in a few words, what takes a moment."""


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot be had; the message says what to do about it."""


def silent(_message: str) -> None:
    """Show no progress."""
