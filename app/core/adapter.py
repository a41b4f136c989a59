"""What a vendor's adapter is: one method per capability, each refusing politely until it is overridden.

The methods are the capability list: `implemented(cls)` is derived from the code, and the ledger must agree with it.
Reads may be repeated at will. Writes take the `Operation` and make each send a durable step of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from app.core.clock import Clock
from app.core.http import VendorClient
from app.core.operation import Operation
from app.core.profile import VendorProfile
from app.domain.capability import TRAITS, Capability
from app.domain.errors import CapabilityNotSupported
from app.domain.folio import Balance, Charge, ChargeDraft, FolioLine
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import Hotel, HotelOptions, RoomStatus, RoomStatusChange, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, RatePlan, RateQuote
from app.domain.reservation import Note, Reservation, ReservationDraft, ReservationPatch, ReservationQuery
from app.domain.stay import Occupancy, Stay

_Method = TypeVar("_Method", bound=Callable[..., Any])


def offers(capability: Capability) -> Callable[[_Method], _Method]:
    """Mark a method of the base as the one that offers `capability`."""

    def mark(method: _Method) -> _Method:
        method.offers = capability  # type: ignore[attr-defined]
        return method

    return mark


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One thing that was looked at in the PMS, whether it is as the adapter needs it, and what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PropertyFound:
    """A property that the credentials open, with what the PMS says of it; None is what it does not say."""

    id: str
    name: str | None = None
    timezone: str | None = None
    currency: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class GuestUpsert:
    """The profile after an upsert, and whether it was made by it."""

    guest: GuestProfile
    created: bool


class PMSAdapter:
    """A connection to one hotel's PMS.

    Every method raises a `GatewayError` with its outcome; none returns a guess. Dates are hotel-local,
    a departure is not a night. Use it as `async with connector:` so that its connections are closed.
    """

    profile: VendorProfile
    """The vendor's facts; on a connector those of its hotel (`profile_at`), not every one being like the others."""

    def __init__(self, hotel: Hotel, client: VendorClient, clock: Clock) -> None:
        self.profile = client.profile
        self.hotel = hotel
        self.client = client
        self.clock = clock

    @classmethod
    def profile_at(cls, hotel: Hotel) -> VendorProfile:
        """Give the vendor's facts as they are at one hotel."""
        return cls.profile

    @property
    def options(self) -> HotelOptions:
        """The hotel's options, as the vendor's own model has them."""
        return self.hotel.options

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of what this connector alone holds; the shared connection pool stays open."""
        await self.client.aclose()

    @classmethod
    def has_business_date(cls) -> bool:
        """Tell whether the PMS keeps a business date of its own."""
        return cls.find_business_date is not PMSAdapter.find_business_date

    async def find_business_date(self) -> date | None:
        """Give the PMS's business date, or None where it has none."""
        return None

    async def find_properties(self) -> list[PropertyFound] | None:
        """Give the properties that the credentials open, or None where the PMS cannot tell.

        It is asked before a hotel is registered: the connector's hotel may have no `property_id` yet, and of the rest
        only what is needed to connect. A PMS that has no list may give the one property that the hotel names.
        """
        return None

    async def find_newest_record(self) -> datetime | None:
        """Give when the newest record was made that the PMS's lists show (UTC), or None where it can't tell.

        That a send is not to be found counts only in lists that show something newer (writes.md, Settling).
        """
        return None

    @offers(Capability.AVAILABILITY)
    async def get_availability(
        self, stay: Stay, *, room_type: str | None = None, occupancy: Occupancy | None = None
    ) -> AvailabilityGrid:
        """Give what can be sold on each night of `stay`; sold-out types are listed with 0."""
        self._refuse(Capability.AVAILABILITY)

    @offers(Capability.RATES)
    async def quote_rates(
        self, stay: Stay, occupancy: Occupancy, *, room_type: str | None = None, rate_code: str | None = None
    ) -> list[RateQuote]:
        """Give the price of `stay` in each room type and rate plan asked for."""
        self._refuse(Capability.RATES)

    @offers(Capability.RATE_PLANS)
    async def list_rate_plans(self) -> list[RatePlan]:
        """Give all rate plans that can be sold."""
        self._refuse(Capability.RATE_PLANS)

    @offers(Capability.ROOM_TYPES)
    async def list_room_types(self) -> list[RoomType]:
        """Give all room types that can be sold."""
        self._refuse(Capability.ROOM_TYPES)

    @offers(Capability.RESERVATION_GET)
    async def get_reservation(self, ref: VendorRef) -> Reservation:
        """Give one reservation.

        Raises:
            NotFound: the PMS has none of that id.
        """
        self._refuse(Capability.RESERVATION_GET)

    @offers(Capability.RESERVATION_SEARCH)
    async def search_reservations(self, query: ReservationQuery) -> list[Reservation]:
        """Give all reservations that match, read to the last page; more than asked for is allowed, less is not."""
        self._refuse(Capability.RESERVATION_SEARCH)

    @offers(Capability.RESERVATION_CREATE)
    async def create_reservation(self, draft: ReservationDraft, op: Operation) -> Reservation:
        """Make a reservation. An existing profile's name is never changed by it.

        Raises:
            NoAvailability: there is no room to sell.
        """
        self._refuse(Capability.RESERVATION_CREATE)

    @offers(Capability.RESERVATION_QUOTE)
    async def quote_change(self, current: Reservation, patch: ReservationPatch) -> RateQuote:
        """Give what `current` would cost after `patch`, changing nothing."""
        self._refuse(Capability.RESERVATION_QUOTE)

    @offers(Capability.RESERVATION_MODIFY)
    async def modify_reservation(self, current: Reservation, patch: ReservationPatch, op: Operation) -> Reservation:
        """Change a reservation that was just read as `current`.

        Raises:
            VersionMoved: somebody else changed it in between, where the vendor can tell.
        """
        self._refuse(Capability.RESERVATION_MODIFY)

    @offers(Capability.RESERVATION_CANCEL)
    async def cancel_reservation(self, ref: VendorRef, reason: str | None, op: Operation) -> Reservation:
        """Cancel a reservation and give it as it is then; one that is cancelled already is no error."""
        self._refuse(Capability.RESERVATION_CANCEL)

    @offers(Capability.RESERVATION_NOTE)
    async def add_note(self, ref: VendorRef, text: str, op: Operation) -> Note:
        """Add a note to a reservation; what stands there already is kept."""
        self._refuse(Capability.RESERVATION_NOTE)

    @offers(Capability.RESERVATION_CHECKOUT_TIME)
    async def set_checkout_time(self, ref: VendorRef, time: str, op: Operation) -> Reservation:
        """Set the hotel-local time of day (`HH:MM`) of the check-out."""
        self._refuse(Capability.RESERVATION_CHECKOUT_TIME)

    @offers(Capability.RESERVATION_CHECK_IN)
    async def check_in(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests in; in house already is no error."""
        self._refuse(Capability.RESERVATION_CHECK_IN)

    @offers(Capability.RESERVATION_CHECK_OUT)
    async def check_out(self, ref: VendorRef, op: Operation) -> Reservation:
        """Check the guests out; checked out already is no error."""
        self._refuse(Capability.RESERVATION_CHECK_OUT)

    @offers(Capability.GUEST_GET)
    async def get_guest(self, ref: VendorRef) -> GuestProfile:
        """Give one profile.

        Raises:
            NotFound: the PMS has none of that id.
        """
        self._refuse(Capability.GUEST_GET)

    @offers(Capability.GUEST_SEARCH)
    async def search_guests(self, query: GuestQuery) -> list[GuestProfile]:
        """Give all profiles that match; more than asked for is allowed, less is not."""
        self._refuse(Capability.GUEST_SEARCH)

    @offers(Capability.GUEST_UPSERT)
    async def upsert_guest(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge `draft` into `existing`, which the gateway found, or make a new profile."""
        self._refuse(Capability.GUEST_UPSERT)

    @offers(Capability.GUEST_PREFERENCES)
    async def set_preferences(self, ref: VendorRef, wanted: PreferenceSet, op: Operation) -> GuestProfile:
        """Make `wanted` the whole set of a guest's preferences."""
        self._refuse(Capability.GUEST_PREFERENCES)

    @offers(Capability.CHARGE_POST)
    async def post_charge(self, ref: VendorRef, draft: ChargeDraft, op: Operation) -> Charge:
        """Post a charge to a reservation's folio."""
        self._refuse(Capability.CHARGE_POST)

    @offers(Capability.CHARGE_LIST)
    async def list_charges(self, ref: VendorRef) -> list[FolioLine]:
        """Give the lines of a reservation's folio."""
        self._refuse(Capability.CHARGE_LIST)

    @offers(Capability.BALANCE)
    async def get_balance(self, ref: VendorRef) -> Balance:
        """Give what is owed on a reservation; positive means that the guest owes."""
        self._refuse(Capability.BALANCE)

    @offers(Capability.ROOM_STATUS_LIST)
    async def list_room_statuses(self) -> list[RoomStatus]:
        """Give all rooms as they are now."""
        self._refuse(Capability.ROOM_STATUS_LIST)

    @offers(Capability.ROOM_STATUS_GET)
    async def get_room_status(self, room_number: str) -> RoomStatus:
        """Give one room as it is now.

        Raises:
            NotFound: the PMS has no such room.
        """
        self._refuse(Capability.ROOM_STATUS_GET)

    @offers(Capability.ROOM_STATUS_SET)
    async def set_room_status(self, room_number: str, change: RoomStatusChange, op: Operation) -> RoomStatus:
        """Change the housekeeping state of a room."""
        self._refuse(Capability.ROOM_STATUS_SET)

    @offers(Capability.HEALTH)
    async def check_health(self) -> list[HealthFinding]:
        """Look, without changing anything, whether the PMS gives what this adapter needs."""
        self._refuse(Capability.HEALTH)

    def _refuse(self, capability: Capability) -> NoReturn:
        raise CapabilityNotSupported(capability, "the adapter does not implement it", vendor=self.profile.vendor)


def methods() -> dict[Capability, str]:
    """Give the name of the method that offers each capability; traits have none."""
    found = {
        method.offers: name
        for name, method in vars(PMSAdapter).items()
        if isinstance(getattr(method, "offers", None), Capability)
    }
    return {capability: found[capability] for capability in Capability if capability not in TRAITS}


def implemented(adapter: type[PMSAdapter]) -> frozenset[Capability]:
    """Give what an adapter can do, read off its code: overridden methods and declared traits."""
    overridden = {
        capability for capability, name in methods().items() if getattr(adapter, name) is not getattr(PMSAdapter, name)
    }
    return frozenset(overridden | adapter.profile.traits)
