"""From statuses and exceptions to domain errors with an outcome, as tables."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from app.core import causes
from app.core.breaker import NoFreeConnection
from app.core.profile import VendorAnswer, VendorFault, VendorProfile
from app.domain.errors import (
    Conflict,
    FieldFault,
    NotFound,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
    VersionMoved,
)

BY_STATUS: Mapping[int, type[VendorError]] = {
    401: VendorAuthFailed,
    403: VendorAuthFailed,
    404: NotFound,
    408: OutcomeUnknown,
    409: Conflict,
    410: NotFound,
    412: VersionMoved,
    429: VendorThrottled,
}
"""What is not named: 3xx is a broken contract, 4xx a refusal, 5xx an unknown outcome."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
"""Failures of httpx before the first byte of the request; all others come after it."""

_FORBIDDEN = 403
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
"""What a vendor's code may look like to be logged and told; a sentence could hold anything."""
_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_MOST_FIELDS, _LONGEST_FIELD, _LONGEST_WORDS = 20, 100, 300
"""How much of what a vendor says is told and kept."""
_LONGEST_RETRY_AFTER = 7 * 86_400
"""Larger values are milliseconds or timestamps in disguise (seen at a vendor), not seconds."""


def error_from_answer(profile: VendorProfile, answer: VendorAnswer, now: datetime) -> VendorError | None:
    """Give the error that an answer stands for, or None for a success.

    The vendor's own code decides first (`profile.faults`), then the status.
    """
    if profile.is_success(answer):
        return None
    fault = profile.read_fault(answer)
    kind = profile.faults.get(fault.code or "") or _by_status(answer.status)
    return kind(
        _sentence(profile, answer.status, fault, kind),
        vendor=profile.vendor,
        vendor_code=fault.code if fault.code and _CODE.fullmatch(fault.code) else str(answer.status),
        retry_after=retry_after(answer.headers, now),
        errors=_fields(fault) if issubclass(kind, VendorRejected) else [],
        cause=causes.of_answer(answer, fault),
        is_advised=bool(fault.advice),
    )


def error_from_exception(profile: VendorProfile, error: httpx.HTTPError | TimeoutError) -> VendorError:
    """Give the error that a failed exchange stands for; only what surely was not sent is NOT_SENT."""
    name, cause = type(error).__name__, causes.of_exception(error)
    if isinstance(error, httpx.PoolTimeout):
        return NoFreeConnection(f"all connections to {profile.display_name} are in use", vendor=profile.vendor)
    if isinstance(error, NEVER_SENT):
        return VendorUnavailable(
            f"{profile.display_name} could not be reached ({name})", vendor=profile.vendor, cause=cause
        )
    return OutcomeUnknown(f"{profile.display_name} gave no usable answer ({name})", vendor=profile.vendor, cause=cause)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110 § 10.2.3: seconds or a date) as seconds from `now`; absurd values are None.

    Days are told as they are; how long a vendor is really left alone for them is the quota's matter. Some vendors send
    fractions of seconds, which the RFC does not know.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return seconds if 0 <= seconds <= _LONGEST_RETRY_AFTER else None


def _fields(fault: VendorFault) -> list[FieldFault]:
    return [FieldFault((name[:_LONGEST_FIELD],), msg[:_LONGEST_WORDS]) for name, msg in fault.fields[:_MOST_FIELDS]]


def _by_status(status: int) -> type[VendorError]:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return OutcomeUnknown
    return VendorRejected if status >= 400 else VendorContractBroken


def _sentence(profile: VendorProfile, status: int, fault: VendorFault, kind: type[VendorError]) -> str:
    if fault.advice:
        return f"{profile.display_name} answered {status}: {fault.advice}"
    if issubclass(kind, VendorContractBroken):
        return f"{profile.display_name} answered {status}, which is no answer of its API; check base_url"
    if issubclass(kind, VendorAuthFailed) and status == _FORBIDDEN:
        said = f": {fault.message[:_LONGEST_WORDS]}" if fault.message else ""
        return f"{profile.display_name} answered {status}: this hotel's credentials may not do this{said}"
    if issubclass(kind, VendorAuthFailed):
        return f"{profile.display_name} answered {status}: it does not take this hotel's credentials"
    said = f": {fault.message[:_LONGEST_WORDS]}" if fault.message and issubclass(kind, VendorRejected) else ""
    return f"{profile.display_name} answered {status}{said}"
