"""A QloApps made of recorded calls of a real 1.7.0 shop: it answers the adapter over HTTP and invents nothing.

The recordings fall into states of the database (`STATES`), told apart by the numbers of their names. Folding those
of one state, in order, up to a chosen one, gives tables; a request is answered out of them:

- `display`, `filter`, `sort` and `limit` are applied to rows whose fields were recorded, wherever they were; a field
  that was never recorded for a row is left out of it, never filled.
- A booking's body says what its order, rooms and guest hold (the same facts under other names; where both were
  recorded they agree), and `booked` in availability says that a room's row is live.
- A whole body is given as it was recorded: availability (looked up by what was asked, without its `get_…` flags),
  `/bookings/{id}`, and the list of resources.
- `fill` adds, in the open, what no recording holds. Tests do not assert it.
- A write is kept in `sent` and answered by the next recording of `writes`; the shop then stands as it did when that
  one was made, or up to the number behind its colon: `"353:355"`. `prices` names the availability that stands for
  dates of which none was recorded.

What was not recorded is answered 400, so that a test fails with the name of the request.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from lxml import etree
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PROJECT = Path(__file__).parents[3]
FILE = "qloapps/live-1.7.0-samples.jsonl"
STATES = {
    "fresh": (1, 104),
    "without_tax": (110, 122),
    "with_tax": (200, 260),
    "changed": (300, 392),
    "race": (400, 402),
    "names": (410, 424),
    "excluded": (430, 434),
    "sold_out": (440, 441),
}
"""First and last number of each state's recordings; `without_tax` went on where `fresh` ended."""
STATIC = {"hotels", "room_types", "hotel_room_types", "hotel_rooms", "order_states", "currencies"}
"""Resources of the demo data, the same in each state."""
NODES = {"room_bookings": ("bookings", "booking"), "hotel_rooms": ("rooms", "room")}

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]


@dataclass(frozen=True)
class Sample:
    """One recorded call."""

    name: str
    method: str
    resource: str
    number: str
    """The id in the path, if there is one."""
    query: Mapping[str, str]
    sent: str
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def order(self) -> int:
        return int(self.name[:3])

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body[:1] in {"{", "["} else None


@cache
def samples() -> tuple[Sample, ...]:
    """Read the recordings, or skip the test where they are missing."""
    folder = Path(os.environ.get("VENDOR_SPECS_DIR") or PROJECT / "../shared/vendors/specs")
    if not (folder / FILE).is_file():
        pytest.skip(f"no recordings at {folder}: set VENDOR_SPECS_DIR")
    return tuple(_sample(json.loads(line)) for line in (folder / FILE).read_text().splitlines())


def _sample(entry: Row) -> Sample:
    url = urlsplit(entry["path"])
    _, _, resource, number = (*url.path.split("/"), "")[:4]
    return Sample(
        name=entry["name"],
        method=entry["method"],
        resource=resource,
        number=number,
        query=dict(parse_qsl(url.query)),
        sent=entry["request_body"] or "",
        status=entry["status"],
        headers={name.lower(): value for name, value in entry["response_headers"].items()},
        body=entry["response_body"] or "",
    )


def sample(name: str) -> Sample:
    """Give the recording whose name begins with `name`."""
    return next(one for one in samples() if one.name.startswith(name))


@dataclass
class Replay:
    """One state of the recorded shop, as an ASGI application; `asked` are the requests it got."""

    state: str
    until: int = 999
    fill: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    writes: Sequence[str] = ()
    prices: str | None = None
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """The bodies of the writes."""

    def __post_init__(self) -> None:
        self._recorded = iter(self.writes)
        self._stand(self.until)

    def _stand(self, until: int) -> None:
        self.until = until
        first, last = STATES[self.state]
        begin = 1 if self.state == "without_tax" else first
        fresh = [one for one in samples() if one.order <= STATES["fresh"][1]]
        self.own = [one for one in samples() if begin <= one.order <= min(last, self.until)]
        self.tables: Tables = defaultdict(dict)
        for one in fresh:
            if one.resource in STATIC:
                self._fold(one)
        for one in self.own:
            self._fold(one)
        for resource, rows in self.fill.items():
            for number, row in rows.items():
                self._merge(resource, {"id": number, **row})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = (await request.body()).decode()
        self.asked.append(f"{request.method} {request.url.path}?{request.url.query}")
        reply = self._answer(request.method, request.url.path, dict(request.query_params), body)
        await reply(scope, receive, send)

    # Folding recordings into tables

    def _fold(self, one: Sample) -> None:
        if "schema" in one.query:
            return
        if one.resource == "bookings":
            self._fold_booking(one)
        elif one.resource == "hotel_ari":
            self._fold_booked(one)
        elif one.status < 300 and isinstance(one.json, dict):
            for node in (*NODES.get(one.resource, ()), one.resource, _singular(one.resource)):
                for row in _rows(one.json.get(node, ())):
                    self._merge(one.resource, row)

    def _fold_booking(self, one: Sample) -> None:
        answer = one.json if isinstance(one.json, dict) else {}
        if booking := answer.get("booking"):
            parts = booking["associations"]
            guest = {"id": parts["customer_detail"]["id_customer"], **parts["customer_detail"]}
            self._merge("customers", guest)
            self._merge("orders", _order_in(booking, self.tables))
            listed = {str(row["id"]): row for row in _room_rows_in(booking, self.tables)}
            for gone in self._rows_of_order(str(booking["id"])) - listed.keys():
                del self.tables["room_bookings"][gone]
            for row in listed.values():
                self._merge("room_bookings", row)
        elif one.method == "POST" and one.status == 500 and '"id_property"' in one.sent:
            self.unanswered = json.loads(one.sent)["booking"]["associations"]["customer_detail"]

    def _fold_booked(self, one: Sample) -> None:
        answer = one.json if isinstance(one.json, dict) else {}
        for kind in answer.get("hotel_ari", {}).get("room_types", ()):
            for room in _rows(list(dict(kind["rooms"].get("booked") or {}).values())):
                for stay in room["detail"]:
                    row = {"id": stay["id_htl_booking"], "id_status": stay["booking_status"], "is_cancelled": 0}
                    if str(row["id"]) in self.tables["room_bookings"]:
                        self._merge("room_bookings", {**row, "is_refunded": 0, "comment": stay["comment"]})

    def _merge(self, resource: str, row: Row) -> None:
        kept = self.tables[resource].setdefault(str(row["id"]), {})
        kept.update(row, id=int(row["id"]))
        if resource == "orders" and "id_customer" in kept and hasattr(self, "unanswered"):
            # The guest of an order that was made but answered 500 is who the request named.
            self.tables["customers"].setdefault(
                str(kept["id_customer"]), {"id": kept["id_customer"], **self.unanswered}
            )

    def _rows_of_order(self, number: str) -> set[str]:
        rows = self.tables["room_bookings"]
        return {key for key, row in rows.items() if str(row.get("id_order")) == number}

    # Answering out of the tables

    def _answer(self, method: str, path: str, query: Row, body: str) -> Response:
        _, _, resource, number = (*path.split("/"), "")[:4]
        if method == "POST" and resource == "hotel_ari":
            return self._ari(body)
        if method != "GET":
            return self._write(f"{method} {resource}", body)
        if not resource:
            return _verbatim(sample("002"))
        if resource == "bookings":
            return self._booking(number)
        return self._one(resource, number, query) if number else self._listing(resource, query)

    def _one(self, resource: str, number: str, query: Row) -> Response:
        row = self.tables[resource].get(number)
        if row is None:
            return Response(status_code=404, headers={"content-type": ""})
        return _json({_singular(resource): row}) if "output_format" in query else self._as_xml(resource, number, row)

    def _write(self, what: str, body: str) -> Response:
        """Answer a write with the next recording, and stand from then on as the shop did after it."""
        name, _, until = next(self._recorded, "").partition(":")
        if not name:
            return _unrecorded(what)
        one = sample(name)
        assert what == f"{one.method} {one.resource}", f"{what} was sent, {one.name} is what comes next"
        self.sent.append(body)
        self._stand(int(until or one.order))
        return _verbatim(one)

    def _as_xml(self, resource: str, number: str, row: Row) -> Response:
        calls = [one for one in self.own if (one.resource, one.number) == (resource, number) and one.status == 200]
        if calls and calls[-1].method == "GET" and calls[-1].body.startswith("<"):
            return _verbatim(calls[-1])
        item = NODES.get(resource, ("", _singular(resource)))[1]
        root = etree.Element("qloapps")
        node = etree.SubElement(root, item)
        for name, value in row.items():
            etree.SubElement(node, name).text = "" if value is None else str(value)
        return Response(etree.tostring(root), headers={"content-type": "text/xml;charset=utf-8"})

    def _booking(self, number: str) -> Response:
        if self.state in {"without_tax", "excluded"}:
            return _verbatim(sample("112"))
        bodies = [one for one in self.own if one.resource == "bookings" and one.status == 200]
        ours = [one for one in bodies if isinstance(one.json, dict) and str(_id_in(one.json)) == number]
        return _verbatim(ours[-1]) if ours else _unrecorded(f"bookings/{number}")

    def _ari(self, body: str) -> Response:
        wanted = _asked_of(body)
        found = None
        for one in self.own:
            if one.resource == "hotel_ari" and one.status == 200 and one.body[:1] == "{":
                asked = _asked_of(one.sent)
                if asked == wanted:
                    found = one.json
                elif asked == {key: value for key, value in wanted.items() if key != "id_room_type"} and not found:
                    found = _of_one_type(one.json, wanted["id_room_type"])
        if not found and self.prices:
            found = _of_one_type(sample(self.prices).json, wanted["id_room_type"])
        return _json(found) if found else _unrecorded(f"hotel_ari {wanted}")

    def _listing(self, resource: str, query: Row) -> Response:
        known = resource in self.tables or (resource == "order_payments" and self._unpaid(query))
        if not known:
            return _unrecorded(f"{resource} {query}")
        rows = [row for row in self.tables[resource].values() if _passes(row, query)]
        rows.sort(key=lambda row: int(row["id"]), reverse=query.get("sort") == "[id_DESC]")
        first, _, count = query.get("limit", "").partition(",")
        rows = rows[int(first) : int(first) + int(count)] if count else rows
        shown = _fields(query)
        listed = [{name: value for name, value in row.items() if shown is None or name in shown} for row in rows]
        return _json({NODES.get(resource, (resource,))[0]: listed} if listed else [])

    def _unpaid(self, query: Row) -> bool:
        """Tell whether the order whose payments are asked for is recorded as one on which nothing was paid."""
        reference = query["filter[order_reference]"].strip("[]")
        orders = [row for row in self.tables["orders"].values() if row.get("reference") == reference]
        return bool(orders) and all(float(row["total_paid_real"]) == 0 for row in orders)


def _order_in(booking: Row, tables: Tables) -> Row:
    parts = booking["associations"]
    price = parts["price_details"]
    currency = next(row["id"] for row in tables["currencies"].values() if row["iso_code"] == booking["currency"])
    return {
        "id": booking["id"],
        "id_customer": parts["customer_detail"]["id_customer"],
        "id_currency": currency,
        "source": booking["source"],
        "date_add": booking["booking_date"],
        "total_paid_tax_incl": str(price["total_price_without_tax"] + price["total_tax"]),
        "total_paid_real": str(price["total_paid"]),
    }


def _room_rows_in(booking: Row, tables: Tables) -> Iterable[Row]:
    for kind in booking["associations"]["room_types"]:
        for room in kind["rooms"]:
            yield {
                "id": room["id_hotel_booking"],
                "id_order": booking["id"],
                "id_hotel": booking["id_property"],
                "id_product": kind["id_room_type"],
                "id_room": room["id_room"],
                "id_customer": booking["associations"]["customer_detail"]["id_customer"],
                "room_num": tables["hotel_rooms"][str(room["id_room"])]["room_num"],
                "date_from": kind["checkin_date"],
                "date_to": kind["checkout_date"],
                "adults": room["adults"],
                "children": room["child"],
            }


def _of_one_type(answer: Row, kind: str) -> Row:
    (name, ari), *_ = answer.items()
    types = [row for row in ari["room_types"] if str(row["id_room_type"]) == kind]
    return {name: {**ari, "room_types": types}}


def _asked_of(body: str) -> Mapping[str, str]:
    """Give what an availability request asks for; occupancy and `get_…` do not change what we read of the answer."""
    if not body.lstrip().startswith("<qloapps><hotel_ari>") and "<hotel_ari>" not in body:
        return {}
    try:
        root = etree.fromstring(body.encode(), etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError:
        return {}
    ignored = re.compile("get_|associations")
    return {str(node.tag): node.text or "" for node in root[0] if not ignored.match(str(node.tag))}


def _passes(row: Row, query: Row) -> bool:
    for key, wanted in query.items():
        if named := re.fullmatch(r"filter\[(\w+)\]", key):
            value = str(row[named.group(1)])
            inner = re.fullmatch(r"\[([^\[\]%]*)\]", wanted)
            assert inner, f"the replay does not know the filter {wanted}"
            low, comma, high = inner.group(1).partition(",")
            if not (low <= value <= high if comma else value.casefold() in inner.group(1).casefold().split("|")):
                return False
    return True


def _fields(query: Row) -> set[str] | None:
    display = query.get("display", "[id]")
    return None if display == "full" else set(display.strip("[]").split(","))


def _rows(found: Any) -> list[Row]:
    rows = [found] if isinstance(found, dict) else list(found)
    return [row for row in rows if isinstance(row, dict)]


def _id_in(answer: Row) -> Any:
    return answer.get("booking", {}).get("id")


def _singular(resource: str) -> str:
    return "order_history" if resource == "order_histories" else resource.removesuffix("s")


def _json(answer: Any) -> Response:
    return Response(json.dumps(answer), headers={"content-type": "application/json"})


def _verbatim(one: Sample) -> Response:
    kept = ("content-type", "location", "www-authenticate")
    return Response(one.body, one.status, {name: one.headers[name] for name in kept if name in one.headers})


def _unrecorded(what: str) -> Response:
    answer = {"errors": [{"code": 999, "message": f"not recorded: {what}"}]}
    return Response(json.dumps(answer), 400, {"content-type": "application/json"})


@dataclass(frozen=True)
class Verbatim:
    """A shop that gives one recorded answer to whatever it is asked."""

    name: str

    def __post_init__(self) -> None:
        sample(self.name)  # where the recordings are missing, the test is skipped here and not within the server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await _verbatim(sample(self.name))(scope, receive, send)
