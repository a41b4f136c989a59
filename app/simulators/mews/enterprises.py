"""The two enterprises of the installation: what their managers set up, and no guest changes."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.simulators.records import Plan, RoomKind
from app.simulators.rules import RoomPlan, Rules, Setup

_SPACE = uuid.UUID("6f1c2b1e-93d4-4c55-9c58-3d6a35d0f6a1")
SINCE = "2023-10-01T11:48:57Z"
"""When everything was set up."""
PROFILE = "3cd637ef-0000-4000-8000-000000000001"
"""The profile under which the integration works."""


def guid(*names: object) -> str:
    """Give the id of a thing that is named, always the same one."""
    return str(uuid.uuid5(_SPACE, "/".join(map(str, names))))


@dataclass(frozen=True, kw_only=True)
class TaxRate:
    """A rate of value added tax; `value` is a part of one."""

    code: str
    value: Decimal


@dataclass(frozen=True, kw_only=True)
class AgeCategory:
    """Persons of some age; `name` is English."""

    key: str
    name: str
    minimal: int | None
    maximal: int | None
    classification: str


INFANTS_UNTIL = 2
AGES = (
    AgeCategory(key="adult", name="Adults", minimal=None, maximal=None, classification="Adult"),
    AgeCategory(key="child", name="Children", minimal=3, maximal=17, classification="Child"),
    AgeCategory(key="infant", name="Infants", minimal=0, maximal=INFANTS_UNTIL, classification="Child"),
)


@dataclass(frozen=True, kw_only=True)
class Product:
    """Something that can be ordered; `price` is with tax."""

    key: str
    name: str
    price: Decimal
    category: str


PRODUCTS = (
    Product(key="breakfast", name="Breakfast", price=Decimal("21.00"), category="food"),
    Product(key="late", name="Late check-out", price=Decimal("35.00"), category="sundry"),
)
ACCOUNTING = {
    "accommodation": ("Accommodation", "Accommodation"),
    "food": ("Food and beverage", "FoodAndBeverage"),
    "sundry": ("Sundry", "SundryIncome"),
    "payments": ("Payments", "Payments"),
}
"""Name and classification of each accounting category."""


@dataclass(frozen=True, kw_only=True)
class Enterprise:
    """What an enterprise is beside its rooms and rates; prices in the hotel's books are with the stay's tax."""

    number: int
    pricing: str
    environment: str
    country: str
    """Of the tax environment: three letters."""
    rates: tuple[TaxRate, ...]
    """The first is that of stays."""
    start: str = "15:00"
    """From when rooms are free on the day of arrival."""

    def guid(self, *names: object) -> str:
        """Give the id of a thing of this enterprise."""
        return guid(self.number, *names)

    @property
    def chain(self) -> str:
        """The chain: each enterprise is one of its own."""
        return self.guid("chain")

    @property
    def stay_service(self) -> str:
        """The service under which rooms are booked."""
        return self.guid("service", "stay")

    @property
    def order_service(self) -> str:
        """The service under which everything else is ordered."""
        return self.guid("service", "orders")

    @property
    def hour_service(self) -> str:
        """The service under which meeting rooms are booked by the hour, where there are any."""
        return self.guid("service", "hours")

    @property
    def stay_tax(self) -> TaxRate:
        """The tax on stays."""
        return self.rates[0]

    def tax(self, code: str) -> TaxRate | None:
        """Give a tax rate."""
        return next((rate for rate in self.rates if rate.code == code), None)


def _kinds(number: int, factor: str) -> tuple[RoomKind, ...]:
    listed = (
        ("Canal Double", "22 m², towards the garden", 2, "139.00"),
        ("Canal Family", "34 m², towards the water", 4, "189.00"),
        ("Canal Suite", "52 m², two rooms", 4, "319.00"),
    )
    return tuple(
        RoomKind(
            code=guid(number, "category", name),
            name=name,
            description=description,
            max_occupancy=guests,
            price=Decimal(price) * Decimal(factor),
        )
        for name, description, guests, price in listed
    )


def _plans(number: int) -> tuple[Plan, ...]:
    return (
        Plan(
            code=guid(number, "rate", "FLEX"),
            name="Fully flexible",
            description="Free cancellation until the day before arrival",
            factor=Decimal("1.00"),
            refundable=True,
        ),
        Plan(
            code=guid(number, "rate", "NONREF"),
            name="Non-refundable",
            description="Paid when booked",
            factor=Decimal("0.88"),
            refundable=False,
        ),
    )


def _prefixes(number: int) -> dict[str, str]:
    digits = {"reservation": "5", "guest": "6", "line": "7", "remark": "8", "room": "9"}
    return {record: f"{digit}e1f000{number}-0000-4000-8000-" for record, digit in digits.items()}


def _setup(number: int, factor: str, **facts: Any) -> Setup:
    kinds = _kinds(number, factor)
    floors = ((kinds[0].code, 1, 6), (kinds[1].code, 2, 5), (kinds[2].code, 3, 3))
    return Setup(
        property_id=guid(number, "enterprise"),
        kinds=kinds,
        plans=_plans(number),
        rooms=tuple(
            RoomPlan(number=f"{floor}0{door}", kind=kind, floor=str(floor))
            for kind, floor, doors in floors
            for door in range(1, doors + 1)
        ),
        prefixes=_prefixes(number),
        number_width=12,
        confirmation="{number}",
        rules=Rules(assign_when_booked=True, refuse_second_cancel=True),
        **facts,
    )


CANAL = _setup(1, "1", name="Canal House Amsterdam", timezone="Europe/Amsterdam", currency="EUR", country="NL")
HUDSON = _setup(2, "1.5", name="Hudson Street Hotel", timezone="America/New_York", currency="USD", country="US")
ENTERPRISES = {
    CANAL.property_id: Enterprise(
        number=1,
        pricing="Gross",
        environment="NL-2019",
        country="NLD",
        rates=(
            TaxRate(code="NL-2019-R", value=Decimal("0.09")),
            TaxRate(code="NL-2019-S", value=Decimal("0.21")),
            TaxRate(code="NL-2019-Z", value=Decimal(0)),
        ),
    ),
    HUDSON.property_id: Enterprise(
        number=2,
        pricing="Net",
        environment="US-NY-2023",
        country="USA",
        rates=(
            TaxRate(code="US-NY-2023-LODGING", value=Decimal("0.1475")),
            TaxRate(code="US-NY-2023-S", value=Decimal("0.08875")),
        ),
        start="16:00",
    ),
}
