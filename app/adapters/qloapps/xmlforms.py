"""Rows that are changed by sending them back whole, as XML, and the comment of a room, which holds several notes."""

from collections.abc import Mapping

from app.core import xml
from app.domain.errors import VendorContractBroken

Form = dict[str, str]
"""The fields of a row by name, as the shop writes them."""

BETWEEN_NOTES = "\n---\n"
"""Stands between the notes of one comment (# Q28)."""
UNSET = "0000-00-00 00:00:00"
_LOST = "????"
"""What becomes of a character of four bytes."""


def read(document: bytes, node: str) -> Form:
    """Give the fields of the one row of a document; what belongs to other tables is left out.

    Raises:
        VendorContractBroken: the document holds no such row.
    """
    row = xml.parse(document).find(node)
    if row is None:
        raise VendorContractBroken(f"QloApps answered with XML that holds no {node}")
    return {str(field.tag): field.text or "" for field in row if field.tag != "associations"}


def write(node: str, form: Mapping[str, str]) -> bytes:
    """Give the document of one row."""
    return xml.build("qloapps", {node: form})


def kept(text: str) -> str:
    """Give a text as the shop keeps it: trimmed, each character of four bytes replaced (# Q24)."""
    return "".join(char if ord(char) <= 0xFFFF else _LOST for char in _lines(text)).strip()


def notes(comment: str | None) -> list[str]:
    """Give the notes that a comment holds."""
    parts = _lines(comment or "").split(BETWEEN_NOTES)
    return [note for note in map(str.strip, parts) if note]


def with_note(comment: str | None, note: str) -> str:
    """Give a comment with one more note."""
    return BETWEEN_NOTES.join([*notes(comment), note])


def is_one_note(text: str) -> bool:
    """Tell whether a text would be read as one note again, whatever notes it stands between."""
    return BETWEEN_NOTES.strip() not in map(str.strip, _lines(text).split("\n"))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
