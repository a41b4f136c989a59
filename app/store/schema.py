"""The schema's version: bringing a database up to date, and telling whether it is."""

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base

_MIGRATIONS = Path(__file__).parents[2] / "migrations"


def asyncpg_url(database_url: str) -> URL:
    """Name the asyncpg driver in a plain `postgresql://` URL, as SQLAlchemy would look for another one."""
    return make_url(database_url).set(drivername="postgresql+asyncpg")


def alembic_config(database_url: str | None = None) -> Config:
    """Give Alembic's configuration; without a URL the environment's is used. No file is read."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


async def upgrade(database_url: str) -> None:
    """Apply all missing migrations. Several processes may do this at once, one process once at a time."""
    # Alembic is synchronous and its environment starts a loop of its own, hence the thread.
    await asyncio.to_thread(command.upgrade, alembic_config(database_url), "head")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a database is good for."""

    is_current: bool
    """Whether it has the migrations that this code was written for, and none that this code could not live with."""
    is_read_only: bool
    """Whether it takes no changes, as a replica does."""


class CompatibleRevisionRow(Base):
    """A schema for which a version of the gateway was written that can live with the present one.

    A migration that only adds names the revision before it here, so that the old version serves until it is replaced.
    """

    __tablename__ = "compatible_revisions"

    revision: Mapped[str] = mapped_column(primary_key=True)


async def standing(engine: AsyncEngine) -> Standing:
    """Tell what the database is good for."""
    expected = await asyncio.to_thread(_expected)
    async with engine.connect() as connection:
        read_only = await connection.scalar(text("SELECT current_setting('transaction_read_only')"))
        is_current = await connection.run_sync(_applied) == expected or await _is_lived_with(connection, expected)
        return Standing(is_current, read_only == "on")


async def _is_lived_with(connection: AsyncConnection, expected: frozenset[str]) -> bool:
    """Tell whether a newer schema says that this code may go on with it."""
    if await connection.scalar(text("SELECT to_regclass('compatible_revisions')")) is None:
        return False
    named = await connection.scalars(select(CompatibleRevisionRow.revision))
    return expected <= set(named)


@cache
def _expected() -> frozenset[str]:
    return frozenset(ScriptDirectory.from_config(alembic_config()).get_heads())


def _applied(connection: Connection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())
