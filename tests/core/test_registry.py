"""The seed's functions, and the ledger that may not lie.

Bought by a capability file that claimed five vendors where one existed.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from app.core.adapter import HealthFinding, PMSAdapter, implemented, methods
from app.core.clock import SystemClock
from app.core.discovery import ADAPTERS, adapter_class, adapters, parse_credentials, parse_options
from app.core.matrix import Ledger, LedgerLies, require_truth
from app.core.profile import RateLimit
from app.core.registry import (
    find_connectors_with_capability,
    get_connector,
    get_connector_metadata,
    list_available_connectors,
)
from app.domain.capability import TRAITS, Capability, Support
from app.domain.errors import CapabilityNotSupported, InvalidRequest, UnknownResource
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef
from tests.core.vendor import LOOPBACK, PROFILE, Clients, ScriptedVendor

CONFIG: dict[str, Any] = {
    "hotel_id": "prime",
    "base_url": "https://pms.example",
    "property_id": "1",
    "api_key": "canary-key",
}
OFFERED = (Capability.HEALTH, Capability.WEBHOOKS)


class Small(PMSAdapter):
    """Offers one method and one trait."""

    profile = replace(PROFILE, vendor="small", traits=frozenset({Capability.WEBHOOKS}))

    async def check_health(self) -> list[HealthFinding]:
        return []


def entry(**changes: Any) -> dict[str, Any]:
    claims = {
        capability.value: {"support": "native"} if capability in OFFERED else {"support": "none", "reason": "has none"}
        for capability in Capability
    }
    told = {
        "display_name": "Small",
        "source": "https://small.example",
        "auth": "a key",
        "webhooks": "signed",
        "certification_required": False,
        "regions": ["everywhere"],
        "limits": None,
        "verified": {"how": "docs-only", "on": "2026-11-20"},
        "capabilities": claims,
    }
    return {**told, **changes}


def claiming(capability: Capability, **claim: Any) -> dict[str, Any]:
    changed = deepcopy(entry())
    changed["capabilities"][capability.value] = claim
    return changed


def ledger(**vendors: Any) -> Ledger:
    return Ledger.model_validate({"vendors": vendors or {"small": entry()}})


def lies(of: Ledger, found: Mapping[str, type[PMSAdapter]]) -> str:
    with pytest.raises(LedgerLies) as caught:
        require_truth(of, found)
    assert len(caught.value.args) == 1, "one lie, one line"
    return str(caught.value.args[0])


def test_a_ledger_that_says_what_is_there_is_the_truth() -> None:
    require_truth(ledger(), {"small": Small})


def test_a_vendor_without_a_folder_is_a_lie() -> None:
    assert "ghost: in the ledger" in lies(ledger(small=entry(), ghost=entry()), {"small": Small})


def test_a_folder_without_an_entry_is_a_lie() -> None:
    assert "other: has an adapter folder" in lies(ledger(), {"small": Small, "other": Small})


@pytest.mark.parametrize("support", ["native", "emulated", "partial"])
def test_claiming_what_no_method_offers_is_a_lie(support: str) -> None:
    told = claiming(Capability.RATES, support=support, reason="somehow")
    assert "claims rates" in lies(ledger(small=told), {"small": Small})


def test_claiming_a_trait_that_the_profile_does_not_declare_is_a_lie() -> None:
    told = claiming(Capability.NOTIFY_GUEST, support="native")
    assert "claims notify_guest" in lies(ledger(small=told), {"small": Small})


@pytest.mark.parametrize("capability", OFFERED)
def test_denying_what_the_adapter_offers_is_a_lie(capability: Capability) -> None:
    told = claiming(capability, support="none", reason="none")
    assert f"offers {capability}" in lies(ledger(small=told), {"small": Small})


def test_a_profile_under_another_name_is_a_lie() -> None:
    class Misnamed(Small):
        profile = replace(Small.profile, vendor="large")

    assert "calls itself 'large'" in lies(ledger(), {"small": Misnamed})


def test_a_limit_that_nobody_keeps_is_a_lie() -> None:
    class Limited(Small):
        profile = replace(Small.profile, rate_limits=(RateLimit(5, 1),))

    limited = ledger(small=entry(limits={"requests": 100, "window_seconds": 60}))
    assert "limits" in lies(limited, {"small": Small})
    assert "limits" in lies(limited, {"small": Limited})
    require_truth(ledger(small=entry(limits={"requests": 5, "window_seconds": 1})), {"small": Limited})


def test_every_lie_is_told_at_once() -> None:
    with pytest.raises(LedgerLies) as caught:
        require_truth(ledger(small=claiming(Capability.RATES, support="native"), ghost=entry()), {"small": Small})
    assert len(caught.value.args) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {key: value for key, value in entry().items() if key != "verified"},
        entry(capabilities={"rates": {"support": "native"}}),
        entry(verified={"how": "rumour", "on": "2026-11-20"}),
        entry(colour="blue"),
        claiming(Capability.RATES, support="none"),
        claiming(Capability.RATES, support="partial"),
        claiming(Capability.RATES, support="perhaps"),
        entry(capabilities={**entry()["capabilities"], "teleport": {"support": "native"}}),
    ],
    ids=[
        "no-evidence",
        "few-capabilities",
        "rumour",
        "unknown-key",
        "none",
        "partial",
        "perhaps",
        "unknown-capability",
    ],
)
def test_a_ledger_that_is_not_complete_cannot_be_loaded(tmp_path: Path, broken: dict[str, Any]) -> None:
    file = tmp_path / "capability_matrix.yaml"
    file.write_text(yaml.safe_dump({"vendors": {"small": broken}}))
    with pytest.raises(LedgerLies, match=r"capability_matrix\.yaml"):
        Ledger.load(file)


@pytest.mark.parametrize("text", ["", "vendors: [", "vendors:\n  small: 1\n", "other: {}\n"])
def test_a_ledger_that_is_none_cannot_be_loaded(tmp_path: Path, text: str) -> None:
    file = tmp_path / "capability_matrix.yaml"
    file.write_text(text)
    with pytest.raises(LedgerLies):
        Ledger.load(file)
    with pytest.raises(LedgerLies):
        Ledger.load(tmp_path / "missing.yaml")


def test_the_ledger_tells_the_reason_with_the_claim() -> None:
    claim = ledger().of("small").entry(Capability.RATES)
    assert (claim.support, claim.reason) == (Support.NONE, "has none")
    with pytest.raises(UnknownResource):
        ledger().of("ghost")


def test_every_capability_is_a_method_or_a_trait() -> None:
    assert methods().keys() | TRAITS == set(Capability)
    assert not methods().keys() & TRAITS
    assert implemented(Small) == set(OFFERED)


async def test_what_is_not_offered_is_refused_politely_and_without_a_call(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    hotel = Hotel.model_validate(
        {**CONFIG, "id": "prime", "name": "P", "vendor": "small", "timezone": "UTC", "currency": "EUR"}
    )
    connector = Small(hotel, clients.make(), clients.clock)
    with pytest.raises(CapabilityNotSupported) as refused:
        await connector.get_reservation(VendorRef("r1"))
    assert refused.value.capability is Capability.RESERVATION_GET
    assert vendor.seen == []


def test_the_connectors_are_the_folders() -> None:
    package = __import__(ADAPTERS, fromlist=["__path__"])
    folders = {path.name for path in Path(package.__path__[0]).iterdir() if (path / "__init__.py").is_file()}
    assert list_available_connectors() == sorted(name for name in folders if not name.startswith("_"))
    assert "bridge" in list_available_connectors()


def test_metadata_is_the_ledgers_entry() -> None:
    assert get_connector_metadata("bridge") == Ledger.load().of("bridge")
    with pytest.raises(UnknownResource):
        get_connector_metadata("ghost")


def test_connectors_are_found_by_what_they_can() -> None:
    assert "bridge" in find_connectors_with_capability("reservation.create")
    assert "bridge" not in find_connectors_with_capability(Capability.WEBHOOKS)
    with pytest.raises(ValueError, match="teleport"):
        find_connectors_with_capability("teleport")


async def test_a_connector_is_used_with_async_with(vendor: ScriptedVendor) -> None:
    async with get_connector("bridge", {**CONFIG, "base_url": vendor.url}, policy=LOOPBACK) as connector:
        assert connector.hotel.id == "prime"
        assert isinstance(connector.clock, SystemClock)
        assert "canary-key" not in repr(connector.client)


def test_a_vendor_that_nobody_knows_is_refused_by_name_and_the_known_ones_are_told() -> None:
    with pytest.raises(UnknownResource, match="ghost") as refused:
        get_connector("ghost", CONFIG)
    assert "bridge" in str(refused.value)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({key: value for key, value in CONFIG.items() if key != "api_key"}, "api_key"),
        ({**CONFIG, "api_kye": "canary-typo"}, "api_kye"),
        ({**CONFIG, "options": {"day_starts": "canary"}}, "day_starts"),
        ({**CONFIG, "options": {"colour": "canary"}}, "colour"),
    ],
)
def test_a_config_that_the_vendor_cannot_use_names_the_field_and_no_value(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        get_connector("bridge", config)
    assert field in str(refused.value)
    assert "canary" not in f"{refused.value} {refused.value.errors}"


@pytest.mark.parametrize("url", ["http://pms.example", "https://127.0.0.1", "https://user:canary@pms.example"])
def test_a_base_url_that_the_gateway_would_not_store_is_refused_here_too(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        get_connector("bridge", {**CONFIG, "base_url": url})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("vendor", sorted(adapters()))
def test_every_vendors_credentials_are_secrets_and_empty_ones_are_refused(vendor: str) -> None:
    model = adapter_class(vendor).profile.credentials
    assert all(
        field.annotation is SecretStr or "SecretStr" in str(field.annotation) for field in model.model_fields.values()
    )
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if required:
        with pytest.raises(InvalidRequest):
            parse_credentials(vendor, dict.fromkeys(required, SecretStr("")))


def test_options_are_the_vendors_own_model() -> None:
    assert parse_options("bridge", {"day_starts": "05:00"}).day_starts == "05:00"
    with pytest.raises(ValidationError):
        parse_options("bridge", {}).day_starts = "06:00"  # type: ignore[misc]
