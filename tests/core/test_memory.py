"""What a connector keeps in mind, and when it looks again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.core.memory import Memory
from app.domain.errors import VendorUnavailable
from tests.fixtures.clock import ManualClock


class Desk:
    """Is asked for the room types, which may change."""

    def __init__(self) -> None:
        self.types = {"single"}
        self.asked = 0
        self.is_open = True

    async def read(self) -> set[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.is_open:
            raise VendorUnavailable("closed")
        return set(self.types)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def recall(clock: ManualClock, desk: Desk) -> Callable[..., Awaitable[set[str]]]:
    memory = Memory(clock, lifetime=600)

    async def ask(wanted: str = "single") -> set[str]:
        return await memory.recall("types", desk.read, knows=lambda types: wanted in types)

    return ask


Recall = Callable[..., Awaitable[set[str]]]


async def test_it_is_read_once_by_all_who_ask_at_the_same_time(desk: Desk, recall: Recall) -> None:
    assert await asyncio.gather(*(recall() for _ in range(5))) == [{"single"}] * 5
    assert desk.asked == 1


async def test_it_is_read_again_when_it_is_old(desk: Desk, recall: Recall, clock: ManualClock) -> None:
    await recall()
    clock.advance(599)
    await recall()
    assert desk.asked == 1
    clock.advance(1)
    await recall()
    assert desk.asked == 2


async def test_a_surprise_makes_it_look_again_but_not_all_the_time(
    desk: Desk, recall: Recall, clock: ManualClock
) -> None:
    await recall()
    desk.types.add("double")
    assert await recall("double") == {"single"}
    clock.advance(30)
    assert await recall("double") == {"single", "double"}
    await recall("suite")
    await recall("suite")
    assert desk.asked == 2


async def test_what_could_not_be_read_is_not_kept(desk: Desk, recall: Recall) -> None:
    desk.is_open = False
    with pytest.raises(VendorUnavailable):
        await recall()
    desk.is_open = True
    assert await recall() == {"single"}


async def test_what_is_forgotten_is_read_anew(desk: Desk, clock: ManualClock) -> None:
    memory = Memory(clock)
    await memory.recall("types", desk.read)
    memory.forget("types")
    await memory.recall("types", desk.read)
    memory.forget("never kept")
    assert desk.asked == 2
