"""The vendor's facts as data; where each is from stands in README.md."""

from pydantic import Field, SecretStr

from app.core.auth import Auth, HeaderKey
from app.core.profile import Credentials, VendorAnswer, VendorFault, VendorProfile
from app.domain.errors import NotFound, VendorUnavailable


class TemplateCredentials(Credentials):
    """What a hotel gives us to speak for it."""

    api_key: SecretStr = Field(min_length=1, description="API key, sent in the header X-Api-Key.")


def _authenticate(credentials: TemplateCredentials) -> Auth:
    return HeaderKey("X-Api-Key", credentials.api_key)


def read_fault(answer: VendorAnswer) -> VendorFault:
    """Read `{"error": {"code": …, "text": …}}`; what is none of that says nothing, and the status decides."""
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return VendorFault()
    code, text = error.get("code"), error.get("text")
    return VendorFault(
        code=code if isinstance(code, str) else None,
        message=text if isinstance(text, str) else None,
    )


TEMPLATE = VendorProfile(
    vendor="_template",
    display_name="Template PMS",
    credentials=TemplateCredentials,
    authenticate=_authenticate,
    shared_host=False,
    headers={"Accept": "application/json"},
    read_fault=read_fault,
    # Only what the HTTP status does not tell by itself (app/core/faults.py).
    faults={
        "UNKNOWN_STAY": NotFound,  # answered with 400
        "CLOSED_FOR_AUDIT": VendorUnavailable,  # answered with 500; nothing was done
    },
)
