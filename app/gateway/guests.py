"""Guest profiles: reading, finding, merging."""

from collections.abc import Sequence

from app.core.adapter import PMSAdapter
from app.core.connectors import Registration
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import ConflictRefused
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, OnConflict, PreferenceSet
from app.domain.hotel import Hotel
from app.domain.ids import VendorRef, unescape_ref
from app.domain.model import Fact
from app.domain.text import is_same_text, phone_test
from app.gateway import invalidation
from app.gateway.flights import Fetched
from app.gateway.reads import Answer, Held, Patience, Read, Reads
from app.gateway.record import Done
from app.gateway.write import Accepted, Order, Settled, Write
from app.gateway.writes import Writes
from app.store.database import UnitOfWork
from app.store.subjects import Subject

SEARCH_TTL = 60.0


class Guests:
    """The guest profiles of a hotel."""

    def __init__(self, reads: Reads, writes: Writes) -> None:
        self._reads = reads
        self._writes = writes

    async def get(self, registration: Registration, named: str, patience: Patience) -> Answer[GuestProfile]:
        """Give one profile by its id.

        Raises:
            NotFound: the PMS has no such profile.
        """
        ref, hotel = unescape_ref(named), registration.hotel

        async def keep(work: UnitOfWork, found: GuestProfile, fetched: Fetched) -> None:
            await _keep(work, hotel, [found], fetched)

        async def held(work: UnitOfWork) -> Held[GuestProfile] | None:
            stored = await work.guests.find(hotel.id, ref)
            return Held(stored.value, stored.as_of) if stored else None

        read = Read[GuestProfile](
            capability=Capability.GUEST_GET,
            kind=GuestProfile,
            ask=lambda connector: connector.get_guest(ref),
            params=ref,
            resources=(invalidation.GUESTS,),
            ttl=hotel.cache.guest_ttl,
            keep=keep,
            held=held,
        )
        return await self._reads.answer(registration, read, patience)

    async def search(
        self, registration: Registration, query: GuestQuery, patience: Patience
    ) -> Answer[list[GuestProfile]]:
        """Give all profiles that match everything in `query`, by last name, then id."""
        hotel = registration.hotel

        async def ask(connector: PMSAdapter) -> list[GuestProfile]:
            found = [one for one in await connector.search_guests(query) if matches(one, query, hotel)]
            return sorted(found, key=lambda one: one.sort_key)

        async def keep(work: UnitOfWork, found: list[GuestProfile], fetched: Fetched) -> None:
            await _keep(work, hotel, found, fetched)

        read = Read[list[GuestProfile]](
            capability=Capability.GUEST_SEARCH,
            kind=list[GuestProfile],
            ask=ask,
            params=query.model_dump(mode="json"),
            resources=(invalidation.GUESTS,),
            ttl=SEARCH_TTL,
            keep=keep,
        )
        return await self._reads.answer(registration, read, patience)

    async def upsert(self, registration: Registration, draft: GuestDraft, order: Order) -> Settled | Accepted:
        """Merge a profile by id, or by e-mail when the last name agrees; else make one."""
        return await self._writes.do(registration, merging(registration.hotel, draft), order)

    async def set_preferences(
        self, registration: Registration, named: str, wanted: PreferenceSet, order: Order
    ) -> Settled | Accepted:
        """Make `wanted` the whole set of a guest's preferences."""
        return await self._writes.do(registration, preferring(registration.hotel, unescape_ref(named), wanted), order)


def merging(hotel: Hotel, draft: GuestDraft) -> Write[GuestProfile]:
    """Merge a profile by id, or by e-mail when the last name agrees; else make one."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[GuestProfile]:
        # Whom it goes to is found once: a profile that this very write has made is not one to merge into.
        into = await op.remember("existing", lambda: _existing(connector, draft, hotel), returns=_Existing)
        upsert = await connector.upsert_guest(draft, into.guest, op)
        return _done(hotel, upsert.guest, status=201 if upsert.created else 200, before=into.guest)

    return Write(capability=Capability.GUEST_UPSERT, act=act, target=draft.id, people=[Subject.of(draft)])


def preferring(hotel: Hotel, ref: VendorRef, wanted: PreferenceSet) -> Write[GuestProfile]:
    """Make `wanted` the whole set of a guest's preferences."""

    async def act(connector: PMSAdapter, op: Operation) -> Done[GuestProfile]:
        return _done(hotel, await connector.set_preferences(ref, wanted, op))

    return Write(capability=Capability.GUEST_PREFERENCES, act=act, target=ref, people=[Subject(guest_id=ref)])


def matches(guest: GuestProfile, query: GuestQuery, hotel: Hotel) -> bool:
    """Tell whether a profile is one that was asked for; vendors' own filters may be wider."""
    return (
        (query.email is None or is_same_text(query.email, guest.email))
        and (query.last_name is None or is_same_text(query.last_name, guest.last_name))
        and (query.phone is None or phone_test(query.phone, hotel.country)(guest.phone))
    )


class _Existing(Fact):
    """The profile to merge into, if there is one."""

    guest: GuestProfile | None


async def _existing(connector: PMSAdapter, draft: GuestDraft, hotel: Hotel) -> _Existing:
    """Find the profile to merge into.

    Raises:
        NotFound: `id` names none.
        ConflictRefused: the e-mail address belongs to somebody with another last name.
    """
    if draft.id is not None:
        return _Existing(guest=await connector.get_guest(draft.id))
    if draft.email is None:
        return _Existing(guest=None)
    query = GuestQuery(email=draft.email)
    found = [one for one in await connector.search_guests(query) if matches(one, query, hotel)]
    agreeing = [one for one in found if is_same_text(draft.last_name or "", one.last_name)]
    if agreeing:
        return _Existing(guest=min(agreeing, key=lambda one: (len(one.id), one.id)))
    if found and draft.on_conflict is OnConflict.REFUSE:
        raise ConflictRefused("a profile with this e-mail address has another last name")
    return _Existing(guest=None)


def _done(
    hotel: Hotel, value: GuestProfile, *, status: int = 200, before: GuestProfile | None = None
) -> Done[GuestProfile]:
    async def keep(work: UnitOfWork, kept: GuestProfile, fetched: Fetched) -> None:
        await _keep(work, hotel, [kept], fetched)

    return Done(
        value=value,
        status=status,
        target=value.id,
        before=before and before.model_dump(mode="json"),
        people=[Subject.of(value)],
        keep=keep,
    )


async def _keep(work: UnitOfWork, hotel: Hotel, found: Sequence[GuestProfile], fetched: Fetched) -> None:
    if fetched.read_no is not None:
        await work.guests.upsert(hotel, found, read_no=fetched.read_no, as_of=fetched.as_of)
