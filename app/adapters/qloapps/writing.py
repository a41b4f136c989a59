"""Bookings made, changed and cancelled, notes, check-in and check-out: each send a durable step.

`/bookings` may answer 500 and have done it (README Q7), so every step knows how to look for what it did.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.adapters.qloapps import checks, mapping, overlay, wire, xmlforms
from app.adapters.qloapps.guests import Guests, lock_of
from app.adapters.qloapps.profile import QLOAPPS
from app.adapters.qloapps.shop import JSON, Shop
from app.adapters.qloapps.wanted import Wanted
from app.core.operation import Operation
from app.domain.errors import (
    CannotBeSeen,
    Conflict,
    ConflictRefused,
    InvalidRequest,
    MultiRoom,
    NoAvailability,
    OutcomeUnknown,
    VendorLacks,
)
from app.domain.ids import VendorRef
from app.domain.reservation import Reservation, ReservationDraft, ReservationPatch
from app.domain.stay import Stay

_VENDOR = QLOAPPS.vendor
_UNTOLD = wire.Written.model_construct(number="")
_SENT: overlay.Body = {}
"""In place of what an earlier attempt has sent: it is looked for, never sent again."""
_PRECISE = Decimal("0.000001")


class Bookings:
    """The orders of one hotel, as they are written."""

    def __init__(self, shop: Shop, guests: Guests) -> None:
        self._shop = shop
        self._guests = guests

    async def create(self, draft: ReservationDraft, op: Operation) -> VendorRef:
        """Make an order of one room, and give it back when the room was somebody else's.

        Raises:
            NoAvailability: there is no room, or another order was faster.
            ConflictRefused: the guest's e-mail address belongs to a customer of another name.
        """
        checks.draft(draft)
        source = op.reference("reserve")
        async with op.alone(f"room type {draft.room_type}"), op.alone(lock_of(draft.guest)):
            body = _SENT if op.is_resumed else await self._created(draft, source)
            number = await op.step(
                "reserve",
                lambda: self._reserve(body),
                returns=str,
                undo=lambda: self._cancel_made(source),
                find=lambda: self._made(source),
            )
            await self._require_room(number)
        return VendorRef(number)

    async def cancel(self, ref: VendorRef, reason: str | None, op: Operation) -> None:
        """Cancel an order by its history, which touches neither rooms nor services; the reason becomes a note."""
        if reason is not None:
            checks.note(reason, "reason")
        rows = await self.require_own(ref)
        async with op.alone(f"order {ref}", until_settled=True):
            was = await op.remember("state", lambda: self._is_cancelled(ref), returns=bool)
            if was:
                return
            state = await self._cancelled_state()
            await op.step(
                "cancel",
                lambda: self._enter(ref, state),
                returns=str,
                find=lambda: self._cancelled(ref),
            )
            if not await self._is_cancelled(ref):
                raise ConflictRefused("the order has the state of a cancelled one, but its rooms are still held")
            if reason is not None:
                await self._note(rows, reason, op)

    async def note(self, ref: VendorRef, text: str, op: Operation) -> str:
        """Add a note to the comment of the order's first room, and give it as it is kept there (# Q28)."""
        checks.note(text, "text")
        rows = await self.require_own(ref)
        async with op.alone(f"order {ref}", until_settled=True):
            return await self._note(rows, text, op)

    async def move_to(self, ref: VendorRef, status: str, stamp: Mapping[str, str], op: Operation) -> None:
        """Check the guests of all rooms in or out, one room after the other.

        Raises:
            ConflictRefused: a room is at a point from which this makes no sense.
        """
        await self.require_own(ref)
        async with op.alone(f"order {ref}", until_settled=True):
            for number in await op.remember("rooms", lambda: self._to_move(ref, status), returns=list[str]):
                changes = {"id_status": status, **stamp}
                await self.edit(op, f"room {number}", number, changes, told_by=["id_status"])

    async def modify(self, current: Reservation, patch: ReservationPatch, op: Operation) -> None:
        """Change the one room of a stay: who stays by its row (# Q31), all else by the whole booking (# Q25)."""
        checks.change(current, patch)
        await self.require_own(current.id)
        async with op.alone(f"order {current.id}", until_settled=True):
            row = await op.remember("room", lambda: self.only_room(current.id), returns=wire.PlacedRow)
            wanted = Wanted.after(row, patch)
            if wanted.is_met(row):
                return
            if wanted.is_at(row):
                await self._require_fit(wanted)
                await self.edit(op, "occupancy", row.id, wanted.occupancy())
                if not wanted.is_met(await self.only_room(current.id)):
                    raise VendorLacks("this shop does not let the guests of a room be changed", vendor=_VENDOR)
            else:
                await self._move(row, wanted, op)

    async def price(self, kind: str, stay: Stay, *, free: bool = True) -> tuple[wire.Ari, wire.AriRoomType]:
        """Give what a room type costs for a stay.

        Raises:
            NoAvailability: it cannot be sold, or with `free` none is.
        """
        (ari, *_) = await self._shop.ari(stay, kind)
        answer = next((one for one in ari.room_types if one.id_room_type == kind), None)
        if answer is None or (free and not answer.free):
            raise NoAvailability("QloApps has no room of this type on these dates", vendor=_VENDOR)
        return ari, answer

    async def only_room(self, ref: VendorRef) -> wire.PlacedRow:
        """Give the room of an order that has one.

        Raises:
            MultiRoom: it has several.
            ConflictRefused: it is cancelled.
        """
        rows = await self._shop.among(wire.PlacedRow, "id_order", [ref])
        if len(rows) > 1:
            raise MultiRoom("the stay has several rooms; its room fields cannot be changed in one")
        if not rows or mapping.is_cancelled(rows[0]):
            raise ConflictRefused("the reservation is cancelled")
        return rows[0]

    async def whole(self, number: str) -> wire.Booking:
        """Read a booking so that it can be sent back without loss.

        Raises:
            VendorLacks: the shop cannot show it (# Q7), or would drop a part of it.
        """
        answer = await self._shop.client.ask(
            "GET",
            "api/bookings/{id}",
            at={"id": number},
            params=JSON,
            answer=wire.WholeAnswer,
            instead={"3": wire.WholeAnswer(booking=None)},
        )
        if answer.booking is None:
            raise VendorLacks(
                "this shop cannot show its bookings, and a change that is not sent whole would lose what it leaves "
                "out; show customer groups prices with tax",
                vendor=_VENDOR,
            )
        checks.overlay(answer.booking)
        return answer.booking

    async def put_whole(self, number: str, body: overlay.Body) -> str:
        """Send a booking back, changed."""
        answer = await self._shop.client.act(
            "PUT", "api/bookings/{id}", at={"id": number}, params=JSON, json=body, answer=wire.Written
        )
        return answer.number

    async def require_own(self, ref: VendorRef) -> list[wire.RoomBookingRow]:
        """Give the rooms of an order, all of which are in this hotel: a write changes the whole order.

        Raises:
            NotFound: none is.
            ConflictRefused: some are, some are not.
        """
        _, ours = await self._shop.order(ref)
        if len(await self._shop.among(wire.RoomBookingRow, "id_order", [ref])) > len(ours):
            raise ConflictRefused("the order has rooms in another hotel of the shop, which it would change too")  # Q17
        return ours

    async def edit(
        self, op: Operation, step: str, number: str, changes: Mapping[str, str], *, told_by: Sequence[str] = ()
    ) -> None:
        """Change fields of one room's row by sending it back whole, as a durable step.

        Args:
            op: the operation.
            step: the step's name.
            number: the row.
            changes: fields and what they shall be.
            told_by: the fields that tell whether it was done; all of `changes` unless some are named.
        """
        form = await self._form(number)

        async def before() -> dict[str, str]:
            return {name: form.get(name, "") for name in changes}

        async def holds() -> str | None:
            now = await self._form(number)
            same = (xmlforms.kept(now.get(name, "")) == xmlforms.kept(changes[name]) for name in told_by or changes)
            return number if all(same) else None

        async def undo() -> str:
            return await self._put_row(number, {**await self._form(number), **was})

        was = await op.remember(f"{step} before", before, returns=dict[str, str])
        await op.step(step, lambda: self._put_row(number, {**form, **changes}), returns=str, undo=undo, find=holds)

    # What the writes above are made of

    async def _created(self, draft: ReservationDraft, source: str) -> overlay.Body:
        price = await self._price_of(Wanted.of(draft))
        guest = await self._guests.for_booking(draft.guest)
        await self._cancelled_state()  # or the room could not be given back
        return overlay.created(self._shop.hotel, draft, guest, price, source)

    async def _reserve(self, body: overlay.Body) -> str:
        """Send a new booking; in some shops each is made and answered 500, which is no fault of theirs today (# Q7).

        Raises:
            OutcomeUnknown: it has to be looked for.
        """
        answer = await self._shop.client.act(
            "POST", "api/bookings", params=JSON, json=body, answer=wire.Written, instead={"3": _UNTOLD}
        )
        if answer is _UNTOLD:
            raise OutcomeUnknown("QloApps made the booking and could not show it", vendor=_VENDOR)
        return answer.number

    async def _made(self, source: str) -> str | None:
        """Find the order that carries our reference.

        Raises:
            CannotBeSeen: there are two of it, and a person has to take one back.
        """
        found = await self._shop.rows(wire.OrderRow, wire.among("source", [source]))
        if len(found) > 1:
            lowest = min(int(order.id) for order in found)
            raise CannotBeSeen(f"QloApps made two orders of one; keep {lowest} and cancel the others", vendor=_VENDOR)
        return found[0].id if found else None

    async def _cancel_made(self, source: str) -> None:
        """Cancel what carries our reference, and see that its room is free.

        Raises:
            OutcomeUnknown: it is not.
        """
        state = await self._cancelled_state()
        orders = await self._shop.rows(wire.OrderRow, wire.among("source", [source]))
        for order in orders:
            await self._enter(order.id, state)
        if not orders or not all([await self._is_cancelled(VendorRef(order.id)) for order in orders]):
            raise OutcomeUnknown("QloApps does not show that our order gave its room back", vendor=_VENDOR)

    async def _require_room(self, number: str, *, moved: bool = False) -> None:
        """See that an order has the room that it names: the shop locks nothing (# Q30).

        Raises:
            NoAvailability: the room was gone, or an order of a lower number holds it too; where the order was `moved`
                there, any other.
            OutcomeUnknown: the order shows no room so far.
        """
        rows = await self._shop.among(wire.PlacedRow, "id_order", [number])
        if not rows:
            raise OutcomeUnknown("QloApps shows the order without its room", vendor=_VENDOR)
        for row in rows:
            if row.is_back_order or mapping.is_cancelled(row):
                raise NoAvailability("QloApps sold the last room to somebody else", vendor=_VENDOR)
            sharing = await self._shop.among(wire.PlacedRow, "id_room", [row.id_room])
            if any(_overlaps(other, row) and (moved or int(other.id_order) < int(number)) for other in sharing):
                raise NoAvailability("QloApps gave the last room to another order, too", vendor=_VENDOR)

    async def _cancelled_state(self) -> str:
        state = mapping.cancelled_state(await self._shop.states())
        if state is None:
            raise VendorLacks("the shop has no order state named Canceled in a language that is known", vendor=_VENDOR)
        return state

    async def _enter(self, number: str, state: str) -> str:
        history = {"id_order": number, "id_order_state": state}
        return await self._shop.post("order_histories", "order_history", history)

    async def _is_cancelled(self, ref: VendorRef) -> bool:
        rows = await self._shop.ours("id_order", [ref])
        return bool(rows) and all(map(mapping.is_cancelled, rows))

    async def _cancelled(self, ref: VendorRef) -> str | None:
        return ref if await self._is_cancelled(ref) else None

    async def _note(self, rows: Sequence[wire.RoomBookingRow], text: str, op: Operation) -> str:
        """Append to a comment; that it was done shows in how often the note stands there."""
        note, order = xmlforms.kept(text), rows[0].id_order
        row = next((row for row in rows if not mapping.is_cancelled(row)), rows[0])

        async def count() -> int:
            comments = [one.comment for one in await self._shop.ours("id_order", [order])]
            return sum(xmlforms.notes(comment).count(note) for comment in comments)

        before = await op.remember("notes", count, returns=int)

        async def added() -> str | None:
            return row.id if await count() > before else None

        form = await self._form(row.id)
        form["comment"] = xmlforms.with_note(form.get("comment"), note)
        await op.step("note", lambda: self._put_row(row.id, form), returns=str, find=added)
        return note

    async def _to_move(self, ref: VendorRef, status: str) -> list[str]:
        live = [row for row in await self._shop.ours("id_order", [ref]) if not mapping.is_cancelled(row)]
        if not live:
            raise ConflictRefused("the reservation is cancelled")
        before = str(int(status) - 1)
        if not {row.id_status for row in live} <= {before, status}:
            raise ConflictRefused("a room of the reservation is not where it would have to be for this")
        return [row.id for row in live if row.id_status == before]

    async def _move(self, row: wire.PlacedRow, wanted: Wanted, op: Operation) -> None:
        """Give the booking's room other dates or another type: the shop puts a new room in the place of the old."""
        number = row.id_order
        if row.id_status != mapping.ALLOTTED:
            raise ConflictRefused("the guest has been checked in, and this PMS would give the stay another room")
        before = await op.remember("booking", lambda: self.whole(number), returns=wire.Booking)
        async with op.alone(f"room type {wanted.kind}"):
            body = _SENT if op.is_resumed else await self._moving(row, wanted)
            await op.step(
                "modify",
                lambda: self.put_whole(number, body),
                returns=str,
                undo=lambda: self._move_back(before, row),
                find=lambda: self._moved(number, wanted),
            )
            await self._require_room(number, moved=True)
        if overlay.names(before) - overlay.names(await self.whole(number)):
            raise Conflict("QloApps did not take a service of the booking along", vendor=_VENDOR)
        await self._bring_along(row, wanted, op)

    async def _moving(self, row: wire.PlacedRow, wanted: Wanted) -> overlay.Body:
        price = await self._price_of(wanted)
        return overlay.moved(await self.whole(row.id_order), row, wanted, price)

    async def _move_back(self, before: wire.Booking, row: wire.PlacedRow) -> None:
        """Give a booking the room back that it had, and that room what stood in its row."""
        await self.put_whole(before.id, overlay.moved_back(before, row))
        back = await self.only_room(VendorRef(before.id))
        had = {**Wanted.at(row).occupancy(), "comment": row.comment or ""}
        await self._put_row(back.id, {**await self._form(back.id), **had})

    async def _bring_along(self, row: wire.PlacedRow, wanted: Wanted, op: Operation) -> None:
        """Give the new row what the old one had: its comment, and how many children stay."""
        now = await self.only_room(VendorRef(row.id_order))
        if not wanted.is_at(now):
            raise OutcomeUnknown("the shop has put the room elsewhere since", vendor=_VENDOR)
        if wanted.is_met(now) and (now.comment or "") == (row.comment or ""):
            return
        changes = {**wanted.occupancy(), "comment": row.comment or ""}
        await self.edit(op, "bring along", now.id, changes)

    async def _price_of(self, wanted: Wanted) -> wire.Price:
        await self._require_fit(wanted)
        ari, sold = await self.price(wanted.kind, wanted.stay)
        unit = (sold.total_price / len(wanted.stay)).quantize(_PRECISE)  # the quoted total, in two parts (# Q5)
        tax = sold.total_price_with_tax - sold.total_price
        return wire.Price(unit_price=unit, total_tax=tax, currency=ari.currency)

    async def _require_fit(self, wanted: Wanted) -> None:
        kinds = await self._shop.kinds(wanted.kind)
        if not kinds:
            raise InvalidRequest.of("room_type", "is none of this hotel's room types")
        if not kinds[0].fits(wanted.guests):
            raise InvalidRequest.of("adults", "the room type does not take so many guests")  # Q4

    async def _moved(self, number: str, wanted: Wanted) -> str | None:
        live = [row for row in await self._shop.ours("id_order", [number]) if not mapping.is_cancelled(row)]
        return number if live and all(map(wanted.is_at, live)) else None

    async def _form(self, number: str) -> xmlforms.Form:
        return await self._shop.form("room_bookings", "booking", number)

    async def _put_row(self, number: str, form: Mapping[str, str]) -> str:
        return await self._shop.put("room_bookings", "booking", number, form)


def _overlaps(other: wire.PlacedRow, ours: wire.PlacedRow) -> bool:
    """Tell whether another order holds a room on one of our nights."""
    is_live = not other.is_back_order and not mapping.is_cancelled(other) and other.id_status != mapping.CHECKED_OUT
    overlaps = other.date_from < ours.date_to and ours.date_from < other.date_to
    return is_live and overlaps and other.id_order != ours.id_order
