"""Constant statements, and the two doors through which they reach Postgres: inside a transaction, or alone.

SQLAlchemy's session, its BEGIN and its COMMIT were the larger part of what a write spent in this process. What every
write does at the same three points is a text that never changes, so that it is compiled once and sent as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import greenlet_spawn

from app.domain.errors import StorageUnavailable

READ_ONLY = "25006"
"""The SQLSTATE of a server that takes no changes, as a primary that became a replica."""

_AWAY = ("08", "25006", "25P03", "25P04", "28", "3D", "40", "53", "55P03", "57", "58")
"""SQLSTATE classes that mean that the server is away, full, starting, stopping, read-only after a failover, at odds
with its disk, or lost in a deadlock, or that it gave up on us: the same work may succeed later."""


class StorageReadOnly(StorageUnavailable):
    """Our own database answers, and takes no changes."""


@dataclass(frozen=True)
class Constant:
    """A statement that never changes; `names` are its values', where the statement itself does not tell them.

    Values go to Postgres as asyncpg takes them: plain types only.
    """

    statement: Executable
    names: tuple[str, ...] = ()

    @cached_property
    def compiled(self) -> tuple[str, tuple[str, ...]]:
        """The text with `$1`, `$2` … in it, and which value is which."""
        made = cast("Any", self.statement).compile(dialect=_dialect(), column_keys=self.names or None)
        compiled = cast("SQLCompiler", made)
        return compiled.string, tuple(compiled.positiontup or ())


class Door(Protocol):
    """A way for a constant statement into Postgres."""

    async def first(self, constant: Constant, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run the statement and give the first row of its answer, if there is one."""


@dataclass(frozen=True, slots=True)
class InTransaction:
    """Runs statements in the transaction of a unit of work."""

    session: AsyncSession

    async def first(self, constant: Constant, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run the statement; see `Door`."""
        return (await self.session.execute(constant.statement, values)).first()


@dataclass(frozen=True, slots=True)
class Alone:
    """Makes each statement a transaction of its own: one round trip, and it is committed when it has its answer."""

    engine: AsyncEngine
    distrust: Callable[[], None]
    """Is told of a connection that is read-only: the others may be, too."""

    async def first(self, constant: Constant, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run the statement; see `Door`.

        Raises:
            StorageUnavailable: Postgres cannot be reached, or was lost on the way.
        """
        text, names = constant.compiled
        try:
            found = await self._first(text, [values[name] for name in names])
        except Exception as error:
            if not means_away(error):
                raise
            raise unavailable(error) from error
        return found

    async def _first(self, text: str, values: Sequence[Any]) -> Sequence[Any] | None:
        pooled = await self.engine.raw_connection()
        driver: Any = pooled.driver_connection  # asyncpg's own, which commits a statement where nothing was begun
        try:
            found = await driver.fetchrow(text, *values)
        except BaseException as error:
            if isinstance(error, asyncpg.InterfaceError) and driver.is_closed():
                raise ConnectionError("the connection was lost") from error
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                self.distrust()
            elif not isinstance(error, asyncpg.PostgresError):  # cut off half-way: nobody knows what it is doing now
                driver.terminate()  # a farewell would be waited for, and it may be silent
                await greenlet_spawn(pooled.invalidate)
            raise
        finally:
            pooled.close()  # nothing was begun that would have to be ended, so that it awaits nothing
        return cast("Sequence[Any] | None", found)  # asyncpg's record is one


def means_away(error: BaseException) -> bool:
    """Tell whether an error of SQLAlchemy's, asyncpg's or the system's means that Postgres is away or was lost."""
    if isinstance(error, OSError | TimeoutError | PoolTimeout):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return sqlstate_of(error).startswith(_AWAY)


def unavailable(error: BaseException) -> StorageUnavailable:
    """Say what an error means of which `means_away` is true."""
    if sqlstate_of(error) == READ_ONLY:
        return StorageReadOnly("the gateway's database is read-only")
    if isinstance(error, PoolTimeout):
        return StorageUnavailable("all connections to the gateway's database are busy")
    return StorageUnavailable("the gateway's database cannot be reached")


def sqlstate_of(error: BaseException) -> str:
    """Give the SQLSTATE of an error of SQLAlchemy's or asyncpg's; nothing where it has none."""
    raised = error.orig if isinstance(error, DBAPIError) else error
    return getattr(raised, "sqlstate", None) or ""


def _dialect() -> Any:
    return dialect.dialect()  # type: ignore[no-untyped-call]
