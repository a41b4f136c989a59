"""The reference implementation of the bridge contract (docs/bridge.md) over a simulated hotel.

It is strict where the contract is and knows nothing of the adapter. The modes are installations that differ.
"""

from typing import Any

from app.simulators.bridge.service import bridge_app
from app.simulators.rules import Setup
from app.simulators.site import DemoHotel, Simulator

_SECOND = Setup(property_id="GARDEN", name="Garden House", prefixes={"reservation": "GR", "guest": "GG"})


def _registration(url: str, api_key: str) -> DemoHotel:
    setup = Setup()
    body: dict[str, Any] = {
        "name": setup.name,
        "vendor": "bridge",
        "base_url": url,
        "property_id": setup.property_id,
        "timezone": setup.timezone,
        "currency": setup.currency,
        "country": setup.country,
        "credentials": {"api_key": api_key},
    }
    return DemoHotel("harbour-lights", body)


SIMULATOR = Simulator(
    vendor="bridge",
    app=bridge_app,
    registration=_registration,
    setups=(Setup(), _SECOND),
    modes={
        "built": ("all", "required"),
        # Honoured; kept with each record, to be looked up; neither.
        "idempotency": ("on", "off", "forgotten"),
        "page_size": ("50", "2", "1"),
        "rate_limit": ("off", "on"),
        "second_cancel": ("ok", "refused"),
        "business_date": ("on", "off"),
        "extra_status": ("off", "on"),
        "future_members": ("off", "on"),
    },
)
