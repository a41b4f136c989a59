"""What callers send: XML for all resources, JSON or XML for `bookings`, told apart by what it is and not by its name.

XML is read without DTD, entities or network. Numbers are read as PHP reads them: what is none is 0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from app.core.xml import Element, parse_if_xml
from app.simulators.qloapps.answers import Refused

_LISTS = {"room_types", "rooms", "services", "facilities", "cart_rules", "child_ages"}
_FATAL = Refused(500, text="")
_NUMBER = re.compile(r"\s*-?\d+")
_NO_XML = "[PHP Warning #2] SimpleXMLElement::__construct(): {} (WebserviceRequest.php, line 1389)"

Sent = Mapping[str, str]
"""The fields of one thing of a core resource, as they were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSent:
    """A service of a room; prices without tax, None where not sent."""

    id: int
    name: str
    quantity: int
    mode: int
    unit_price: Decimal | None
    total: Decimal | None
    tax: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSent:
    """A room of a stay; `unit_price` is for a night, without tax."""

    id: int
    adults: int
    child_ages: tuple[int, ...]
    unit_price: Decimal | None
    tax: Decimal | None
    tax_group: bool
    services: tuple[ServiceSent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaySent:
    """Rooms of one type for the same nights; `rooms` is None where the caller leaves them to the shop."""

    room_type: str
    arrival: str
    departure: str
    count: int
    rooms: tuple[RoomSent, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingSent:
    """A booking; the fields of the guest are as they were sent, None where there were none."""

    fields: Mapping[str, Any]
    guest: Mapping[str, str] | None
    stays: tuple[StaySent, ...] | None
    prices: Mapping[str, Any]
    payment: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Give a field, empty where it was not sent."""
        return text(self.fields, name)


def booking(body: bytes) -> BookingSent:
    """Read a booking; what cannot be read kills the shop's process: an empty page, 500."""
    tree = _tree(body)
    about = tree.get("associations") or {}
    if not isinstance(about, Mapping):
        raise _FATAL
    guest, stays = about.get("customer_detail"), about.get("room_types")
    return BookingSent(
        fields=tree,
        guest={str(name): text(guest, name) for name in guest} if isinstance(guest, Mapping) else None,
        stays=tuple(_stay(one) for one in _mappings(stays)) or None,
        prices=about.get("price_details") or {},
        payment=about.get("payment_detail") or {},
    )


def thing(body: bytes) -> Sent:
    """Read one thing of a core resource: the fields of the root's first child."""
    root = parse_if_xml(body)
    if root is None or len(root) == 0:
        written = body.decode(errors="replace")
        reason = f"XML error : String could not be parsed as XML\nXML length : {len(body)}\nOriginal XML : {written}"
        warnings = [(3, _NO_XML.format(said)) for said in ("Entity: line 1: parser error", written[:80], "^")]
        raise Refused(500, *(warnings if body else ()), (127, reason))
    return {str(node.tag): node.text or "" for node in root[0] if isinstance(node.tag, str)}


def text(fields: Mapping[str, Any], name: str) -> str:
    """Give a field as text, empty where there is none."""
    value = fields.get(name)
    return "" if value is None or isinstance(value, list | dict) else str(value)


def number(fields: Mapping[str, Any], name: str) -> int:
    """Give a field as a whole number, 0 where it is none."""
    found = _NUMBER.match(text(fields, name))
    return int(found.group()) if found else 0


def amount(fields: Mapping[str, Any], name: str) -> Decimal | None:
    """Give a field as an amount, None where it was not sent."""
    written = text(fields, name)
    if not written:
        return None
    try:
        value = Decimal(written)
    except InvalidOperation:
        return Decimal()
    return value if value.is_finite() else Decimal()


def kept(written: str) -> str:
    """Give a text as the database keeps it: a character of four bytes becomes four question marks."""
    return "".join("????" if ord(char) > 0xFFFF else char for char in written)


def _tree(body: bytes) -> Mapping[str, Any]:
    if body.lstrip()[:1] == b"<":
        root = parse_if_xml(body)
        found = None if root is None else root.find("booking")
        tree = None if found is None else _plain(found)
    else:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise _FATAL from None
        tree = document.get("booking") if isinstance(document, dict) else None
    if not isinstance(tree, Mapping):
        raise _FATAL
    return tree


def _plain(node: Element) -> Any:
    """Turn XML into what the same booking is in JSON."""
    children = [child for child in node if isinstance(child.tag, str)]
    if node.tag in _LISTS:
        return [_plain(child) for child in children]
    if not children:
        return node.text or ""
    return {str(child.tag): _plain(child) for child in children}


def _mappings(listed: Any) -> list[Mapping[str, Any]]:
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _stay(sent: Mapping[str, Any]) -> StaySent:
    rooms = _mappings(sent.get("rooms"))
    return StaySent(
        room_type=text(sent, "id_room_type"),
        arrival=text(sent, "checkin_date"),
        departure=text(sent, "checkout_date"),
        count=number(sent, "number_of_rooms"),
        rooms=tuple(_room(one) for one in rooms) or None,
    )


def _room(sent: Mapping[str, Any]) -> RoomSent:
    ages = sent.get("child_ages")
    return RoomSent(
        id=number(sent, "id_room"),
        adults=number(sent, "adults"),
        child_ages=tuple(number({"age": age}, "age") for age in ages) if isinstance(ages, list) else (),
        unit_price=amount(sent, "unit_price_without_tax"),
        tax=amount(sent, "total_tax"),
        tax_group=bool(text(sent, "id_tax_rules_group")),
        services=tuple(_service(one) for one in _mappings(sent.get("services"))),
    )


def _service(sent: Mapping[str, Any]) -> ServiceSent:
    return ServiceSent(
        id=number(sent, "id_service"),
        name=text(sent, "name"),
        quantity=max(1, number(sent, "quantity")),
        mode=number(sent, "price_mode"),
        unit_price=amount(sent, "unit_price_without_tax"),
        total=amount(sent, "total_price_without_tax"),
        tax=amount(sent, "total_tax"),
    )
