"""Making and removing databases of a Postgres server, an embedded one or any other."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from app.embedded.terms import EmbeddedServerError

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def create_database(server_url: str, name: str, *, template: str | None = None) -> None:
    """Make a database on any Postgres, by copying the files of `template` if given.

    Blocks, and may be called while an event loop runs.

    Raises:
        EmbeddedServerError: The server refused, for instance because the database exists.
    """
    copied = f" TEMPLATE {_quoted(template)} STRATEGY FILE_COPY" if template else ""
    _administer(server_url, f"CREATE DATABASE {_quoted(name)}{copied}")


def drop_database(server_url: str, name: str) -> None:
    """Remove a database of any Postgres and throw out whoever uses it. Harmless when it is gone."""
    _administer(server_url, f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


def _quoted(database: str) -> str:
    if not _PLAIN_NAME.fullmatch(database):
        raise ValueError(f"not a plain database name: {database!r}")
    return f'"{database}"'


def _administer(server_url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(server_url, timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # A thread of its own, because the caller's may have a running event loop.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            thread.submit(asyncio.run, run()).result()
        except (asyncpg.PostgresError, OSError) as error:
            raise EmbeddedServerError(f"{statement}: {error}") from error
