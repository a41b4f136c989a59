"""What the doctor is told of a QloApps shop: each finding a sentence that says what to do."""

from collections.abc import Iterable, Sequence

from app.adapters.qloapps import wire
from app.core.adapter import HealthFinding, PropertyFound
from app.core.xml import Element
from app.domain.hotel import Hotel

_READ = (
    wire.HotelRow,
    wire.RoomTypeLimits,
    wire.RoomTypeRow,
    wire.RoomRow,
    wire.OrderRow,
    wire.OrderStateRow,
    wire.OrderDetailRow,
    wire.OrderPaymentRow,
    wire.CurrencyRow,
    wire.RoomBookingRow,
    wire.CustomerRow,
    wire.AddressRow,
)
_WRITTEN = (
    ("post", "bookings"),
    ("put", "bookings"),
    ("post", "order_histories"),
    ("put", "room_bookings"),
    ("post", "customers"),
    ("put", "customers"),
)


def missing_rights(root: Element) -> list[str]:
    """Give the methods and resources that the key lacks, by the list of resources it may see (# Q13)."""
    needed = [("get", row.resource) for row in _READ] + [("get", "bookings"), ("post", "hotel_ari"), *_WRITTEN]
    return [
        f"{method.upper()} {resource}"
        for method, resource in needed
        if (listed := root.find(f"api/{resource}")) is None or listed.get(method) != "true"
    ]


def rights(missing: Sequence[str]) -> HealthFinding:
    """Say whether the key may do all that is needed."""
    lacks = f"the API key lacks {', '.join(missing)}: tick them under Advanced Parameters > Webservice"
    return HealthFinding("rights", not missing, lacks if missing else "the API key may do all that is needed")


def hotel(ours: Hotel, found: Iterable[wire.HotelRow], others: Iterable[wire.HotelRow]) -> HealthFinding:
    """Say whether the property is there and open, or which `others` there are instead."""
    row = next(iter(found), None)
    if row is None:
        there = ", ".join(f"{one.id} ({one.hotel_name})" for one in others) or "none at all"
        detail = f"the shop has no hotel {ours.property_id}: property_id must be the number of one of its: {there}"
        return HealthFinding("hotel", ok=False, detail=detail)
    state = "active" if row.active else "inactive: enable it in the shop's hotel list"
    return HealthFinding("hotel", row.active, f"hotel {row.id}, {row.hotel_name}, is {state}")


def properties(
    hotels: Iterable[wire.HotelRow], currencies: Iterable[wire.CurrencyRow], zones: Iterable[wire.ConfigurationRow]
) -> list[PropertyFound]:
    """Give the shop's hotels, which share its zone and its currency; the inactive ones are last."""
    zone, counts_in = next((row.value for row in zones), None), own_currency(currencies)
    ordered = sorted(hotels, key=lambda row: not row.active)
    return [PropertyFound(row.id, row.hotel_name, zone, counts_in) for row in ordered]


def own_currency(found: Iterable[wire.CurrencyRow]) -> str | None:
    """Give the currency that the others are converted from."""
    return next((row.iso_code for row in found if row.conversion_rate == 1), None)


def currency(ours: Hotel, found: Iterable[wire.CurrencyRow]) -> HealthFinding:
    """Say whether the shop counts in the currency under which the hotel is registered."""
    own = own_currency(found)
    right = own == ours.currency
    detail = f"the shop counts in {own}" + ("" if right else f", the hotel is registered with {ours.currency}")
    return HealthFinding("currency", right, detail)


def bookings(*, tried: bool, readable: bool) -> HealthFinding:
    """Say how the shop shows its bookings; that it cannot is worked around, so it is no fault (# Q7)."""
    if not tried:
        return HealthFinding("bookings", ok=True, detail="there is no order yet to try /bookings with")
    if readable:
        return HealthFinding("bookings", ok=True, detail="/bookings can be read")
    detail = (
        "/bookings answers 500 to every call, as in shops that show prices without tax: everything is read from orders "
        "and room_bookings, notes from the rooms' comments; to have remarks too, show customer groups prices with tax"
    )
    return HealthFinding("bookings", ok=True, detail=detail)
