"""What a new vendor may be called, and how its name is written in code and in YAML."""

import json
import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.cli.console import CommandError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SHORTEST, _LONGEST = 2, 24
_LONGEST_DISPLAY_NAME = 60
_NOT_IN_A_TABLE = "|<>`"
"""They would end a cell of README.md's table, or be taken for markup."""


def naming(names: Iterable[str]) -> re.Pattern[str]:
    """Give the pattern that finds names of vendors in code, in whatever case, but not within other words."""
    one_of = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"(?:(?<![A-Za-z])|(?=[A-Z]))(?i:{one_of})(?![a-z])")


@dataclass(frozen=True, slots=True)
class VendorName:
    """A vendor's name in code, and the one that people know it by."""

    code: str
    display: str

    @classmethod
    def of(cls, code: str, display: str | None) -> Self:
        """Check both names; without `display` it is made of `code`.

        Raises:
            CommandError: one of them cannot be used; the message says which would do.
        """
        if not _NAME.fullmatch(code) or not _SHORTEST <= len(code) <= _LONGEST:
            raise CommandError(
                f"{code!r} is no name of a vendor: {_SHORTEST} to {_LONGEST} lower case letters, digits and single "
                "underscores between them, a letter first"
            )
        if keyword.iskeyword(code) or keyword.issoftkeyword(code):
            raise CommandError(f"{code} is a word of Python: choose another name, such as {code}_pms")
        words = (word.capitalize() for word in code.split("_"))
        return cls(code, " ".join(words) if display is None else _displayable(display))

    @property
    def in_classes(self) -> str:
        """What its classes begin with."""
        return "".join(word.capitalize() for word in self.code.split("_"))

    @property
    def in_constants(self) -> str:
        """What its constants begin with."""
        return self.code.upper()

    def require_new(self, word_in: Mapping[Path, str]) -> None:
        """Refuse a name that is a word of the code there is, where only this vendor's own folder may name it.

        Raises:
            CommandError: it is; the message says where.
        """
        pattern = naming([self.code])
        for path, text in word_in.items():
            if found := pattern.search(text):
                line = text.count("\n", 0, found.start()) + 1
                raise CommandError(
                    f"{self.code} is a word of the code already ({path.as_posix()}:{line}), and no code but a vendor's "
                    f"own may name it: choose another, such as {self.code}_pms"
                )


def _displayable(name: str) -> str:
    name = " ".join(name.split(" ")).strip()
    if not name or len(name) > _LONGEST_DISPLAY_NAME or not name.isprintable() or set(name) & set(_NOT_IN_A_TABLE):
        raise CommandError(
            f"--display-name: 1 to {_LONGEST_DISPLAY_NAME} printable characters, none of {' '.join(_NOT_IN_A_TABLE)}"
        )
    return name


def in_yaml(text: str) -> str:
    """Write a text as YAML; a JSON string is one."""
    return json.dumps(text, ensure_ascii=False)


def in_python(text: str) -> str:
    """Write a text as a Python literal, as the formatter would.

    Letters with accents stand as they are; what else is not ASCII could be mistaken for something that is.
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{''.join(_in_literal(char, quote) for char in text)}{quote}"


def _in_literal(char: str, quote: str) -> str:
    if char in {"\\", quote}:
        return f"\\{char}"
    accented = char.isalpha() and len(unicodedata.normalize("NFD", char)) > 1
    readable = char.isascii() or (accented and unicodedata.normalize("NFD", char)[0].isascii())
    return char if readable else char.encode("unicode_escape").decode()
