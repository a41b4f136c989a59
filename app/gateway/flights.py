"""Questions on their way to the PMS: of all who ask the same thing at once, in all processes, one is sent.

A flight belongs to the process and not to a request: a caller who leaves takes nobody with it, and what a flight
brings after everybody has left is kept all the same, but it no longer goes before those that somebody waits for.
Across processes a lease says who asks; the others look for what was kept, and one of them takes over where a holder is
gone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.core import setback
from app.core.breaker import CircuitOpen, DeadlineCut, NoFreeConnection
from app.core.priority import Audience
from app.domain.errors import CredentialsUnreadable, DeadlineExceeded, GatewayError, VendorError
from app.domain.model import type_adapter
from app.store.cache import Cache, CachedCopy, CacheKey, Lookup
from app.store.leases import Lease, Leases, Question

T = TypeVar("T")

FIRST_PAUSE, LAST_PAUSE = 0.02, 0.1
"""Seconds between two looks for what another process brings."""
PART_SECONDS = 5.0
"""How long an answer is fresh at most in which our own part is missing: the PMS is not asked for each caller."""
WAIT_SECONDS = 30.0
"""How long a process waits for others before it gives up."""

_OUR_OWN = (CircuitOpen, CredentialsUnreadable, DeadlineCut, NoFreeConnection)
"""Failures that speak of this process, and are not told to others."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """When an answer was read: its number, None while Postgres is away, and the instant it was asked for."""

    read_no: int | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Brought(Generic[T]):
    """An answer of the PMS, and when it was read; by another process where there is no `read_no`."""

    value: T
    fetched: Fetched
    is_whole: bool = True
    """False where our own part of it is missing; it is fresh for a moment only then."""


@dataclass(frozen=True, kw_only=True)
class Trip(Generic[T]):
    """One question, what was known of the cache before it is sent, and what is to be done with the answer."""

    key: CacheKey
    lookup: Lookup
    kind: Any
    """The type of the answer, by which it is written into the cache and read again."""
    ttl: float
    """Seconds for which the answer is fresh; with 0 it is kept nowhere, and coalesced in this process alone."""
    forced: bool
    """Whether only an answer will do that is asked for from now on."""
    background: bool
    """Whether nobody waits for the answer."""
    ask: Callable[[], Awaitable[Brought[T]]]
    keep: Callable[[Brought[T]], Awaitable[None]]
    """Writes the answer through to the store."""
    may_be_cached: Callable[[T], Awaitable[bool]]
    """Tells whether the answer may stand in the cache: nothing that names an erased guest may."""

    def is_answered_by(self, copy: CachedCopy | None) -> bool:
        """Tell whether a copy is what was asked for: fresh, and newer than one that was to be refreshed."""
        if copy is None or not copy.fresh:
            return False
        known = self.lookup.copy
        return known is None or not known.fresh or copy.as_of > known.as_of


@dataclass(frozen=True, slots=True)
class Flight(Generic[T]):
    """A trip under way, and whether its first attempt has failed already."""

    trip: Trip[T]
    landed: asyncio.Task[Brought[T]]
    setback: asyncio.Future[GatewayError]
    answered: asyncio.Future[Brought[T]]
    """The answer itself, a moment before it is kept."""
    audience: Audience
    """Those who wait for it."""


@dataclass(slots=True)
class _Airport:
    """The flights for one question: the newest that has left, and a forced one that waits for one to end."""

    newest: Flight[Any] | None = None
    waiting: Flight[Any] | None = None
    in_the_air: set[asyncio.Task[Any]] = field(default_factory=set)


class Flights:
    """The flights of this process."""

    def __init__(self, leases: Leases, cache: Cache) -> None:
        self._leases = leases
        self._cache = cache
        self._airports: dict[str, _Airport] = {}

    def find(self, trip: Trip[T]) -> Flight[T] | None:
        """Give the flight that may be joined: none that left before a write did, for a forced trip none that left."""
        airport = self._airports.get(trip.key.entry)
        if airport is None:
            return None
        if trip.forced:
            return airport.waiting
        newest = airport.newest
        if newest is None or trip.lookup.after(newest.trip.lookup):
            return None
        return None if newest.trip.background and not trip.background else newest  # people do not wait behind it

    def start(self, trip: Trip[T]) -> Flight[T]:
        """Let a trip begin: at once, or, when forced, behind the forced one that is in the air.

        So the PMS is asked the same thing at most twice at a time, however many insist on a fresh answer.
        """
        airport = self._airports.setdefault(trip.key.entry, _Airport())
        before = airport.newest.landed if trip.forced and airport.newest and airport.newest.trip.forced else None
        loop = asyncio.get_running_loop()
        told: asyncio.Future[GatewayError] = loop.create_future()
        answered: asyncio.Future[Brought[T]] = loop.create_future()
        asking, audience = replace(trip, ask=lambda: _noted(trip.ask, answered)), Audience()
        with audience.listens():
            landed = loop.create_task(self._fly(asking, told, before))
        flight = Flight(trip, landed, told, answered, audience)
        if before is None:
            airport.newest = flight
        else:
            airport.waiting = flight
        airport.in_the_air.add(flight.landed)
        flight.landed.add_done_callback(lambda _: self._land(flight))
        return flight

    async def aclose(self) -> None:
        """Let the flights that are under way end."""
        tasks = [task for airport in self._airports.values() for task in airport.in_the_air]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, flight: Flight[Any]) -> None:
        entry = flight.trip.key.entry
        airport = self._airports[entry]
        airport.in_the_air.discard(flight.landed)
        if airport.newest is flight:
            airport.newest = None
        if not airport.in_the_air:
            del self._airports[entry]
        if not flight.landed.cancelled():
            flight.landed.exception()  # seen here, so that a flight nobody waits for any more is no complaint

    async def _fly(
        self, trip: Trip[T], told: "asyncio.Future[GatewayError]", before: asyncio.Task[Any] | None
    ) -> Brought[T]:
        if before is not None:
            await asyncio.wait({before})
            airport = self._airports[trip.key.entry]
            airport.newest, airport.waiting = airport.waiting, None

        def note(error: GatewayError) -> None:
            if not told.done():
                told.set_result(error)

        with setback.told_to(note):
            if not trip.ttl or trip.lookup.tokens is None:
                return await self._bring(trip)
            question = Question(trip.key, trip.lookup.tokens)
            if trip.forced:
                return await self._bring_under(question, await self._leases.take(question), trip)
            return await self._bring_or_wait(question, trip)

    async def _bring_or_wait(self, question: Question, trip: Trip[T]) -> Brought[T]:
        """Ask the PMS if no other process does, else wait for what that one brings."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                found = await self._turn(question, trip)
        except TimeoutError:
            raise DeadlineExceeded("another process of the gateway did not get an answer from the PMS") from None
        if isinstance(found, CachedCopy):
            value: T = type_adapter(trip.kind).validate_json(found.payload)
            return Brought(value, Fetched(None, found.as_of))
        return await self._bring_under(question, found, trip)

    async def _turn(self, question: Question, trip: Trip[T]) -> Lease | CachedCopy | None:
        """Wait for our turn: gives the lease, or what another process brought; None where Redis cannot be asked.

        Raises:
            VendorError: another process was told so by the vendor a moment ago.
        """
        pause, kept = FIRST_PAUSE, None
        while (turn := await self._leases.claim(question)) is not None:
            if turn.failure is not None:
                raise turn.failure
            copy = turn.copy if turn.lease is not None or kept in {None, turn.kept} else await self._kept(question)
            if copy is not None and trip.is_answered_by(copy):
                if turn.lease is not None:
                    await self._leases.let_go(question, turn.lease)
                return copy
            if turn.lease is not None:
                return turn.lease
            kept = turn.kept
            await asyncio.sleep(pause)  # by the machine's clock, as the leases of Redis
            pause = min(pause * 1.5, LAST_PAUSE)
        return None

    async def _kept(self, question: Question) -> CachedCopy | None:
        return (await self._cache.look_up(question.key)).copy

    async def _bring_under(self, question: Question, lease: Lease | None, trip: Trip[T]) -> Brought[T]:
        """Ask the PMS and keep the answer in the cache."""
        if lease is None:
            return await self._bring(trip)
        try:
            async with self._leases.renewed(question, lease):
                brought = await trip.ask()
        except VendorError as error:
            await self._leases.let_go(question, lease, None if isinstance(error, _OUR_OWN) else error)
            raise
        except BaseException:
            await self._leases.let_go(question, lease)
            raise
        if await trip.may_be_cached(brought.value):
            payload = type_adapter(trip.kind).dump_json(brought.value)
            ttl = trip.ttl if brought.is_whole else min(trip.ttl, PART_SECONDS)
            await self._leases.land(question, lease, payload, as_of=brought.fetched.as_of, ttl=ttl)
        else:
            await self._leases.let_go(question, lease)
        await trip.keep(brought)
        return brought

    async def _bring(self, trip: Trip[T]) -> Brought[T]:
        """Ask the PMS where nobody else can be told."""
        brought = await trip.ask()
        await trip.keep(brought)
        return brought


async def _noted(ask: Callable[[], Awaitable[Brought[T]]], answered: "asyncio.Future[Brought[T]]") -> Brought[T]:
    brought = await ask()
    answered.set_result(brought)
    return brought
