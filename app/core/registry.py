"""The adapters as a library: get a connector without the gateway around it.

`async with get_connector(vendor, {...}) as connector:` gives the same adapter that the gateway uses, with its
own connections, breaker and quota.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pydantic import SecretStr

from app.core.adapter import PMSAdapter
from app.core.connectors import ConnectorFactory, Registration
from app.core.discovery import adapter_class, adapters, parse_options
from app.core.egress import EgressPolicy
from app.core.matrix import Ledger, VendorEntry
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.domain.capability import Capability
from app.domain.hotel import Hotel

_HOTEL_FIELDS = frozenset(Hotel.model_fields) - {"id", "vendor", "options"}


def list_available_connectors() -> list[str]:
    """Give the names of all vendors that have an adapter."""
    return list(adapters())


def get_connector_metadata(vendor: str) -> VendorEntry:
    """Give what the ledger says of a vendor.

    Raises:
        UnknownResource: there is no such vendor.
    """
    return Ledger.load().of(vendor)


def find_connectors_with_capability(capability: Capability | str) -> list[str]:
    """Give the vendors that can do something, natively or not.

    Raises:
        ValueError: there is no capability of that name.
    """
    wanted = Capability(capability)
    return [vendor for vendor, entry in Ledger.load().vendors.items() if entry.supports(wanted)]


def get_connector(vendor: str, config: Mapping[str, Any], *, policy: EgressPolicy | None = None) -> "OwnedConnector":
    """Make a connector of its own, to be used with `async with`.

    `config` holds the hotel's fields (`hotel_id`, `base_url`, `property_id`, `timezone`, `currency`, `options`, …)
    and, beside them, the vendor's credentials by their names, as literals.

    Raises:
        UnknownResource: there is no such vendor.
        InvalidRequest: options or credentials are not what the vendor needs, or `policy` forbids `base_url`.
    """
    adapter_class(vendor)
    policy = policy or EgressPolicy()
    policy.check_url("base_url", config["base_url"])
    fields = {name: value for name, value in config.items() if name in _HOTEL_FIELDS}
    hotel = Hotel(
        **{"name": config["hotel_id"], "timezone": "UTC", "currency": "EUR", **fields},
        id=config["hotel_id"],
        vendor=vendor,
        options=parse_options(vendor, config.get("options", {})),
    )
    known = _HOTEL_FIELDS | {"hotel_id", "options"}
    credentials = {name: SecretStr(value) for name, value in config.items() if name not in known}
    services = VendorServices.of(policy)
    factory = ConnectorFactory(services, SecretResolver(environment={}))
    return OwnedConnector(factory.open(Registration(hotel, credentials, revision=1)), services)


@dataclass(frozen=True, slots=True)
class OwnedConnector:
    """A connector together with the connections that it alone uses; leaving the block closes both."""

    connector: PMSAdapter
    services: VendorServices

    async def __aenter__(self) -> PMSAdapter:
        return await self.connector.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connector.__aexit__(kind, error, trace)
        await self.services.pools.aclose()
