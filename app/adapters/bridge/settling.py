"""What a write whose answer was lost has left in the PMS (writes.md, Settling).

What adds something is looked for by the key that it was written under, where the PMS keeps it (docs/bridge.md § 4).
What sets a state is done when the state holds, whoever set it. Each gives what it found, or None where it is not there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from app.adapters.bridge import wire
from app.adapters.bridge.calls import GUEST, RESERVATION, ROOM, Calls
from app.adapters.bridge.profile import BRIDGE
from app.domain.capability import Capability
from app.domain.errors import CannotBeSeen
from app.domain.folio import ChargeDraft
from app.domain.text import phone_test

Kept = TypeVar("Kept", wire.Reservation, wire.Note, wire.FolioLine, wire.Guest)


@dataclass(frozen=True, slots=True)
class Traces:
    """Looks for what was written.

    Raises:
        CannotBeSeen: this installation can't show it, so that a person has to look.
        GatewayError: it could not be read.
    """

    calls: Calls

    async def made_reservation(self, key: str) -> wire.Reservation | None:
        """Give the reservation whose create carried `key`."""
        await self._require_kept_keys()
        return _under(key, await self.calls.search("reservations", wire.Page[wire.Reservation], {"write_key": key}))

    async def made_guest(self, key: str) -> wire.Guest | None:
        """Give the profile whose create carried `key`."""
        await self._require_kept_keys(Capability.GUEST_SEARCH)
        return _under(key, await self.calls.search("guests", wire.Page[wire.Guest], {"write_key": key}))

    async def added_note(self, ref: str, key: str) -> wire.Note | None:
        """Give the note of a reservation that was added under `key`."""
        await self._require_kept_keys()
        found = await self.calls.ask(RESERVATION, wire.Reservation, reservation_id=ref)
        return _under(key, found.notes)

    async def posted_charge(self, ref: str, draft: ChargeDraft, key: str) -> wire.Charge | None:
        """Give the charge that was posted under `key`; a folio line tells neither the unit's price nor how many."""
        await self._require_kept_keys(Capability.CHARGE_LIST)
        lines = await self.calls.list_all(f"{RESERVATION}/folio", wire.Page[wire.FolioLine], reservation_id=ref)
        # Its tax may be a line of its own under the same key.
        line = _under(key, sorted(lines, key=lambda line: line.kind != "charge"))
        if line is None:
            return None
        return wire.Charge(
            **line.model_dump(include={"id", "description", "reference", "posted_at"}),
            amount=draft.amount,
            quantity=draft.quantity,
            total=line.amount,
        )

    async def reservation(self, ref: str, holds: Callable[[wire.Reservation], bool]) -> wire.Reservation | None:
        """Give a reservation if it is as it was to be."""
        found = await self.calls.ask(RESERVATION, wire.Reservation, reservation_id=ref)
        return found if holds(found) else None

    async def guest(self, ref: str, holds: Callable[[wire.Guest], bool]) -> wire.Guest | None:
        """Give a profile if it is as it was to be."""
        await self._require(Capability.GUEST_GET)
        found = await self.calls.ask(GUEST, wire.Guest, guest_id=ref)
        return found if holds(found) else None

    async def room(self, room_number: str, cleaning: str) -> wire.Room | None:
        """Give a room if it is in that cleaning state."""
        await self._require(Capability.ROOM_STATUS_GET)
        found = await self.calls.ask(ROOM, wire.Room, room_number=room_number)
        return found if found.cleaning == cleaning else None

    async def _require_kept_keys(self, *needed: Capability) -> None:
        if not (await self._require(*needed)).write_keys:
            raise _out_of_sight("does not keep the keys by which it could be found")

    async def _require(self, *needed: Capability) -> wire.Property:
        facts = await self.calls.facts()
        if missing := sorted(set(needed) - set(facts.capabilities)):
            raise _out_of_sight(f"has no {missing[0]} to look in")
        return facts


def _out_of_sight(why: str) -> CannotBeSeen:
    return CannotBeSeen(f"the answer was lost, and this PMS {why}: somebody has to look there", vendor=BRIDGE.vendor)


def shows(found: BaseModel, wanted: Mapping[str, Any], country: str | None) -> bool:
    """Tell whether every member of `wanted`, as it was sent, holds; `country` is where phone numbers are at home."""
    return all(_is_same(name, value, getattr(found, name), country) for name, value in wanted.items())


def shows_change(found: wire.Reservation, change: Mapping[str, Any], country: str | None) -> bool:
    """Tell whether every member of a reservation's change holds."""
    room = {name: value for name, value in change.items() if name != "guest"}
    guest = change.get("guest", {})
    if guest is None or len(found.rooms) != 1:  # neither can be asked for: it was refused
        return False
    return shows(found.rooms[0], room, country) and shows(found.guest, guest, country)


def shows_preferences(found: wire.Guest, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a profile has exactly these preferences, in any order."""
    sent = [wire.Preference.model_validate(one) for one in wanted["preferences"]]
    return sorted(map(_words, sent)) == sorted(map(_words, found.preferences))


def _words(liking: wire.Preference) -> tuple[str, str, str]:
    return liking.category, liking.value, liking.note or ""


def _under(key: str, found: Sequence[Kept]) -> Kept | None:
    """Give what was written under `key`; a PMS that can't filter by it shows everything."""
    return next((one for one in found if one.write_key == key), None)  # Q5


def _is_same(name: str, wanted: Any, found: Any, country: str | None) -> bool:
    """Tell whether a member is as it was sent: what is empty is cleared, a number is one however it is written."""
    if not wanted or not found:
        return not wanted and not found
    if name == "child_ages":
        return sorted(wanted) == sorted(found)
    return bool(wanted == found or (name == "phone" and phone_test(wanted, country)(found)))
