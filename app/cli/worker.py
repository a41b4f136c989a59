"""`pms-gateway worker`: goes on with what no caller waits for."""

import asyncio
import signal
from typing import TYPE_CHECKING

from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, tell

if TYPE_CHECKING:
    from app.settings import Settings


def worker(embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Settle, send and look after writes until told to stop (SIGTERM, Ctrl-C); start as many as you like."""
    from app.cli.database import require_keys, require_reachable
    from app.cli.ledger import true_ledger
    from app.telemetry import log

    settings = operator_settings(embedded=embedded, folder=folder)
    log.configure(settings.log_level)
    true_ledger()
    asyncio.run(require_reachable(settings))
    asyncio.run(require_keys(settings))
    tell("working")
    asyncio.run(_work(settings))
    tell("stopped")


async def _work(settings: "Settings") -> None:
    from app.main import working
    from app.store.key_register import KeysRefused

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for told in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(told, stop.set)
    try:
        async with working(settings) as made:
            await made.run(stop)
    except KeysRefused as refused:  # where Postgres was away, or not migrated yet, when it began
        raise CommandError(str(refused)) from None
