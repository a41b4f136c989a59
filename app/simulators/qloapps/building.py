"""The two hotels of the shop, and the facts of the shop that no booking changes."""

from dataclasses import dataclass
from decimal import Decimal

from app.simulators.records import Plan, RoomKind
from app.simulators.rules import RoomPlan, Rules, Setup

TAX = Decimal("1.04")
"""Prices are counted with 4 % tax."""
SERVICE_PER_NIGHT = Decimal("10.40")
"""A service that the shop adds to its quotes by itself, tax included; bookings of the API are made without."""
LANGUAGE, CURRENCY = 1, 1
ORDER_STATES = (
    "Awaiting payment",
    "Complete payment received",
    "Processing in progress",
    "Canceled",
    "Refunded",
    "Payment error",
    "Overbooking (Paid)",
    "Partial payment received",
    "Awaiting remote payment",
    "Remote payment accepted",
    "Overbooking (Not paid)",
    "Overbooking (Partial payment)",
)
"""By their ids, from 1 on."""
AWAITING, PAID, CANCELED, REFUNDED, PARTLY_PAID = 1, 2, 4, 5, 8


@dataclass(frozen=True, kw_only=True)
class Product:
    """A service that rooms may have; `price` is without tax."""

    id: int
    name: str
    price: Decimal
    per_night: bool = False
    multiple: bool = False
    """Whether a room may have more than one."""
    taxed: bool = True
    automatic: bool = False
    ad_hoc: bool = False
    """Made by a name in a booking."""


SERVICES = (
    Product(id=5, name="Room Maintenance Fees", price=Decimal(10), per_night=True, automatic=True),
    Product(id=7, name="Airport Shuttle", price=Decimal(50)),
    Product(id=8, name="Cab on Demand", price=Decimal(200)),
    Product(id=9, name="Breakfast", price=Decimal(350), per_night=True),
    Product(id=10, name="Dinner", price=Decimal(450), per_night=True),
)
AD_HOC_FROM = 11
"""Services and room types are products of one sequence, so the second hotel's room types come after the services."""

_PLAN = Plan(code="BAR", name="Daily price", description="The only one", factor=Decimal(1), refundable=False)


def _setup(number: int, name: str, kinds: tuple[tuple[str, str, str], ...]) -> Setup:
    first = 1000 * (number - 1) + 1
    codes = [str(first + place) for place in range(len(kinds))]
    return Setup(
        property_id=str(number),
        name=name,
        timezone="America/New_York",
        currency="USD",
        country="US",
        kinds=tuple(
            RoomKind(code=code, name=kind, description=f"{kind}, with a view", max_occupancy=4, price=Decimal(price))
            for code, (kind, _, price) in zip(codes, kinds, strict=True)
        ),
        plans=(_PLAN,),
        rooms=tuple(
            RoomPlan(number=f"{letters}-10{door}", kind=code, floor="First")
            for code, (_, letters, _) in zip(codes, kinds, strict=True)
            for door in range(1, 6)
        ),
        prefixes={},
        first_number=1 if number == 1 else 5001,
        rules=Rules(assign_when_booked=True),
    )


PRIME = _setup(
    1,
    "The Hotel Prime",
    (
        ("General Rooms", "GR", "104.00"),
        ("Delux Rooms", "DR", "156.00"),
        ("Executive Rooms", "ER", "208.00"),
        ("Luxury Rooms", "LR", "260.00"),
    ),
)
SEASIDE = _setup(
    2,
    "The Seaside",
    (("Cabins", "CB", "78.00"), ("Sea View Rooms", "SV", "130.00"), ("Penthouses", "PH", "312.00")),
)
