"""Finds the adapters by folder, and checks what a hotel gives against the models of its vendor."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr, ValidationError

from app.core.adapter import PMSAdapter
from app.core.profile import Credentials
from app.core.tls import CERT, KEY
from app.domain.errors import FieldFault, InvalidRequest, UnknownResource
from app.domain.hotel import HotelOptions

ADAPTERS = "app.adapters"


@lru_cache(maxsize=1)
def adapters() -> Mapping[str, type[PMSAdapter]]:
    """Give the adapter class of every vendor folder; folders that begin with `_` are none."""
    package = importlib.import_module(ADAPTERS)
    found: dict[str, type[PMSAdapter]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg and not module.name.startswith("_"):
            found[module.name] = importlib.import_module(f"{ADAPTERS}.{module.name}").ADAPTER
    return MappingProxyType(dict(sorted(found.items())))


def adapter_class(vendor: str) -> type[PMSAdapter]:
    """Give a vendor's adapter.

    Raises:
        UnknownResource: there is no folder of that name.
    """
    try:
        return adapters()[vendor]
    except KeyError:
        known = ", ".join(adapters())
        raise UnknownResource(f"connector not found for vendor {vendor!r}; there are: {known}") from None


def parse_credentials(vendor: str, values: Mapping[str, SecretStr]) -> Credentials:
    """Check credentials against the vendor's own model; no value is ever part of a message.

    Raises:
        InvalidRequest: one is missing, empty or unknown to the vendor.
    """
    try:
        credentials = adapter_class(vendor).profile.credentials.model_validate(dict(values))
    except ValidationError as error:
        raise _faults(error, "credentials") from None
    for given, missing in ((CERT, KEY), (KEY, CERT)):
        if getattr(credentials, given) and not getattr(credentials, missing):
            raise InvalidRequest.of(("credentials", missing), f"is required beside {given}")
    return credentials


def parse_options(vendor: str, values: Mapping[str, Any]) -> HotelOptions:
    """Check a hotel's options against the vendor's own model.

    Raises:
        InvalidRequest: one is malformed or unknown to the vendor.
    """
    try:
        return adapter_class(vendor).profile.options.model_validate(dict(values))
    except ValidationError as error:
        raise _faults(error, "options") from None


def _faults(error: ValidationError, where: str) -> InvalidRequest:
    faults = [
        FieldFault((where, *fault["loc"]), fault["msg"])
        for fault in error.errors(include_input=False, include_url=False)
    ]
    first = faults[0]
    return InvalidRequest(f"{'.'.join(map(str, first.loc))}: {first.msg}", errors=faults)
