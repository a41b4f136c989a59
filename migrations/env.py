"""How Alembic reaches the database: asynchronously, one process at a time, in one transaction."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.settings import DatabaseSettings
from app.store import key_register  # noqa: F401 - its table is one of ours, too
from app.store.schema import asyncpg_url
from app.store.tables import Base

MIGRATION_LOCK = 72_707_369


def include_name(name: str | None, type_: str, _parent: object) -> bool:
    """Leave PgQueuer's tables and the monthly partitions of the audit out of comparisons."""
    return not (type_ == "table" and name is not None and name.startswith(("pgqueuer", "audit_log_")))


def run(connection: Connection) -> None:
    """Bring the schema to where the command wants it."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        # Before the current revision is read: a second process must find what the first has done.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def main() -> None:
    """Run on the URL that the caller gave, or on the one of the environment."""
    url = context.config.attributes.get("database_url") or DatabaseSettings().database_url.get_secret_value()
    engine = create_async_engine(asyncpg_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(main())
