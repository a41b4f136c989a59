"""How every read is answered: ledger, cache, one flight to the PMS, and what is served when it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import structlog
from pydantic import ValidationError

from app.core import deadline, priority
from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.matrix import Ledger
from app.domain.capability import Capability
from app.domain.errors import (
    CapabilityNotSupported,
    DeadlineExceeded,
    GatewayError,
    GatewayFailed,
    StorageUnavailable,
    VendorContractBroken,
)
from app.domain.model import shape, type_adapter
from app.gateway.erased import Erased
from app.gateway.flights import Brought, Fetched, Flight, Flights, Trip
from app.gateway.mapping_faults import contract_kept
from app.gateway.optional_store import OptionalStore, spare
from app.gateway.patience import within
from app.gateway.refresh_ahead import RefreshAhead
from app.store.cache import WHOLE_HOTEL, Cache, CachedCopy, CacheKey, Lookup
from app.store.database import Database, UnitOfWork
from app.store.subjects import Subject
from app.telemetry import context, metrics

T = TypeVar("T")

STALE_AFTER = 1.5
"""Seconds that a caller waits for the PMS when there is a copy to answer with."""
STORE_SECONDS = 1.0
"""Seconds that one waits for our own database where there is nothing better to tell."""

SECOND_LOOK_SECONDS = 0.1
"""Seconds in which the store may give a newer copy than the cache's, before that one is served."""
LAST_SECONDS = 0.05
"""Seconds of the caller's time that are kept for finding and telling what we hold."""
KEEP_SECONDS = 3.0
"""Seconds that it takes at most to write an answer through; the caller waits for a part of them, out of courtesy."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notice:
    """What the vendor said or could not take."""

    code: str
    detail: str
    fields: tuple[str, ...] = ()


Keep = Callable[[UnitOfWork, T, Fetched], Awaitable[object]]
Join = Callable[[UnitOfWork, T], Awaitable[T]]


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
    keep: Keep[T] | None = None
    """Writes the answer through to the store."""
    join: Join[T] | None = None
    """Adds to the PMS's answer what only our store knows; left out while the store is away."""
    held: Callable[[UnitOfWork], Awaitable[Held[T] | None]] | None = None
    """Gives the store's copy, where api.md allows to serve one."""
    about: tuple[Subject, ...] = ()
    """Whom the question names where the answer does not: the reservation whose folio it is."""


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
    about: tuple[Subject, ...] = ()
    """Whom the question named."""

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
    began: float = float("inf")
    """When the caller began to wait, where that was before the read began: one that is made of several has one time."""

    def at_most(self, seconds: float, now: float) -> "Patience":
        """Give the patience for a part of the whole that the rest can do without."""
        return replace(self, until=min(self.until, now + seconds))

    def keeping(self, seconds: float, now: float) -> "Patience":
        """Give the patience for a part of the whole that leaves so many seconds, or half of what is left, for more."""
        return replace(self, until=self.until - min(seconds, self.left(now) / 2))

    def left(self, now: float) -> float:
        """Give the seconds that are left at `now` (monotonic)."""
        return max(0.0, self.until - now)

    def for_the_store(self, now: float) -> float:
        """Give the seconds for a last look into our own store."""
        return min(STORE_SECONDS, self.left(now))


class Reads:
    """Answers reads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        cache: Cache,
        flights: Flights,
        database: Database,
        connectors: ConnectorCache,
        clock: Clock,
        erased: Erased,
        refresh_ahead: RefreshAhead | None = None,
    ) -> None:
        self._erased = erased
        self._ledger = ledger
        self._cache = cache
        self._flights = flights
        self.store = OptionalStore(database, clock)
        self._database = database
        self._connectors = connectors
        self._clock = clock
        self._refresh_ahead = refresh_ahead
        self._keeping: set[asyncio.Task[None]] = set()
        """What is being written through; it belongs to the process, not to a request."""

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
        began = min(patience.began, self._clock.monotonic())
        key = self._key(registration, read)
        lookup = await self._look_up(read, key, patience)
        cached = self._opened(read, lookup.copy)
        if cached is not None and not cached.stale and not patience.fresh:
            metrics.CACHE_HITS.labels(read.capability).inc()
            self._refresh_if_hot(registration, read, key, lookup, patience)
            return cached
        metrics.CACHE_MISSES.labels(read.capability).inc()
        flight = self._join(read, self._trip(registration, read, key, lookup, patience))
        with flight.audience.one_more():
            try:
                brought = await self._wait(flight, read, cached, patience, began)
            except GatewayError as error:
                return await self._instead(registration, read, cached, patience, error)
            if brought is None:  # the first attempt failed: nobody waits for the next who can be told something now
                return await self._meanwhile(registration, read, flight, cached, patience)
        return Answer(brought.value, "pms", brought.fetched.as_of, about=read.about)

    async def aclose(self) -> None:
        """Let the flights that are under way end, and what they brought be written through."""
        await self._flights.aclose()
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

    def _trip(
        self,
        registration: Registration,
        read: Read[T],
        key: CacheKey,
        lookup: Lookup,
        patience: Patience,
        *,
        background: bool = False,
    ) -> Trip[T]:
        seconds = self._spare(patience)
        return Trip(
            key=key,
            lookup=lookup,
            kind=read.kind,
            ttl=read.ttl,
            forced=patience.fresh,
            background=background,
            ask=lambda: self._ask(registration, read, seconds),
            keep=lambda brought: self._start_to_keep(read, brought, seconds),
            may_be_cached=lambda value: self._erased.names_none(registration.hotel, value, read.about),
        )

    def _join(self, read: Read[T], trip: Trip[T]) -> Flight[T]:
        flight = self._flights.find(trip)
        if flight is None:
            return self._flights.start(trip)
        metrics.COALESCED_READS.labels(read.capability).inc()
        return flight

    def _refresh_if_hot(
        self, registration: Registration, read: Read[T], key: CacheKey, lookup: Lookup, patience: Patience
    ) -> None:
        copy, ahead = lookup.copy, self._refresh_ahead
        if copy is None or ahead is None or not ahead.is_due(key.entry, copy.spent):
            return
        with priority.background():
            trip = self._trip(registration, read, key, lookup, patience, background=True)
            if self._flights.find(trip) is None:
                self._flights.start(trip)

    async def _wait(
        self, flight: Flight[T], read: Read[T], cached: Answer[T] | None, patience: Patience, began: float
    ) -> Brought[T] | None:
        """Wait for a flight; None when its first attempt has failed and there may be something better than waiting."""
        now = self._clock.monotonic()
        left = patience.left(now)
        may_hold = cached is not None or read.held is not None
        if may_hold:
            left -= min(LAST_SECONDS, left / 2)  # in which what we hold is found and told
        if cached is not None and not patience.fresh:
            left = min(left, max(0.0, began + STALE_AFTER - now))
        events: set[asyncio.Future[Any]] = {flight.landed}
        if may_hold and not patience.fresh:
            events.add(flight.setback)
        await asyncio.wait(events, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if flight.landed.done():
            return flight.landed.result()
        if flight.answered.done():  # and is only being kept
            return flight.answered.result()
        if flight.setback in events and flight.setback.done():
            return None
        raise DeadlineExceeded("the PMS did not answer in time")

    async def _ask(self, registration: Registration, read: Read[T], seconds: float) -> Brought[T]:
        """Ask the PMS; `seconds` are for each thing on the way that the answer can do without."""
        with context.about(operation=read.capability, hotel_id=registration.hotel.id):
            fetched = Fetched(await self.store.read_no(seconds), self._clock.now())
            try:
                value = await self._ask_the_pms(registration, read)
            except GatewayError:
                raise
            except Exception as error:  # a fault of ours is no reason to keep back what we hold
                log.exception("read.failed")
                raise GatewayFailed("the gateway failed while it read from the PMS") from error
            joined = await self._joined(read.join, value, seconds)
        return Brought(value, fetched, is_whole=False) if joined is None else Brought(joined, fetched)

    async def _joined(self, join: Join[T] | None, value: T, seconds: float) -> T | None:
        """Add what only our store knows; None where it does not say."""
        return value if join is None else await self.store.ask(seconds, lambda work: join(work, value))

    async def _ask_the_pms(self, registration: Registration, read: Read[T]) -> T:
        async with self._connectors.lease(registration) as connector:
            with (
                contract_kept(registration.hotel.vendor),
                deadline.until(self._clock.monotonic() + connector.profile.read_budget),
            ):
                return await read.ask(connector)

    async def _start_to_keep(self, read: Read[T], brought: Brought[T], seconds: float) -> None:
        """Write an answer through; who waits for it is kept for `seconds` at most, and not at all by an error."""
        keep = read.keep
        if keep is None or brought.fetched.read_no is None:
            return
        with context.about(operation=read.capability):
            task = asyncio.create_task(self._keep(keep, brought))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        await asyncio.wait({task}, timeout=seconds)

    async def _keep(self, keep: Keep[T], brought: Brought[T]) -> None:
        async def write_through() -> None:
            async with self._database.unit_of_work() as work:
                await keep(work, brought.value, brought.fetched)

        try:
            await within(KEEP_SECONDS, write_through())
        except StorageUnavailable:
            log.warning("read.not_kept")
        except Exception:
            log.exception("read.not_kept")

    async def _meanwhile(
        self, registration: Registration, read: Read[T], flight: Flight[T], cached: Answer[T] | None, patience: Patience
    ) -> Answer[T]:
        """Serve what we hold after a first failed attempt; wait for the next where we hold nothing."""
        answer = await self._held(registration, read, cached, patience, flight.setback.result())
        if answer is not None:
            return answer
        await asyncio.wait({flight.landed}, timeout=patience.left(self._clock.monotonic()))
        if not flight.landed.done():
            raise DeadlineExceeded("the PMS did not answer in time")
        brought = flight.landed.result()
        return Answer(brought.value, "pms", brought.fetched.as_of, about=read.about)

    async def _instead(
        self,
        registration: Registration,
        read: Read[T],
        cached: Answer[T] | None,
        patience: Patience,
        error: GatewayError,
    ) -> Answer[T]:
        """Serve what we hold where the PMS could not be asked; raise where it said no, or we hold nothing."""
        answer = await self._held(registration, read, cached, patience, error) if may_be_stale(error) else None
        if answer is None:
            raise error
        return answer

    async def _held(
        self,
        registration: Registration,
        read: Read[T],
        cached: Answer[T] | None,
        patience: Patience,
        error: GatewayError,
    ) -> Answer[T] | None:
        """Give the newest that we hold, of the cache's copy and the store's."""
        seconds = patience.for_the_store(self._clock.monotonic())
        if cached is not None:
            seconds = min(seconds, SECOND_LOOK_SECONDS)
        held = await self.store.ask(seconds, read.held) if read.held else None
        if cached is not None and (held is None or _is_newest(cached, held)):
            answer = replace(cached, stale=True)
        elif held is not None:
            answer = Answer(held.value, "store", held.as_of, stale=True, complete=held.complete, about=read.about)
        else:
            return None
        metrics.STALE_READS.labels(read.capability).inc()
        log.warning("read.stale", capability=read.capability, hotel_id=registration.hotel.id, code=error.code)
        return answer

    def _opened(self, read: Read[T], copy: CachedCopy | None) -> Answer[T] | None:
        """Read what is kept; nothing where it is not of the form that this version knows."""
        if copy is None:
            return None
        try:
            value: T = type_adapter(read.kind).validate_json(copy.payload)
        except ValidationError:
            return None
        return Answer(value, "cache", copy.as_of, stale=not copy.fresh, about=read.about)


def _is_newest(cached: Answer[T], held: Held[T]) -> bool:
    """Tell whether the store has nothing newer; of the same reading it has what was written since, too."""
    return cached.as_of > held.as_of or (cached.as_of == held.as_of and cached.data == held.value)


def may_be_stale(error: GatewayError) -> bool:
    """Tell whether an error means that the PMS could not be asked, rather than that it said no."""
    return isinstance(error, DeadlineExceeded | VendorContractBroken | GatewayFailed) or (
        error.retryable and not isinstance(error, StorageUnavailable)
    )
