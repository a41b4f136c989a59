"""Who a booking is for, and profiles: customers are the whole shop's, and bookings rename them (README Q23)."""

import secrets
from collections.abc import Sequence

from app.adapters.qloapps import checks, mapping, wire, xmlforms
from app.adapters.qloapps.shop import JSON, XML_BODY, Shop
from app.core.adapter import GuestUpsert
from app.core.operation import Operation
from app.domain.errors import InvalidRequest
from app.domain.guest import GuestDraft, GuestProfile
from app.domain.reservation import DraftGuest
from app.domain.text import is_same_text

_FIELDS = {"first_name": "firstname", "last_name": "lastname", "email": "email", "phone": "phone"}
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
        for name, ours in _FIELDS.items():
            if not told[ours]:
                raise InvalidRequest.of(("guest", name), "this PMS needs it, and the profile has none")
        return wire.CustomerDetail.model_validate(told)

    async def upsert(self, wanted: GuestDraft, existing: GuestProfile | None, op: Operation) -> GuestUpsert:
        """Merge a profile, or make one; one of this name and e-mail address that no hotel knows yet is taken."""
        checks.profile(wanted)
        known = await op.remember("profile", lambda: self._known(wanted, existing), returns=str)
        fields = {ours: getattr(wanted, name) for name, ours in _FIELDS.items() if getattr(wanted, name) is not None}
        number = await (self._merge(known, fields, op) if known else self._make(wanted, fields, op))
        row = (await self._shop.among(wire.CustomerRow, "id", [number]))[0]
        return GuestUpsert(mapping.guest(self._shop.hotel, row), created=not known)

    async def _merge(self, number: str, fields: dict[str, str], op: Operation) -> str:
        form = await self._form(number)

        async def holds() -> str | None:
            now = await self._form(number)
            return number if all(now.get(name) == xmlforms.kept(value) for name, value in fields.items()) else None

        return await op.step("guest", lambda: self._put(number, {**form, **fields}), returns=str, find=holds)

    async def _make(self, wanted: GuestDraft, fields: dict[str, str], op: Operation) -> str:
        async def with_email() -> list[str]:
            return [row.id for row in await self._with_email(str(wanted.email))]

        before = await op.remember("same e-mail", with_email, returns=list[str])

        async def made() -> str | None:
            return next((number for number in await with_email() if number not in before), None)

        # Without `active` the customer is made inactive.
        form = {"passwd": secrets.token_urlsafe(18), **fields, "active": "1"}
        return await op.step("guest", lambda: self._post(form), returns=str, find=made)

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
        document = await self._shop.client.ask("GET", "api/customers/{id}", at={"id": number}, answer=bytes)
        form = xmlforms.read(document, "customer")
        return {name: value for name, value in form.items() if name not in _NOT_WRITABLE}

    async def _put(self, number: str, form: xmlforms.Form) -> str:
        answer = await self._shop.client.act(
            "PUT",
            "api/customers/{id}",
            at={"id": number},
            params=JSON,
            content=xmlforms.write("customer", form),
            headers=XML_BODY,
            answer=wire.CustomerMade,
        )
        return answer.number

    async def _post(self, form: xmlforms.Form) -> str:
        answer = await self._shop.client.act(
            "POST",
            "api/customers",
            params=JSON,
            content=xmlforms.write("customer", form),
            headers=XML_BODY,
            answer=wire.CustomerMade,
        )
        return answer.number
