"""Erasing a guest on our side, and giving out all that is held of one; the PMS is only asked who they are."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import structlog

from app.core.clock import Clock
from app.core.connectors import Registration
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported, GatewayError, NotFound, StorageUnavailable, UnknownResource
from app.domain.guest import GuestProfile
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef, unescape_ref
from app.domain.reservation import Reservation, ReservationQuery
from app.gateway.callers import Caller
from app.gateway.erased import Erased
from app.gateway.patience import within
from app.gateway.reads import Notice, Patience, Read, Reads
from app.gateway.sweeps import CacheSweeps, enqueue_sweep
from app.store.audit import AuditEntry
from app.store.database import Database, UnitOfWork
from app.store.people import Person, people_in
from app.store.subjects import Subject
from app.store.traces import Trace, unhurried
from app.telemetry import context

PMS_SECONDS = 10.0
"""How long the PMS has at most to say who a guest is."""
SWEEP_SECONDS = 5.0
"""How long the answer waits for the cache to be swept; after that the job does it."""
_ROUNDS = 10
"""How often what was found is searched for more of the same guest."""

CACHE_PENDING = Notice(
    "cache_pending",
    "Redis has not confirmed yet that its encrypted copies are gone; a worker repeats it until it does. "
    "The same request again answers 204 once they are gone.",
)
PMS_NOT_ASKED = Notice(
    "pms_not_asked",
    "the PMS could not be asked who the guest is: what it alone knows of them (other addresses, reservations that we "
    "never linked to them) was not looked for; repeat the request when the PMS is back",
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasing did: how many of our rows were blanked, and what is still to be done."""

    rows: int
    warnings: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """All rows that are held of a guest, what they say of others taken out; not `complete` where there are more."""

    traces: tuple[Trace, ...]
    complete: bool

    def of(self, table: str) -> list[Trace]:
        """Give those of one table, the newest first."""
        return [trace for trace in self.traces if trace.table == table]


@dataclass(frozen=True, slots=True)
class _Told:
    """What the PMS says of a guest, JSON-like; `exists` is None where it does not say."""

    profile: Any = None
    stays: tuple[Any, ...] = ()
    exists: bool | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    """A guest as far as they are known, their rows, and those that share an address and name somebody else.

    A row that carries only an address and names nobody is in neither: nobody can tell whose it is.
    """

    person: Person
    theirs: tuple[Trace, ...]
    others: tuple[Trace, ...]
    is_whole: bool
    """False where there were more rows of a kind than were looked at."""


class Erasures:
    """Erases guests and gives out what is held of them."""

    def __init__(self, *, reads: Reads, database: Database, sweeps: CacheSweeps, erased: Erased, clock: Clock) -> None:
        self._reads = reads
        self._database = database
        self._sweeps = sweeps
        self._erased = erased
        self._clock = clock

    async def erase(self, registration: Registration, named: str, caller: Caller, patience: Patience) -> Erasure:
        """Erase a guest everywhere on our side; the PMS is untouched.

        Raises:
            UnknownResource: nothing is held of them, they were not erased before, and the PMS does not know them.
            ConflictRefused: a write for them is not settled yet.
            StorageUnavailable: Postgres cannot be reached; nothing was erased.
        """
        ref, hotel = _ref(named), registration.hotel
        told = await self._told(registration, ref, patience)
        try:
            left = patience.left(self._clock.monotonic())
            rows = await within(left, self._erase(hotel, ref, told, caller))
        finally:  # who left before the end does not know whether it was done
            await self._erased.renew(until=patience.until)
        warnings = () if told.complete else (PMS_NOT_ASKED,)
        if not await self._swept(hotel.id, patience):
            warnings = (*warnings, CACHE_PENDING)
        log.info("guest.erased", hotel_id=hotel.id, rows=rows, pending=[one.code for one in warnings])
        return Erasure(rows, warnings)

    async def export(self, registration: Registration, named: str, caller: Caller, *, limit: int) -> Holdings:
        """Give the newest `limit` rows of each kind that are held of a guest; that they were given out is audited.

        Raises:
            UnknownResource: nothing is held of them.
        """
        ref, hotel = _ref(named), registration.hotel
        async with self._database.unit_of_work() as work:
            found = await _find(work, hotel, Person(frozenset({ref})), limit=limit + 1)
            if not found.theirs:
                raise _nobody()
            await work.audit.append(
                AuditEntry(
                    actor=caller.client,
                    hotel_id=hotel.id,
                    operation="guest.export",
                    target=ref,
                    outcome="succeeded",
                    correlation_id=context.current("correlation_id"),
                ),
                subjects=work.subjects_of(hotel, [Subject(guest_id=ref)]),
            )
        return _given_out(found, hotel, limit)

    async def _erase(self, hotel: Hotel, ref: VendorRef, told: _Told, caller: Caller) -> int:
        """Look and erase in one transaction, in which nobody begins a write at this hotel nor writes a read down."""
        async with self._database.unit_of_work() as work:
            if await work.hotels.find(hotel.id, lock=True) is None:
                raise UnknownResource("there is no such hotel")
            found = await _find(work, hotel, _as_told(hotel, ref, told))
            is_known = found.theirs or told.exists is not False
            if not is_known and not await work.traces.is_erased(hotel, Person(frozenset({ref}))):
                raise _nobody()
            rows = await work.traces.erase(
                hotel,
                found.person,
                spared=found.others,
                actor=caller.client,
                correlation_id=context.current("correlation_id"),
            )
            await enqueue_sweep(work, hotel.id)
        return rows

    async def _swept(self, hotel_id: str, patience: Patience) -> bool:
        seconds = min(SWEEP_SECONDS, patience.left(self._clock.monotonic()))
        try:
            return await within(seconds, self._sweeps.now(hotel_id))
        except StorageUnavailable:
            return False

    async def _told(self, registration: Registration, ref: VendorRef, patience: Patience) -> _Told:
        """Ask the PMS who the guest is; where it does not answer we go by what we hold."""
        now = self._clock.monotonic()
        part = replace(patience.keeping(PMS_SECONDS, now).at_most(PMS_SECONDS, now), fresh=True)
        query = ReservationQuery(guest_id=ref)
        profile = Read[GuestProfile](
            capability=Capability.GUEST_GET,
            kind=GuestProfile,
            ask=lambda connector: connector.get_guest(ref),
            params=["erase", ref],
        )
        stays = Read[list[Reservation]](
            capability=Capability.RESERVATION_SEARCH,
            kind=list[Reservation],
            ask=lambda connector: connector.search_reservations(query),
            params=["erase", ref],
        )
        told = _Told()
        try:
            answer = await self._reads.answer(registration, profile, part)
            told = replace(told, exists=True, profile=answer.data.model_dump(mode="json"))
        except NotFound:
            told = replace(told, exists=False)
        except CapabilityNotSupported:
            pass
        except GatewayError as error:
            log.info("erasing.pms_not_asked", hotel_id=registration.hotel.id, code=error.code)
            return replace(told, complete=False)
        try:
            listed = await self._reads.answer(registration, stays, part)
            mine = [one.model_dump(mode="json") for one in listed.data if query.matches(one)]
            return replace(told, stays=tuple(mine))
        except (NotFound, CapabilityNotSupported):
            return told
        except GatewayError as error:
            log.info("erasing.pms_not_asked", hotel_id=registration.hotel.id, code=error.code)
            return replace(told, complete=False)


def _as_told(hotel: Hotel, ref: VendorRef, told: _Told) -> Person:
    return Person(frozenset({ref})).learning([told.profile, *told.stays], hotel, is_theirs=True)


async def _find(work: UnitOfWork, hotel: Hotel, person: Person, *, limit: int | None = None) -> _Found:
    """Find a guest's rows, and by these more of their addresses and stays, until there is nothing new."""
    foreign: frozenset[str] = frozenset()
    traces: list[Trace] = []
    for _ in range(_ROUNDS):
        traces = await work.traces.of(hotel, person, limit=limit)
        known = person
        async for trace in unhurried(traces):
            if trace.is_sure or _names(known, trace, hotel):
                known = known.learning(trace.said, hotel, is_theirs=trace.is_sure)
        # A reservation that was once theirs may be somebody else's by now.
        stays = [trace for trace in traces if trace.table == "reservations"]
        foreign |= {one.name async for one in unhurried(stays) if _names(known, one, hotel) is False}
        known = replace(known, stays=known.stays - foreign)
        if known == person:
            break
        person = known
    judged = [(trace, trace.is_sure or _names(person, trace, hotel)) async for trace in unhurried(traces)]
    theirs, others = (tuple(trace for trace, verdict in judged if verdict is wanted) for wanted in (True, False))
    counts = Counter(trace.table for trace in traces)
    return _Found(person, theirs, others, is_whole=limit is None or all(count < limit for count in counts.values()))


def _names(person: Person, trace: Trace, hotel: Hotel) -> bool | None:
    """Tell whether a row names this guest, or somebody else; None where it names nobody."""
    named = [contact for contact, _ in people_in(trace.said, hotel)]
    return any(person.is_named_by(contact) for contact in named) if named else None


def _given_out(found: _Found, hotel: Hotel, limit: int) -> Holdings:
    counts = Counter[str]()
    given: list[Trace] = []
    for trace in found.theirs:
        counts[trace.table] += 1
        if counts[trace.table] <= limit:
            given.append(_own(found.person, trace, hotel))
    return Holdings(tuple(given), complete=found.is_whole)


def _own(person: Person, trace: Trace, hotel: Hotel) -> Trace:
    """Give a row without what it says of others."""
    contents = {name: person.without_others(value, hotel) for name, value in trace.contents.items()}
    return replace(trace, contents=contents, parts=tuple(_own(person, part, hotel) for part in trace.parts))


def _ref(named: str) -> VendorRef:
    ref = unescape_ref(named)
    if "\x00" in ref:
        raise _nobody()
    return ref


def _nobody() -> UnknownResource:
    return UnknownResource("nothing is held of such a guest")
