"""The reckoning finds what it is made to find: five zeros mean nothing if it could not count to one."""

from typing import Any

import pytest

from tests.chaos.callers import Answer, Told
from tests.chaos.verdict import Fault, Judged, Stored
from tests.chaos.writes import Manner, Wanted, Write

DONE, ACCEPTED = Answer(201, "", "op-1"), Answer(202, "queued", "op-1")
RUNNING = Answer(409, "operation_in_progress", "op-1")
REFUSED, AWAY = Answer(409, "conflict", "op-1"), Answer(503, "storage_unavailable")
SILENCE = Answer(0, "ReadTimeout")


def judged(*answers: Answer, effects: int, stands: str | None = None, **letter: Any) -> Judged:
    wanted = Wanted(method="POST", path="/reservations", body={}, count=lambda: effects)
    write = Write(number=1, kind="create", wanted=wanted, manner=Manner.PATIENT, key="key-1")
    parked = {"status": "pending", "auto_retry": False, "error": {"code": "pms_unavailable"}, **letter}
    stored = Stored({"status": stands}, parked if letter else None) if stands else None
    return Judged(Told(write, list(answers)), stored, effects)


@pytest.mark.parametrize(
    ("one", "faults"),
    [
        pytest.param(judged(DONE, effects=1, stands="succeeded"), [], id="done"),
        pytest.param(judged(DONE, effects=2, stands="succeeded"), [Fault.DUPLICATE], id="done twice"),
        pytest.param(judged(DONE, effects=0, stands="succeeded"), [Fault.LOST, Fault.DONE_BUT_NOT], id="told done"),
        pytest.param(judged(ACCEPTED, effects=0), [Fault.LOST], id="accepted and forgotten"),
        pytest.param(judged(ACCEPTED, effects=0, stands="expired"), [Fault.LOST], id="expired in silence"),
        pytest.param(judged(ACCEPTED, effects=0, stands="expired", auto_retry=False), [], id="expired, with a letter"),
        pytest.param(judged(REFUSED, effects=1, stands="rejected"), [Fault.FAILED_BUT_EXISTS], id="told refused"),
        pytest.param(judged(AWAY, effects=1), [Fault.FAILED_BUT_EXISTS], id="told that nothing was sent"),
        pytest.param(judged(SILENCE, effects=1, stands="rejected"), [Fault.FAILED_BUT_EXISTS], id="recorded refused"),
        pytest.param(judged(SILENCE, AWAY, effects=1, stands="succeeded"), [], id="the last request did nothing"),
        pytest.param(judged(RUNNING, AWAY, effects=1, stands="succeeded"), [], id="the same while it ran"),
        pytest.param(judged(ACCEPTED, effects=0, stands="unknown"), [Fault.UNSETTLED], id="left unknown"),
        pytest.param(judged(ACCEPTED, effects=0, stands="unknown", auto_retry=False), [], id="unknown, for a person"),
        pytest.param(judged(SILENCE, effects=0, stands="running"), [Fault.UNSETTLED], id="left running"),
        pytest.param(judged(ACCEPTED, effects=0, stands="queued"), [Fault.UNSETTLED], id="queued without a letter"),
        pytest.param(judged(ACCEPTED, effects=0, stands="queued", auto_retry=True), [], id="queued"),
        pytest.param(
            judged(ACCEPTED, effects=0, stands="dead", error={"code": ""}), [Fault.UNSETTLED], id="dead for no reason"
        ),
    ],
)
def test_the_reckoning_tells_what_may_not_be(one: Judged, faults: list[Fault]) -> None:
    assert one.faults == faults
