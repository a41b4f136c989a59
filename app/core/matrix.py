"""The capability ledger: what we claim of each vendor, and the check that the code agrees.

The gateway asks the ledger before any call; a claim that the code does not keep stops the start-up.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.adapter import PMSAdapter, implemented
from app.domain.capability import Capability, CapabilityEntry, Support
from app.domain.errors import UnknownResource

LEDGER_FILE = Path(__file__).resolve().parents[2] / "capability_matrix.yaml"


class _LedgerLoader(yaml.SafeLoader):
    """Leaves booleans to the models: YAML 1.1 would take the key `on` for one."""


_LedgerLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class LedgerLies(Exception):
    """The ledger, the folders and the code do not agree; each argument is one contradiction."""


class Evidence(StrEnum):
    """How a claim was verified, the strongest first."""

    LIVE = "live"
    RECORDED = "recorded"
    VENDOR_SPEC = "vendor-spec"
    DOCS_ONLY = "docs-only"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Verified(_Entry):
    """How the claims of one vendor were verified, and when."""

    how: Evidence
    on: date


class Quota(_Entry):
    """A vendor's published limit, per set of credentials."""

    requests: int
    window_seconds: int
    burst: int | None = None


class LedgerCapability(_Entry):
    """One claim; partial and none say why."""

    support: Support
    reason: str | None = None

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.support in {Support.PARTIAL, Support.NONE} and not self.reason:
            raise ValueError(f"support {self.support} needs a reason")
        return self


class VendorEntry(_Entry):
    """All that we claim of one vendor."""

    display_name: str
    source: str = Field(description="Where the vendor documents its API.")
    auth: str
    webhooks: str
    certification_required: bool
    regions: tuple[str, ...]
    limits: Quota | None
    verified: Verified
    capabilities: dict[Capability, LedgerCapability]

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [capability.value for capability in Capability if capability not in self.capabilities]
        if missing:
            raise ValueError(f"capabilities not mentioned: {', '.join(missing)}")
        return self

    def supports(self, capability: Capability) -> bool:
        """Tell whether the vendor can do it at all."""
        return self.capabilities[capability].support is not Support.NONE

    def entry(self, capability: Capability) -> CapabilityEntry:
        """Give the claim about one capability."""
        claim = self.capabilities[capability]
        return CapabilityEntry(support=claim.support, reason=claim.reason)


class Ledger(_Entry):
    """The whole of `capability_matrix.yaml`."""

    vendors: dict[str, VendorEntry]

    @classmethod
    def load(cls, path: Path = LEDGER_FILE) -> "Ledger":
        """Read the ledger.

        Raises:
            LedgerLies: it cannot be read or is not complete.
        """
        try:
            text = path.read_text(encoding="utf-8")
            known = yaml.load(text, _LedgerLoader)  # noqa: S506 - a SafeLoader  # nosec B506
            return cls.model_validate(known)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise LedgerLies(f"{path.name}: {error}") from error

    def of(self, vendor: str) -> VendorEntry:
        """Give one vendor's entry.

        Raises:
            UnknownResource: the ledger does not know the vendor.
        """
        try:
            return self.vendors[vendor]
        except KeyError:
            raise UnknownResource(f"there is no vendor {vendor!r}") from None


def require_truth(ledger: Ledger, adapters: Mapping[str, type[PMSAdapter]]) -> None:
    """Refuse to go on when ledger, folders and overridden methods do not agree.

    Raises:
        LedgerLies: naming every contradiction.
    """
    lies = [
        f"{vendor}: in the ledger, but there is no such adapter folder"
        for vendor in ledger.vendors.keys() - adapters.keys()
    ]
    lies += [
        f"{vendor}: has an adapter folder, but no entry in the ledger"
        for vendor in adapters.keys() - ledger.vendors.keys()
    ]
    for vendor in sorted(ledger.vendors.keys() & adapters.keys()):
        lies += _contradictions(vendor, ledger.vendors[vendor], adapters[vendor])
    if lies:
        raise LedgerLies(*lies)


def _contradictions(vendor: str, entry: VendorEntry, adapter: type[PMSAdapter]) -> list[str]:
    claimed = {capability for capability in Capability if entry.supports(capability)}
    real = implemented(adapter)
    lies = [f"{vendor}: the ledger claims {capability}, the adapter does not offer it" for capability in claimed - real]
    lies += [f"{vendor}: the adapter offers {capability}, the ledger says none" for capability in real - claimed]
    if adapter.profile.vendor != vendor:
        lies.append(f"{vendor}: its profile calls itself {adapter.profile.vendor!r}")
    published = entry.limits and (entry.limits.requests, entry.limits.window_seconds)
    kept = {(limit.requests, limit.window_seconds) for limit in adapter.profile.rate_limits}
    if published and published not in kept:
        lies.append(f"{vendor}: the ledger's limits are not among the profile's rate limits")
    return lies
