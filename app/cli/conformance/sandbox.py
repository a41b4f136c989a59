"""The property that is tried out: what rules ask of it, what they make in it, and what is left behind."""

import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from app.cli.conformance.exchange import Caller, Exchange
from app.cli.conformance.rules import Broken, NotBuilt, NotTried
from app.domain.money import minor_units

FAR = 180
"""Days ahead at which test stays begin."""
WINDOW = 90
"""Days over which they are spread."""
NIGHTS = 2
LAST_NAME = "Gatewaytest"
_GONE = frozenset({"cancelled", "checked_out", "no_show"})

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stay:
    """What a test stay asks for."""

    arrival: date
    departure: date
    room_type: str
    rate_code: str

    @property
    def nights(self) -> list[date]:
        """Arrival up to but not including departure."""
        return [self.arrival + timedelta(days=day) for day in range((self.departure - self.arrival).days)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the property is tried out."""

    read_only: bool = False
    tonight: bool = False
    """Whether one guest may be booked for tonight, checked in and checked out, which can't be undone."""


@dataclass(kw_only=True)
class Sandbox:
    """One property of one bridge, as the rules see it."""

    caller: Caller
    terms: Terms = field(default_factory=Terms)
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    """Makes keys and names of this run its own."""
    facts: Body = field(default_factory=dict)
    """What the property says of itself, once it was read."""
    made: dict[str, str] = field(default_factory=dict)
    """Reservations that this run made and that may still stand, by id, with their guest."""
    profiles: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _stays: Iterator[Stay] | None = None

    # Asking

    def get(self, path: str = "", **params: str | None) -> Exchange:
        """Read."""
        return self._known(self.caller.send("GET", path, params=params))

    def search(self, what: str, **filters: Any) -> Exchange:
        """Search reservations or guests; searches carry no key."""
        return self._known(self.caller.send("POST", f"/{what}/search", body=filters))

    def write(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, if_match: str | None = None
    ) -> Exchange:
        """Write under `key`, or a new one."""
        headers = {"Idempotency-Key": key or self.new_key(), "If-Match": if_match}
        return self._known(self.caller.send(method, path, body=body, headers=headers))

    def together(self, *, method: str, path: str, bodies: Sequence[Body], keys: Sequence[str]) -> list[Exchange]:
        """Send the same kind of write several times at once."""
        with ThreadPoolExecutor(len(bodies)) as threads:
            running = [
                threads.submit(self.write, method, path, body, key=key) for body, key in zip(bodies, keys, strict=True)
            ]
        return [one.result() for one in running]

    def walk(
        self,
        path: str,
        *,
        limit: int,
        filters: Body | None = None,
        params: Mapping[str, str] | None = None,
        most: int = 2000,
    ) -> Iterator[Exchange]:
        """Give the pages of a list; a search where `filters` are given.

        Raises:
            Broken: a page was no page, or there is no end to them.
        """
        cursor: str | None = None
        for _ in range(most):
            asked = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
            page = (
                self.get(path, **(params or {}), **{name: str(value) for name, value in asked.items()})
                if filters is None
                else self.search(path, **filters, **asked)
            )
            self.require(page, 200)
            yield page
            cursor = page.at("next_cursor")
            if not cursor:
                return
        raise Broken(f"a list that ends: next_cursor is null on the last page, here not after {most} pages of {limit}")

    def listed(
        self, path: str, *, filters: Body | None = None, limit: int = 200, params: Mapping[str, str] | None = None
    ) -> list[Body]:
        """Give all items of a list."""
        pages = self.walk(path, limit=limit, filters=filters, params=params)
        return [item for page in pages for item in items(page)]

    def quotes(self, arrival: date, departure: date, **params: str) -> list[Body]:
        """Give all quotes of a stay, for one adult unless told otherwise."""
        asked = {"arrival": str(arrival), "departure": str(departure), "adults": "1"}
        return self.listed("/quotes", params={**asked, **params})

    # Judging

    def require(self, exchange: Exchange, status: int, why: str = "") -> Exchange:
        """Hold an answer against the status that it must have."""
        if exchange.status != status:
            raise Broken(f"{status}{f', {why}' if why else ''}", exchange=exchange)
        return exchange

    def refused(self, exchange: Exchange, status: int, code: str, why: str = "") -> Exchange:
        """Hold a refusal against the code and the status that it must have; a wrong status alone is rule 5.3's."""
        if exchange.code != code or exchange.status < 400:
            raise Broken(f"{status} with code {code}{f', {why}' if why else ''}", exchange=exchange)
        return exchange

    def same(self, what: str, expected: Any, found: Any, exchange: Exchange | None = None) -> None:
        """Hold one value against another."""
        if expected != found:
            raise Broken(f"{what}: {expected!r}", f"{found!r}", exchange=exchange)

    @staticmethod
    def _known(exchange: Exchange) -> Exchange:
        if exchange.status == 501 and exchange.code == "not_supported":
            raise NotBuilt("answered with 501 not_supported")
        if exchange.failure:
            raise Broken("an answer", exchange=exchange)
        return exchange

    # Making

    def new_key(self) -> str:
        """Give an idempotency key that was never used."""
        return f"conformance-{self.mark}-{next(self._numbers)}"

    def new_name(self) -> str:
        """Give a word that stands in no other record."""
        return f"CT-{self.mark}-{next(self._numbers)}"

    def unknown(self) -> str:
        """Give an id that nothing has."""
        return f"no-such-{self.mark}"

    def draft(self, **changes: Any) -> Body:
        """Write a draft: a test guest in two nights of their own, far ahead."""
        stay = self.next_stay()
        name = self.new_name()
        values: Body = {
            "arrival": str(stay.arrival),
            "departure": str(stay.departure),
            "room_type": stay.room_type,
            "rate_code": stay.rate_code,
            "adults": 1,
            "guest": {"first_name": "Conformance", "last_name": LAST_NAME, "email": f"{name.lower()}@example.test"},
            "external_reference": name,
        }
        return {name: value for name, value in {**values, **changes}.items() if value is not ...}

    def create(self, draft: Body, *, key: str | None = None) -> Exchange:
        """Send a draft; whatever is made is remembered, to be cancelled."""
        return self.remember(self.write("POST", "/reservations", draft, key=key))

    def remember(self, exchange: Exchange) -> Exchange:
        """Note what a request made, whether it should have or not."""
        identity = exchange.at("id")
        if exchange.method == "POST" and 200 <= exchange.status < 300 and isinstance(identity, str):
            if exchange.path == "/reservations":
                self.made[identity] = f"{exchange.at('guest', 'first_name')} {exchange.at('guest', 'last_name')}"
            elif exchange.path == "/guests" and identity not in self.profiles:
                self.profiles.append(identity)
        return exchange

    def book(self, **changes: Any) -> Exchange:
        """Make a test reservation.

        Raises:
            Broken: it was not made.
        """
        return self.require(self.create(self.draft(**changes)), 201)

    def cancel(self, identity: str) -> Exchange:
        """Cancel a reservation."""
        return self.write("POST", f"{stay_path(identity)}/cancel", {"reason": "conformance test"})

    def register(self, **changes: Any) -> Exchange:
        """Make a test profile; the contract has no way to delete it."""
        name = self.new_name()
        values: Body = {"first_name": "Conformance", "last_name": LAST_NAME, "email": f"{name.lower()}@example.test"}
        return self.require(self.remember(self.write("POST", "/guests", {**values, **changes})), 201)

    def tea(self, **changes: Any) -> Body:
        """Write a charge: two teas."""
        money = {"amount": self.price("4"), "currency": self.facts.get("currency")}
        values: Body = {"description": f"Tea {self.new_name()}", "amount": money, "quantity": 2, "category": "bar"}
        return {**values, "tax_included": True, **changes}

    def price(self, units: str) -> str:
        """Write an amount with the decimals that the property's currency has."""
        decimals = minor_units(str(self.facts.get("currency")))
        return f"{Decimal(units):.{decimals}f}"

    def clear_up(self) -> None:
        """Cancel whatever this run made; what can't be cancelled stays in `made`."""
        for identity in list(self.made):
            try:
                if self.cancel(identity).at("status") in _GONE or self.get(stay_path(identity)).at("status") in _GONE:
                    del self.made[identity]
            except (Broken, NotBuilt):
                continue

    # What there is

    def can(self, capability: str) -> bool:
        """Tell whether the property says that it has built something."""
        return capability in (self.facts.get("capabilities") or ())

    @property
    def today(self) -> date:
        """The hotel's day, or ours where it tells none."""
        try:
            return date.fromisoformat(str(self.facts.get("business_date")))
        except ValueError:
            return datetime.now(UTC).date()

    @property
    def far(self) -> date:
        """The first day of the nights that are used."""
        return self.today + timedelta(days=FAR)

    def next_stay(self) -> Stay:
        """Give nights that no rule before used, in the room type of which most is left."""
        if self._stays is None:
            self._stays = itertools.cycle(self._plan())
        return next(self._stays)

    def grid(self, arrival: date, departure: date, **more: str) -> dict[str, dict[str, int]]:
        """Give how many rooms are left, by room type and night.

        Raises:
            Broken: it can't be read.
        """
        answer = self.require(self.get("/availability", start=str(arrival), end=str(departure), **more), 200)
        return {
            str(kind.get("room_type")): {day(night.get("date")): int(night.get("available") or 0) for night in nights}
            for kind in objects(answer.at("room_types"))
            for nights in [objects(kind.get("nights"))]
        }

    def _plan(self) -> list[Stay]:
        found = self.grid(self.far, self.far + timedelta(days=WINDOW))
        if not found:
            raise NotTried("availability shows no room type to book")
        room_type = max(found, key=lambda code: (min(found[code].values(), default=0), code))
        nights = found[room_type]
        rate_code = self.rate_for(room_type)
        first = [self.far + timedelta(days=day) for day in range(0, WINDOW - NIGHTS, NIGHTS)]
        free = [
            Stay(arrival, arrival + timedelta(days=NIGHTS), room_type, rate_code)
            for arrival in first
            if all(nights.get(str(arrival + timedelta(days=night)), 0) > 0 for night in range(NIGHTS))
        ]
        if not free:
            raise NotTried(f"no two nights from {self.far} to {self.far + timedelta(days=WINDOW)} can be sold")
        return free

    def rate_for(self, room_type: str) -> str:
        """Give a rate plan in which a room type can be booked."""
        end = self.far + timedelta(days=NIGHTS)
        quotes = self.quotes(self.far, end, room_type=room_type)
        offers = [one for one in quotes if one.get("room_type") == room_type and one.get("rate_code")]
        best = sorted(offers, key=lambda one: one.get("available") is not True)
        if not best:
            raise NotTried(f"there is no quote for {room_type} to book at")
        return str(best[0]["rate_code"])


def stay_path(identity: Any) -> str:
    """Give the path of a reservation."""
    return f"/reservations/{quote(str(identity), safe='')}"


def guest_path(identity: Any) -> str:
    """Give the path of a profile."""
    return f"/guests/{quote(str(identity), safe='')}"


def items(page: Exchange) -> list[Body]:
    """Give the items of a page."""
    return objects(page.at("items"))


def objects(found: Any) -> list[Body]:
    """Give the objects of what should be a list of them."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def day(found: Any) -> str:
    """Give the date of what should be one; how it is written is judged elsewhere."""
    return str(found)[:10]


def amount(found: Any) -> Decimal:
    """Give the amount of what should be money; how it is written is judged elsewhere.

    Raises:
        Broken: there is none.
    """
    try:
        return Decimal(str(found["amount"]))
    except (LookupError, TypeError, InvalidOperation):
        raise Broken("an amount of money", f"{found!r}") from None
