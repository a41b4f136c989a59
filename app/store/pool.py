"""Replaces pooled connections that were lost, without asking each one before each use.

SQLAlchemy's own `pool_pre_ping` costs three round trips a use (BEGIN, a ping, ROLLBACK), which was the larger part of
what a write spent in Postgres (measured with `make bench`, 2026-11-21).
"""

import select
import time
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_

from app.store.statements import READ_ONLY, sqlstate_of

TRUSTED_SECONDS = 1.0
"""For how long after its last use a connection is taken for alive, unless its socket says otherwise."""
PING_SECONDS = 0.5
"""How long a connection may take to say that it is alive."""

FAREWELL_SECONDS = 0.25
"""How long a connection that is given up may take to end in good order; it holds its place in the pool meanwhile."""

_MADE_AT = "made_at"
_USED_AT = "used_at"


class _Connection(asyncpg.Connection):
    """Ends quickly: SQLAlchemy gives a silent server two seconds, and as long there is one connection less."""

    __slots__ = ()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's own signature
        await super().close(timeout=FAREWELL_SECONDS if timeout is None else min(timeout, FAREWELL_SECONDS))


async def connect(*arguments: Any, **options: Any) -> asyncpg.Connection:
    """Connect as asyncpg does; a server that does not let us in, for whatever reason, is as good as away.

    Raises:
        ConnectionError: it is full, starting, stopping, knows no such database, takes no connections to it, …
    """
    try:
        return await asyncpg.connect(*arguments, connection_class=_Connection, **options)
    except asyncpg.PostgresError as error:
        raise ConnectionError(f"Postgres refused the connection ({sqlstate_of(error)})") from error


class PoolCare:
    """Lets a restart of Postgres, or a failover, not cost each pooled connection one request.

    A server that ends says so and closes its sockets. What the network swallowed is found by asking a connection that
    was idle; where one is lost it and all others are made anew. One that is read-only may have been the primary before
    a failover, and may stay read-only when the database no longer is: the others are not believed either.
    """

    def __init__(self, engine: Engine) -> None:
        """Look after the pool of an engine from now on."""
        self._distrusted_at = float("-inf")
        self._idle: set[ConnectionPoolEntry] = set()
        event.listen(engine, "connect", self._note_making)
        event.listen(engine, "checkin", self._note_use)
        event.listen(engine, "checkout", self._require_alive)
        event.listen(engine, "handle_error", self._look_at_error)

    def distrust(self) -> None:
        """Replace every connection of now before its next use."""
        self._distrusted_at = time.monotonic()

    def _note_making(self, _: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        entry.info[_MADE_AT] = time.monotonic()

    def _note_use(self, _: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_USED_AT] = time.monotonic()
        self._idle.add(entry)

    def _require_alive(self, _: DBAPIConnection, entry: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
        self._idle.discard(entry)
        used_at = entry.info.get(_USED_AT)
        if used_at is None:  # it was made just now
            return
        driver = entry.driver_connection
        if driver is None or driver.is_closed() or entry.info[_MADE_AT] <= self._distrusted_at:
            raise InvalidatePoolError
        if time.monotonic() - used_at <= TRUSTED_SECONDS and not _has_news(driver):
            return
        try:
            await_(driver.execute("SELECT 1", timeout=PING_SECONDS))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self._drop_silent(entry)
            raise InvalidatePoolError from error

    def _drop_silent(self, entry: ConnectionPoolEntry) -> None:
        """Drop all that is idle without a farewell, which nobody would hear: each one would be waited for."""
        for one in (entry, *self._idle):
            driver: Any = one.driver_connection
            if driver is not None:
                driver.terminate()

    def _look_at_error(self, about: ExceptionContext) -> None:
        if sqlstate_of(about.original_exception) == READ_ONLY:
            about.is_disconnect = True


def _has_news(driver: Any) -> bool:
    """Tell whether the server said something unasked, as it does when it ends; the event loop may not know yet."""
    poll = select.poll()
    poll.register(driver._transport.get_extra_info("socket"), select.POLLIN)  # noqa: SLF001 - asyncpg hides its socket
    return bool(poll.poll(0))
