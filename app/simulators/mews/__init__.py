"""The Connector API of two enterprises in one portfolio, wire-true to the vendor's own pages.

It knows nothing of the adapter. What those pages leave open is a mode, and the first value is what they suggest:
`early_start`: whether guests may be let in on their day, but before the hour at which their stay begins;
`new_notes`: where the notes of a new reservation are found; `duplicate_email`: what becomes of a second customer
of one address. With `contention` the first change of each reservation meets another one.
"""

from typing import Any

from app.simulators.mews.enterprises import CANAL, HUDSON
from app.simulators.mews.service import client_token, mews_app
from app.simulators.site import DemoHotel, Simulator


def _registration(url: str, api_key: str) -> DemoHotel:
    body: dict[str, Any] = {
        "name": CANAL.name,
        "vendor": "mews",
        "base_url": url,
        "property_id": CANAL.property_id,
        "timezone": CANAL.timezone,
        "currency": CANAL.currency,
        "country": CANAL.country,
        "credentials": {"client_token": client_token(api_key), "access_token": api_key},
    }
    return DemoHotel("canal-house", body)


SIMULATOR = Simulator(
    vendor="mews",
    app=mews_app,
    registration=_registration,
    setups=(CANAL, HUDSON),
    modes={
        "opens": ("portfolio", "one_enterprise"),
        "integration": ("enabled", "disabled"),
        "pricing": ("own", "net"),
        "rate_limit": ("on", "without_retry_after", "off"),
        "heavy_reads": ("off", "on"),
        "contention": ("off", "on"),
        "meeting_rooms": ("off", "on"),
        "early_start": ("allowed", "refused"),
        "new_notes": ("general", "special_request", "apart"),
        "duplicate_email": ("refused", "allowed"),
    },
)
