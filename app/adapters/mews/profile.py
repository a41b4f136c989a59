"""The facts of Mews as data; their sources are in README.md."""

from typing import Literal

from pydantic import Field, SecretStr

from app.core.auth import BodyTokens
from app.core.profile import Credentials, RateLimit, VendorAnswer, VendorFault, VendorProfile
from app.domain.capability import Capability
from app.domain.causes import Cause
from app.domain.errors import VendorAuthFailed, VendorRejected
from app.domain.hotel import HotelOptions
from app.domain.text import Code, Line

_REFUSED = "the tokens are wrong, the integration is disabled, or it lacks the permission for this"


class MewsCredentials(Credentials):
    """Two tokens: whose software it is, and which property it speaks for."""

    client_token: SecretStr = Field(min_length=1, description="ClientToken of the integration, given by Mews.")
    access_token: SecretStr = Field(
        min_length=1, description="AccessToken of the property (or portfolio), under Marketplace > My subscriptions."
    )


class MewsOptions(HotelOptions):
    """What a hotel may set for its Mews."""

    client: Line = Field("PMS Gateway 1.0.0", description="Name and version under which the gateway shows itself.")
    service_id: Code | None = Field(None, description="The service of the stays; the first bookable one by the day.")
    charge_service_id: Code | None = Field(None, description="The service of charges; the first that can be ordered.")
    charge_tax_code: Code | None = Field(None, description="Tax code of charges; without it they carry no tax.")
    check_out_unpaid: bool = Field(
        default=False, description="Whether guests may be checked out who still owe something, as where firms pay."
    )
    reference_in: Literal["notes", "channel_number"] = Field(
        "notes", description="Where a reservation of ours keeps the reference by which a lost answer is found again."
    )


def _sign(credentials: MewsCredentials) -> BodyTokens:
    return BodyTokens({"ClientToken": credentials.client_token, "AccessToken": credentials.access_token})


def _read_fault(answer: VendorAnswer) -> VendorFault:
    """Read `{"Message", "RequestId"}`; there is no code but the status."""
    body = answer.json()
    told = body.get("Message") if isinstance(body, dict) else None
    message = told if isinstance(told, str) else None
    if answer.status == 401:  # Q2
        return VendorFault("401", message, advice=_REFUSED, cause=Cause.CREDENTIALS_REFUSED)
    if answer.status == 403 and message is not None:  # Q2
        return VendorFault("refused", message)
    return VendorFault(message=message)


MEWS = VendorProfile(
    vendor="mews",
    display_name="Mews",
    credentials=MewsCredentials,
    options=MewsOptions,
    authenticate=_sign,
    shared_host=True,
    request_id_header="Request-Id",
    read_fault=_read_fault,
    faults={"401": VendorAuthFailed, "refused": VendorRejected},
    rate_limits=(RateLimit(200, 30),),  # Q3
    # No key of ours is honoured. Its pages name no longest time for a request; two minutes are twelve of our timeouts.
    settle_after=120.0,
    page_size=1000,
    traits=frozenset({Capability.NOTIFY_GUEST}),
)
