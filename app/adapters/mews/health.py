"""What the doctor is told of a Mews property: each finding a sentence that says what to do."""

from collections.abc import Sequence

from app.adapters.mews import wire
from app.adapters.mews.calls import Calls, Members
from app.core.adapter import HealthFinding
from app.domain.hotel import Hotel

NOBODY = "00000000-0000-0000-0000-000000000000"
"""An id that is nothing's, so that a list asked about it is short."""


def properties(hotel: Hotel, found: wire.Enterprise) -> list[HealthFinding]:
    """Compare the property with how the hotel is registered."""
    pairs = (
        ("property", hotel.property_id, found.id, "property_id"),
        ("timezone", hotel.timezone, found.time_zone_identifier, "timezone"),
        ("currency", hotel.currency, found.currency, "currency"),
    )
    return [
        HealthFinding(
            name,
            ok=ours == theirs,
            detail=f"{found.name} has {theirs}"
            + ("" if ours == theirs else f", the hotel is registered with {ours}: change its {field}"),
        )
        for name, ours, theirs, field in pairs
    ]


def services(found: Sequence[wire.Service]) -> HealthFinding:
    """Say whether rooms can be booked by the day, and charges ordered."""
    kinds = {(one.data.discriminator, one.data.value.time_unit_period) for one in found}
    missing = [
        *([] if ("Bookable", "Day") in kinds else ["none is bookable by the day"]),
        *(
            []
            if any(kind == "Additional" for kind, _ in kinds)
            else ["none can be ordered, so that nothing is charged"]
        ),
    ]
    told = "; ".join(missing) or "rooms can be booked by the day and charges ordered"
    return HealthFinding("services", not missing, f"of {len(found)} active services {told}" if missing else told)


async def rights(calls: Calls, service: str, chains: Members) -> HealthFinding:
    """Say which lists the tokens may not use; whether they may write is not known without writing (# Q2)."""
    here, nobody = calls.here, [NOBODY]
    lists: dict[str, Members] = {
        "customers/getAll": {**chains, "CustomerIds": nobody, "Extent": {"Customers": True, "Addresses": False}},
        "accountNotes/getAll": {**chains, "AccountIds": nobody},
        "reservations/getAll/2023-06-06": {**here, "ReservationIds": nobody},
        "serviceOrderNotes/getAll": {**here, "ServiceOrderIds": nobody},
        "orderItems/getAll": {**here, "ServiceOrderIds": nobody},
        "payments/getAll": {**here, "ReservationIds": nobody},
        "productServiceOrders/getAll": {**here, "ServiceIds": [service], "LinkedReservationIds": nobody},
        "resources/getAll": {**here, "Extent": {"Resources": True, "Inactive": False}},
        "rates/getAll": {**here, "ServiceIds": [service]},
    }
    missing = [operation for operation, members in lists.items() if not await calls.may(operation, members)]
    lacks = f"the integration lacks the permission for {', '.join(missing)}: ask Mews to add it"
    return HealthFinding("rights", not missing, lacks if missing else "the tokens may read all that is needed")
