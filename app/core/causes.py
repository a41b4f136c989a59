"""Reads out of exceptions and answers why a vendor could not be spoken to."""

import socket
import ssl
from collections.abc import Iterator, Mapping

import httpx

from app.core.egress import EgressDenied
from app.core.profile import VendorAnswer, VendorFault
from app.domain.causes import Cause

_BY_VERIFY_CODE: Mapping[int, Cause] = {
    9: Cause.TLS_NOT_YET_VALID,
    10: Cause.TLS_EXPIRED,
    18: Cause.TLS_SELF_SIGNED,
    19: Cause.TLS_PRIVATE_AUTHORITY,
    20: Cause.TLS_PRIVATE_AUTHORITY,
    21: Cause.TLS_PRIVATE_AUTHORITY,
    62: Cause.TLS_HOST_NAME,
    64: Cause.TLS_HOST_NAME,
}
"""OpenSSL's X509_V_ERR_… (openssl/x509_vfy.h): 19 is a root that is sent along, 20 and 21 are one that is not."""

_BY_TLS_REASON: Mapping[str, Cause] = {
    "UNSUPPORTED_PROTOCOL": Cause.TLS_PROTOCOL,
    "TLSV1_ALERT_PROTOCOL_VERSION": Cause.TLS_PROTOCOL,
    "NO_PROTOCOLS_AVAILABLE": Cause.TLS_PROTOCOL,
    "NO_SHARED_CIPHER": Cause.TLS_PROTOCOL,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Cause.TLS_PROTOCOL,
    "WRONG_VERSION_NUMBER": Cause.TLS_ABSENT,
    "RECORD_LAYER_FAILURE": Cause.TLS_ABSENT,
    "HTTP_REQUEST": Cause.TLS_ABSENT,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": Cause.TLS_CLIENT_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": Cause.TLS_CLIENT_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": Cause.TLS_CLIENT_CERTIFICATE,
}
"""OpenSSL's names of what went wrong before any certificate was judged, and of what the other side alerted."""

_BY_STATUS: Mapping[int, Cause] = {
    401: Cause.CREDENTIALS_REFUSED,
    403: Cause.RIGHT_MISSING,
    404: Cause.NOT_FOUND,
    410: Cause.NOT_FOUND,
    429: Cause.THROTTLED,
    503: Cause.MAINTENANCE,
}


def of_exception(error: BaseException) -> Cause:
    """Give why an exchange failed: what the innermost exceptions say, else what httpx makes of them."""
    for one in _chain(error):
        cause = _of_one(one)
        if cause is not None:
            return cause
    if isinstance(error, httpx.ConnectTimeout):
        return Cause.CONNECT_TIMEOUT
    if isinstance(error, httpx.ConnectError):
        return Cause.UNREACHABLE
    return Cause.SILENT if isinstance(error, httpx.TimeoutException | TimeoutError) else Cause.HUNG_UP


def of_answer(answer: VendorAnswer, fault: VendorFault) -> Cause | None:
    """Give what an answer that is no success says of the connection; None where it speaks of the request alone.

    What the vendor's own words say (`fault.cause`) counts first, then a web page in place of an answer: a vendor that
    says nothing of its own for an address that it does not have is another web server.
    """
    if fault.cause is not None:
        return fault.cause
    if 300 <= answer.status < 400:
        return Cause.REDIRECTED
    if answer.status in {404, 405, 410} and is_web_page(answer):
        return Cause.HTML_ANSWER
    if 200 <= answer.status < 300:
        return form_of(answer)
    return _BY_STATUS.get(answer.status) or (Cause.FAILED if answer.status >= 500 else None)


def form_of(answer: VendorAnswer) -> Cause:
    """Tell a web page from an answer that is wrong in another way."""
    return Cause.HTML_ANSWER if is_web_page(answer) else Cause.WRONG_FORM


def is_web_page(answer: VendorAnswer) -> bool:
    """Tell whether an answer is meant for a browser."""
    return answer.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml"))


def _of_one(error: BaseException) -> Cause | None:
    match error:
        case EgressDenied():
            return Cause.EGRESS_DENIED
        case socket.gaierror():
            return Cause.NAME_UNKNOWN
        case ConnectionRefusedError():
            return Cause.CONNECTION_REFUSED
        case ssl.SSLCertVerificationError():
            return _BY_VERIFY_CODE.get(error.verify_code, Cause.TLS_FAILED)
        case ssl.SSLError():
            return _BY_TLS_REASON.get(error.reason or "", Cause.TLS_FAILED)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an exception and all that led to it; several addresses of one host fail as a group."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _chain(one)
        error = error.__cause__ or error.__context__
