"""Makes a write again out of what was stored of it, for the worker that goes on with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.domain.capability import Capability
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft, PreferenceSet
from app.domain.hotel import Hotel, RoomStatusChange
from app.domain.ids import VendorRef
from app.domain.model import type_adapter
from app.domain.reservation import CancelRequest, CheckoutTimeChange, NoteDraft, ReservationDraft, ReservationPatch
from app.gateway import changes, guests, rooms
from app.gateway.write import Write


@dataclass(frozen=True, slots=True)
class Stored:
    """What was asked for: the vendor's id of what it is about, the parsed body, the version it was meant for."""

    target: VendorRef
    body: Any
    if_match: str | None

    def as_(self, kind: type[Any]) -> Any:
        """Give the body as the model that it was parsed into."""
        return type_adapter(kind).validate_json(orjson.dumps(self.body if self.body is not None else {}))


_MADE_AGAIN: Mapping[Capability, Callable[[Hotel, Stored], Write[Any]]] = {
    Capability.RESERVATION_CREATE: lambda hotel, of: changes.creation(hotel, of.as_(ReservationDraft)),
    Capability.RESERVATION_MODIFY: lambda hotel, of: changes.modification(
        hotel, of.target, of.as_(ReservationPatch), of.if_match
    ),
    Capability.RESERVATION_CANCEL: lambda hotel, of: changes.cancellation(hotel, of.target, of.as_(CancelRequest)),
    Capability.RESERVATION_NOTE: lambda _, of: changes.note(of.target, of.as_(NoteDraft)),
    Capability.RESERVATION_CHECKOUT_TIME: lambda hotel, of: changes.checkout_time(
        hotel, of.target, of.as_(CheckoutTimeChange)
    ),
    Capability.RESERVATION_CHECK_IN: lambda hotel, of: changes.checking_in(hotel, of.target),
    Capability.RESERVATION_CHECK_OUT: lambda hotel, of: changes.checking_out(hotel, of.target),
    Capability.GUEST_UPSERT: lambda hotel, of: guests.merging(hotel, of.as_(GuestDraft)),
    Capability.GUEST_PREFERENCES: lambda hotel, of: guests.preferring(hotel, of.target, of.as_(PreferenceSet)),
    Capability.CHARGE_POST: lambda _, of: changes.charge(of.target, of.as_(ChargeDraft)),
    Capability.ROOM_STATUS_SET: lambda hotel, of: rooms.status_change(hotel, of.target, of.as_(RoomStatusChange)),
}


def made_again(
    hotel: Hotel, kind: Capability, payload: Mapping[str, Any], *, base: str | None = None, theirs: str | None = None
) -> Write[Any]:
    """Give the write that `payload` was stored of.

    `base` is the version that the reservation has to be at, where the caller named none of its own; `theirs` the one
    that a person has seen who has it sent all the same.
    """
    named = payload["if_match"]
    if theirs is not None:
        named = f'"{theirs}"'
    elif base is not None and named is None:
        named = f'"{base}"'
    return _MADE_AGAIN[kind](hotel, Stored(VendorRef(payload["target"] or ""), payload["body"], named))
