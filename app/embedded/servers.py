"""Both servers as one thing to start and to stop."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from app.embedded.databases import create_database, drop_database
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.terms import Progress, silent
from app.embedded.valkey import EmbeddedRedis


class EmbeddedServers:
    """Both servers in one folder, started and stopped together."""

    def __init__(self, folder: Path, *, durable: bool = False, progress: Progress = silent) -> None:
        """Plan both; see `EmbeddedServer` for the arguments."""
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder / "postgres", durable=durable, progress=progress)
        self.redis = EmbeddedRedis(folder / "redis", durable=durable, progress=progress)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.postgres)
            started.enter_context(self.redis)
            self._stack = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def database_url(self) -> str:
        """The maintenance database of Postgres, `postgresql://` form."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """The first database of Redis."""
        return self.redis.url

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, by copying `template` if given, and return its URL."""
        create_database(self.database_url, name, template=template)
        return self.postgres.database_url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and throw out whoever uses it. Harmless when it is gone."""
        drop_database(self.database_url, name)
