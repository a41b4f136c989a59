"""Writing reservations: making, changing, cancelling them, and what happens at the desk."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.core.adapter import PMSAdapter
from app.core.connectors import Registration
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import (
    GatewayError,
    NoAvailability,
    OutcomeUnknown,
    PreconditionFailed,
    PriceChanged,
    VendorContractBroken,
    VendorRejected,
)
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef
from app.domain.money import Money
from app.domain.reservation import (
    CancelRequest,
    CheckoutTimeChange,
    Note,
    NoteDraft,
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationStatus,
)
from app.domain.stay import Stay
from app.gateway.reads import Fetched, Notice, Patience
from app.gateway.record import Done
from app.gateway.reservations import Reservations, keep_reservations, require_sayable
from app.gateway.writes import Accepted, Order, Settled, Write, Writes
from app.store.database import UnitOfWork
from app.store.subjects import Subject


@dataclass(frozen=True, slots=True)
class StateChange:
    """Bringing a reservation into a state: how it is done, and how one sees that it holds."""

    capability: Capability
    change: Callable[[PMSAdapter, VendorRef, Operation], Awaitable[Reservation]]
    holds: Callable[[Reservation], bool]


class Bookings:
    """The writes to a hotel's reservations."""

    def __init__(self, reservations: Reservations, writes: Writes) -> None:
        self._reservations = reservations
        self._writes = writes

    async def create(self, registration: Registration, draft: ReservationDraft, order: Order) -> Settled | Accepted:
        """Make a reservation; `expected_total` is checked by a fresh quote before it is sent."""

        async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
            if draft.expected_total is not None:
                await _require_price(connector, draft, draft.expected_total)
            made = await connector.create_reservation(draft, op)
            warnings = _price_warning(made, draft.expected_total)
            return replace(_done(registration.hotel, made), status=201, warnings=warnings)

        write = Write(
            capability=Capability.RESERVATION_CREATE,
            act=act,
            people=[Subject.of(draft.guest)],
            touched=[draft.stay],
        )
        return await self._writes.do(registration, write, order)

    async def modify(
        self, registration: Registration, named: str, patch: ReservationPatch, order: Order
    ) -> Settled | Accepted:
        """Change a reservation; `If-Match` is compared with what the PMS says in the same operation."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_MODIFY, order)
        touched: list[Reservation | Stay] = []

        async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
            current = await connector.get_reservation(ref)
            _require_version(current, order.if_match)
            require_sayable(current, patch, connector.profile.vendor)
            touched.append(current)
            if not patch.changes:
                nothing = _done(registration.hotel, current)
                return replace(nothing, warnings=_price_warning(current, patch.expected_total))
            if patch.expected_total is not None:
                quote = await connector.quote_change(current, patch)
                if quote.total != patch.expected_total:
                    raise PriceChanged(patch.expected_total, quote.total)
            changed = await connector.modify_reservation(current, patch, op)
            return replace(
                _done(registration.hotel, changed, before=current),
                warnings=_price_warning(changed, patch.expected_total),
            )

        people = [Subject.reached_by(patch.guest)] if patch.guest else []
        write = Write(capability=Capability.RESERVATION_MODIFY, act=act, target=ref, people=people, touched=touched)
        return await self._writes.do(registration, write, order)

    async def cancel(
        self, registration: Registration, named: str, request: CancelRequest, order: Order
    ) -> Settled | Accepted:
        """Cancel a reservation; one that is cancelled already is done."""
        state = StateChange(
            Capability.RESERVATION_CANCEL,
            lambda connector, ref, op: connector.cancel_reservation(ref, request.reason, op),
            lambda found: found.status is ReservationStatus.CANCELLED,
        )
        return await self._set_state(registration, named, state, order)

    async def check_in(self, registration: Registration, named: str, order: Order) -> Settled | Accepted:
        """Check the guests in; in house already is done."""
        state = StateChange(
            Capability.RESERVATION_CHECK_IN,
            lambda connector, ref, op: connector.check_in(ref, op),
            lambda found: found.status is ReservationStatus.IN_HOUSE,
        )
        return await self._set_state(registration, named, state, order)

    async def check_out(self, registration: Registration, named: str, order: Order) -> Settled | Accepted:
        """Check the guests out; checked out already is done."""
        state = StateChange(
            Capability.RESERVATION_CHECK_OUT,
            lambda connector, ref, op: connector.check_out(ref, op),
            lambda found: found.status is ReservationStatus.CHECKED_OUT,
        )
        return await self._set_state(registration, named, state, order)

    async def set_checkout_time(
        self, registration: Registration, named: str, change: CheckoutTimeChange, order: Order
    ) -> Settled | Accepted:
        """Set the hotel-local time of the check-out."""
        state = StateChange(
            Capability.RESERVATION_CHECKOUT_TIME,
            lambda connector, ref, op: connector.set_checkout_time(ref, change.checkout_time, op),
            lambda found: found.checkout_time == change.checkout_time,
        )
        return await self._set_state(registration, named, state, order)

    async def add_note(
        self, registration: Registration, named: str, draft: NoteDraft, order: Order
    ) -> Settled | Accepted:
        """Add a note to a reservation."""
        ref = await self._resolve(registration, named, Capability.RESERVATION_NOTE, order)

        async def act(connector: PMSAdapter, op: Operation) -> Done[Note]:
            return Done(value=await connector.add_note(ref, draft.text, op), status=201)

        write = Write(capability=Capability.RESERVATION_NOTE, act=act, target=ref)
        return await self._writes.do(registration, write, order)

    async def _set_state(
        self, registration: Registration, named: str, state: StateChange, order: Order
    ) -> Settled | Accepted:
        """Bring a reservation into a state. A refusal or silence is no answer where that state is seen to hold."""
        ref = await self._resolve(registration, named, state.capability, order)

        async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
            try:
                changed = await state.change(connector, ref, op)
            except (VendorRejected, OutcomeUnknown, VendorContractBroken):
                found = await _find(connector, ref)
                if found is None or not state.holds(found):
                    raise
                changed = found
            return _done(registration.hotel, changed)

        return await self._writes.do(registration, Write(capability=state.capability, act=act, target=ref), order)

    async def _resolve(self, registration: Registration, named: str, wanted: Capability, order: Order) -> VendorRef:
        return await self._reservations.resolve(registration, named, wanted, Patience(order.until))


def _done(hotel: Hotel, value: Reservation, *, before: Reservation | None = None) -> Done[Reservation]:
    async def keep(work: UnitOfWork, kept: Reservation, fetched: Fetched) -> None:
        await keep_reservations(work, hotel, [kept], fetched)

    stays = [value, before] if before else [value]
    return Done(
        value=value,
        target=value.id,
        touched=stays,
        before=before and before.model_dump(mode="json"),
        people=[Subject(reservation_id=value.id), *(Subject.of(stay.guest) for stay in stays)],
        keep=keep,
    )


async def _find(connector: PMSAdapter, ref: VendorRef) -> Reservation | None:
    """Look how a reservation stands now; nothing where that cannot be known."""
    try:
        return await connector.get_reservation(ref)
    except GatewayError:
        return None


async def _require_price(connector: PMSAdapter, draft: ReservationDraft, expected: Money) -> None:
    quotes = await connector.quote_rates(
        draft.stay, draft.occupancy, room_type=draft.room_type, rate_code=draft.rate_code
    )
    wanted = [one for one in quotes if (one.room_type, one.rate_code) == (draft.room_type, draft.rate_code)]
    if not wanted or not wanted[0].available:
        raise NoAvailability("nothing of this room type and rate can be sold", vendor=connector.profile.vendor)
    if wanted[0].total != expected:
        raise PriceChanged(expected, wanted[0].total)


def _price_warning(made: Reservation, expected: Money | None) -> tuple[Notice, ...]:
    if expected is None or made.total is None or made.total == expected:
        return ()
    detail = f"booked at {made.total.amount} {made.total.currency}, not at {expected.amount} {expected.currency}"
    return (Notice("price_differs", detail, ("total",)),)


def _require_version(current: Reservation, if_match: str | None) -> None:
    if if_match is None or if_match.strip() == "*":
        return
    wanted = {tag.strip() for tag in if_match.split(",")}
    if f'"{current.version}"' not in wanted:
        raise PreconditionFailed("the reservation has changed since this version was read")
