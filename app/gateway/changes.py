"""What each write to a reservation is, described; made from the request, or again from what was stored of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.core.adapter import PMSAdapter
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import (
    CannotBeSeen,
    GatewayError,
    NoAvailability,
    NotSeen,
    OutcomeUnknown,
    PreconditionFailed,
    PriceChanged,
    VendorContractBroken,
    VendorRejected,
)
from app.domain.folio import Charge, ChargeDraft
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
from app.gateway.flights import Fetched
from app.gateway.reads import Notice
from app.gateway.record import Done
from app.gateway.reservations import keep_reservations, require_sayable
from app.gateway.write import Write
from app.store.database import UnitOfWork
from app.store.subjects import Subject


@dataclass(frozen=True, slots=True)
class StateChange:
    """Bringing a reservation into a state: how it is done, and how one sees that it holds."""

    capability: Capability
    change: Callable[[PMSAdapter, VendorRef, Operation], Awaitable[Reservation]]
    holds: Callable[[Reservation], bool]


def creation(hotel: Hotel, draft: ReservationDraft) -> Write[Reservation]:
    """Make a reservation; `expected_total` is checked by a fresh quote before it is sent."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
        if draft.expected_total is not None and not op.is_resumed:
            await _require_price(connector, draft, draft.expected_total)
        made = await connector.create_reservation(draft, op)
        return replace(_done(hotel, made), status=201, warnings=_price_warning(made, draft.expected_total))

    return Write(
        capability=Capability.RESERVATION_CREATE,
        act=act,
        people=[Subject.of(draft.guest)],
        touched=[draft.stay],
        last_day=draft.arrival,
    )


def modification(hotel: Hotel, ref: VendorRef, patch: ReservationPatch, if_match: str | None) -> Write[Reservation]:
    """Change a reservation; `If-Match` is compared with what the PMS says in the same operation."""
    touched: list[Reservation | Stay] = []

    async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
        current = await connector.get_reservation(ref)
        touched.append(current)
        if not op.is_resumed:  # what it did already has moved the version itself
            _require_version(current, if_match)
            require_sayable(current, patch, connector.profile.vendor)
            if not patch.changes:
                return replace(_done(hotel, current), warnings=_price_warning(current, patch.expected_total))
            await _require_changed_price(connector, current, patch)
        changed = await connector.modify_reservation(current, patch, op)
        warnings = _price_warning(changed, patch.expected_total)
        return replace(_done(hotel, changed, before=current), warnings=warnings)

    async def as_far_as(connector: PMSAdapter, error: GatewayError) -> Done[Reservation]:
        found = await connector.get_reservation(ref)
        notice = Notice("not_applied", f"the PMS took only a part of the change: {error.detail}", ())
        return replace(_done(hotel, found), warnings=(notice,))

    return Write(
        capability=Capability.RESERVATION_MODIFY,
        act=act,
        as_far_as=as_far_as,
        target=ref,
        people=[Subject.reached_by(patch.guest)] if patch.guest else [],
        touched=touched,
        last_day=patch.arrival,
    )


def cancellation(hotel: Hotel, ref: VendorRef, request: CancelRequest) -> Write[Reservation]:
    """Cancel a reservation; one that is cancelled already is done."""
    state = StateChange(
        Capability.RESERVATION_CANCEL,
        lambda connector, ref, op: connector.cancel_reservation(ref, request.reason, op),
        lambda found: found.status is ReservationStatus.CANCELLED,
    )
    return _state_change(hotel, ref, state)


def checking_in(hotel: Hotel, ref: VendorRef) -> Write[Reservation]:
    """Check the guests in; in house already is done."""
    state = StateChange(
        Capability.RESERVATION_CHECK_IN,
        lambda connector, ref, op: connector.check_in(ref, op),
        lambda found: _all_rooms(found, ReservationStatus.IN_HOUSE),
    )
    return _state_change(hotel, ref, state)


def checking_out(hotel: Hotel, ref: VendorRef) -> Write[Reservation]:
    """Check the guests out; checked out already is done."""
    state = StateChange(
        Capability.RESERVATION_CHECK_OUT,
        lambda connector, ref, op: connector.check_out(ref, op),
        lambda found: _all_rooms(found, ReservationStatus.CHECKED_OUT),
    )
    return _state_change(hotel, ref, state)


def checkout_time(hotel: Hotel, ref: VendorRef, wanted: CheckoutTimeChange) -> Write[Reservation]:
    """Set the hotel-local time of the check-out."""
    state = StateChange(
        Capability.RESERVATION_CHECKOUT_TIME,
        lambda connector, ref, op: connector.set_checkout_time(ref, wanted.checkout_time, op),
        lambda found: found.checkout_time == wanted.checkout_time,
    )
    return _state_change(hotel, ref, state)


def note(ref: VendorRef, draft: NoteDraft) -> Write[Note]:
    """Add a note to a reservation."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[Note]:
        return Done(value=await connector.add_note(ref, draft.text, op), status=201)

    return Write(capability=Capability.RESERVATION_NOTE, act=act, target=ref)


def charge(ref: VendorRef, draft: ChargeDraft) -> Write[Charge]:
    """Post a charge to a reservation's folio."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[Charge]:
        return Done(value=await connector.post_charge(ref, draft, op), status=201)

    return Write(capability=Capability.CHARGE_POST, act=act, target=ref)


def _state_change(hotel: Hotel, ref: VendorRef, state: StateChange) -> Write[Reservation]:
    """Bring a reservation into a state. A refusal or silence is no answer where that state is seen to hold."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[Reservation]:
        try:
            changed = await state.change(connector, ref, op)
        except (VendorRejected, OutcomeUnknown, VendorContractBroken) as error:
            found = await _find(connector, ref)
            if found is None:
                raise
            if not state.holds(found):
                if isinstance(error, CannotBeSeen):  # the state itself shows what became of the send
                    raise NotSeen("the answer was lost; so far the reservation is not in that state") from None
                raise
            changed = found
        return _done(hotel, changed)

    return Write(capability=state.capability, act=act, target=ref)


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


def _all_rooms(found: Reservation, status: ReservationStatus) -> bool:
    """Tell whether the stay is in a state with every room that it still has: half a check-in is none."""
    rooms = [room.status for room in found.rooms if room.status is not ReservationStatus.CANCELLED]
    return found.status is status and all(room is status for room in rooms)


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


async def _require_changed_price(connector: PMSAdapter, current: Reservation, patch: ReservationPatch) -> None:
    if patch.expected_total is None:
        return
    quote = await connector.quote_change(current, patch)
    if quote.total != patch.expected_total:
        raise PriceChanged(patch.expected_total, quote.total)


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
