"""Identifiers as types, and the escaping that makes any vendor's id safe in a URL."""

import re
from typing import Annotated, NewType

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, ValidationInfo

HotelId = NewType("HotelId", str)
OperationId = NewType("OperationId", str)
VendorRef = NewType("VendorRef", str)
"""The vendor's own id of a thing, exactly as the vendor writes it."""

HOTEL_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
HotelIdText = Annotated[str, StringConstraints(pattern=HOTEL_ID_PATTERN)]

CONFIRMATION_PREFIX = "confirmation:"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_ESCAPED = re.compile(r"~([0-9A-F]{2})")


def escape_ref(ref: str) -> str:
    """Write a vendor's id so that it fits into a URL path: every other byte becomes `~XX`.

    An id of dots alone is escaped whole: clients take `.` and `..` for steps in the path.
    """
    if ref in {".", ".."}:
        return "~2E" * len(ref)
    return _UNSAFE.sub(lambda match: "".join(f"~{byte:02X}" for byte in match.group().encode()), ref)


def unescape_ref(public: str) -> VendorRef:
    """Give back the vendor's id that `escape_ref` wrote."""
    raw = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), public)
    try:
        return VendorRef(raw.encode("latin-1").decode())
    except UnicodeError:
        return VendorRef(public)


def _ref_from_json(value: object, info: ValidationInfo) -> object:
    return unescape_ref(value) if info.mode == "json" and isinstance(value, str) else value


def _ref_from_caller(value: object) -> object:
    ref = unescape_ref(value) if isinstance(value, str) else value
    if isinstance(ref, str) and "\x00" in ref:
        raise ValueError("must not contain NUL")
    return ref


_ESCAPING = PlainSerializer(escape_ref, return_type=str, when_used="json")
_SCHEMA = Field(min_length=1, max_length=255, description="Opaque, URL-safe and stable.")

Ref = Annotated[VendorRef, BeforeValidator(_ref_from_json), _ESCAPING, _SCHEMA]
"""A vendor's id inside our models: raw in Python, escaped in JSON."""

CallerRef = Annotated[VendorRef, BeforeValidator(_ref_from_caller), _ESCAPING, _SCHEMA]
"""An id that a caller sends in a body: escaped on the way in, raw in Python."""
