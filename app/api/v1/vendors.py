"""The ledger: which vendors there are and what each can do."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import Field

from app.api import examples
from app.api.deps import Browsing
from app.api.documents import own
from app.api.envelope import own_response
from app.api.paging import Cursor, Limit, page
from app.core.discovery import adapter_class
from app.core.matrix import LedgerCapability, Quota, VendorEntry, Verified
from app.domain.capability import Capability
from app.domain.model import Fact
from app.gateway.reads import Answer

router = APIRouter(prefix="/v1/vendors", tags=["vendors"])


class VendorOut(Fact):
    """What we claim of one vendor, and what a hotel with it has to give."""

    vendor: str
    display_name: str
    source: str = Field(description="Where the vendor documents its API.")
    auth: str
    webhooks: str
    certification_required: bool
    regions: tuple[str, ...]
    limits: Quota | None
    verified: Verified
    capabilities: dict[Capability, LedgerCapability]
    options_schema: dict[str, Any] = Field(description="JSON Schema of a hotel's `options`.")
    credentials_schema: dict[str, Any] = Field(description="JSON Schema of a hotel's `credentials`.")


@router.get(
    "",
    operation_id="list_vendors",
    summary="The vendors that can be connected",
    **own(list[VendorOut], [examples.VENDOR], at_hotel=False),
)
async def list_vendors(
    call: Browsing, capability: Capability | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """All, or those that can do one thing, natively or not; sorted by id."""

    async def wanted() -> Answer[list[VendorOut]]:
        entries = sorted(call.gateway.ledger.vendors.items())
        found = [_out(name, entry) for name, entry in entries if capability is None or entry.supports(capability)]
        return Answer(found, "store", call.now)

    return await page(call, list[VendorOut], wanted, limit=limit, cursor=cursor)


@router.get(
    "/{vendor}",
    operation_id="get_vendor",
    summary="One vendor",
    **own(VendorOut, examples.VENDOR),
)
async def get_vendor(
    call: Browsing,
    vendor: Annotated[str, Path(min_length=1, max_length=64, examples=[examples.VENDOR["vendor"]])],
) -> Response:
    """Its capabilities, limits, and what a hotel with it has to give."""
    return own_response(call.request, VendorOut, _out(vendor, call.gateway.ledger.of(vendor)))


def _out(vendor: str, entry: VendorEntry) -> VendorOut:
    profile = adapter_class(vendor).profile
    return VendorOut(
        vendor=vendor,
        **{name: getattr(entry, name) for name in VendorEntry.model_fields},
        options_schema=profile.options.model_json_schema(),
        credentials_schema=profile.credentials.model_json_schema(),
    )
