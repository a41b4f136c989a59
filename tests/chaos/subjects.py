"""Whom the runs are about: installations that differ in what they promise."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.simulators.bridge import SIMULATOR as BRIDGE
from app.simulators.hotel import SimulatedHotel
from app.simulators.mews import SIMULATOR as MEWS
from app.simulators.qloapps import SIMULATOR as QLOAPPS
from app.simulators.rules import RoomPlan
from app.simulators.site import Simulator
from tests.chaos.writes import BridgeWrites, HotelWrites, MewsWrites, QloAppsWrites

_BRIDGE_READS = re.compile(r"/(search|quote)$")
_CONNECTOR_READS = re.compile(r"/(get\w*(/[\d-]+)?|price)$")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One installation of a vendor."""

    name: str
    simulator: Simulator
    writes: Callable[[SimulatedHotel, int], HotelWrites]
    is_write: Callable[[str, str], bool]
    """Whether a request (method, path) changes something."""
    modes: Mapping[str, str] = field(default_factory=dict)
    registration: Mapping[str, Any] = field(default_factory=dict)
    """What is registered otherwise than the simulator says."""
    slower: float = 1
    """How much longer everything takes here: a write is many calls, and they are only so fast."""
    refusal: Mapping[str, Any] = field(default_factory=dict)
    """How it refuses a repeat, as members of a `Fault`; empty where it never does."""


def _is_bridge_write(method: str, path: str) -> bool:
    return method != "GET" and _BRIDGE_READS.search(path) is None


def _is_shop_write(method: str, path: str) -> bool:
    return method != "GET" and "hotel_ari" not in path


def _is_connector_write(_: str, path: str) -> bool:
    return _CONNECTOR_READS.search(path) is None


def _large(simulator: Simulator, *, rooms_of_a_kind: int) -> Simulator:
    """Give the same vendor with so many rooms that none is ever missing."""
    first, *others = simulator.setups
    rooms = tuple(
        RoomPlan(number=f"{kind.code}-{number}", kind=kind.code, floor="1")
        for kind in first.kinds
        for number in range(rooms_of_a_kind)
    )
    return replace(simulator, setups=(replace(first, rooms=rooms), *others))


_BRIDGE = Subject(
    name="bridge",
    simulator=_large(BRIDGE, rooms_of_a_kind=200),
    writes=BridgeWrites,
    is_write=_is_bridge_write,
    # Section 4 of the contract: a repeat of what is still being done.
    refusal={
        "status": 409,
        "headers": {"content-type": "application/problem+json"},
        "body": '{"title": "in progress", "status": 409, "code": "in_progress"}',
    },
)
SUBJECTS = {
    subject.name: subject
    for subject in (
        _BRIDGE,
        replace(
            _BRIDGE,
            name="bridge-without-keys",
            modes={"idempotency": "off", "second_cancel": "refused"},
            registration={"options": {"idempotency_keys": False}},
            refusal={
                "status": 409,
                "headers": {"content-type": "application/problem+json"},
                "body": '{"title": "conflict", "status": 409, "code": "conflict", "detail": "done before"}',
            },
        ),
        Subject(
            name="qloapps",
            simulator=_large(QLOAPPS, rooms_of_a_kind=60),
            writes=QloAppsWrites,
            is_write=_is_shop_write,
            slower=2,
        ),
        Subject(
            name="mews",
            simulator=_large(MEWS, rooms_of_a_kind=100),
            writes=MewsWrites,
            is_write=_is_connector_write,
            modes={"rate_limit": "off"},  # it counts in seconds of real life; ours is scaled with the run
            registration={"options": {"check_out_unpaid": True}},  # nobody pays in a run
            slower=2,
        ),
    )
}
