"""How every read is answered: ledger, cache, one flight to the PMS, and what is served when it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import structlog

from app.core import deadline
from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.matrix import Ledger
from app.domain.capability import Capability
from app.domain.errors import (
    CapabilityNotSupported,
    DeadlineExceeded,
    GatewayError,
    StorageUnavailable,
    VendorContractBroken,
)
from app.domain.model import shape, type_adapter
from app.gateway.mapping_faults import contract_kept
from app.gateway.optional_store import OptionalStore, spare
from app.gateway.patience import within
from app.store.cache import WHOLE_HOTEL, Cache, CachedCopy, CacheKey, Lookup
from app.store.database import Database, UnitOfWork
from app.telemetry import context, metrics

T = TypeVar("T")

STALE_AFTER = 1.5
"""Seconds that a caller waits for the PMS when there is a copy to answer with."""
STORE_SECONDS = 1.0
"""Seconds that one waits for our own database where there is nothing better to tell."""

LAST_SECONDS = 0.05
"""Seconds in which the store may still give a copy when the caller's time is up."""
KEEP_SECONDS = 3.0
"""Seconds that it takes at most to write an answer through; the caller waits for a part of them, out of courtesy."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notice:
    """What the vendor said or could not take."""

    code: str
    detail: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """When an answer was read: its number, None while Postgres is away, and the instant it was asked for."""

    read_no: int | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """What our store has instead of the PMS's answer."""

    value: T
    as_of: datetime
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Read(Generic[T]):
    """One question to a hotel's PMS, and everything that is known about answering it."""

    capability: Capability
    kind: Any
    """The type of the answer, by which it is written into the cache and read again."""
    ask: Callable[[PMSAdapter], Awaitable[T]]
    params: Any = None
    """What tells this question from others of its capability; JSON-like."""
    resources: tuple[str, ...] = ()
    """The cache generations that it depends on."""
    ttl: float = 0.0
    """Seconds for which the answer is fresh; with 0 it is coalesced, never cached."""
    keep: Callable[[UnitOfWork, T, Fetched], Awaitable[object]] | None = None
    """Writes the answer through to the store."""
    join: Callable[[UnitOfWork, T], Awaitable[T]] | None = None
    """Adds to the PMS's answer what only our store knows; left out while the store is away."""
    held: Callable[[UnitOfWork], Awaitable[Held[T] | None]] | None = None
    """Gives the store's copy, where api.md allows to serve one."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a caller is told, and how much it can be trusted."""

    data: T
    source: Literal["pms", "cache", "store"]
    as_of: datetime
    stale: bool = False
    complete: bool = True
    warnings: tuple[Notice, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    """More members of the envelope's `meta`."""

    def with_meta(self, **members: Any) -> "Answer[T]":
        """Give the same answer with more members in `meta`."""
        return replace(self, meta={**self.meta, **members})

    def cut_short(self, notice: Notice) -> "Answer[T]":
        """Give the same answer, saying that it is not all of it."""
        return replace(self, complete=False, warnings=(*self.warnings, notice))


@dataclass(frozen=True, slots=True)
class Patience:
    """How a caller wants to be answered: until when (monotonic seconds), and whether only a fresh answer will do."""

    until: float
    fresh: bool = False

    def left(self, now: float) -> float:
        """Give the seconds that are left at `now` (monotonic)."""
        return max(0.0, self.until - now)


@dataclass(frozen=True, slots=True)
class _Flight:
    """A question on its way to the PMS, and what was known of the cache's generations when it was sent."""

    task: asyncio.Task[tuple[Any, Fetched]]
    tokens: tuple[bytes, ...] | None
    last_unconfirmed: int

    def left_after(self, lookup: Lookup) -> bool:
        """Tell whether no write has moved the generations since."""
        return (self.tokens, self.last_unconfirmed) == (lookup.tokens, lookup.last_unconfirmed)


class Reads:
    """Answers reads. A flight to the PMS belongs to the process: a caller who leaves takes nobody with it."""

    def __init__(
        self, *, ledger: Ledger, cache: Cache, database: Database, connectors: ConnectorCache, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._cache = cache
        self.store = OptionalStore(database, clock)
        self._database = database
        self._connectors = connectors
        self._clock = clock
        self._flights: dict[str, _Flight] = {}
        self._outrun: set[asyncio.Task[tuple[Any, Fetched]]] = set()
        """Flights that began before a newer one for the same thing: what they bring is older."""
        self._keeping: set[asyncio.Task[None]] = set()
        """What is being written through; that, too, belongs to the process."""

    def require(self, registration: Registration, capability: Capability) -> None:
        """Refuse what the vendor cannot do, before anything is sent.

        Raises:
            CapabilityNotSupported: with the ledger's reason.
        """
        vendor = registration.hotel.vendor
        entry = self._ledger.of(vendor)
        if not entry.supports(capability):
            reason = entry.capabilities[capability].reason or "the vendor cannot do it"
            raise CapabilityNotSupported(capability, reason, vendor=vendor)

    async def answer(self, registration: Registration, read: Read[T], patience: Patience) -> Answer[T]:
        """Answer a read, in time, and say when the answer is stale.

        Raises:
            GatewayError: there is no answer that may be given.
        """
        self.require(registration, read.capability)
        key = self._key(registration, read)
        lookup = await self._look_up(read, key, patience)
        if lookup.copy and lookup.copy.fresh and not patience.fresh:
            metrics.CACHE_HITS.labels(read.capability).inc()
            return self._cached(read, lookup.copy, stale=False)
        metrics.CACHE_MISSES.labels(read.capability).inc()
        flight = self._join(registration, read, key, lookup, patience)
        try:
            value, fetched = await self._wait(flight, lookup.copy, patience)
        except GatewayError as error:
            return await self._instead(registration, read, lookup.copy, patience, error)
        return Answer(value, "pms", fetched.as_of)

    async def aclose(self) -> None:
        """Let the flights that are under way end, and what they brought be written through."""
        under_way = [flight.task for flight in self._flights.values()]
        await asyncio.gather(*under_way, *self._outrun, return_exceptions=True)
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def _key(self, registration: Registration, read: Read[T]) -> CacheKey:
        hotel = registration.hotel
        # The registration and the shape of the answer are part of the question: neither a hotel that was changed
        # nor a version of us with other models is answered with what another one stored.
        asked = [registration.revision, shape(read.kind), read.params]
        return self._cache.key(hotel.id, read.capability, asked, (WHOLE_HOTEL, *read.resources))

    async def _look_up(self, read: Read[T], key: CacheKey, patience: Patience) -> Lookup:
        if not read.ttl and not read.resources:
            return Lookup(None, None)
        return await self._cache.look_up(key, seconds=self._spare(patience))

    def _spare(self, patience: Patience) -> float:
        return spare(patience.left(self._clock.monotonic()))

    def _join(
        self, registration: Registration, read: Read[T], key: CacheKey, lookup: Lookup, patience: Patience
    ) -> asyncio.Task[tuple[T, Fetched]]:
        """Join the flight that is under way, unless it left before a write or before a forced read."""
        before = self._flights.get(key.entry)
        if before is not None and before.left_after(lookup) and not patience.fresh:
            metrics.COALESCED_READS.labels(read.capability).inc()
            return before.task
        with context.about(operation=read.capability, hotel_id=registration.hotel.id):
            task = asyncio.create_task(self._fly(registration, read, key, lookup, self._spare(patience)))
        if before is not None:
            self._outrun.add(before.task)
            before.task.add_done_callback(self._outrun.discard)
        self._flights[key.entry] = flight = _Flight(task, lookup.tokens, lookup.last_unconfirmed)
        task.add_done_callback(lambda _: self._land(key.entry, flight))
        return task

    def _land(self, entry: str, flight: _Flight) -> None:
        if self._flights.get(entry) is flight:
            del self._flights[entry]
        if not flight.task.cancelled():
            flight.task.exception()  # seen here, so that a flight nobody waits for any more is no complaint

    async def _wait(
        self, flight: asyncio.Task[tuple[T, Fetched]], copy: CachedCopy | None, patience: Patience
    ) -> tuple[T, Fetched]:
        left = patience.left(self._clock.monotonic())
        if copy is not None and not patience.fresh:
            left = min(left, STALE_AFTER)
        done, _ = await asyncio.wait({flight}, timeout=left)
        if not done:
            raise DeadlineExceeded("the PMS did not answer in time")
        return flight.result()

    async def _fly(
        self, registration: Registration, read: Read[T], key: CacheKey, lookup: Lookup, seconds: float
    ) -> tuple[T, Fetched]:
        """Ask the PMS; `seconds` are for each thing on the way that the answer can do without."""
        fetched = Fetched(await self.store.read_no(seconds), self._clock.now())
        async with self._connectors.lease(registration) as connector:
            with (
                contract_kept(registration.hotel.vendor),
                deadline.until(self._clock.monotonic() + connector.profile.read_budget),
            ):
                value = await read.ask(connector)
        value = await self._joined(read, value, seconds)
        if read.ttl and asyncio.current_task() not in self._outrun:
            payload = type_adapter(read.kind).dump_json(value)
            await self._cache.put(key, payload, tokens=lookup.tokens, as_of=fetched.as_of, ttl=read.ttl)
        await self._start_to_keep(read, value, fetched, seconds)
        return value, fetched

    async def _joined(self, read: Read[T], value: T, seconds: float) -> T:
        join = read.join
        if join is None:
            return value
        joined = await self.store.ask(seconds, lambda work: join(work, value))
        return value if joined is None else joined

    async def _start_to_keep(self, read: Read[T], value: T, fetched: Fetched, seconds: float) -> None:
        """Write an answer through; who waits for it is kept for `seconds` at most, and not at all by an error."""
        if read.keep is None or fetched.read_no is None:
            return
        with context.about(operation=read.capability):
            task = asyncio.create_task(self._keep(read, value, fetched))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        await asyncio.wait({task}, timeout=seconds)

    async def _keep(self, read: Read[T], value: T, fetched: Fetched) -> None:
        try:
            await within(KEEP_SECONDS, self._write_through(read, value, fetched))
        except StorageUnavailable:
            log.warning("read.not_kept", capability=read.capability)
        except Exception:
            log.exception("read.not_kept", capability=read.capability)

    async def _write_through(self, read: Read[T], value: T, fetched: Fetched) -> None:
        if read.keep is not None:
            async with self._database.unit_of_work() as work:
                await read.keep(work, value, fetched)

    async def _instead(
        self,
        registration: Registration,
        read: Read[T],
        copy: CachedCopy | None,
        patience: Patience,
        error: GatewayError,
    ) -> Answer[T]:
        """Serve the newest that we hold where the PMS could not be asked; raise where it said no."""
        if not may_be_stale(error):
            raise error
        left = patience.left(self._clock.monotonic())
        held = await self.store.ask(min(STORE_SECONDS, max(LAST_SECONDS, left)), read.held) if read.held else None
        if copy is not None and (held is None or copy.as_of >= held.as_of):
            answer = self._cached(read, copy, stale=True)
        elif held is not None:
            answer = Answer(held.value, "store", held.as_of, stale=True, complete=held.complete)
        else:
            raise error
        metrics.STALE_READS.labels(read.capability).inc()
        log.warning("read.stale", capability=read.capability, hotel_id=registration.hotel.id, code=error.code)
        return answer

    def _cached(self, read: Read[T], copy: CachedCopy, *, stale: bool) -> Answer[T]:
        value: T = type_adapter(read.kind).validate_json(copy.payload)
        return Answer(value, "cache", copy.as_of, stale=stale)


def may_be_stale(error: GatewayError) -> bool:
    """Tell whether an error means that the PMS could not be asked, rather than that it said no."""
    return isinstance(error, DeadlineExceeded | VendorContractBroken) or (
        error.retryable and not isinstance(error, StorageUnavailable)
    )
