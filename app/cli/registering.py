"""The steps of `pms-gateway setup`: vendor, connection, property, values, registration, a last look."""

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from app.api.deps import Gateway
from app.cli.actor import operator
from app.cli.console import CommandError, print_table, tell
from app.cli.doctor import print_checks
from app.cli.facts import FIELDS, Fact, draft_of, vendor_facts
from app.cli.questions import Questions
from app.cli.wishes import MISUSED, Wish, note_references
from app.core.adapter import HealthFinding, PropertyFound
from app.core.discovery import adapters
from app.core.profile import VendorProfile
from app.domain.errors import InvalidRequest
from app.domain.hotel import Hotel
from app.domain.ids import HOTEL_ID_PATTERN
from app.gateway.introduction import Acquaintance, Introduction
from app.gateway.reads import Patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LAST_LOOK_SECONDS = 30.0
_ASKED = "you said so"
_OPENED = "one that the credentials open"
_CONTACT = {"name": "setup", "timezone": "UTC", "currency": "EUR"}
"""What a connector needs of a hotel that nobody has named yet; the PMS is told none of it."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How the PMS is spoken to: what is known before it has been asked anything."""

    profile: VendorProfile
    base_url: str
    credentials: "Mapping[str, str]"
    """Empty where those that are stored are used."""
    options: "Mapping[str, Any]"
    property_id: str | None

    def body(self) -> dict[str, Any]:
        """Give it as members of a registration."""
        secrets = {name: SecretStr(value) for name, value in self.credentials.items()}
        return {
            "vendor": self.profile.vendor,
            "base_url": self.base_url,
            "property_id": self.property_id,
            "options": dict(self.options),
            **({"credentials": secrets} if secrets else {}),
        }


class Registering:
    """One run of the command."""

    def __init__(self, gateway: Gateway, wish: Wish, questions: Questions, *, port: int) -> None:
        self._gateway = gateway
        self._wish = wish
        self._ask = questions
        self._port = port
        self._introduction = Introduction(gateway.hotels, gateway.clock)
        self._registered: Sequence[Hotel] = ()

    async def run(self) -> bool:
        """Go through all steps; tells whether the hotel is well.

        Raises:
            CommandError: something that is needed was not given or is malformed.
        """
        self._registered = await self._gateway.hotels.visible(operator())
        try:
            contact = self._contact()
            found = await self._reach(contact)
            if found is None:
                return False
            return await self._register(replace(contact, property_id=found.id or None), found)
        except InvalidRequest as error:
            lines = [f"{'.'.join(map(str, fault.loc))}: {fault.msg}" for fault in error.errors] or [error.detail]
            raise CommandError("\n  ".join(["this cannot be registered:", *lines]), status=MISUSED) from None

    def _contact(self) -> Contact:
        """Find out whom to speak to, where, and with which credentials."""
        wish, known = self._wish, adapters()
        listed = ", ".join(f"{vendor} ({adapter.profile.display_name})" for vendor, adapter in known.items())
        vendor = wish.vendor or self._ask.text(f"Vendor, one of {listed}", "--vendor")
        if vendor not in known:
            raise CommandError(f"{vendor} is no vendor; there are: {listed}", status=MISUSED)
        profile = known[vendor].profile
        say(*vendor_facts(profile, self._gateway.ledger.of(vendor)))
        base_url = wish.base_url or self._ask.text("Address of its API (base_url)", "--base-url")
        self._gateway.hotels.check_place(base_url)  # before a secret is asked for
        return Contact(profile, base_url, self._credentials(profile), wish.options, wish.property_id)

    def _credentials(self, profile: VendorProfile) -> dict[str, str]:
        """Ask for the credentials that were not given; those of a registered hotel may be kept."""
        wish, found = self._wish, dict(self._wish.credentials)
        keeps = any(hotel.id == wish.hotel_id for hotel in self._registered) and not found
        if keeps and self._ask.unattended:
            return {}
        fields = profile.credentials.model_fields
        strange = [name for name in found if name not in fields]
        if strange:
            known = ", ".join(fields)
            raise CommandError(
                f"no credential of {profile.display_name}: {', '.join(strange)}; it has {known}", status=MISUSED
            )
        missing = [name for name, one in fields.items() if one.is_required() and name not in found]
        self._ask.require_someone([f"--credential {name}=… ({fields[name].description or ''})" for name in missing])
        for name in missing:
            hint = " (Enter keeps the stored one)" if keeps else ""
            given = self._ask.secret(f"Credential {name}, not shown{hint}", f"--credential {name}=…", optional=keeps)
            found |= {name: given} if given else {}
        note_references(found)
        return found

    async def _reach(self, contact: Contact) -> PropertyFound | None:
        """Connect, and settle on a property; None where that did not succeed, which has been told."""
        say("", f"connecting to {contact.base_url} …")
        found = await self._properties(contact)
        if found is None and contact.profile.needs_property_id and contact.property_id is None:
            tell(f"{contact.profile.display_name} cannot list its properties")
            named = self._ask.text("Property (property_id), as the PMS calls it", "--property-id")
            contact = replace(contact, property_id=named)
            found = await self._properties(contact)
        if isinstance(found, HealthFinding):
            print_checks([found])
            if not (self._wish.force and contact.property_id):
                tell("nothing was registered")
                return None
            return PropertyFound(contact.property_id)
        if found is None:
            return PropertyFound(contact.property_id or "")
        return self._chosen(found, contact.property_id)

    async def _properties(self, contact: Contact) -> "Sequence[PropertyFound] | HealthFinding | None":
        draft = draft_of({**_CONTACT, **contact.body()})
        return await self._introduction.properties(self._wish.hotel_id or "setup", draft)

    def _chosen(self, found: "Sequence[PropertyFound]", wanted: str | None) -> PropertyFound:
        """Settle on one of the properties that the credentials open."""
        headings = ("property", "name", "timezone", "currency", "country")
        print_table(headings, ((one.id, *(getattr(one, name) or "" for name in headings[1:])) for one in found))
        if not found:
            raise CommandError("these credentials open no property; have the PMS's administrator give them one")
        by_id = {one.id: one for one in found}
        if wanted is None and len(found) > 1:
            wanted = self._ask.text(f"Property, one of {', '.join(by_id)}", "--property-id", default=found[0].id)
        if wanted is None:
            say(f"taking {found[0].id}, the only one")
        chosen = by_id.get(wanted or found[0].id)
        if chosen is None:
            raise CommandError(f"{wanted} is none of these properties: {', '.join(by_id)}; nothing was registered")
        return chosen

    async def _register(self, contact: Contact, found: PropertyFound) -> bool:
        before = self._before(contact)
        hotel_id, origin = self._hotel_id(contact, before)
        facts = self._facts(contact, found, before)
        stored = {name: getattr(before, name) for name in ("sync", "cache")} if before else {}
        body = contact.body()
        body["options"] = {**(before.options.model_dump(exclude_unset=True) if before else {}), **body["options"]}
        draft = draft_of({**stored, **body, **{name: fact.value for name, fact in facts.items() if fact.value}})
        seen = await self._introduction.acquaint(hotel_id, draft)
        _show(seen)
        shown = [Fact("id", hotel_id, origin), Fact("vendor", draft.vendor, _ASKED)]
        shown += [
            Fact("base_url", draft.base_url, _ASKED),
            Fact("property_id", draft.property_id or "", _ASKED if self._wish.property_id else _OPENED),
        ]
        say("")
        print_table(("field", "value", "because"), (one.row() for one in (*shown, *facts.values())))
        if not self._may_go_on(seen, hotel_id, is_new=not any(one.id == hotel_id for one in self._registered)):
            return seen.healthy and self._wish.dry_run
        _, created = await self._gateway.hotels.put(hotel_id, draft, operator())
        say(f"{'registered' if created else 'changed'} {hotel_id}")
        return await self._last_look(hotel_id)

    def _before(self, contact: Contact) -> Hotel | None:
        """Find the hotel that is being changed: the one of that id, else one that is that very property."""
        place = (contact.profile.vendor, contact.base_url.rstrip("/"), contact.property_id)
        for hotel in self._registered:
            there = (hotel.vendor, hotel.base_url.rstrip("/"), hotel.property_id)
            if hotel.id == self._wish.hotel_id or (self._wish.hotel_id is None and there == place):
                return hotel
        return None

    def _hotel_id(self, contact: Contact, before: Hotel | None) -> tuple[str, str]:
        """Settle on the hotel's id, and say where it is from."""
        if self._wish.hotel_id is not None:
            return _valid_id(self._wish.hotel_id), _ASKED
        if before is not None:
            return before.id, "this property is registered so already"
        made = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{contact.profile.vendor}-{contact.property_id or 'hotel'}")[:64]
        if any(one.id == made for one in self._registered):
            self._ask.require_someone([f"--id ({made} is another hotel already)"])
        if self._ask.unattended:
            return made, "made of vendor and property"
        return _valid_id(self._ask.text("The hotel's id at the gateway", "--id", default=made)), _ASKED

    def _facts(self, contact: Contact, found: PropertyFound, before: Hotel | None) -> dict[str, Fact]:
        """Settle on name, time zone, currency and country; each says where it is from, none is guessed."""
        same = before is not None and (before.vendor, before.property_id) == (contact.profile.vendor, found.id)
        facts: dict[str, Fact] = {}
        for name in FIELDS:
            facts[name] = Fact.settled(name, self._wish.said.get(name), before if same else None, found)
        missing = [one for one in facts.values() if one.value is None and one.is_required]
        flags = [f"--{one.name} (the PMS does not say it)" for one in missing]
        self._ask.require_someone(flags)
        if not self._ask.unattended:
            asked = [one for one in facts.values() if not self._wish.said.get(one.name) and one.is_required]
            facts |= {one.name: self._asked(one) for one in asked}
        return facts

    def _asked(self, fact: Fact) -> Fact:
        """Let a person confirm or correct a value."""
        answer = self._ask.text(f"The hotel's {fact.name}", f"--{fact.name}", default=fact.value)
        return fact if answer == fact.value else Fact(fact.name, answer, _ASKED)

    def _may_go_on(self, seen: Acquaintance, hotel_id: str, *, is_new: bool) -> bool:
        """Tell whether to register; a connection that is not well is not registered unless somebody insists."""
        act = "register" if is_new else "change"
        if self._wish.dry_run:
            say(f"dry run: {hotel_id} would be {'registered' if is_new else 'changed'}")
            return False
        if seen.healthy:
            agreed = self._ask.confirm(f"{act.capitalize()} {hotel_id} so?", default=True, unattended=True)
        else:
            tell("something is wrong, see above")
            question = f"{act.capitalize()} {hotel_id} all the same?"
            agreed = self._wish.force or self._ask.confirm(question, default=False, unattended=False)
        if not agreed:
            tell("nothing was registered" + ("" if seen.healthy else "; --force does it all the same"))
        return agreed

    async def _last_look(self, hotel_id: str) -> bool:
        """Look after the hotel as it is registered now, and say what comes next."""
        registration = await self._gateway.hotels.get(hotel_id, operator())
        diagnosis = await self._gateway.doctor.check(registration, Patience(time.monotonic() + _LAST_LOOK_SECONDS))
        wrong = ", ".join(one.name for one in diagnosis.checks if not one.ok)
        say("a last look at it as it is registered: " + (f"WRONG: {wrong}" if wrong else "all is well"), "", "next:")
        if wrong:
            say(f"  pms-gateway doctor {hotel_id} --connection{self._wish.flags}")
        say(
            f"  pms-gateway keys create --client front-desk --scope read --hotel {hotel_id}{self._wish.flags}",
            f'  curl -H "Authorization: Bearer <that key>" http://127.0.0.1:{self._port}/v1/hotels/{hotel_id}/arrivals',
        )
        return diagnosis.healthy


def say(*lines: str) -> None:
    """Print lines of the conversation, in order with the tables."""
    print("\n".join(lines), flush=True)


def _show(seen: Acquaintance) -> None:
    say("")
    print_checks(seen.checks)
    if seen.room_types is not None:
        kinds = (
            f"{one.name} ({one.room_type}{f', {one.total} rooms' if one.total else ''})" for one in seen.room_types
        )
        say("", f"room types: {_listed(kinds)}")
    if seen.rate_plans is not None:
        say(f"rate plans: {_listed(f'{one.name} ({one.rate_code})' for one in seen.rate_plans)}")


def _listed(names: "Iterable[str]") -> str:
    return ", ".join(names) or "none"


def _valid_id(hotel_id: str) -> str:
    if not re.fullmatch(HOTEL_ID_PATTERN, hotel_id):
        raise CommandError(f"{hotel_id!r} is no hotel id; those are 1 to 64 of A-Z a-z 0-9 _ -", status=MISUSED)
    return hotel_id
