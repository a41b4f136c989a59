"""The vendor's own tables, as the judge of what is sent and answered.

`connector-api.contract.min.json` lists the members of every request and answer: name, type, whether it is required,
how long it may be. What the tables leave out, or get wrong, is written down here with its reason.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.simulators.site import Site
from tests.fixtures.simulators import FreshSite

PROJECT = Path(__file__).parents[3]
ROOT = "/api/connector/v1/"
_TABLES = "connector-api.contract.min.json"
Table = Sequence[Mapping[str, Any]] | Mapping[str, Any]

NOT_DEMANDED: Mapping[tuple[str, str], str] = {
    ("Reservation updates", "ClientToken"): "an artefact: the vendor's own example has tokens at the top alone",
    ("Reservation updates", "AccessToken"): "an artefact: the vendor's own example has tokens at the top alone",
    ("Reservation updates", "Client"): "an artefact: the vendor's own example has tokens at the top alone",
    ("reservations/update", "ReservationId"): "of the form before ReservationUpdates, which replaces it",
    ("reservations/price", "CustomerId"): "a price is the same for everybody; the vendor's own example has none",
}
"""Members that the tables require and that need not be there, by schema or operation."""
BESIDE_ALL = frozenset({"LanguageCode", "CultureCode"})
"""Members that every request may have, by the guidelines."""
ERROR = frozenset({"Message", "RequestId", "Details"})


def _rows(**members: str) -> list[dict[str, str]]:
    """Write a table; a type that ends in a question mark is optional."""
    return [
        {"name": name, "type": kind.rstrip("?"), "contract": "optional" if kind.endswith("?") else "required"}
        for name, kind in members.items()
    ]


COMMON: Mapping[str, Table] = {
    "Limitation": _rows(Count="integer", Cursor="string?"),
    "Time interval": _rows(StartUtc="string", EndUtc="string"),
    "Activity state": {"enum": ["Active", "Deleted"]},
    "String update value": _rows(Value="string?"),
    "Bool update value": _rows(Value="boolean?"),
    "Amount": _rows(
        Currency="string",
        NetValue="number",
        GrossValue="number",
        TaxValues="array of [Tax value]",
        Breakdown="[Tax breakdown]",
    ),
    "Extended amount": _rows(
        Currency="string", NetValue="number?", GrossValue="number?", TaxValues="array of [Tax value]?"
    ),
    "Tax value": _rows(Code="string", Value="number?"),
    "Tax breakdown": _rows(Items="array of [Tax breakdown item]"),
    "Tax breakdown item": _rows(TaxRateCode="string?", NetValue="number", TaxValue="number"),
    "Amount parameters": _rows(Currency="string", TaxCodes="array of string", GrossValue="number?", NetValue="number?"),
    "Currency value (ver 2018-06-07)": _rows(Currency="string", Value="number?", Net="number?", Tax="number?"),
    "Profile data": _rows(Discriminator="string", EnterpriseProfile="object?"),
}
"""Types that the pages share and the file leaves out, from `common-objects.json` and the examples."""
OPEN = frozenset({"Localized text", "Dictionary of numbers", "Dictionary of integer arrays"})
"""Types whose members have names of the hotel's own."""
BY_DISCRIMINATOR: Mapping[tuple[str, str], str] = {
    ("Service data", "Bookable"): "Bookable service data",
    ("Service data", "Additional"): "Additional service data",
    ("Resource data", "Space"): "Space resource data",
    ("Tax rate strategy", "Relative"): "Relative tax rate strategy data",
}
"""What `Value` is where a discriminator says so."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_LONGEST = timedelta(days=93)
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
}


def folder() -> Path:
    """Give where the vendor's files are, if they are."""
    return Path(os.environ.get("VENDOR_SPECS_DIR") or PROJECT / "../shared/vendors/specs") / "mews"


@dataclass(frozen=True)
class Contract:
    """All tables, by operation."""

    operations: Mapping[str, Mapping[str, Any]]
    _found: dict[tuple[str, str], Table | None] = field(default_factory=dict)

    @classmethod
    def at_hand(cls) -> "Contract | None":
        """Read the tables, where there are any."""
        found = folder()
        return _loaded(found) if (found / _TABLES).is_file() else None

    @classmethod
    def load(cls) -> "Contract":
        """Read the tables, or skip the test where there are none."""
        contract = cls.at_hand()
        if contract is None:
            pytest.skip(f"no tables of the vendor at {folder()}: set VENDOR_SPECS_DIR")
        return contract

    def misfits_of_request(self, operation: str, body: Mapping[str, Any]) -> list[str]:
        """Tell what is wrong with a request."""
        if operation not in self.operations:
            return [f"there is no operation {operation}"]
        known = {name: value for name, value in body.items() if name not in BESIDE_ALL}
        return [f"{operation} request: {one}" for one in _Judge(self, operation).of("Request", known, "")]

    def misfits_of_answer(self, operation: str, body: Any, *, status: int = 200) -> list[str]:
        """Tell what is wrong with an answer."""
        if status != 200:
            fits = isinstance(body, dict) and isinstance(body.get("Message"), str) and set(body) <= ERROR
            return [] if fits else [f"{operation} answers {status}: {body} is no refusal"]
        if operation not in self.operations:
            return [f"there is no operation {operation}"]
        if "Response" not in self.operations[operation]["schemas"]:
            return [] if body == {} else [f"{operation} answer: has members"]
        return [f"{operation} answer: {one}" for one in _Judge(self, operation).of("Response", body, "")]

    def table(self, operation: str, name: str) -> Table | None:
        """Find a type: of the operation, of its page, of the list of such things, of any page, of all."""
        if (operation, name) not in self._found:
            self._found[operation, name] = self._search(operation, name)
        return self._found[operation, name]

    def _search(self, operation: str, name: str) -> Table | None:
        own = self.operations[operation]
        page = [one for one in self.operations.values() if one["source_page"] == own["source_page"]]
        lists = [one for name_of, one in self.operations.items() if name_of.endswith("/getAll")]
        for one in (own, *page, *lists, *self.operations.values()):
            if name in one["schemas"]:
                found: Table = one["schemas"][name]
                return found
        return COMMON.get(name)


@lru_cache(maxsize=1)
def _loaded(found: Path) -> Contract:
    listed = orjson.loads((found / _TABLES).read_bytes())
    return Contract({one["path"].removeprefix(ROOT): one for one in listed})


@dataclass(frozen=True)
class _Judge:
    contract: Contract
    operation: str

    def of(self, name: str, value: Any, place: str) -> Iterator[str]:
        """Hold a value against a type."""
        if name in OPEN:
            yield from [] if isinstance(value, dict) else [f"{place} is no dictionary"]
            return
        table = self.contract.table(self.operation, name)
        if table is None:
            yield f"{place} is of a type that nobody knows: {name}"
        elif isinstance(table, Mapping):
            yield from [] if value in table["enum"] else [f"{place} is {value!r}, none of {table['enum']}"]
        elif not isinstance(value, dict):
            yield f"{place} is no object"
        else:
            yield from self._members(name, table, value, place)

    def _members(
        self, name: str, table: Sequence[Mapping[str, Any]], value: Mapping[str, Any], place: str
    ) -> Iterator[str]:
        rows = {row["name"]: row for row in table}
        yield from (f"{place}.{one} is unknown" for one in value if one not in rows)
        for member, row in rows.items():
            here = f"{place}.{member}"
            if value.get(member) is not None:
                yield from self._typed(name, row, value, here)
            elif self._is_demanded(name, row):
                yield f"{here} is missing"

    def _is_demanded(self, name: str, row: Mapping[str, Any]) -> bool:
        exempt = {(name, row["name"]), (self.operation, row["name"])} & NOT_DEMANDED.keys()
        return row["contract"].startswith("required") and not row.get("deprecated") and not exempt

    def _typed(self, name: str, row: Mapping[str, Any], owner: Mapping[str, Any], place: str) -> Iterator[str]:
        value, kind = owner[row["name"]], row["type"]
        yield from _sized(row["contract"], value, place)
        if kind.startswith("array of "):
            if not isinstance(value, list):
                yield f"{place} is no array"
                return
            for index, one in enumerate(value):
                yield from self._single(kind.removeprefix("array of "), one, f"{place}[{index}]")
            return
        chosen = BY_DISCRIMINATOR.get((name, str(owner.get("Discriminator"))))
        yield from self._single(f"[{chosen}]" if chosen and row["name"] == "Value" else kind, value, place)

    def _single(self, kind: str, value: Any, place: str) -> Iterator[str]:
        if kind.startswith("["):
            yield from self.of(kind.strip("[]"), value, place)
        elif not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{place} is {value!r}, no {kind}"
        elif place.endswith("Utc") and _INSTANT.fullmatch(str(value)) is None:
            yield f"{place} is {value!r}, no instant"


def _sized(contract: str, value: Any, place: str) -> Iterator[str]:
    limit = re.search(r"max (?:length )?(\d+) (item|character|month)", contract)
    if limit is None:
        return
    if limit[2] == "month":
        start, end = (datetime.fromisoformat(value[name]) for name in ("StartUtc", "EndUtc"))
        yield from [f"{place} is longer than {limit[1]} months"] if end - start > _LONGEST else []
    elif len(value) > int(limit[1]):
        yield f"{place} has more than {limit[1]} {limit[2]}s"


@dataclass
class Judged:
    """The vendor's application, with a judge beside it who holds every call and answer against the tables.

    Judging takes longer than answering, so it is done when somebody asks what was found.
    """

    app: Any
    contract: Contract
    seen: set[str] = field(default_factory=set)
    """Operations that were called and answered well."""
    _heard: list[tuple[str, bytes, int, bytes]] = field(default_factory=list)

    @property
    def routes(self) -> Any:
        """The application's routes."""
        return self.app.routes

    @property
    def state(self) -> Any:
        """The application's state."""
        return self.app.state

    @property
    def misfits(self) -> list[str]:
        """Tell what was wrong with all calls so far and their answers."""
        return [misfit for one in self._heard for misfit in self._judged(*one)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer one request, and keep both."""
        sent, told = bytearray(), bytearray()
        start: MutableMapping[str, Any] = {}

        async def hear() -> Message:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            start.update({"status": message["status"]} if "status" in message else {})
            told.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, hear, tell)
        operation = scope["path"].removeprefix(ROOT)
        self._heard.append((operation, bytes(sent), start["status"], bytes(told)))
        if start["status"] == 200:
            self.seen.add(operation)

    def _judged(self, operation: str, sent: bytes, status: int, told: bytes) -> Iterator[str]:
        yield from self.contract.misfits_of_answer(operation, orjson.loads(told), status=status)
        if status == 200:
            yield from self.contract.misfits_of_request(operation, orjson.loads(sent))


@contextlib.contextmanager
def judged_sites(fresh_site: FreshSite, *, seen: set[str] | None = None, intended: str = "\0") -> Iterator[FreshSite]:
    """Set a judge beside every site that is made, and fail at the end if one has found anything.

    Where the vendor's tables are not at hand nobody judges.

    Args:
        fresh_site: Makes sites.
        seen: Where the operations are added that were judged.
        intended: Misfits with this in them are what the test itself wanted.
    """
    contract, judges = Contract.at_hand(), list[Judged]()

    def make(vendor: str, **options: object) -> Site:
        site = fresh_site(vendor, **options)
        if contract is not None:
            judges.append(Judged(site.app, contract))
            site.app = judges[-1]
        return site

    yield make
    for judge in judges:
        (set[str]() if seen is None else seen).update(judge.seen)
    assert [misfit for judge in judges for misfit in judge.misfits if intended not in misfit] == []
