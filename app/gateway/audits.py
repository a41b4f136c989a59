"""The audit as callers see it: the lines of the hotels that they may see."""

from dataclasses import dataclass
from datetime import datetime

from app.core.clock import Clock
from app.domain.capability import Capability
from app.domain.errors import InvalidRequest, UnknownResource
from app.domain.ids import CONFIRMATION_PREFIX, VendorRef, unescape_ref
from app.gateway.callers import Caller
from app.gateway.hotels import HotelDirectory
from app.gateway.patience import within
from app.gateway.reads import Patience
from app.gateway.reservations import Reservations
from app.store.audit import AuditEntry, Place
from app.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuestion:
    """Which lines are wanted; all that is given must match.

    `reservation` is an id as callers write it, or `confirmation:<number>` of the hotel that is named, too;
    `since` is inclusive, `before` is not.
    """

    hotel_id: str | None = None
    reservation: str | None = None
    operation: str | None = None
    since: datetime | None = None
    before: datetime | None = None


class Audits:
    """Reads the audit for callers."""

    def __init__(self, database: Database, hotels: HotelDirectory, reservations: Reservations, clock: Clock) -> None:
        self._database = database
        self._hotels = hotels
        self._reservations = reservations
        self._clock = clock

    async def lines(
        self, question: AuditQuestion, caller: Caller, *, older_than: Place | None, limit: int, until: float
    ) -> list[AuditEntry]:
        """Give the newest lines, newest first, of those behind the place `older_than`, by `until` (monotonic seconds).

        A caller who sees some hotels only sees their lines only; lines of no hotel are for who sees every hotel. The
        audit outlives its hotel: that one was erased can be read under its id.

        Raises:
            UnknownResource: neither a hotel nor a line has this hotel's id for the caller.
            NotFound: no reservation has this confirmation number.
            InvalidRequest: this is no id of a reservation, or a confirmation number of no hotel in particular.
        """
        hotel_id = question.hotel_id
        if hotel_id is not None and not caller.may_see(hotel_id):
            raise UnknownResource("there is no such hotel")
        reservation = await self._reservation(question, caller, until)
        left = until - self._clock.monotonic()
        found = await within(left, self._find(question, caller, reservation, older_than, limit))
        if hotel_id is not None and not found and older_than is None:
            await self._hotels.require(hotel_id, caller, until=until)
        return found

    async def _reservation(self, question: AuditQuestion, caller: Caller, until: float) -> VendorRef | None:
        named = question.reservation
        if named is None:
            return None
        if named.startswith(CONFIRMATION_PREFIX):
            if question.hotel_id is None:
                raise InvalidRequest.of("reservation_id", "is a number of one hotel; give its hotel_id, too")
            registration = await self._hotels.get(question.hotel_id, caller, until=until)
            wanted = Capability.RESERVATION_GET
            return await self._reservations.resolve(registration, named, wanted, Patience(until))
        ref = unescape_ref(named)
        if "\x00" in ref:
            raise InvalidRequest.of("reservation_id", "must not contain NUL")
        return ref

    async def _find(
        self,
        question: AuditQuestion,
        caller: Caller,
        reservation: VendorRef | None,
        older_than: Place | None,
        limit: int,
    ) -> list[AuditEntry]:
        async with self._database.unit_of_work() as work:
            return await work.audit.entries(
                hotel_ids=caller.hotels if question.hotel_id is None else [question.hotel_id],
                reservation=reservation,
                operation=question.operation,
                since=question.since,
                before=question.before,
                older_than=older_than,
                limit=limit,
            )
