"""Whether an answer names a guest who was erased: nothing of such an answer may be kept."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.domain.folio import Balance
from app.domain.guest import GuestProfile
from app.domain.hotel import Hotel
from app.domain.reservation import Reservation
from app.gateway.copies import Copies
from app.store.database import Database
from app.store.subjects import Subject

_NAME = "tombstones"
_PATIENCE = 0.2
"""Seconds that an answer waits, in part, for a newer copy of the marks than there is."""
WATCH_SECONDS = 1.0
"""Between two looks for new marks: so that no read has to wait for them."""


class Erased:
    """The marks of all hotels, from a per-process copy that is at most five seconds old while Postgres answers."""

    def __init__(self, database: Database, copies: Copies, clock: Clock) -> None:
        self._database = database
        self._copies = copies
        self._clock = clock
        self._versions: Mapping[str, tuple[int, datetime]] = {}
        self._marks: Mapping[str, frozenset[bytes]] = {}
        """What was loaded last."""

    async def names_none(self, hotel: Hotel, answer: object, about: Iterable[Subject] = ()) -> bool:
        """Tell whether an answer, and the question that it belongs to, name nobody who was erased.

        Where that is not known, which is while Postgres is away for long, nobody may keep the answer.
        """
        try:
            until = self._clock.monotonic() + _PATIENCE
            marks = (await self._copies.get(_NAME, self._load, until=until)).get(hotel.id)
        except StorageUnavailable:
            return False
        return not marks or marks.isdisjoint(self._database.marks_of(hotel, [*about, *_named_in(answer)]))

    async def renew(self, *, until: float) -> None:
        """Load anew, by `until` (monotonic seconds): this process has just erased somebody, and need not be late."""
        self._copies.forget(_NAME)
        with suppress(StorageUnavailable):  # as late as the others then
            await self._copies.get(_NAME, self._load, newest=True, until=until)

    async def watch(self) -> None:
        """Look for new marks, until cancelled."""
        while True:
            with suppress(StorageUnavailable):
                await self._copies.get(_NAME, self._load)
            await asyncio.sleep(WATCH_SECONDS)

    async def _load(self) -> Mapping[str, frozenset[bytes]]:
        """Load the marks of hotels that have new ones; the others are as they were."""
        async with self._database.unit_of_work() as work:
            versions = await work.tombstones.versions()
            changed = [name for name, version in versions.items() if self._versions.get(name) != version]
            fresh = await work.tombstones.of_hotels(changed) if changed else {}
        marks = {name: fresh[name] if name in fresh else self._marks[name] for name in versions}
        self._versions, self._marks = versions, marks
        return marks


def _named_in(answer: object) -> Iterable[Subject]:
    """Give whom an answer names, and the reservations that are theirs."""
    match answer:
        case Reservation():
            yield Subject.of_stay(answer)
        case GuestProfile():
            yield Subject.of(answer)
        case Balance():
            yield Subject(reservation_id=answer.reservation_id)
        case list() | tuple():
            for one in answer:
                yield from _named_in(one)
