"""Kinds of text that callers and vendors send, and the one way to compare names and phone numbers."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

_SPACES = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CONTROL_OR_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_TAIL = 6
"""How many last digits two numbers share that are the same, however they are written."""
_SHORT = 10
"""Numbers with fewer digits are few, and may share less than that."""


class PersonalText(str):
    """Text about a guest: the same text everywhere, except in a repr, where it masks itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def _without_control(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value


def _one_line(value: str) -> str:
    if _CONTROL_OR_BREAK.search(value):
        raise ValueError("must not contain line breaks or control characters")
    return value


def _email_form(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("must look like name@host")
    return value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(_one_line),
]
"""One line, 1 to 255 characters, no control characters."""

Prose = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    AfterValidator(_without_control),
]
"""Free text such as a note, 1 to 4,000 characters; line breaks and tabs are kept."""

PersonalLine = Annotated[Line, AfterValidator(PersonalText)]
PersonalProse = Annotated[Prose, AfterValidator(PersonalText)]

EmailAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    AfterValidator(_one_line),
    AfterValidator(_email_form),
    AfterValidator(PersonalText),
]
"""An e-mail address, checked for its form only, so that reserved domains such as `.test` pass."""

Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_one_line),
]
"""A code of the hotel's own: room type, rate plan, room number."""

CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""

TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["11:00"])]
"""A time of day at the hotel, `HH:MM`."""


def fold(text: str) -> str:
    """Fold a name or an e-mail address to the form in which two of them are compared.

    NFKC, case folding, accents removed, runs of white space become one space.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", bare)).strip()


def is_same_text(wanted: str, found: str | None) -> bool:
    """Tell whether a name or an e-mail address that was found is the one that is wanted.

    What folds to nothing is no name: it is never the same as one that is missing.
    """
    folded = fold(wanted)
    return folded != "" and folded == fold(found or "")


def phone_test(wanted: str, country: str | None) -> Callable[[str | None], bool]:
    """Give what tells whether a phone number that was found is the one that is wanted.

    It is cheap for all that do not share the last digits. What holds no digit is no number and fits none.
    """
    folded = fold_phone(wanted, country)

    def is_wanted(found: str | None) -> bool:
        if not folded or not found:
            return False
        # Letters may stand for digits, and a short number's tail may lie in its country code; only the number itself,
        # which may be followed by an extension, is compared.
        digits = _digits(found)
        near = folded[-_TAIL:] in digits or len(digits) < _SHORT or any(char.isalpha() for char in found)
        return near and folded == fold_phone(found, country)

    return is_wanted


def fold_phone(text: str, country: str | None) -> str:
    """Fold a phone number to E.164, with `country` (ISO 3166-1 alpha-2) as the default region.

    What is no valid number is compared by its digits; it is never refused.
    """
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return _digits(text)
    if not phonenumbers.is_valid_number(number):
        return _digits(text)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())
