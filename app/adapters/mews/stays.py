"""Stays: how they are found, told, made and changed."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from app.adapters.mews import mapping, wire
from app.adapters.mews.calls import Calls
from app.adapters.mews.guests import Guests
from app.adapters.mews.house import House
from app.adapters.mews.profile import MEWS
from app.core.operation import Operation
from app.domain.capability import Capability
from app.domain.errors import CapabilityNotSupported, NotFound
from app.domain.hotel import Hotel
from app.domain.reservation import (
    Reservation,
    ReservationDraft,
    ReservationPatch,
    ReservationQuery,
    ReservationStatus,
)

_LIST = "reservations/getAll/2023-06-06"
_ALL_NOTES = {"Types": ["General", "ChannelManager", "SpecialRequest"]}
_AROUND = timedelta(days=44)
"""Half of the longest interval, three months, of which one may have 89 days (# Q17)."""
_CLOCKS_DIFFER = timedelta(hours=1)
_WORDS = "by the PMS gateway"

Holds = Callable[[wire.Reservation], bool]


class Stays:
    """The reservations of the property's stay service."""

    def __init__(self, calls: Calls, house: House, guests: Guests, hotel: Hotel) -> None:
        self._calls = calls
        self._house = house
        self._guests = guests
        self._hotel = hotel

    async def one(self, ref: str) -> wire.Reservation:
        """Give a stay.

        Raises:
            NotFound: the property has none of that id.
        """
        found = await self.listed({"ReservationIds": [ref]})
        if not found:
            raise NotFound(f"{MEWS.display_name} has no stay of that id", vendor=MEWS.vendor)
        return found[0]

    async def listed(self, filters: Mapping[str, Any]) -> list[wire.Reservation]:
        """Give the stays that a filter of Mews's own finds, the newest first."""
        return await self._calls.list_all(_LIST, wire.Reservations, {**await self._ours(), **filters})

    async def found(self, query: ReservationQuery) -> list[wire.Reservation]:
        """Give the stays that the narrowest of the query's filters finds; the gateway applies the others."""
        states = mapping.states(query.statuses)
        if query.confirmation_number is not None:
            return await self.listed({"Numbers": [query.confirmation_number]})
        if query.guest_id is not None:
            return await self.listed({**states, "AccountIds": [query.guest_id]})
        if query.arrival is not None:
            return await self.listed({**states, "ScheduledStartUtc": self._day(query.arrival)})
        if query.departure is not None:
            return await self.listed({**states, "ScheduledEndUtc": self._day(query.departure)})
        if query.last_name is not None:
            owners = [one.id for one in await self._guests.named(query.last_name)]
            asked = {**await self._ours(), **states}
            return await self._calls.list_among(_LIST, wire.Reservations, "AccountIds", owners, asked)
        return await self.listed({**states, "CollidingUtc": self._around_now()})

    async def started(self) -> list[wire.Reservation]:
        """Give the stays of those who are in the house, long overdue ones too (# Q17)."""
        return await self.listed({"States": ["Started"], "CollidingUtc": self._around_now()})

    async def newest(self) -> datetime | None:
        """Give when the newest stay was made."""
        now = self._calls.now()
        made = {**await self._ours(), "CreatedUtc": mapping.interval(now - 2 * _AROUND, now + _CLOCKS_DIFFER)}
        found = await self._calls.newest(_LIST, wire.Reservations, made)
        return found.created_utc if found else None

    async def told(self, stays: Sequence[wire.Reservation]) -> list[Reservation]:
        """Give stays as reservations, with guests, notes and prices, which are lists of their own (# Q11)."""
        ids = [stay.id for stay in stays]
        customers, notes, items, places, ages = await asyncio.gather(
            self._guests.by_id(sorted({stay.guest_id for stay in stays if stay.guest_id})),
            self.notes(ids),
            self.items(ids),
            self._house.places({stay.assigned_resource_id for stay in stays if stay.assigned_resource_id}),
            self._house.ages({one.age_category_id for stay in stays for one in stay.person_counts}),
        )
        around = mapping.Surroundings(
            places, ages, customers, _by(notes, lambda one: one.order_id), _by(items, lambda one: one.service_order_id)
        )
        return [mapping.reservation(stay, self._hotel, around) for stay in stays]

    async def notes(self, ids: Sequence[str]) -> list[wire.OrderNote]:
        """Give the notes on stays; special requests are told only to those who name them (# Q11)."""
        asked = {**self._calls.here, **_ALL_NOTES}
        return await self._calls.list_among("serviceOrderNotes/getAll", wire.OrderNotes, "ServiceOrderIds", ids, asked)

    async def items(self, ids: Sequence[str]) -> list[wire.OrderItem]:
        """Give what was charged under these orders; a stay is one, too."""
        here = self._calls.here
        return await self._calls.list_among("orderItems/getAll", wire.OrderItems, "ServiceOrderIds", ids, here)

    # Writing

    async def create(self, draft: ReservationDraft, op: Operation) -> str:
        """Make a stay and give its id: first the customer, who has to be there, then the stay."""
        if draft.external_reference is not None:
            reason = "a stay has no member for it that is documented"
            raise CapabilityNotSupported(
                Capability.RESERVATION_CREATE, reason, vendor=MEWS.vendor, field="external_reference"
            )
        service, reference = (await self._house.stays()).id, op.reference("reserve")
        body = {
            **self._calls.place,
            "ServiceId": service,
            "SendConfirmationEmail": self._hotel.options.notify_guest,  # Q18
            "Reservations": [],
        }
        wish = {
            **await self.wish(draft.arrival, draft.departure, draft.room_type, draft.rate_code),
            "PersonCounts": mapping.person_counts(draft.adults, draft.child_ages, await self._house.ages()),
            "State": "Confirmed",
            **self._signed(draft, reference),
        }
        since = await op.remember("since", self._now, returns=datetime)
        guest = await self._guests.of_stay(draft.guest, op)

        async def reserve() -> str:
            sent = {**body, "Reservations": [{**wish, "CustomerId": guest}]}
            return (
                (await self._calls.act("reservations/add", wire.AddedReservations, sent)).reservations[0].reservation.id
            )

        return await op.step("reserve", reserve, returns=str, find=lambda: self._made(guest, reference, since))

    async def change(self, current: Reservation, patch: ReservationPatch, op: Operation) -> None:
        """Change dates, room type, rate or party of a stay; its hours of arrival and departure stay what they are."""
        _refuse_guest(current, patch)
        stay = await self.one(current.id)
        wanted = await self.changes(stay, patch)
        if wanted:
            await self._update(stay.id, wanted, op)

    async def changes(self, stay: wire.Reservation, patch: ReservationPatch) -> dict[str, Any]:
        """Say what a patch changes of a stay, in Mews's members and without their wrapping."""
        wanted: dict[str, Any] = {}
        if patch.arrival:
            wanted["StartUtc"] = self._moved(stay.scheduled_start_utc, patch.arrival)
        if patch.departure:
            wanted["EndUtc"] = self._moved(stay.scheduled_end_utc, patch.departure)
        if patch.room_type:
            wanted["RequestedCategoryId"] = patch.room_type
        if patch.rate_code:
            wanted["RateId"] = patch.rate_code
        if {"adults", "child_ages"} & patch.model_fields_set:
            wanted["PersonCounts"] = await self._party(stay, patch)
        has = mapping.as_sent(stay)
        return {name: value for name, value in wanted.items() if not _same(value, has[name])}

    async def set_end(self, ref: str, time: timedelta, op: Operation) -> None:
        """Set the time of day at which a stay ends."""
        stay = await self.one(ref)
        day = self._hotel.local(stay.scheduled_end_utc).date()
        await self._update(ref, {"EndUtc": mapping.moment(self._hotel.at(day, time))}, op)

    async def _update(self, ref: str, wanted: Mapping[str, Any], op: Operation) -> None:
        change = {"ReservationId": ref, **{name: {"Value": value} for name, value in wanted.items()}}
        body = {
            **self._calls.place,
            "ReservationUpdates": [change],
            "ApplyCancellationFee": False,  # Q18
            "Reason": f"Changed {_WORDS}",
        }

        def holds(stay: wire.Reservation) -> bool:
            has = mapping.as_sent(stay)
            return all(_same(value, has[name]) for name, value in wanted.items())

        await self.bring(ref, "modify", "reservations/update", body, holds=holds, op=op)

    async def cancel(self, ref: str, reason: str | None, op: Operation) -> None:
        """Cancel a stay, unless it is cancelled already."""
        body = {
            **self._calls.place,
            "ReservationIds": [ref],
            "Notes": reason or f"Cancelled {_WORDS}",
            "PostCancellationFee": False,
            "SendEmail": self._hotel.options.notify_guest,  # Q18
        }
        gone = {ReservationStatus.CANCELLED, ReservationStatus.NO_SHOW}
        await self.bring(
            ref, "cancel", "reservations/cancel", body, holds=lambda stay: mapping.status(stay) in gone, op=op
        )

    async def start(self, ref: str, op: Operation) -> None:
        """Let guests in, unless they are."""
        body = {**self._calls.place, "ReservationId": ref}
        await self.bring(ref, "check_in", "reservations/start", body, holds=lambda stay: stay.state == "Started", op=op)

    async def process(self, ref: str, op: Operation) -> None:
        """Let guests go, unless they have gone; who owes something only where the hotel wants it so (# Q19)."""
        unpaid = {"AllowOpenBalance": True, "Notes": f"Checked out {_WORDS}"}
        body = {**self._calls.place, "ReservationId": ref, **(unpaid if self._calls.options.check_out_unpaid else {})}
        await self.bring(
            ref, "check_out", "reservations/process", body, holds=lambda stay: stay.state == "Processed", op=op
        )

    async def bring(
        self, ref: str, step: str, operation: str, body: Mapping[str, Any], *, holds: Holds, op: Operation
    ) -> None:
        """Bring a stay into a state in which it is not yet."""

        async def done() -> wire.Done | None:
            return wire.Done() if holds(await self.one(ref)) else None

        if await done() is None:
            await op.step(step, lambda: self._calls.act(operation, wire.Done, body), returns=wire.Done, find=done)

    async def note(self, ref: str, text: str, op: Operation) -> wire.OrderNote:
        """Add a note to a stay; found again as the one of that text that was not there before."""
        body = {"ServiceOrderNotes": [{"ServiceOrderId": ref, "Text": text}]}

        async def alike() -> list[wire.OrderNote]:
            return [one for one in await self.notes([ref]) if (one.text or "").strip() == text.strip()]

        async def known() -> list[str]:
            return [one.id for one in await alike()]

        async def added() -> wire.OrderNote | None:
            return next((one for one in await alike() if one.id not in before), None)

        async def add() -> wire.OrderNote:
            return (await self._calls.act("serviceOrderNotes/add", wire.OrderNotes, body)).rows[0]

        same = hashlib.sha256(text.strip().encode()).hexdigest()[:16]
        async with op.alone(f"note {same} on {ref}", until_settled=True):  # others are told apart by their text
            stay = await self.one(ref)
            before = await op.remember(f"notes {stay.number}", known, returns=list[str])
            return await op.step("note", add, returns=wire.OrderNote, find=added)

    # How it is said

    async def wish(self, arrival: date, departure: date, category: str, rate: str) -> dict[str, Any]:
        """Say when a stay is, at the service's own hours, and in what (# Q8)."""
        start, end = await self._house.hours()
        return {
            "StartUtc": mapping.moment(self._hotel.at(arrival, start)),
            "EndUtc": mapping.moment(self._hotel.at(departure, end)),
            "RequestedCategoryId": category,
            "RateId": rate,
        }

    def _signed(self, draft: ReservationDraft, reference: str) -> dict[str, str]:
        """Say the notes, and where the reference is kept (# Q11)."""
        if self._calls.options.reference_in == "notes":
            return {"Notes": mapping.marked(draft.notes, reference)}
        return {"ChannelNumber": reference, **({"Notes": "\n".join(draft.notes)} if draft.notes else {})}

    async def _made(self, guest: str, reference: str, since: datetime) -> str | None:
        """Find the stay that carries a reference of ours."""
        if self._calls.options.reference_in == "channel_number":
            return next((one.id for one in await self.listed({"ChannelNumbers": [reference]})), None)
        created = mapping.interval(since - _CLOCKS_DIFFER, self._calls.now() + _CLOCKS_DIFFER)
        stays = await self.listed({"AccountIds": [guest], "CreatedUtc": created})
        notes = await self.notes([one.id for one in stays])
        return next((one.order_id for one in notes if reference in (one.text or "")), None)

    async def _party(self, stay: wire.Reservation, patch: ReservationPatch) -> list[dict[str, Any]]:
        """Say who stays after a patch; children who are not spoken of are those who were there."""
        ages = await self._house.ages({one.age_category_id for one in stay.person_counts})
        adults, _ = mapping.party(stay.person_counts, ages)
        if "child_ages" in patch.model_fields_set:
            return mapping.person_counts(patch.adults or adults, patch.child_ages or (), ages)
        children = {category.id for category in ages if category.classification == "Child"}
        kept = [
            {"AgeCategoryId": one.age_category_id, "Count": one.count}
            for one in stay.person_counts
            if one.age_category_id in children
        ]
        return [*mapping.person_counts(patch.adults or adults, (), ages), *kept]

    async def _ours(self) -> dict[str, Any]:
        """Name the property and its stays: what is booked by the hour is none."""
        return {**self._calls.here, "ServiceIds": [(await self._house.stays()).id]}

    async def _now(self) -> datetime:
        return self._calls.now()

    def _moved(self, moment: datetime, day: date) -> str:
        local = self._hotel.local(moment)
        return mapping.moment(self._hotel.at(day, timedelta(hours=local.hour, minutes=local.minute)))

    def _day(self, day: date) -> dict[str, str]:
        return mapping.interval(self._hotel.at(day), self._hotel.at(day + timedelta(days=1)))

    def _around_now(self) -> dict[str, str]:
        now = self._calls.now()
        return mapping.interval(now - _AROUND, now + _AROUND)


def _by(rows: Sequence[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    return {name: list(group) for name, group in groupby(sorted(rows, key=key), key=key)}


def _same(wanted: Any, has: Any) -> bool:
    """Tell whether two values are the same; nobody of an age is as good as that age not being named."""
    if isinstance(wanted, str):
        return bool(wanted == has)
    counts = [{one["AgeCategoryId"]: one["Count"] for one in value if one["Count"]} for value in (wanted, has)]
    return bool(counts[0] == counts[1])


def _refuse_guest(current: Reservation, patch: ReservationPatch) -> None:
    """Refuse to change a guest by their stay: the profile is shared by all stays in the chain."""
    if patch.guest is None:
        return
    for field in patch.guest.model_fields_set:
        if getattr(patch.guest, field) != getattr(current.guest, field):
            raise CapabilityNotSupported(
                Capability.RESERVATION_MODIFY,
                "a guest is shared by all stays of the chain; change the profile instead",
                vendor=MEWS.vendor,
                field=f"guest.{field}",
            )
