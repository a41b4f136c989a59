"""What the doctor asks of a hotel's PMS, capability by capability: reads only, each in the smallest useful form.

A probe gives a sentence on what it saw, with counts and codes and nothing of a guest. What it needs and has not found
(a reservation, on a day without any) it says by raising `NothingToAsk`, which is no failure.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta

from pydantic import ValidationError

from app.core.adapter import PMSAdapter
from app.domain.capability import Capability
from app.domain.guest import GuestProfile, GuestQuery
from app.domain.hotel import RoomStatus
from app.domain.reservation import (
    ARRIVING,
    DEPARTING,
    STAYING,
    Reservation,
    ReservationPatch,
    ReservationQuery,
    ReservationStatus,
)
from app.domain.stay import Occupancy, Stay

_NIGHTS = 7
_NO_RESERVATION = "nobody arrives, departs or stays on this day, so that there is none to ask for"


class NothingToAsk(Exception):
    """There is nothing at the hotel now to try this with; the message says what is missing."""


class Unexpected(Exception):
    """The PMS answered, and the answer is not what it should be; the message says how."""


@dataclass
class Round:
    """One examination: the connector, the hotel's day, and what was found on the way for the next probes."""

    connector: PMSAdapter
    day: date
    stays: dict[str, Reservation] = field(default_factory=dict)
    guest: GuestProfile | None = None
    rooms: Sequence[RoomStatus] = ()

    @property
    def a_stay(self) -> Reservation:
        """A reservation of the day, one that is still to come if there is any.

        Raises:
            NothingToAsk: there is none.
        """
        if not self.stays:
            raise NothingToAsk(_NO_RESERVATION)
        return min(self.stays.values(), key=lambda one: one.status is not ReservationStatus.CONFIRMED)

    def keep(self, found: Sequence[Reservation]) -> None:
        """Remember reservations for the probes that need one."""
        self.stays |= {one.id: one for one in found}


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: for which capability, what is asked in words, and how."""

    capability: Capability
    asked: str
    ask: Callable[[Round], Awaitable[str]]


async def _room_types(at: Round) -> str:
    found = await at.connector.list_room_types()
    if not found:
        raise Unexpected("there are no room types: nothing can be booked")
    return _counted(len(found), "room type")


async def _rate_plans(at: Round) -> str:
    return _counted(len(await at.connector.list_rate_plans()), "rate plan")


async def _availability(at: Round) -> str:
    grid = await at.connector.get_availability(Stay(at.day, at.day + timedelta(days=_NIGHTS)))
    tonight = [night.available for one in grid.room_types for night in one.nights if night.date == at.day]
    return f"{_counted(len(grid.room_types), 'room type')}, {_counted(sum(tonight), 'room')} free tonight"


async def _rates(at: Round) -> str:
    found = await at.connector.quote_rates(Stay(at.day, at.day + timedelta(days=1)), Occupancy(1))
    return _counted(len(found), "price") if found else "no prices: nothing is sold for tonight"


async def _arrivals(at: Round) -> str:
    return await _listed(at, ReservationQuery(arrival=at.day, statuses=ARRIVING))


async def _departures(at: Round) -> str:
    return await _listed(at, ReservationQuery(departure=at.day, statuses=DEPARTING))


async def _in_house(at: Round) -> str:
    return await _listed(at, ReservationQuery(statuses=STAYING))


async def _listed(at: Round, query: ReservationQuery) -> str:
    found = [one for one in await at.connector.search_reservations(query) if query.matches(one)]
    at.keep(found)
    return _counted(len(found), "reservation")


async def _reservation(at: Round) -> str:
    wanted = at.a_stay
    found = await at.connector.get_reservation(wanted.id)
    if found.id != wanted.id:
        raise Unexpected("it gave another reservation than the one that was asked for")
    at.keep([found])
    return "found again by its id"


async def _by_confirmation(at: Round) -> str:
    number = at.a_stay.confirmation_number
    if not number:
        raise NothingToAsk("the reservation that was found has no confirmation number")
    return await _again(at, ReservationQuery(confirmation_number=number))


async def _by_guest(at: Round) -> str:
    guest_id = at.a_stay.guest.id
    if not guest_id:
        raise NothingToAsk("the reservation that was found names no guest profile")
    return await _again(at, ReservationQuery(guest_id=guest_id))


async def _by_last_name(at: Round) -> str:
    name = at.a_stay.guest.last_name
    if not name:
        raise NothingToAsk("the guest of the reservation that was found has no last name")
    return await _again(at, ReservationQuery(last_name=name))


async def _again(at: Round, query: ReservationQuery) -> str:
    found = [one for one in await at.connector.search_reservations(query) if query.matches(one)]
    if at.a_stay.id not in {one.id for one in found}:
        raise Unexpected("the reservation that was found by its day is not found by this")
    return _counted(len(found), "reservation")


async def _quote(at: Round) -> str:
    single = [one for one in at.stays.values() if len(one.rooms) == 1 and one.adults]
    if not single:
        raise NothingToAsk("no reservation of one room on this day")
    current = min(single, key=lambda one: one.status is not ReservationStatus.CONFIRMED)
    quote = await at.connector.quote_change(current, ReservationPatch(adults=current.adults))
    return "the price of a stay" + (", indicative" if quote.indicative else "")


async def _guest(at: Round) -> str:
    guest_id = at.a_stay.guest.id
    if not guest_id:
        raise NothingToAsk("the reservation that was found names no guest profile")
    at.guest = await at.connector.get_guest(guest_id)
    return "the guest of a reservation"


async def _guest_search(at: Round) -> str:
    guest = at.guest or at.a_stay.guest
    query = _guest_query(guest.email, guest.last_name)
    found = await at.connector.search_guests(query)
    if at.guest is not None and at.guest.id not in {one.id for one in found}:
        raise Unexpected("the guest that was found by id is not found by this")
    return f"{_counted(len(found), 'profile')} by {'e-mail address' if query.email else 'last name'}"


def _guest_query(email: str | None, last_name: str | None) -> GuestQuery:
    """Ask by e-mail address, else by last name; a PMS may hold either in a form that nobody may search by here."""
    for wanted in ({"email": email}, {"last_name": last_name}):
        with suppress(ValidationError):
            return GuestQuery.model_validate(wanted)
    raise NothingToAsk("the guest that was found has no e-mail address and no last name to search by")


async def _charges(at: Round) -> str:
    return _counted(len(await at.connector.list_charges(at.a_stay.id)), "line")


async def _balance(at: Round) -> str:
    return f"in {(await at.connector.get_balance(at.a_stay.id)).balance.currency}"


async def _rooms(at: Round) -> str:
    at.rooms = await at.connector.list_room_statuses()
    return _counted(len(at.rooms), "room")


async def _room(at: Round) -> str:
    if not at.rooms:
        raise NothingToAsk("the list of rooms is empty")
    number = at.rooms[0].room_number
    if (await at.connector.get_room_status(number)).room_number != number:
        raise Unexpected("it gave another room than the one that was asked for")
    return "one room by its number"


PROBES: tuple[Probe, ...] = (
    Probe(Capability.ROOM_TYPES, "all", _room_types),
    Probe(Capability.RATE_PLANS, "all", _rate_plans),
    Probe(Capability.AVAILABILITY, f"the next {_NIGHTS} nights", _availability),
    Probe(Capability.RATES, "tonight, one adult", _rates),
    Probe(Capability.RESERVATION_SEARCH, "arrivals", _arrivals),
    Probe(Capability.RESERVATION_SEARCH, "departures", _departures),
    Probe(Capability.RESERVATION_SEARCH, "in house", _in_house),
    Probe(Capability.RESERVATION_GET, "one of these", _reservation),
    Probe(Capability.RESERVATION_SEARCH, "its confirmation number", _by_confirmation),
    Probe(Capability.RESERVATION_SEARCH, "its guest's id", _by_guest),
    Probe(Capability.RESERVATION_SEARCH, "its guest's last name", _by_last_name),
    Probe(Capability.RESERVATION_QUOTE, "a stay as it is", _quote),
    Probe(Capability.GUEST_GET, "its guest", _guest),
    Probe(Capability.GUEST_SEARCH, "that guest", _guest_search),
    Probe(Capability.CHARGE_LIST, "its folio", _charges),
    Probe(Capability.BALANCE, "its balance", _balance),
    Probe(Capability.ROOM_STATUS_LIST, "all", _rooms),
    Probe(Capability.ROOM_STATUS_GET, "the first of these", _room),
)
"""In the order in which they are asked: a later one may need what an earlier one found."""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
