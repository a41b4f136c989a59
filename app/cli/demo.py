"""`pms-gateway demo`: the whole house on this machine, a tour through it, then it keeps serving."""

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.configuration import settings_of
from app.cli.console import print_table, take_signals

if TYPE_CHECKING:
    from app.cli.stage import Stage
    from app.settings import DemoSettings

_INTERRUPTED = 130  # what a shell expects of a command that Ctrl-C has ended


def demo(
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when the process that started this one ends, as make does.")
    ] = False,
) -> None:
    """Start Postgres, Redis, simulated hotels, the gateway and a worker, walk through the API, then keep serving.

    PORT (8000) and SIMULATORS_PORT (8900) move it; DEMO_EXIT=1 ends it after the tour, with 1 if a step went
    wrong. Nothing of it stays when it ends.
    """
    from app.settings import DemoSettings

    if with_parent:
        from app.embedded import tie_to_parent

        tie_to_parent(signal.SIGTERM, os.getppid())
    take_signals()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # a closed terminal; nohup ignores it
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    settings = settings_of(DemoSettings)
    serving = False
    try:
        with ExitStack() as stack:
            stage, passed = _show(stack, settings)
            if settings.demo_exit:
                sys.exit(0 if passed else 1)
            serving = True
            _keep_serving(stage)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        sys.exit(0 if serving else _INTERRUPTED)


def _show(stack: ExitStack, settings: "DemoSettings") -> "tuple[Stage, bool]":
    """Start everything and go the tour; `stack` ends what was started."""
    import httpx
    from rich.console import Console

    from app.cli.guide import Guide
    from app.cli.stage import FOREIGN, Progress, Stage
    from app.cli.tour import walk

    console = Console(highlight=False)
    stage = Stage.build(stack, settings, Progress(console))
    headers = {"Authorization": f"Bearer {stage.token}"}
    with httpx.Client(base_url=stage.url, headers=headers, timeout=30, trust_env=False) as http:
        guide = Guide(http, console)
        passed = walk(guide, stage.hotel_ids, FOREIGN, stage.backstage)
    for process in stage.processes:
        process.require_alive()
    console.print("\nEach step at each hotel: the first time, with what it took", style="bold")
    print_table(("step", *stage.hotel_ids), guide.logbook.rows(stage.hotel_ids))
    verdict = "all as promised" if passed else f"{guide.failures} NOT as promised"
    console.print(f"\n{guide.calls} calls, {verdict}", style="bold green" if passed else "bold red")
    return stage, passed


def _keep_serving(stage: "Stage") -> None:
    from app.cli.children import watch

    hotel = stage.hotel_ids[0]
    print(
        f"""
Serving until Ctrl-C.
  gateway        {stage.url}
  documentation  {stage.url}/docs
  API key        {stage.token}
  logs           {stage.folder}

Try it:
  export KEY={stage.token}
  curl -H "Authorization: Bearer $KEY" {stage.url}/v1/hotels
  curl -H "Authorization: Bearer $KEY" {stage.url}/v1/hotels/{hotel}/arrivals
  curl -H "Authorization: Bearer $KEY" -H "Idempotency-Key: mine-1" -H "Content-Type: application/json" \\
       -d '{{"last_name": "Lovelace"}}' {stage.url}/v1/hotels/{hotel}/guests/search""",
        flush=True,
    )
    watch(stage.processes)
