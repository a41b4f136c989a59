"""What to do about a connection that does not work: one sentence for each cause, in one place.

A cause comes from the error (app/domain/causes.py), never from a text. What the vendor's own folder advises stands
above the common sentence here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.core.adapter import HealthFinding, PropertyFound
from app.domain.causes import Cause
from app.domain.errors import (
    GatewayError,
    NotFound,
    VendorAuthFailed,
    VendorContractBroken,
    VendorThrottled,
)
from app.domain.hotel import Hotel

CLOCKS_DIFFER = 60.0
"""Seconds from which two clocks that differ are worth a sentence."""
_TRUST = (
    "have the PMS's administrator install a certificate of a public authority, or let every gateway and worker trust "
    "the private one (PMS_CA_FILE names a file with its certificate)"
)


@dataclass(frozen=True, slots=True)
class Remedy:
    """Which part of the connection is wrong, by the name of its check, and what to do.

    `{host}` and `{port}` are those of base_url, `{property}` the registered property_id, `{wait}` the seconds that the
    PMS asks for.
    """

    check: str
    sentence: str


REMEDIES: Mapping[Cause, Remedy] = {
    Cause.NAME_UNKNOWN: Remedy(
        "host",
        "the host name {host} has no address here; correct base_url, or ask whoever runs this machine's name server "
        "whether it can know that name",
    ),
    Cause.EGRESS_DENIED: Remedy(
        "host",
        "{host} leads to an address that the gateway may not call; if the PMS is meant to be in a private network, "
        "list that network in PRIVATE_PMS_NETWORKS (for this machine itself, set ALLOW_LOOPBACK_PMS), else correct "
        "base_url",
    ),
    Cause.CONNECTION_REFUSED: Remedy(
        "host",
        "nothing listens at {host}:{port}; check host and port of base_url, and whether the PMS is running",
    ),
    Cause.UNREACHABLE: Remedy(
        "host",
        "there is no way to {host}:{port}; check base_url, the network and the firewalls between here and the PMS",
    ),
    Cause.CONNECT_TIMEOUT: Remedy(
        "host",
        "{host}:{port} does not take connections from here; have its firewall let this machine's address in, or the "
        "VPN to it started, and check host and port of base_url",
    ),
    Cause.SILENT: Remedy(
        "answers",
        "{host}:{port} takes connections and does not answer in time; check that base_url names the PMS's API and not "
        "another service, and how loaded the PMS is (PMS_TIMEOUT is what it is given)",
    ),
    Cause.HUNG_UP: Remedy(
        "answers",
        "{host}:{port} takes connections and ends them without an answer; check that base_url names the PMS's API, and "
        "its own log",
    ),
    Cause.TLS_EXPIRED: Remedy(
        "tls",
        "the certificate of {host} has expired; have the PMS's administrator renew it (and check this machine's clock)",
    ),
    Cause.TLS_NOT_YET_VALID: Remedy(
        "tls",
        "the certificate of {host} is not valid yet; set this machine's clock right, or have the PMS's administrator "
        "correct the certificate",
    ),
    Cause.TLS_SELF_SIGNED: Remedy("tls", "the certificate of {host} is signed by itself; " + _TRUST),
    Cause.TLS_PRIVATE_AUTHORITY: Remedy(
        "tls",
        "the certificate of {host} leads to no authority that this machine trusts, or an intermediate certificate is "
        "missing beside it; " + _TRUST,
    ),
    Cause.TLS_HOST_NAME: Remedy(
        "tls",
        "the certificate there is not for {host}; write the name that it is for into base_url, or have it reissued",
    ),
    Cause.TLS_PROTOCOL: Remedy(
        "tls",
        "{host}:{port} offers no TLS that is safe; have the PMS's administrator enable TLS 1.2 or 1.3 with modern "
        "ciphers",
    ),
    Cause.TLS_ABSENT: Remedy(
        "tls",
        "what listens at {host}:{port} does not speak TLS; give base_url the port of the PMS's https, or have it put "
        "behind https",
    ),
    Cause.TLS_CLIENT_CERTIFICATE: Remedy(
        "tls",
        "{host} does not accept this side's client certificate, or asks for one; give the hotel the certificate and "
        "key that the PMS's administrator issued for the gateway",
    ),
    Cause.TLS_FAILED: Remedy(
        "tls",
        "no TLS connection to {host}:{port} comes about; have the PMS's administrator check its certificate and TLS "
        "settings, as with `openssl s_client -connect {host}:{port} -servername {host}`",
    ),
    Cause.CREDENTIALS_REFUSED: Remedy(
        "credentials",
        "compare the hotel's credentials with those that the PMS shows, whether they are active there, and whether "
        "base_url is the installation that they are for; then put the hotel again with the right ones",
    ),
    Cause.CREDENTIALS_UNUSABLE: Remedy(
        "credentials",
        "put the hotel again with complete credentials; what a reference names must be there for this process, too",
    ),
    Cause.RIGHT_MISSING: Remedy(
        "rights",
        "the PMS knows the credentials and does not let them do this; have its administrator give them the rights that "
        "this vendor's README lists, for this property too",
    ),
    Cause.NOT_FOUND: Remedy(
        "property",
        "it has no property {property}, or nothing at this path; compare property_id and the path of base_url with "
        "what the PMS shows",
    ),
    Cause.REDIRECTED: Remedy(
        "answers",
        "it sends callers elsewhere, and redirects are not followed; write the address that it leads to into base_url "
        "(often https instead of http, or another domain)",
    ),
    Cause.HTML_ANSWER: Remedy(
        "answers",
        "a web page stands where the API should answer; base_url must be the API's address, neither that of the PMS's "
        "web site nor of a login page or proxy before it",
    ),
    Cause.WRONG_FORM: Remedy(
        "answers",
        "it answers otherwise than this vendor documents; check base_url, and that the PMS has a version which the "
        "vendor's README covers",
    ),
    Cause.THROTTLED: Remedy(
        "quota",
        "the PMS's limit of requests is used up; repeat in {wait}, and if others use the same credentials, give the "
        "gateway its own or set options.rate_limit",
    ),
    Cause.MAINTENANCE: Remedy(
        "availability",
        "the PMS says that it is not available now, as in maintenance; repeat in {wait}, and if it stays so, ask "
        "whoever runs it",
    ),
    Cause.FAILED: Remedy(
        "availability",
        "the PMS fails over this request; its own log says why: ask whoever runs it",
    ),
    Cause.PAUSED: Remedy(
        "availability",
        "it failed several times in a row; repeat in {wait}, when it is tried again, or run `pms-gateway doctor`, "
        "which asks at once",
    ),
    Cause.NO_TIME: Remedy(
        "answers",
        "the PMS is too slow for the time that was given; give more, and check how loaded the PMS is",
    ),
}

_OTHERWISE: tuple[tuple[type[GatewayError], Cause], ...] = (
    (VendorAuthFailed, Cause.CREDENTIALS_REFUSED),
    (NotFound, Cause.NOT_FOUND),
    (VendorContractBroken, Cause.WRONG_FORM),
    (VendorThrottled, Cause.THROTTLED),
)
"""The cause of an error that names none."""


def cause_of(error: GatewayError) -> Cause | None:
    """Give why something failed, as far as the error tells."""
    return error.cause or next((cause for kind, cause in _OTHERWISE if isinstance(error, kind)), None)


def failure(error: GatewayError, hotel: Hotel) -> HealthFinding:
    """Give the finding that an error stands for: what went wrong, and what to do about it."""
    cause = cause_of(error)
    if cause is None:
        return HealthFinding("connection", ok=False, detail=error.detail)
    remedy = REMEDIES[cause]
    told = error.detail if error.is_advised else f"{error.detail}. {sentence(cause, hotel, error.retry_after)}"
    return HealthFinding(remedy.check, ok=False, detail=told)


def sentence(cause: Cause, hotel: Hotel, retry_after: float | None = None) -> str:
    """Say what to do at one hotel."""
    parts = urlsplit(hotel.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    wait = "a minute" if retry_after is None else f"{max(1, round(retry_after))} s"
    words = REMEDIES[cause].sentence
    return (words[0].upper() + words[1:]).format(
        host=parts.hostname or "", port=port, property=hotel.property_id or "(none)", wait=wait
    )


def wrong_property(found: Sequence[PropertyFound], hotel: Hotel) -> HealthFinding:
    """Say which properties there are instead of the one that is registered."""
    listed = ", ".join(f"{one.id} ({one.name})" if one.name else one.id for one in found)
    seen = f"these credentials open {listed}" if found else "these credentials open none at all"
    what = "register the hotel with one of these" if found else "have its administrator give them a property"
    return HealthFinding(
        "property", ok=False, detail=f"the PMS has no property {hotel.property_id}: {seen}; {what} as property_id"
    )


def clock(ahead: float) -> HealthFinding:
    """Say whether the PMS's clock, which is so many seconds ahead of ours, is near enough."""
    if abs(ahead) <= CLOCKS_DIFFER:
        return HealthFinding("clock", ok=True, detail="the PMS's clock agrees with ours")
    direction = "ahead of" if ahead > 0 else "behind"
    detail = (
        f"the PMS's clock is {_span(abs(ahead))} {direction} ours: set the wrong one of the two right, as with NTP; "
        "which day it is and what is newest depend on both"
    )
    return HealthFinding("clock", ok=False, detail=detail)


def _span(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 2 * CLOCKS_DIFFER else f"{round(seconds / 60)} minutes"
