"""Who a booking is for, and profiles: customers are the whole shop's, and bookings rename them (README Q23)."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from app.adapters.qloapps import checks, mapping, wire, xmlforms
from app.adapters.qloapps.shop import Shop
from app.core.adapter import GuestUpsert
from app.core.operation import Operation
from app.domain.errors import InvalidRequest
from app.domain.guest import GuestDraft, GuestProfile
from app.domain.reservation import DraftGuest
from app.domain.text import fold, is_same_text

_FIELDS = {"first_name": "firstname", "last_name": "lastname", "email": "email", "phone": "phone"}
_NAMES = ("firstname", "lastname")
_NOT_WRITABLE = frozenset({"last_passwd_gen", "secure_key"})
"""What may not be sent back; `passwd` may: the hash as it is keeps the password (code)."""


class Guests:
    """The customers of a shop, as far as this hotel may see them."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def for_booking(self, wanted: DraftGuest) -> wire.CustomerDetail:
        """Give who a booking is sent for: the customer who has the e-mail address, or a new one.

        Raises:
            ConflictRefused: whoever has it has another name, which the booking would change.
        """
        found = await (self._named(wanted) if wanted.id else self._with_email(str(wanted.email)))
        agreeing = [row for row in found if checks.same_guest(wanted, row)]
        if found and not agreeing:
            checks.refuse_rename()
        told = {ours: getattr(wanted, name) for name, ours in _FIELDS.items()}
        if agreeing:
            row = agreeing[0]
            known = row.model_dump(include={"firstname", "lastname", "email"})
            told = {**told, **known, "phone": wanted.phone or row.phone, "id_customer": row.id}
        # What the profile itself lacks or has in a form that ends PHP would be sent as well.
        sent: dict[str, Any] = {name: told[ours] or None for name, ours in _FIELDS.items()}
        checks.guest(DraftGuest.model_construct(**sent), "guest")
        return wire.CustomerDetail.model_validate(told)

    async def upsert(self, wanted: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge a profile, or make one; one of this name and e-mail address that no hotel knows yet is taken."""
        checks.profile(wanted)
        fields = {ours: getattr(wanted, name) for name, ours in _FIELDS.items() if getattr(wanted, name) is not None}
        async with op.alone(lock_of(wanted)):
            known = await op.remember("profile", lambda: self._known(wanted, existing), returns=str)
            number = await (self._merge(known, fields, op) if known else self._make(wanted, fields, op))
        row = (await self._shop.among(wire.CustomerRow, "id", [number]))[0]
        return GuestUpsert(mapping.guest(self._shop.hotel, row), created=not known)

    async def _merge(self, number: str, fields: dict[str, str], op: Operation) -> str:
        form = await self._form(number)

        async def holds() -> str | None:
            now = await self._form(number)
            return number if all(now.get(name) == xmlforms.kept(value) for name, value in fields.items()) else None

        return await op.step(
            "guest",
            lambda: self._shop.put("customers", "customer", number, {**form, **fields}),
            returns=str,
            find=holds,
        )

    async def _make(self, wanted: GuestDraft, fields: dict[str, str], op: Operation) -> str:
        async def with_email() -> list[str]:
            return [row.id for row in await self._with_email(str(wanted.email))]

        before = await op.remember("same e-mail", with_email, returns=list[str])

        async def made() -> str | None:
            new = [row for row in await self._with_email(str(wanted.email)) if row.id not in before]
            same = [row for row in new if all(is_same_text(fields[name], getattr(row, name)) for name in _NAMES)]
            return same[0].id if same else None

        # Without `active` the customer is made inactive.
        form = {"passwd": secrets.token_urlsafe(18), **fields, "active": "1"}
        return await op.step("guest", lambda: self._shop.post("customers", "customer", form), returns=str, find=made)

    async def _known(self, wanted: GuestDraft, existing: GuestProfile | None) -> str:
        """Give the id of the profile to merge into, or nothing."""
        if existing is not None:
            return existing.id
        found = await self._with_email(str(wanted.email))
        same = [row.id for row in found if is_same_text(str(wanted.last_name), row.lastname)]
        booked = {row.id_customer for row in await self._shop.among(wire.RoomBookingRow, "id_customer", same)}
        return next((number for number in same if number not in booked), "")  # Q22

    async def _named(self, wanted: DraftGuest) -> Sequence[wire.CustomerRow]:
        number = str(wanted.id)
        rows = await self._shop.among(wire.CustomerRow, "id", [number] if wire.is_number(number) else [])
        here = await self._shop.guests_here(rows)
        if not here:
            raise InvalidRequest.of(("guest", "id"), "there is no such profile")
        return here

    async def _with_email(self, email: str) -> Sequence[wire.CustomerRow]:
        rows = await self._shop.among(wire.CustomerRow, "email", [wire.literal("email", email)])
        there = [row for row in rows if not row.deleted]
        return sorted(there, key=lambda row: (not row.active, int(row.id)))  # Q18

    async def _form(self, number: str) -> xmlforms.Form:
        form = await self._shop.form("customers", "customer", number)
        return {name: value for name, value in form.items() if name not in _NOT_WRITABLE}


def lock_of(wanted: DraftGuest | GuestDraft) -> str:
    """Name what keeps two writes about one guest apart: of two bookings at once the second would rename the first's.

    The address itself is nobody's business there.
    """
    return f"guest {hashlib.sha256(fold(wanted.email or str(wanted.id)).encode()).hexdigest()[:16]}"
