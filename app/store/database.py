"""The way to Postgres: a pool of connections, and units of work that commit once or not at all."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from app.domain.hotel import Hotel
from app.store import jobs, schema
from app.store.alerts import Alerts
from app.store.api_keys import ApiKeys
from app.store.audit import Audit
from app.store.dead_letters import DeadLetters
from app.store.guests import Guests
from app.store.hotels import Hotels
from app.store.inbox import Inbox
from app.store.invalidations import Invalidations
from app.store.key_register import KeyRegister
from app.store.locks import Locks
from app.store.milestones import Milestones
from app.store.operations import Operations
from app.store.outbox import Outbox
from app.store.passes import Passes
from app.store.pool import PoolCare, connect
from app.store.repository import StoreKeys
from app.store.reservations import Reservations
from app.store.rooms import Rooms
from app.store.statements import Alone, Constant, InTransaction, means_away, unavailable
from app.store.steps import Steps
from app.store.subjects import Subject, marks_of, subjects_of
from app.store.tables import READ_NUMBERS
from app.store.tombstones import Tombstones
from app.store.traces import Traces

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a connection, a fresh one or one of the pool."""
COMMAND_TIMEOUT = 10.0
"""Seconds for one statement."""


_NEXT_READ = Constant(READ_NUMBERS.next_value().select())


class UnitOfWork:
    """One transaction, with the repositories that work in it. Made by `Database.unit_of_work`."""

    def __init__(self, session: AsyncSession, keys: StoreKeys) -> None:
        self.session = session
        self._keys = keys

    @cached_property
    def hotels(self) -> Hotels:
        """The registered hotels."""
        return Hotels(self.session, self._keys)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """The callers' keys."""
        return ApiKeys(self.session, self._keys)

    @cached_property
    def reservations(self) -> Reservations:
        """The newest copies of reservations."""
        return Reservations(self.session, self._keys)

    @cached_property
    def guests(self) -> Guests:
        """The newest copies of profiles."""
        return Guests(self.session, self._keys)

    @cached_property
    def traces(self) -> Traces:
        """All that is stored of one guest."""
        return Traces(self.session, self._keys)

    @cached_property
    def tombstones(self) -> Tombstones:
        """What is left of erased guests."""
        return Tombstones(self.session, self._keys)

    @cached_property
    def rooms(self) -> Rooms:
        """The newest copies of room states."""
        return Rooms(self.session, self._keys)

    @cached_property
    def passes(self) -> Passes:
        """Which lists were read in full."""
        return Passes(self.session, self._keys)

    @cached_property
    def operations(self) -> Operations:
        """The writes."""
        return Operations(self.session, self._keys)

    @cached_property
    def steps(self) -> Steps:
        """The vendor calls of the writes."""
        return Steps(self.session, self._keys)

    @cached_property
    def milestones(self) -> Milestones:
        """The moments of writes, in this transaction."""
        return Milestones(InTransaction(self.session), self._keys)

    @cached_property
    def locks(self) -> Locks:
        """What operations keep each other out of."""
        return Locks(self.session, self._keys)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Writes that wait or need a person."""
        return DeadLetters(self.session, self._keys)

    @cached_property
    def alerts(self) -> Alerts:
        """What operators are alerted to."""
        return Alerts(self.session, self._keys)

    @cached_property
    def outbox(self) -> Outbox:
        """Events for subscribers."""
        return Outbox(self.session, self._keys)

    @cached_property
    def inbox(self) -> Inbox:
        """Webhooks of vendors."""
        return Inbox(self.session, self._keys)

    @cached_property
    def audit(self) -> Audit:
        """Who did what."""
        return Audit(self.session, self._keys)

    @cached_property
    def key_register(self) -> KeyRegister:
        """Which keys the data is under."""
        return KeyRegister(self.session, self._keys)

    @cached_property
    def invalidations(self) -> Invalidations:
        """Cache generations to be moved."""
        return Invalidations(self.session, self._keys)

    async def now(self) -> datetime:
        """Give the instant at which this transaction began, by the database's clock."""
        return (await self.session.execute(select(func.now()))).scalar_one()

    def subjects_of(self, hotel: Hotel, people: Iterable[Subject]) -> list[bytes]:
        """Give the `subjects` of a row that holds data of these people."""
        return subjects_of(self._keys.index, hotel, people)

    async def enqueue(
        self, entrypoint: str, *, about: str, delay: timedelta | None = None, dedupe_key: str | None = None
    ) -> None:
        """Put a job into this transaction; see `jobs.enqueue`."""
        await jobs.enqueue(self.session, entrypoint, about=about, delay=delay, dedupe_key=dedupe_key)

    async def longest_wait_of_a_job(self) -> timedelta:
        """Tell how long the oldest job that is due has waited for a worker; zero where none does."""
        return await jobs.longest_wait(self.session)

    async def forget_job_log(self, *, older_than: timedelta) -> None:
        """Drop what PgQueuer noted of jobs that ended long ago; it never does so itself."""
        await jobs.forget_log(self.session, older_than=older_than)


class Database:
    """The pool of one process. Nothing connects before the first unit of work."""

    def __init__(self, url: str, *, keys: StoreKeys, pool_size: int = 10) -> None:
        """Prepare a pool for a `postgresql://` URL."""
        self._keys = keys
        self.engine: AsyncEngine = create_async_engine(
            schema.asyncpg_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT,
            hide_parameters=True,  # errors are logged, parameters hold guests
            connect_args={
                "async_creator_fn": connect,
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": COMMAND_TIMEOUT,
                "server_settings": {
                    "application_name": "pms-gateway",
                    "jit": "off",  # our queries are short; compiling one costs more than running it
                    "idle_in_transaction_session_timeout": "60000",
                },
            },
        )
        self._care = PoolCare(self.engine.sync_engine)
        self.alone = Alone(self.engine, self._care.distrust)
        """Runs constant statements, each a transaction of its own."""
        self.milestones = Milestones(self.alone, keys)
        """The moments of writes, each a transaction of its own: committed when it has returned."""

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Never hold one open across a vendor call.

        Raises:
            StorageUnavailable: Postgres cannot be reached, or was lost on the way.
        """
        with _loss_translated():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                yield UnitOfWork(session, self._keys)

    async def next_read_no(self) -> int:
        """Take a number for a read of a PMS, before it is sent, or for a write, when it is answered.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        row = await self.alone.first(_NEXT_READ, {})
        assert row is not None, "a sequence always has a next number"  # noqa: S101 - for the type checker
        return int(row[0])

    async def is_current(self) -> bool:
        """Tell whether the schema is the one that this code was written for.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        return (await self.standing()).is_current

    async def standing(self) -> schema.Standing:
        """Tell what the database is good for.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        with _loss_translated():
            found = await schema.standing(self.engine)
        if found.is_read_only:  # its connections may stay so when the database no longer is
            self._care.distrust()
        return found

    def busy_connections(self) -> int | None:
        """Give the size of the pool while each of its connections is in use, else None."""
        pool = cast("QueuePool", self.engine.sync_engine.pool)
        return pool.size() if pool.checkedout() >= pool.size() else None

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    def subjects_of(self, hotel: Hotel, people: Iterable[Subject]) -> list[bytes]:
        """Give the `subjects` of a row that holds data of these people."""
        return subjects_of(self._keys.index, hotel, people)

    def marks_of(self, hotel: Hotel, people: Iterable[Subject]) -> frozenset[bytes]:
        """Give the marks that these people have if they are erased."""
        return marks_of(self._keys.marks, hotel, people)


@contextmanager
def _loss_translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not means_away(error):
            raise
        raise unavailable(error) from error
