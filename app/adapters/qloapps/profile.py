"""The facts of QloApps as data; their sources are in README.md."""

import re
from collections.abc import Iterator

from pydantic import Field, SecretStr

from app.core import xml
from app.core.auth import Basic
from app.core.profile import Credentials, VendorAnswer, VendorFault, VendorProfile
from app.domain.causes import Cause
from app.domain.errors import NoAvailability, OutcomeUnknown, VendorAuthFailed, VendorRejected
from app.domain.hotel import HotelOptions

_RESOURCE = re.compile(r'resource (?:of type "(\w+)"|(\w+))', re.IGNORECASE)
_KEY = "under Advanced Parameters > Webservice in the back office"
_SOLD_OUT = "Requested room(s) not available"
"""Told under the code of everything that is wrong with a booking, with a full stop or without (# Q32)."""
_PHP_WARNING = "3"
"""Stands beside the error that matters, or alone where the shop turned a PHP warning into an error."""
_UNKNOWN_KEY = f"the API key is unknown or disabled; compare it with the list {_KEY}"
_ADVICE = {
    "18": f"the API key is not 32 characters long; copy it from the list {_KEY}",
    "20": _UNKNOWN_KEY,
    "21": _UNKNOWN_KEY,
    "22": f"the webservice is switched off; enable it {_KEY}",
}
_CAUSES = {**dict.fromkeys(("25", "26"), Cause.RIGHT_MISSING), "22": Cause.MAINTENANCE}
"""What the status alone would not tell: a missing right is a 401 or 405 (# Q13)."""


class QloAppsOptions(HotelOptions):
    """What a hotel may set for its shop."""

    shop_wide_guests: bool = Field(
        default=False,
        description="Whether guests who never had a room in this hotel are shown too; for shops of one owner's hotels.",
    )


class QloAppsCredentials(Credentials):
    """The key of the webservice, 32 characters, with its rights per resource and method."""

    api_key: SecretStr = Field(
        min_length=1, description="Key of the webservice, 32 characters, from Advanced Parameters > Webservice."
    )


def _sign(credentials: QloAppsCredentials) -> Basic:
    return Basic(credentials.api_key, SecretStr(""))


def _is_success(answer: VendorAnswer) -> bool:
    """Take for a success only what the webservice writes: a PHP fatal error is a 200 of text/html (# Q15)."""
    kind = answer.headers.get("content-type", "")
    return 200 <= answer.status < 300 and kind.startswith(("application/json", "text/xml"))


def _read_fault(answer: VendorAnswer) -> VendorFault:
    """Read the error that matters out of a list of them, in JSON or XML."""
    told = list(_errors(answer))
    code, message = next((error for error in told if error[0] != _PHP_WARNING), told[0] if told else (None, None))
    words = message.partition("\n")[0] if message else None  # what follows may be the request, with a guest in it
    if (words or "").startswith(_SOLD_OUT):
        return VendorFault("sold_out", words)
    return VendorFault(code, words, advice=_advice(answer.status, code, words or ""), cause=_CAUSES.get(code or ""))


def _errors(answer: VendorAnswer) -> Iterator[tuple[str, str]]:
    if not answer.headers.get("content-type", "").startswith("text/xml"):
        body = answer.json()
        listed = body.get("errors") if isinstance(body, dict) else None
        told = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
        yield from ((str(error.get("code", "")), str(error.get("message", ""))) for error in told)
    elif (root := xml.parse_if_xml(answer.body)) is not None:
        yield from ((error.findtext("code", ""), error.findtext("message", "")) for error in root.iter("error"))


def _advice(status: int, code: str | None, message: str) -> str | None:
    if 300 <= status < 400:  # Q14
        return "the shop redirects; base_url must be the very domain that is set in its back office, without /api"
    if code in {"25", "26"}:  # Q13
        named = _RESOURCE.search(message)
        resource = (named.group(1) or named.group(2)) if named else "asked for"
        return f"the API key may not do this with the resource {resource}; give it the right {_KEY}"
    if code is None and status == 401:
        return "the API key did not arrive; the web server has to hand the Authorization header on to PHP"
    return _ADVICE.get(code or "")


QLOAPPS = VendorProfile(
    vendor="qloapps",
    display_name="QloApps",
    credentials=QloAppsCredentials,
    options=QloAppsOptions,
    authenticate=_sign,
    shared_host=False,
    is_success=_is_success,
    read_fault=_read_fault,
    faults={
        **dict.fromkeys(("18", "20", "21", "25", "26"), VendorAuthFailed),
        "22": OutcomeUnknown,
        "sold_out": NoAvailability,
        **dict.fromkeys(("32", "35", "127"), VendorRejected),
    },
    page_size=200,
)
