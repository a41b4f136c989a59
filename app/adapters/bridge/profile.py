"""The facts of the bridge contract; section numbers are those of docs/bridge.md."""

from dataclasses import replace

from pydantic import Field, SecretStr

from app.core.auth import Auth, Bearer
from app.core.profile import Credentials, IdempotencyKey, VendorAnswer, VendorFault, VendorProfile
from app.domain.errors import (
    Conflict,
    NoAvailability,
    NotFound,
    OutcomeUnknown,
    VendorLacks,
    VendorUnavailable,
    VersionMoved,
)
from app.domain.hotel import Hotel, HotelOptions


class BridgeCredentials(Credentials):
    """The key that the PMS made for us."""

    api_key: SecretStr = Field(min_length=1, description="API key, sent as a bearer token.")


class BridgeOptions(HotelOptions):
    """What a hotel may set for its bridge."""

    idempotency_keys: bool = Field(
        default=True, description="Whether this PMS honours Idempotency-Key (§ 4); where not, nothing is sent twice."
    )


def _authenticate(credentials: BridgeCredentials) -> Auth:
    return Bearer(credentials.api_key)


def read_problem(answer: VendorAnswer) -> VendorFault:
    """Read a problem (§ 5); what is none says nothing."""
    problem = answer.json()
    if not isinstance(problem, dict):
        return VendorFault()
    listed = problem.get("errors")
    faults = [fault for fault in listed if isinstance(fault, dict)] if isinstance(listed, list) else []
    return VendorFault(
        code=_text(problem.get("code")),
        message=_text(problem.get("detail")),
        fields=tuple((str(fault.get("field", "")), str(fault.get("message", ""))) for fault in faults),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


_KEY_HEADER = "Idempotency-Key"

BRIDGE = VendorProfile(
    vendor="bridge",
    display_name="Bridge",
    credentials=BridgeCredentials,
    options=BridgeOptions,
    authenticate=_authenticate,
    shared_host=False,
    headers={"Accept": "application/json"},
    correlation_header="X-Correlation-ID",
    request_id_header="x-request-id",
    idempotency_key=IdempotencyKey(_KEY_HEADER, lifetime_seconds=7 * 86_400),  # § 4
    read_fault=read_problem,
    faults={
        "not_found": NotFound,
        "conflict": Conflict,
        "no_availability": NoAvailability,
        "version_mismatch": VersionMoved,
        "not_supported": VendorLacks,
        "unavailable": VendorUnavailable,  # Q3
        "in_progress": OutcomeUnknown,  # Q4
        "idempotency_key_reused": OutcomeUnknown,  # an earlier send of ours was done, in other words
    },
    settle_after=0.0,
)
_WITHOUT_KEYS = replace(BRIDGE, idempotency_key=IdempotencyKey(_KEY_HEADER, lifetime_seconds=0), settle_after=120.0)


def facts_at(hotel: Hotel) -> VendorProfile:
    """Give the facts of one hotel's PMS: not every one honours our keys."""
    ignored = isinstance(hotel.options, BridgeOptions) and not hotel.options.idempotency_keys
    return _WITHOUT_KEYS if ignored else BRIDGE
