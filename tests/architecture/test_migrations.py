"""Models and migrations say the same, in one line of history, both ways.

Bought by every project whose models ran ahead of its migrations and met production first.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import asyncpg
from alembic import command
from alembic.script import ScriptDirectory

from app.store.schema import alembic_config, upgrade

PROJECT = Path(__file__).parents[2]


async def tables(database_url: str) -> set[str]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    finally:
        await connection.close()
    return {row["relname"] for row in rows}


def test_history_has_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


async def test_models_are_what_the_migrations_make(empty_database_url: str) -> None:
    await upgrade(empty_database_url)
    await asyncio.to_thread(command.check, alembic_config(empty_database_url))


async def test_every_migration_can_be_taken_back_and_applied_again(empty_database_url: str) -> None:
    await upgrade(empty_database_url)
    first = await tables(empty_database_url)
    await asyncio.to_thread(command.downgrade, alembic_config(empty_database_url), "base")
    assert await tables(empty_database_url) == {"alembic_version", "alembic_version_pkc"}
    await upgrade(empty_database_url)
    assert await tables(empty_database_url) == first


async def test_processes_that_migrate_at_once_do_not_meet(empty_database_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": empty_database_url}
    command_line = (sys.executable, "-m", "alembic", "upgrade", "head")
    processes = [
        await asyncio.create_subprocess_exec(*command_line, cwd=PROJECT, env=environment, stderr=DEVNULL)
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert "operations" in await tables(empty_database_url)
