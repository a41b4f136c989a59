"""Reading reservations: one, by what is known of it, and the day's lists."""

from collections.abc import Sequence
from datetime import date, timedelta

import structlog

from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import Registration
from app.core.discovery import adapter_class
from app.domain.capability import Capability
from app.domain.errors import (
    CapabilityNotSupported,
    ConflictRefused,
    GatewayError,
    InvalidRequest,
    MultiRoom,
    NotFound,
)
from app.domain.hotel import Hotel
from app.domain.ids import CONFIRMATION_PREFIX, VendorRef, unescape_ref
from app.domain.inventory import RateQuote
from app.domain.reservation import ARRIVING, DEPARTING, STAYING, Reservation, ReservationPatch, ReservationQuery
from app.gateway import invalidation
from app.gateway.flights import Fetched
from app.gateway.reads import LAST_SECONDS, STALE_AFTER, Answer, Held, Patience, Read, Reads, may_be_stale
from app.store.database import UnitOfWork
from app.store.passes import FullPass

LIST_TTL = 60.0
_DAY = timedelta(days=1)
_NEVER_EMPTY = ("arrival", "departure", "room_type", "rate_code", "adults", "guest")

log = structlog.get_logger()


class Reservations:
    """The reservations of a hotel."""

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock

    async def get(self, registration: Registration, named: str, patience: Patience) -> Answer[Reservation]:
        """Give one reservation, named by its id or as `confirmation:<number>`.

        Raises:
            NotFound: the PMS has no such reservation.
        """
        ref = await self.resolve(registration, named, Capability.RESERVATION_GET, patience)
        hotel = registration.hotel

        async def join(work: UnitOfWork, found: Reservation) -> Reservation:
            return (await _joined(work, hotel, [found]))[0]

        async def keep(work: UnitOfWork, found: Reservation, fetched: Fetched) -> None:
            await keep_reservations(work, hotel, [found], fetched)

        async def held(work: UnitOfWork) -> Held[Reservation] | None:
            stored = await work.reservations.find(hotel.id, ref)
            return Held(await join(work, stored.value), stored.as_of) if stored else None

        read = Read[Reservation](
            capability=Capability.RESERVATION_GET,
            kind=Reservation,
            ask=lambda connector: connector.get_reservation(ref),
            join=join,
            params=ref,
            resources=(invalidation.RESERVATIONS,),
            ttl=hotel.cache.reservation_ttl,
            keep=keep,
            held=held,
        )
        return await self._reads.answer(registration, read, patience)

    async def resolve(
        self, registration: Registration, named: str, wanted: Capability, patience: Patience
    ) -> VendorRef:
        """Give the vendor's id of a reservation that is named by its id or as `confirmation:<number>`.

        While the PMS cannot be asked, the store tells whose number it is: that never changes.

        Raises:
            CapabilityNotSupported: the vendor cannot do what is `wanted` of the reservation; nothing was sent.
            NotFound: no reservation has this confirmation number.
            ConflictRefused: more than one has it.
        """
        self._reads.require(registration, wanted)
        if not named.startswith(CONFIRMATION_PREFIX):
            return unescape_ref(named)
        number = named.removeprefix(CONFIRMATION_PREFIX)
        try:
            kept_back = patience.keeping(LAST_SECONDS, self._clock.monotonic())
            found = await self.search(registration, ReservationQuery(confirmation_number=number), kept_back)
        except GatewayError as error:
            can_help = may_be_stale(error)
            stored = await self._stored_under(registration.hotel, number, patience) if can_help else None
            if stored is None:
                raise
            return stored
        if not found.data:
            raise NotFound("there is no reservation with this confirmation number", vendor=registration.hotel.vendor)
        if len(found.data) > 1:
            raise ConflictRefused("several reservations share this confirmation number; name the one by its id")
        return found.data[0].id

    async def _stored_under(self, hotel: Hotel, number: str, patience: Patience) -> VendorRef | None:
        stored = await self._reads.store.ask(
            patience.for_the_store(self._clock.monotonic()),
            lambda work: work.reservations.find_by_confirmation(hotel, number),
        )
        return stored.value.id if stored else None

    async def search(
        self, registration: Registration, query: ReservationQuery, patience: Patience
    ) -> Answer[list[Reservation]]:
        """Give all reservations that match, by last name, then id."""
        return await self._reads.answer(registration, self._listing(registration.hotel, query, None, None), patience)

    async def arrivals(
        self, registration: Registration, day: date | None, patience: Patience
    ) -> Answer[list[Reservation]]:
        """Give who arrives on `day`, or today; `meta.date` says which."""
        day = day or await self.business_date(registration, patience)
        query = ReservationQuery(arrival=day, statuses=ARRIVING)
        return await self._day(registration, query, "arrivals", day, patience)

    async def departures(
        self, registration: Registration, day: date | None, patience: Patience
    ) -> Answer[list[Reservation]]:
        """Give who departs on `day`, or today; `meta.date` says which."""
        day = day or await self.business_date(registration, patience)
        query = ReservationQuery(departure=day, statuses=DEPARTING)
        return await self._day(registration, query, "departures", day, patience)

    async def in_house(self, registration: Registration, patience: Patience) -> Answer[list[Reservation]]:
        """Give who stays now; `meta.date` is today."""
        day = await self.business_date(registration, patience)
        return await self._day(registration, ReservationQuery(statuses=STAYING), "in_house", day, patience)

    async def quote_change(
        self, registration: Registration, named: str, patch: ReservationPatch, patience: Patience
    ) -> Answer[RateQuote]:
        """Give what a reservation would cost after `patch`; nothing is changed."""
        ref = await self.resolve(registration, named, Capability.RESERVATION_QUOTE, patience)

        async def ask(connector: PMSAdapter) -> RateQuote:
            current = await connector.get_reservation(ref)
            require_sayable(current, patch, connector.profile.vendor)
            return await connector.quote_change(current, patch)

        read = Read[RateQuote](
            capability=Capability.RESERVATION_QUOTE,
            kind=RateQuote,
            ask=ask,
            params=[ref, patch.model_dump(mode="json", exclude_unset=True)],
            resources=(invalidation.RESERVATIONS,),
        )
        return await self._reads.answer(registration, read, patience)

    async def business_date(self, registration: Registration, patience: Patience) -> date:
        """Give the PMS's business date where it has one, not older than a day, else the hotel's civil date."""
        hotel = registration.hotel
        if adapter_class(hotel.vendor).has_business_date():
            read = Read[date | None](
                capability=Capability.RESERVATION_SEARCH,
                kind=date | None,
                ask=lambda connector: connector.find_business_date(),
                params="business date",
                ttl=LIST_TTL,
            )
            try:
                part = patience.at_most(STALE_AFTER, self._clock.monotonic())
                answer = await self._reads.answer(registration, read, part)
            except GatewayError as error:
                log.info("business_date.unknown", hotel_id=hotel.id, code=error.code)
            else:
                # A PMS that is away has not closed its day either, for all that is known: nearer than any clock.
                if answer.data is not None and self._clock.now() - answer.as_of < _DAY:
                    return answer.data
        return hotel.civil_date(self._clock.now())

    async def _day(
        self, registration: Registration, query: ReservationQuery, resource: str, day: date, patience: Patience
    ) -> Answer[list[Reservation]]:
        # Who is in house now is one list, whatever day it is by whose clock.
        read = self._listing(registration.hotel, query, resource, query.arrival or query.departure)
        answer = await self._reads.answer(registration, read, patience)
        return answer.with_meta(date=day.isoformat())

    def _listing(
        self, hotel: Hotel, query: ReservationQuery, resource: str | None, day: date | None
    ) -> Read[list[Reservation]]:
        """Describe a list: read to its last page, filtered and sorted here, whatever the vendor's filter is worth."""

        async def ask(connector: PMSAdapter) -> list[Reservation]:
            found = [one for one in await connector.search_reservations(query) if query.matches(one)]
            return sorted(found, key=lambda one: one.sort_key)

        async def join(work: UnitOfWork, found: list[Reservation]) -> list[Reservation]:
            return await _joined(work, hotel, found)

        async def keep(work: UnitOfWork, found: list[Reservation], fetched: Fetched) -> None:
            await keep_reservations(work, hotel, found, fetched)
            if resource is not None and fetched.read_no is not None:
                await work.passes.record(FullPass(hotel.id, resource, day, fetched.read_no, fetched.as_of))

        async def held(work: UnitOfWork) -> Held[list[Reservation]] | None:
            full_pass = await work.passes.find(hotel.id, resource, day) if resource else None
            if full_pass is None:
                return None
            stored = await work.reservations.seen_in(
                full_pass, arrival=query.arrival, departure=query.departure, statuses=query.statuses
            )
            return Held(await join(work, stored.items), full_pass.finished_at, complete=stored.complete)

        return Read(
            capability=Capability.RESERVATION_SEARCH,
            kind=list[Reservation],
            ask=ask,
            join=join,
            params=[query.model_dump(mode="json", exclude={"statuses"}), sorted(query.statuses or ())],
            resources=(invalidation.RESERVATIONS,),
            ttl=LIST_TTL,
            keep=keep,
            held=held,
        )


async def keep_reservations(work: UnitOfWork, hotel: Hotel, found: Sequence[Reservation], fetched: Fetched) -> None:
    """Write reservations through to the store."""
    if fetched.read_no is not None:
        await work.reservations.upsert(hotel, found, read_no=fetched.read_no, as_of=fetched.as_of)


async def _joined(work: UnitOfWork, hotel: Hotel, found: list[Reservation]) -> list[Reservation]:
    """Give the same reservations with the writes to them that are not settled."""
    pending = await work.operations.live_by_target(hotel.id, [one.id for one in found]) if found else {}
    return [one.model_copy(update={"pending_operations": pending.get(one.id, ())}) for one in found]


def require_sayable(current: Reservation, patch: ReservationPatch, vendor: str) -> None:
    """Refuse a change that makes no sense for this reservation, whatever the vendor.

    Raises:
        CapabilityNotSupported: it clears what no reservation can be without.
        MultiRoom: it speaks of one room, the stay has several.
        InvalidRequest: the stay would have no night.
    """
    for name in _NEVER_EMPTY:
        if name in patch.changes and patch.changes[name] is None:
            raise CapabilityNotSupported(
                Capability.RESERVATION_MODIFY, "it cannot be cleared", vendor=vendor, field=name
            )
    if patch.touches_room and len(current.rooms) > 1:
        raise MultiRoom("the stay has several rooms; its room fields cannot be changed in one")
    arrival, departure = patch.arrival or current.arrival, patch.departure or current.departure
    if departure <= arrival:
        field = "departure" if "departure" in patch.changes else "arrival"
        raise InvalidRequest.of(field, "departure must be after arrival")
