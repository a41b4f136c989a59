"""A QloApps shop with two hotels, wire-true to recorded calls of 1.7.0; it reads, and does not write yet.

It knows nothing of the adapter. `price_display=tax_excluded` is what the US localisation of the vendor installs.
"""

from typing import Any

from app.simulators.qloapps.building import PRIME, SEASIDE
from app.simulators.qloapps.service import qloapps_app
from app.simulators.site import DemoHotel, Simulator


def _registration(url: str, api_key: str) -> DemoHotel:
    body: dict[str, Any] = {
        "name": PRIME.name,
        "vendor": "qloapps",
        "base_url": url,
        "property_id": PRIME.property_id,
        "timezone": PRIME.timezone,
        "currency": PRIME.currency,
        "country": PRIME.country,
        "credentials": {"api_key": api_key},
    }
    return DemoHotel("hotel-prime", body)


SIMULATOR = Simulator(
    vendor="qloapps",
    app=qloapps_app,
    registration=_registration,
    setups=(PRIME, SEASIDE),
    modes={
        "price_display": ("tax_included", "tax_excluded"),
        "key": ("active", "disabled"),
        "rights": ("all", "hotels_only"),
        "host": ("ok", "mismatch"),
        "webservice": ("on", "off"),
    },
)
