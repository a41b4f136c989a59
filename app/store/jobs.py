"""The one door to PgQueuer: a job is put into the transaction of the row that it is about."""

import asyncio
from datetime import timedelta
from typing import Any, Self

from pgqueuer.core.tm import TaskManager
from pgqueuer.db import Driver
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.queries import Queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


class _SessionDriver(Driver):
    """PgQueuer's statements, sent through SQLAlchemy's connection.

    Never hand PgQueuer the raw connection: SQLAlchemy sends BEGIN with its own first statement, and a job
    put in before that would be committed by itself (found by running it, 2026-11).
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        result = await self._connection.exec_driver_sql(query, tuple(args))
        return [dict(row) for row in result.mappings()]

    async def execute(self, query: str, *args: object) -> str:
        return str((await self._connection.exec_driver_sql(query, tuple(args))).rowcount)

    async def notify(self, channel: str, payload: str) -> None:
        await self._connection.exec_driver_sql("SELECT pg_notify($1, $2)", (channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        raise NotImplementedError("a unit of work does not listen")

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return self._tasks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def enqueue(
    session: AsyncSession,
    entrypoint: str,
    *,
    about: str,
    delay: timedelta | None = None,
    dedupe_key: str | None = None,
) -> None:
    """Put a job into the session's transaction: it is there when, and only when, that commits.

    `about` is the id of the operation or row to work on and all that a job carries. While a job with the
    same `dedupe_key` waits or runs, a second one is nothing.

    Raises:
        RuntimeError: no transaction is open.
    """
    if not session.in_transaction():
        raise RuntimeError("a job can only be put into an open unit of work")
    await session.flush()
    queries = Queries(_SessionDriver(await session.connection()))
    # Without "skip" a second job of the same key would abort the whole transaction.
    await queries.enqueue(entrypoint, about.encode(), execute_after=delay, dedupe_key=dedupe_key, on_conflict="skip")


async def longest_wait(session: AsyncSession) -> timedelta:
    """Tell how long the oldest job that is due has waited for a worker; zero where none does."""
    found = await session.execute(
        text("SELECT now() - min(execute_after) FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()")
    )
    waited: timedelta | None = found.scalar_one()
    return waited or timedelta(0)


async def forget_log(session: AsyncSession, *, older_than: timedelta) -> None:
    """Drop what PgQueuer noted of jobs that ended so long ago."""
    seconds = {"age": older_than.total_seconds()}
    await session.execute(text("DELETE FROM pgqueuer_log WHERE created < now() - make_interval(secs => :age)"), seconds)
