"""`pms-gateway migrate`: bring the database up to date."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings, settings_of
from app.cli.console import tell

if TYPE_CHECKING:
    from app.settings import DatabaseSettings


def migrate(embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Bring the database up to date. Needs DATABASE_URL alone; several may run at once."""
    from app.settings import DatabaseSettings

    settings = operator_settings(embedded=True, folder=folder) if embedded else settings_of(DatabaseSettings)
    tell(f"the schema is at revision {bring_up_to_date(settings)}")


def bring_up_to_date(settings: "DatabaseSettings", *, progress: Callable[[str], None] = tell) -> str:
    """Apply what is missing, telling each step, and give the revision that the schema has then.

    Raises:
        CommandError: the database cannot be used.
    """
    from alembic.script import ScriptDirectory

    from app.cli.database import require_reachable, usable
    from app.store import schema

    async def run() -> None:
        await require_reachable(settings)
        with usable(settings):
            await schema.upgrade(settings.plain_database_url)

    steps = logging.getLogger("alembic.runtime.migration")
    teller = _Teller(progress)
    steps.addHandler(teller)
    steps.setLevel(logging.INFO)
    try:
        asyncio.run(run())
    finally:
        steps.removeHandler(teller)
    return ", ".join(ScriptDirectory.from_config(schema.alembic_config()).get_heads())


class _Teller(logging.Handler):
    """Passes on which migration Alembic is about to run; the rest of what it says is about itself."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Running "):
            self._progress(message.removeprefix("Running "))
