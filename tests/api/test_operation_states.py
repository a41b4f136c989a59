"""A model of what may become of a write at a PMS that honours no keys, compared with what the gateway does.

Hypothesis plays the PMS, the clock, the staff and the worker, in any order, and looks for a way from "unknown" to a
second send that nobody has seen to be right.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.domain.ids import OperationId
from app.gateway.waits import Waits
from app.main import working
from app.settings import Settings
from app.workers.worker import Worker
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_worker import FastHotel, HurriedClock
from tests.fixtures.stays import fault, seeded

T = TypeVar("T")

SENT = {
    "done": [],
    "lost before it": ["drop_before"],
    "lost after it": ["drop_after"],
    "500 without it": ["status"],
    "500 after it": ["status_after"],
}
SLOW_ENOUGH = Waits().scaled(0.1)
"""The worker's waits: hours that pass are a few minutes, and no real seconds of a slow machine are taken for them."""
HOURS = text(
    "UPDATE operations SET last_sent_at = last_sent_at - interval '2 minutes', "
    "deadline_at = deadline_at - interval '2 minutes', next_attempt_at = next_attempt_at - interval '2 minutes'"
)
"""Hours pass for a gateway that lives so fast; whatever the PMS gets from now on is newer than all sends."""


@dataclass
class Known:
    """What the model knows of one write: how often its absence was there to be seen since the last send."""

    path: str
    words: str
    operation_id: str
    absences: int = 0
    allowed: int = 1
    """How many sends there may have been by now."""
    is_old: bool = False
    """Whether hours have passed since it was sent."""
    newer: bool = False
    """Whether the PMS has a record that is newer than it."""


@dataclass
class World:
    """The hotel, the worker and the loop in which they live; the model lives in a thread beside it."""

    hotel: HotelUnderTest
    worker: Worker
    loop: asyncio.AbstractEventLoop
    clocks: tuple[HurriedClock, ...]
    sent_again: int = 0
    """How often a lost write was rightly sent again: that the model comes so far is part of its proof."""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop do something, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


class Life(RuleBasedStateMachine):
    """One hotel, several writes, and all that may happen to them."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.hotel = self.world.hotel
        self.booking, self.other = seeded(self.hotel, "Lovelace"), seeded(self.hotel, "Lamarr")
        self.hotel.site.faults.clear()
        self.writes: list[Known] = []
        self.readable = True

    @initialize(path=st.sampled_from(["notes", "charges"]))
    def an_answer_is_lost(self, path: str) -> None:
        self.somebody_writes(path, "lost before it")

    @rule(path=st.sampled_from(["notes", "charges"]), becomes=st.sampled_from(sorted(SENT)))
    def somebody_writes(self, path: str, becomes: str) -> None:
        words = f"{path}-{len(self.hotel.site.requests)}"
        body: dict[str, Any] = {"text": words}
        if path == "charges":
            body = {"description": words, "amount": {"amount": "3.00", "currency": "EUR"}, "category": "bar"}
        self._plan(*(fault(kind, method="POST", path=f"{path}$") for kind in SENT[becomes]))
        answer = self.world.do(self.hotel.send("POST", f"/reservations/{self.booking.id}/{path}", body, key=words))
        operation_id = answer.json()["meta"]["operation_id"]
        self._plan()
        self._something_is_newer()
        self.writes.append(Known(path, words, operation_id))

    @rule(works=st.sampled_from([True, True, False]))
    def the_pms_can_be_read(self, works: bool) -> None:
        self.readable = works
        self._plan()

    @rule(hours_pass=st.booleans(), staff_write=st.booleans())
    def a_worker_comes_by(self, *, hours_pass: bool, staff_write: bool) -> None:
        if hours_pass:
            self._let_hours_pass()
        if staff_write:
            self.hotel.site.hotel.remark(self.other, "from the desk")
            self._something_is_newer()
        for one in self.writes:
            before = self._status(one)
            self.world.do(self.world.worker.settling.attend(OperationId(one.operation_id)))
            if before == "unknown" and one.is_old and one.newer and self.readable and not self._effects(one):
                one.absences += 1
                if one.absences >= 2 and one.path == "notes":
                    one.allowed = 2

    @precondition(lambda self: any(self._status(one) == "dead" for one in self.writes))
    @rule()
    def a_person_has_the_dead_sent_again(self) -> None:
        for one in self.writes:
            if self._status(one) == "dead":
                letter = next(found for found in self._letters() if found["operation_id"] == one.operation_id)
                self.world.do(self.hotel.client("POST", f"/v1/dead-letters/{letter['id']}/retry"))
                one.allowed += 1

    @invariant()
    def nothing_is_done_twice(self) -> None:
        for one in self.writes:
            assert self._effects(one) <= 1, one

    @invariant()
    def nothing_is_sent_again_unseen(self) -> None:
        for one in self.writes:
            sends = self._sends(one)
            assert sends <= one.allowed, one
            self.world.sent_again += sends > 1 and one.path == "notes"

    @invariant()
    def what_is_told_is_so(self) -> None:
        for one in self.writes:
            status = self._status(one)
            assert status not in {"rejected", "withdrawn", "expired"}
            assert (status == "succeeded") <= (self._effects(one) == 1), one
            assert (status in {"dead", "queued"}) <= (self._effects(one) == 0), one

    def _let_hours_pass(self) -> None:
        self.world.do(self._rewind())
        for clock in self.world.clocks:
            clock.skip(120)  # open circuits close, too
        for one in self.writes:
            one.is_old = True

    def _something_is_newer(self) -> None:
        for one in self.writes:
            one.newer = True

    def _plan(self, *faults: Any) -> None:
        self.hotel.site.faults.clear()
        self.hotel.site.faults.add(*faults)
        if not self.readable:
            self.hotel.site.faults.add(fault("status", status=500, method="GET"))

    async def _rewind(self) -> None:
        async with self.hotel.gateway.app.state.gateway.database.unit_of_work() as work:
            await work.session.execute(HOURS)

    def _status(self, one: Known) -> str:
        status: str = self.world.do(self.hotel.client.get(f"/v1/operations/{one.operation_id}")).json()["data"][
            "status"
        ]
        return status

    def _letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world.do(self.hotel.client.get("/v1/dead-letters", limit=200)).json()["data"]
        return found

    def _effects(self, one: Known) -> int:
        if one.path == "notes":
            return sum(remark.text == one.words for remark in self.booking.remarks)
        return sum(line.description == one.words for line in self.hotel.site.hotel.folio(self.booking))

    def _sends(self, one: Known) -> int:
        words = one.words.encode()
        return sum(request.method == "POST" and words in request.body for request in self.hotel.site.requests)


async def test_no_way_leads_from_unknown_to_a_second_send_without_a_seen_absence(
    fast_hotel: FastHotel, fast_settings: Settings
) -> None:
    hotel = await fast_hotel(keys=False)
    clock = HurriedClock()
    async with working(fast_settings, clock=clock, waits=SLOW_ENOUGH) as worker:
        clocks = (clock, hotel.gateway.app.state.gateway.clock)
        world = World(hotel, worker, asyncio.get_running_loop(), clocks)
        life = type("LifeOfThisTest", (Life,), {"world": world})
        chosen = settings(max_examples=12, stateful_step_count=15, deadline=None, derandomize=True)
        await asyncio.to_thread(run_state_machine_as_test, life, settings=chosen)
    assert world.sent_again
