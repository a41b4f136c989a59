"""`python -m tests.bench`: measure all rows, print the table, and end with 1 when a target is missed."""

import os
import sys
from collections.abc import Sequence

import uvloop

from app.cli.console import print_table, tell
from app.embedded.server import free_port
from app.settings import child_environment
from tests.bench.arrivals import reading_arrivals
from tests.bench.bad_times import ACTS
from tests.bench.cold import identical_reads
from tests.bench.figures import Figure
from tests.bench.hits import round_trips
from tests.bench.load import Plan, drive
from tests.bench.machine import child, on
from tests.bench.rows import ROUNDS, ROWS, Side
from tests.bench.scene import scene
from tests.bench.stage import FOLDER, Stage, await_answer, stage

_FIGURES = ("what", "result", "target", "reached")
_SPENT = (
    "",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "server ms",
    "its core",
    "around ms",
    "other cores",
    "commits",
    "failed",
)


def main() -> int:
    """Measure and print; gives the status to end with."""
    with stage() as built:
        _tell_setting(built)
        rows = [measure(built) for measure in ROWS]
        figures = [row.figure for row in rows]
        figures += [*round_trips(built), *identical_reads(built), *uvloop.run(_bad_times(built))]
        figures.append(reading_arrivals(built.pms.url))
    tell(f"load averages at the end: {_load()}; whatever else runs makes the numbers worse")
    print_table(_FIGURES, [_line(figure) for figure in figures])
    tell("\nthe rates, and what was spent per request (processor time; around: Postgres, Redis and the simulator):")
    print_table(_SPENT, [_spent(name, side) for row in rows for name, side in _sides(row.ours, row.yardstick)])
    reached = sum(figure.reached for figure in figures)
    sys.stdout.write(f"{reached} of {len(figures)} targets reached\n")
    return 0 if reached == len(figures) else 1


async def _bad_times(built: Stage) -> list[Figure]:
    async with scene(built) as set_up:
        return [figure for act in ACTS for figure in await act(set_up)]


def _tell_setting(built: Stage) -> None:
    where = "a core of its own" if built.cores.are_apart else "the only core, SHARED with everything else"
    tell(f"the measured server has {where}; Postgres, Redis, the simulator and the load generator have the rest")
    tell("Postgres on disk, as `serve --embedded` starts it: " + _listed(built.durability))
    tell(f"load averages at the start: {_load()}")
    tell(f"{ROUNDS} rounds, ours and the yardstick's in turns; the middle one's rates and times are shown")
    tell(f"the load generator by itself reaches {_ceiling(built):,.0f} requests/s")


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _ceiling(built: Stage) -> float:
    """Measure the load generator, against a server that only answers."""
    port = free_port()
    with on(built.cores.server):
        answering = child(
            "tests.bench.ceiling", [], environment=child_environment(PORT=str(port)), log=FOLDER / "ceiling.log"
        )
        with answering as process:
            await_answer(process, f"http://127.0.0.1:{port}/")
            with on(built.cores.others):
                plan = Plan(
                    port=port,
                    paths=["/"],
                    headers={},
                    body="{}",
                    status=201,
                    connections=16,
                    warm_up=0.3,
                    seconds=1.0,
                )
                return drive(plan).rate


def _load() -> str:
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def _line(figure: Figure) -> Sequence[str]:
    return (figure.name, figure.result, figure.target, "ok" if figure.reached else "MISS")


def _sides(ours: Side, yardstick: Side) -> Sequence[tuple[str, Side]]:
    return (("ours", ours), ("yardstick", yardstick))


def _spent(name: str, side: Side) -> Sequence[str]:
    return (
        name,
        f"{side.rate:,.0f}",
        f"{side.p50 * 1000:.1f}",
        f"{side.p99 * 1000:.1f}",
        f"{side.server_ms:.2f}",
        f"{side.server_busy:.0%}",
        f"{side.around_ms:.2f}",
        f"{side.others_busy:.0%}",
        f"{side.commits:.1f}",
        str(side.failed),
    )


if __name__ == "__main__":
    sys.exit(main())
