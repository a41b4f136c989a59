"""Between the contract's words and ours, both ways; nothing here sends anything."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from app.adapters.bridge import wire
from app.adapters.bridge.profile import facts_at
from app.core.adapter import HealthFinding, PropertyFound
from app.domain.capability import TRAITS, Capability
from app.domain.folio import ChargeDraft, FolioLine, LineKind
from app.domain.guest import GuestContact, GuestDraft, GuestProfile, Preference, PreferenceSet
from app.domain.hotel import Cleaning, Hotel, RoomOccupancy, RoomStatus
from app.domain.reservation import (
    Note,
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationQuery,
    ReservationStatus,
    ReservedRoom,
)
from app.domain.stay import Occupancy

Word = TypeVar("Word", bound=StrEnum)

CONTRACT = "1."
"""Major version of the contract that this adapter speaks."""


def word(kind: type[Word], said: str, otherwise: Word) -> Word:
    """Give our word for the PMS's, which is the same; one that we do not know is `otherwise`."""
    return kind(said) if said in set(kind) else otherwise


def occupancy_to_wire(occupancy: Occupancy | None) -> dict[str, str | None]:
    """Say in a query who stays."""
    if occupancy is None:
        return {}
    return {"adults": str(occupancy.adults), "child_ages": ",".join(map(str, occupancy.child_ages)) or None}


def reservation_from_wire(found: wire.Reservation, hotel: Hotel) -> Reservation:
    """Give a reservation; a status that the contract does not list is `unknown`, its word is kept."""
    status = word(ReservationStatus, found.status, ReservationStatus.UNKNOWN)
    rooms = [ReservedRoom(**room.model_dump(), status=status) for room in found.rooms]
    same = {"id", "confirmation_number", "total", "balance", "checkout_time", "external_reference"}
    return Reservation.of_rooms(
        rooms,
        **found.model_dump(include=same | {"created_at", "updated_at"}),
        hotel_id=hotel.id,
        status=status,
        vendor_status=found.status,
        vendor_version=found.version,
        guest=GuestContact(**found.guest.model_dump()),
        notes=tuple(note_from_wire(note) for note in found.notes),
    )


def note_from_wire(note: wire.Note) -> Note:
    """Give a note."""
    return Note(text=note.text, created_at=note.created_at)


def query_to_wire(query: ReservationQuery) -> dict[str, Any]:
    """Say which reservations to look for; a status that the PMS cannot know is left to the gateway."""
    wanted = query.model_dump(mode="json", exclude={"statuses"}, exclude_none=True)
    if query.guest_id is not None:
        wanted["guest_id"] = query.guest_id
    if query.statuses is not None and ReservationStatus.UNKNOWN not in query.statuses:
        wanted["statuses"] = sorted(query.statuses)
    return wanted


def draft_to_wire(draft: ReservationDraft) -> dict[str, Any]:
    """Say what to book."""
    guest = {name: value for name, value in draft.guest if value is not None}
    return {
        "arrival": draft.arrival,
        "departure": draft.departure,
        "room_type": draft.room_type,
        "rate_code": draft.rate_code,
        "adults": draft.adults,
        "child_ages": draft.child_ages,
        "guest": guest,
        "notes": draft.notes,
        **({"external_reference": draft.external_reference} if draft.external_reference else {}),
    }


def patch_to_wire(patch: ReservationPatch) -> dict[str, Any]:
    """Say what to change: absent keeps, null clears."""
    changes = patch.changes
    if patch.guest is not None:
        changes["guest"] = {name: getattr(patch.guest, name) for name in patch.guest.model_fields_set}
    return changes


def charge_to_wire(draft: ChargeDraft, codes: Mapping[str, str]) -> dict[str, Any]:
    """Say what to charge; a category that `codes` does not map goes as it is."""
    return {
        "description": draft.description,
        "amount": draft.amount.model_dump(mode="json"),
        "quantity": draft.quantity,
        "category": codes.get(draft.category) or codes.get("default") or draft.category,
        "tax_included": draft.tax_included,
        **({"reference": draft.reference} if draft.reference else {}),
    }


def folio_line_from_wire(line: wire.FolioLine) -> FolioLine:
    """Give a line of a folio."""
    return FolioLine(**line.model_dump(exclude={"kind"}), kind=word(LineKind, line.kind, LineKind.OTHER))


def guest_from_wire(guest: wire.Guest, hotel: Hotel) -> GuestProfile:
    """Give a profile."""
    return GuestProfile(
        **guest.model_dump(exclude={"preferences"}),
        hotel_id=hotel.id,
        preferences=tuple(Preference(**liking.model_dump()) for liking in guest.preferences),
        external_ids={"pms": guest.id},
    )


def guest_to_wire(draft: GuestDraft) -> dict[str, Any]:
    """Say what to write into a profile: absent keeps, null clears."""
    ours = {"id", "on_conflict"}
    return {name: getattr(draft, name) for name in draft.model_fields_set - ours}


def preferences_to_wire(wanted: PreferenceSet) -> dict[str, Any]:
    """Say what the whole set is."""
    return {"preferences": [liking.model_dump(exclude_none=True) for liking in wanted.preferences]}


def room_from_wire(room: wire.Room) -> RoomStatus:
    """Give a room; a cleaning state that the contract does not list is `unknown`, its word is kept."""
    return RoomStatus(
        **room.model_dump(exclude={"cleaning", "occupancy"}),
        cleaning=word(Cleaning, room.cleaning, Cleaning.UNKNOWN),
        occupancy=word(RoomOccupancy, room.occupancy, RoomOccupancy.UNKNOWN),
        vendor_status=room.cleaning,
    )


def property_from_wire(found: wire.Property) -> PropertyFound:
    """Give a property as the PMS describes it."""
    return PropertyFound(found.id, found.name, found.timezone, found.currency, found.country)


def findings(found: wire.Property, hotel: Hotel) -> list[HealthFinding]:
    """Compare what the PMS says of itself with how the hotel is registered, and with what the adapter needs."""
    needed = set(Capability) - TRAITS - {Capability.HEALTH}
    missing = sorted(needed - set(found.capabilities))
    return [
        HealthFinding("property", found.id == hotel.property_id, f"{found.name} ({found.id})"),
        HealthFinding("contract", found.contract_version.startswith(CONTRACT), f"version {found.contract_version}"),
        HealthFinding("currency", found.currency == hotel.currency, found.currency),
        HealthFinding("timezone", found.timezone == hotel.timezone, found.timezone),
        HealthFinding("capabilities", not missing, "missing: " + ", ".join(missing) if missing else "all"),
        _keys(found, hotel),
    ]


def _keys(found: wire.Property, hotel: Hotel) -> HealthFinding:
    """Say whether both sides agree on keys: relied on where they are ignored, a lost answer would book twice."""
    key = facts_at(hotel).idempotency_key
    relied_on = key is not None and key.is_honoured
    if relied_on and not found.idempotency_keys:
        return HealthFinding("idempotency_keys", ok=False, detail="ignored: set options.idempotency_keys to false")
    without = "not relied on, " + ("kept to look by" if found.write_keys else "not kept: a person settles lost answers")
    return HealthFinding("idempotency_keys", ok=True, detail="honoured" if relied_on else without)
