"""A QloApps shop with two hotels, wire-true to recorded calls of 1.7.0.

It knows nothing of the adapter. `price_display=tax_excluded` is what the US localisation of the vendor installs.
With `race=on` nothing is locked between looking for a room and writing the order, as in the vendor's own shop.
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
        "rights": ("all", "read_only", "hotels_only"),
        "host": ("ok", "mismatch"),
        "race": ("off", "on", "one_live"),
        "webservice": ("on", "off"),
    },
)
