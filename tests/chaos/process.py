"""Gateways and workers of a chaos run, each a process of its own: `python -m tests.chaos.process`.

Importing the gateway takes seconds, and a run kills its processes by the dozen. So one process imports it and then
forks: each line of its input is an order for one process, whose id it answers. They end with it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn

from app.core.breaker import Breaker
from app.core.discovery import adapters
from app.core.profile import VendorProfile
from app.domain.hotel import Hotel
from app.embedded import tie_to_parent
from app.main import create_app, working
from app.settings import Settings
from app.telemetry import log as logs
from tests.chaos.deaths import Fate
from tests.chaos.pace import Pace


def gateway(pace: Pace, port: int) -> None:
    """Serve until killed or told to stop."""
    app = create_app(Settings(_env_file=None), clock=pace.clock, waits=pace.waits)
    uvicorn.run(app, host="127.0.0.1", port=port, http="httptools", access_log=False, log_config=None)


def worker(pace: Pace) -> None:
    """Work until killed or told to stop."""
    settings = Settings(_env_file=None)
    logs.configure(settings.log_level)
    asyncio.run(_work(settings, pace))


async def _work(settings: Settings, pace: Pace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with working(settings, clock=pace.clock, waits=pace.waits) as made:
        await made.run(stop)


def run(order: dict[str, Any]) -> None:
    """Be the process that was ordered."""
    pace = Pace(order["factor"])
    # The breaker's pause is no wait of a write and stands in no table; unscaled it would be the whole run.
    defaults = Breaker.__dict__["__init__"].__kwdefaults__
    defaults["reset_after"] = pace.seconds(defaults["reset_after"])
    for adapter in adapters().values():
        adapter.profile_at = staticmethod(partial(_hurried, pace, adapter.profile_at))  # type: ignore[method-assign]
    if order["fate"]:
        Fate.read(order["fate"]).lay()
    if order["port"]:
        gateway(pace, order["port"])
    else:
        worker(pace)


def _hurried(pace: Pace, facts_at: Callable[[Hotel], VendorProfile], hotel: Hotel) -> VendorProfile:
    """Give the facts of a hotel's vendor, its quotas in the run's time."""
    facts = facts_at(hotel)
    return replace(facts, rate_limits=tuple(map(pace.limit, facts.rate_limits)))


def _become(order: dict[str, Any], parent: int) -> None:
    tie_to_parent(signal.SIGKILL, parent)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for mine, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(mine, theirs)
    os.environ.update(order["environment"])
    run(order)


def take_orders() -> None:
    """Fork a process for every line of the input, until it ends."""
    adapters()  # found once, for all of them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever dies is gone at once
    parent = os.getpid()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _become(json.loads(line), parent)
            finally:
                sys.stdout.flush()
                os._exit(1)
        print(child, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    take_orders()
