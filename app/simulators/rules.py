"""How a simulated hotel is set up: its rooms, prices and house rules, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from app.simulators.records import Plan, RoomKind

_CENT = Decimal("0.01")
_WEEKDAY_FACTORS = (
    Decimal("1.00"),
    Decimal("1.00"),
    Decimal("1.00"),
    Decimal("1.05"),
    Decimal("1.20"),
    Decimal("1.25"),
    Decimal("0.90"),
)
"""Monday to Sunday."""
_EXTRA_ADULT = Decimal("28.50")
_EXTRA_CHILD = Decimal("12.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What real PMSs do differently."""

    refuse_second_cancel: bool = False
    """Cancelling a cancelled reservation is refused instead of being no change."""
    assign_when_booked: bool = False
    """Room numbers are given with the booking instead of at check-in."""
    oversell: bool = False
    """Nobody counts the rooms: the last one can be sold twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPlan:
    """A room as it was built."""

    number: str
    kind: str
    floor: str


STANDARD_KINDS = (
    RoomKind(
        code="STD", name="Standard Double", description="22 m², courtyard", max_occupancy=2, price=Decimal("119.00")
    ),
    RoomKind(
        code="DLX", name="Deluxe Double", description="30 m², harbour view", max_occupancy=3, price=Decimal("169.00")
    ),
    RoomKind(
        code="STE", name="Harbour Suite", description="55 m², two rooms", max_occupancy=4, price=Decimal("289.00")
    ),
)
STANDARD_PLANS = (
    Plan(
        code="FLEX",
        name="Flexible rate",
        description="Free cancellation until 18:00 on the day of arrival",
        factor=Decimal("1.00"),
        refundable=True,
    ),
    Plan(
        code="SAVER",
        name="Saver rate",
        description="Not refundable, paid when booked",
        factor=Decimal("0.85"),
        refundable=False,
    ),
)


def _standard_rooms() -> tuple[RoomPlan, ...]:
    return (
        *(RoomPlan(number=f"{floor}0{door}", kind="STD", floor=str(floor)) for floor in (1, 2) for door in (1, 2, 3)),
        *(RoomPlan(number=f"30{door}", kind="DLX", floor="3") for door in range(1, 6)),
        *(RoomPlan(number=f"40{door}", kind="STE", floor="4") for door in (1, 2)),
    )


def _standard_prefixes() -> Mapping[str, str]:
    return MappingProxyType({"reservation": "R", "room": "S", "guest": "G", "line": "L", "remark": "N"})


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A hotel before its first guest; unless told otherwise three room types, two rate plans and 13 rooms."""

    property_id: str = "HARBOUR"
    name: str = "Harbour Lights Hotel"
    timezone: str = "Europe/Vienna"
    currency: str = "EUR"
    country: str = "AT"
    checkout_time: str = "11:00"
    kinds: tuple[RoomKind, ...] = STANDARD_KINDS
    plans: tuple[Plan, ...] = STANDARD_PLANS
    rooms: tuple[RoomPlan, ...] = field(default_factory=_standard_rooms)
    prefixes: Mapping[str, str] = field(default_factory=_standard_prefixes)
    """What ids of each kind of record begin with; a number follows. Empty where the vendor's ids are numbers."""
    first_number: int = 1001
    number_width: int = 0
    """The numbers in ids have at least so many digits, where the vendor's ids are all of one length."""
    confirmation: str = "HLH-{number:06d}"
    rules: Rules = field(default_factory=Rules)


def night_price(kind: RoomKind, plan: Plan, night: date, *, adults: int, children: int) -> Decimal:
    """Give the price of one night, taxes included: the same for the same question, always."""
    room = kind.price * _WEEKDAY_FACTORS[night.weekday()] * plan.factor
    people = _EXTRA_ADULT * max(0, adults - 2) + _EXTRA_CHILD * children
    return (room + people).quantize(_CENT, ROUND_HALF_UP)
