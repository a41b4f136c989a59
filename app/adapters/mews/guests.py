"""Guests: customers of the property's chain, and the notes on them that read like preferences."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from app.adapters.mews import mapping, wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.house import ACTIVE, House
from app.adapters.mews.profile import MEWS
from app.core.adapter import GuestUpsert
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported, ConflictRefused, InvalidRequest, NotFound
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef
from app.domain.reservation import DraftGuest
from app.domain.text import fold, is_same_text

_EVERYBODY = {"Extent": {"Customers": True, "Addresses": False}, "ActivityStates": ["Active", "Deleted"]}
_GUESTS = {**_EVERYBODY, **ACTIVE}
_MERGES = 5
"""How often a profile may have been merged into another one."""
_MEMBERS = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "email": "Email",
    "phone": "Phone",
    "country": "NationalityCode",
    "language": "PreferredLanguageCode",
}


class Guests:
    """The customers that the tokens show."""

    def __init__(self, calls: Calls, house: House, hotel: Hotel) -> None:
        self._calls = calls
        self._house = house
        self._hotel = hotel

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, wire.Customer]:
        """Give customers by their ids, those that are gone too; who is not shown is left out."""
        asked = {**await self._house.chains(), **_EVERYBODY}
        found = await self._calls.list_among("customers/getAll", wire.Customers, "CustomerIds", ids, asked)
        return {one.id: one for one in found}

    async def one(self, ref: str) -> wire.Customer:
        """Give a customer, or whom they were merged into.

        Raises:
            NotFound: there is none.
        """
        wanted: str | None = ref
        for _ in range(_MERGES):
            found = (await self.by_id([wanted])).get(wanted) if wanted else None
            if found is not None and found.is_active:
                return found
            wanted = found.merge_target_id if found else None
        raise NotFound(f"{MEWS.display_name} has no active customer of that id", vendor=MEWS.vendor)

    async def named(self, last_name: str) -> list[wire.Customer]:
        """Give the customers of a last name, in the usual ways of writing it (# Q15)."""
        spelled = {last_name, last_name.lower(), last_name.upper(), last_name.title()}
        return await self._filtered({"LastNames": sorted(map(str, spelled))})

    async def with_email(self, email: str) -> list[wire.Customer]:
        """Give the customers of an e-mail address (# Q15)."""
        return await self._filtered({"Emails": sorted({str(email), email.lower()})})

    async def search(self, query: GuestQuery) -> list[GuestProfile]:
        """Give who has this e-mail address, or else this last name.

        Raises:
            CapabilityNotSupported: there is nothing but a phone number to look for.
        """
        if query.email is not None:
            found = await self.with_email(query.email)
        elif query.last_name is not None:
            found = await self.named(query.last_name)
        else:
            raise _lacks(Capability.GUEST_SEARCH, "phone", "customers can be found by e-mail address or name only")
        return await self._profiles(found)

    async def profile(self, ref: str) -> GuestProfile:
        """Give a profile with its preferences."""
        return (await self._profiles([await self.one(ref)]))[0]

    # Writing

    async def of_stay(self, wanted: DraftGuest, op: Operation) -> str:
        """Give the customer of a new stay, made first where there is none; nobody is ever renamed.

        Raises:
            InvalidRequest: `id` names nobody.
            ConflictRefused: the e-mail address belongs to somebody of another last name.
        """
        if wanted.id is not None:
            known = (await self.by_id([wanted.id])).get(wanted.id)
            if known is None:
                raise InvalidRequest.of(("guest", "id"), "there is no such profile")
            return known.id if known.is_active else (await self.one(known.id)).id
        async with op.alone(_lock(wanted), until_settled=True):
            same = await op.remember("same guest", lambda: self._agreeing(wanted), returns=list[str])
            return same[0] if same else await self._add(_members(wanted), op)

    async def upsert(self, draft: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge a draft into a profile, or make a new one."""
        _refuse_lacking(draft, existing)
        members = _members(draft)
        if existing is None:
            if draft.vip:
                members["Classifications"] = [mapping.VIP]
            async with op.alone(_lock(draft), until_settled=True):
                return GuestUpsert(await self.profile(await self._add(members, op)), created=True)
        async with op.alone(f"guest {existing.id}", until_settled=True):
            await self._change(existing.id, members, draft, op)
        return GuestUpsert(await self.profile(existing.id), created=False)

    async def prefer(self, ref: VendorRef, wanted: PreferenceSet, op: Operation) -> GuestProfile:
        """Make these the guest's preferences; notes on the guest that are none stay as they are (# Q13)."""
        contents = [mapping.preference_to_wire(one) for one in wanted.preferences]
        guest = (await self.one(ref)).id
        chain = await self._house.chain()
        async with op.alone(f"guest {guest}", until_settled=True):
            has = await op.remember("preferences", lambda: self._preferences(guest), returns=dict[str, str])
            gone = [note for note, content in has.items() if content not in contents]
            new = [content for content in dict.fromkeys(contents) if content not in has.values()]

            async def all_gone() -> wire.Done | None:
                return None if set(gone) & set(await self._preferences(guest)) else wire.Done()

            async def all_there() -> wire.Done | None:
                return wire.Done() if set(new) <= set((await self._preferences(guest)).values()) else None

            if new:
                notes = [{"AccountId": guest, "Content": one, "Classifications": ["General"]} for one in new]
                body = {**chain, "AccountNotes": notes}
                await op.step(
                    "preferences",
                    lambda: self._calls.act("accountNotes/add", wire.Done, body),
                    returns=wire.Done,
                    find=all_there,
                )
            if gone:
                old = {**chain, "AccountNoteIds": gone}
                await op.step(
                    "old preferences",
                    lambda: self._calls.act("accountNotes/delete", wire.Done, old),
                    returns=wire.Done,
                    find=all_gone,
                )
        return await self.profile(guest)

    async def _add(self, members: Mapping[str, Any], op: Operation) -> str:
        """Make a customer; found again as the one of that name or address who was not there before."""
        email, name = members.get("Email"), str(members["LastName"])

        async def alike() -> list[str]:
            found = await (self.with_email(email) if email else self.named(name))
            return [one.id for one in found if is_same_text(name, one.last_name)]

        async def made() -> str | None:
            return next((one for one in await alike() if one not in before), None)

        async def add() -> str:
            body = {**chain, **members, "OverwriteExisting": False}
            return (await self._calls.act("customers/add", wire.Customer, body)).id

        chain = await self._house.chain()
        before = await op.remember("alike", alike, returns=list[str])
        return await op.step("customer", add, returns=str, find=made, undo=_leave)

    async def _change(self, ref: str, members: dict[str, Any], draft: GuestDraft, op: Operation) -> None:
        now = await self.one(ref)
        if draft.vip and mapping.VIP not in now.classifications:
            members["Classifications"] = [*now.classifications, mapping.VIP]
        if not members:
            return
        body = {**await self._house.chain(), "CustomerId": ref, **members}

        async def changed() -> wire.Done | None:
            found = await self.one(ref)
            told = found.model_dump(by_alias=True)
            same = all(told[name] == value for name, value in members.items() if name != "Classifications")
            return (
                wire.Done() if same and set(members.get("Classifications", ())) <= set(found.classifications) else None
            )

        await op.step(
            "guest",
            lambda: self._calls.act("customers/update", wire.Done, body),
            returns=wire.Done,
            find=changed,
        )

    async def _agreeing(self, wanted: DraftGuest) -> list[str]:
        """Give who has this e-mail address, if the last name agrees."""
        found = await self.with_email(wanted.email) if wanted.email else []
        same = [one.id for one in found if is_same_text(wanted.last_name, one.last_name)]
        if found and not same:
            raise ConflictRefused("a profile with this e-mail address has another last name")
        return sorted(same)

    async def _filtered(self, filters: Mapping[str, Any]) -> list[wire.Customer]:
        asked = {**await self._house.chains(), **_GUESTS, **filters}
        return await self._calls.list_all("customers/getAll", wire.Customers, asked)

    async def _profiles(self, found: Sequence[wire.Customer]) -> list[GuestProfile]:
        notes = await self._notes([one.id for one in found])
        return [mapping.guest(one, [n for n in notes if n.account_id == one.id], self._hotel) for one in found]

    async def _preferences(self, ref: str) -> dict[str, str]:
        return {note.id: note.content for note in await self._notes([ref]) if mapping.preference(note.content)}

    async def _notes(self, ids: Sequence[str]) -> list[wire.AccountNote]:
        asked = {**await self._house.chains(), **ACTIVE}
        found = await self._calls.list_among("accountNotes/getAll", wire.AccountNotes, "AccountIds", ids, asked)
        return found[::-1]


async def _leave() -> None:
    """Let a customer be whose stay was refused: none can be deleted, and the next one of theirs takes it."""


def _members(draft: DraftGuest | GuestDraft) -> dict[str, Any]:
    """Say what is said of a guest; what is not said is left out, which keeps it (# Q16)."""
    values = {name: getattr(draft, ours, None) for ours, name in _MEMBERS.items()}
    return {name: str(value) for name, value in values.items() if value is not None}


def _refuse_lacking(draft: GuestDraft, existing: GuestProfile | None) -> None:
    """Refuse what a customer has no member for, and clearing one, which cannot be said (# Q16)."""
    if draft.loyalty_tier is not None:
        raise _lacks(Capability.GUEST_UPSERT, "loyalty_tier", "a customer has the code of a membership, but no tier")
    for field in ("vip", *_MEMBERS):
        if existing and field in draft.model_fields_set and not getattr(draft, field) and getattr(existing, field):
            raise _lacks(Capability.GUEST_UPSERT, field, "it cannot be cleared")


def _lock(wanted: DraftGuest | GuestDraft) -> str:
    """Name what keeps two writes about one new guest apart; who it is, is nobody's business there."""
    known = fold(wanted.email or f"{wanted.first_name} {wanted.last_name}")
    return f"guest {hashlib.sha256(known.encode()).hexdigest()[:16]}"


def _lacks(capability: Capability, field: str, reason: str) -> CapabilityNotSupported:
    return CapabilityNotSupported(capability, reason, vendor=MEWS.vendor, field=field)
