"""One way for all commands to the gateway's database: open it, do one thing, close it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.exc import DBAPIError

from app import main
from app.api.deps import Gateway
from app.cli.console import CommandError
from app.domain.errors import GatewayError
from app.gateway.key_watch import KeyWatch
from app.settings import DatabaseSettings, Settings
from app.store.database import Database
from app.store.key_register import KeysRefused
from app.telemetry import log

_CONNECT_WITHIN = 5.0  # seconds

T = TypeVar("T")


def at_gateway(settings: Settings, work: Callable[[Gateway], Awaitable[T]], *, check_keys: bool = True) -> T:
    """Do one thing with the gateway's parts, in this process, beside those that serve.

    `check_keys`: refuse to where data is under a key that the settings do not have.

    Raises:
        CommandError: the database cannot be used, or the work was refused.
    """

    async def run() -> T:
        async with _opened(settings, check_keys=check_keys) as gateway:
            return await work(gateway)

    return asyncio.run(run())


async def require_reachable(settings: DatabaseSettings) -> None:
    """Connect once.

    Raises:
        CommandError: Postgres cannot be reached or lets nobody in, with where it was looked for.
    """
    with usable(settings):
        connection = await asyncpg.connect(settings.plain_database_url, timeout=_CONNECT_WITHIN)
        await connection.close()


async def require_keys(settings: Settings) -> None:
    """Compare the keys with those that the data is under, where there is a register of them already.

    Raises:
        CommandError: one is missing or another one, with what to do.
    """
    database = Database(settings.async_database_url, keys=main.store_keys(settings), pool_size=1)
    try:
        with usable(settings):
            await _compare(main.key_watch(settings, database))
    except GatewayError as error:
        raise CommandError(_told(error)) from error
    finally:
        await database.close()


async def _compare(keys: KeyWatch) -> None:
    try:
        await keys.check()
    except KeysRefused as refused:
        raise CommandError("\n  ".join(["the keys are not those of this database:", *refused.faults])) from None


@contextmanager
def usable(settings: DatabaseSettings) -> Iterator[None]:
    """Tell people, not programmers, what is wrong with a database that cannot be used."""
    try:
        yield
    except asyncpg.InterfaceError:
        raise CommandError("DATABASE_URL cannot be read: write postgresql://user:password@host:port/database") from None
    except TimeoutError:
        reason = f"no answer within {_CONNECT_WITHIN:.0f} s"
    except (OSError, asyncpg.PostgresError) as error:
        reason = str(error)
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
    else:
        return
    raise CommandError(
        f"Postgres cannot be used at {_place(settings.plain_database_url)}: {reason}. "
        "Is it running, and is DATABASE_URL right?"
    )


@asynccontextmanager
async def _opened(settings: Settings, *, check_keys: bool) -> AsyncIterator[Gateway]:
    log.configure("ERROR")
    await require_reachable(settings)
    parts = main.build(settings)
    try:
        with usable(settings):
            if not await parts.gateway.database.is_current():
                raise CommandError("the schema is not current: run pms-gateway migrate")
            if check_keys:
                await _compare(parts.ground.keys)
            yield parts.gateway
    except GatewayError as error:
        raise CommandError(_told(error)) from error
    finally:
        await parts.ground.connectors.aclose()
        await parts.ground.services.pools.aclose()
        await parts.ground.stores.redis.aclose()
        await parts.gateway.database.close()


def _told(error: GatewayError) -> str:
    if len(error.errors) < 2:
        return error.detail
    return "\n  ".join([error.detail, *(f"{'.'.join(map(str, fault.loc))}: {fault.msg}" for fault in error.errors)])


def _place(url: str) -> str:
    """Give host, port and database, never the password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path
