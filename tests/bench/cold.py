"""Reads of what nobody holds a copy of."""

import asyncio
from collections.abc import Sequence

from tests.bench.caller import Answered, callers
from tests.bench.figures import Bound, Figure, Times
from tests.bench.stage import READ_HOTEL, Served, Stage, await_answer, gateway_process, ready_url

_AT_EACH = 250
_ROUNDS = 3
_HOTEL = "cold"


def identical_reads(stage: Stage) -> list[Figure]:
    """Ask two gateways for the same reservation at once, 250 callers at each: how often the PMS is asked, how long.

    The second has no wires to its neighbours: they would run in the process of the callers, and wait for them.
    """
    stage.gateway.desk.register(_HOTEL, stage.read_registration)
    with gateway_process("beside", stage.cores, stage.settings, headers=stage.gateway.headers) as beside:
        await_answer(beside.process, ready_url(beside))
        return asyncio.run(_rounds(stage, [stage.gateway, beside]))


async def _rounds(stage: Stage, gateways: Sequence[Served]) -> list[Figure]:
    calls: list[int] = []
    answers: list[Answered] = []
    warm_up, *cold = stage.read_reservations[: 1 + _ROUNDS]
    await _everybody(gateways, warm_up)
    for reservation_id in cold:
        before = stage.pms.calls(READ_HOTEL)
        answers += await _everybody(gateways, reservation_id)
        calls.append(stage.pms.calls(READ_HOTEL) - before)
    what = f"{_AT_EACH * len(gateways)} identical cold reads at once, two gateways"
    counts = Figure(
        name=f"{what}: PMS calls",
        result=", ".join(map(str, calls)),
        target="1 each",
        reached=set(calls) == {1},
    )
    return [counts, Times.of(answers).figure(f"{what}: answers", Bound(p99=1_000))]


async def _everybody(gateways: Sequence[Served], reservation_id: str) -> list[Answered]:
    here, there = gateways
    path = f"/v1/hotels/{_HOTEL}/reservations/{reservation_id}"
    async with callers(here, _AT_EACH) as some, callers(there, _AT_EACH) as others:
        in_turns = [caller for pair in zip(some, others, strict=True) for caller in pair]
        return await asyncio.gather(*(caller.get(path) for caller in in_turns))
