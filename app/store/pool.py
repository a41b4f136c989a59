"""Replaces pooled connections that were lost, without asking each one before each use.

SQLAlchemy's own `pool_pre_ping` costs three round trips a use (BEGIN, a ping, ROLLBACK), which was the larger part of
what a write spent in Postgres (measured with `make bench`, 2026-11-21).
"""

import select
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

TRUSTED_SECONDS = 1.0
"""For how long after its last use a connection is taken for alive, unless its socket says otherwise."""

_USED_AT = "used_at"


def replace_lost(engine: Engine) -> None:
    """Let a restart of Postgres not cost each pooled connection one request.

    A server that ends says so and closes its sockets. What the network swallowed is found by asking a connection that
    was idle; where one is lost it and all others are made anew.
    """

    @event.listens_for(engine, "checkin")
    def note_use(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def require_alive(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        used_at = entry.info.get(_USED_AT)
        if used_at is None:  # it was made just now
            return
        driver = entry.driver_connection
        if driver is None or driver.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - used_at <= TRUSTED_SECONDS and not _has_news(driver):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            if not driver.is_closed():
                raise
            raise InvalidatePoolError from error


def _has_news(driver: Any) -> bool:
    """Tell whether the server said something unasked, as it does when it ends; the event loop may not know yet."""
    poll = select.poll()
    poll.register(driver._transport.get_extra_info("socket"), select.POLLIN)  # noqa: SLF001 - asyncpg hides its socket
    return bool(poll.poll(0))
