"""Where an answer leads: OpenAPI links, by which tools walk from one operation to the next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HOTEL = {"hotel_id": "$request.path.hotel_id"}
_GUEST = {**HOTEL, "guest_id": "$response.body#/data/id"}
_STAY = {**HOTEL, "reservation_id": "$response.body#/data/id"}
_SAME_STAY = {**HOTEL, "reservation_id": "$request.path.reservation_id"}
_FIRST_STAY = {**HOTEL, "reservation_id": "$response.body#/data/0/id"}
_OPERATION = {"operation_id": "$response.body#/data/id"}
_DONE_OPERATION = {"operation_id": "$response.body#/meta/operation_id"}
_LETTER = {"letter_id": "$response.body#/data/id"}
_FIRST_LETTER = {"letter_id": "$response.body#/data/0/id"}

_OF_STAY = (
    "get_reservation",
    "modify_reservation",
    "quote_reservation_change",
    "cancel_reservation",
    "add_reservation_note",
    "set_checkout_time",
    "check_in",
    "check_out",
    "post_charge",
    "list_charges",
    "get_balance",
)
_OF_LETTER = ("get_dead_letter", "retry_dead_letter", "abandon_dead_letter", "resolve_dead_letter")
_STAY_LISTS = ("search_reservations", "list_arrivals", "list_departures", "list_in_house")
_AT_STAY = ("add_reservation_note", "post_charge")


@dataclass(frozen=True, slots=True)
class Way:
    """From an answer of one operation to another, which takes these parameters from it."""

    source: str
    status: str
    target: str
    parameters: Mapping[str, str]


WAYS = (
    *(Way("create_reservation", "201", target, _STAY) for target in _OF_STAY),
    *(Way(source, "200", target, _FIRST_STAY) for source in _STAY_LISTS for target in _OF_STAY),
    *(Way(source, "201", target, _SAME_STAY) for source in _AT_STAY for target in ("get_reservation", "get_balance")),
    *(Way("upsert_guest", status, target, _GUEST) for status in ("200", "201")
      for target in ("get_guest", "set_guest_preferences")),
    *(Way(source, "200", "get_guest", {**HOTEL, "guest_id": "$response.body#/data/0/id"})
      for source in ("find_guests", "search_guests")),
    Way("list_rooms", "200", "get_room", {**HOTEL, "room_number": "$response.body#/data/0/room_number"}),
    Way("list_rooms", "200", "set_room_status", {**HOTEL, "room_number": "$response.body#/data/0/room_number"}),
    *(Way("list_dead_letters", "200", target, _FIRST_LETTER) for target in _OF_LETTER),
    Way("list_dead_letters", "200", "get_operation", {"operation_id": "$response.body#/data/0/operation_id"}),
    *(Way("get_dead_letter", "200", target, _LETTER) for target in _OF_LETTER[1:]),
    Way("put_hotel", "201", "get_hotel", HOTEL),
    Way("put_hotel", "201", "delete_hotel", HOTEL),
    Way("list_vendors", "200", "get_vendor", {"vendor": "$response.body#/data/0/vendor"}),
)  # fmt: skip


def link(document: dict[str, Any]) -> None:
    """Write all ways into a document; every write's 202 leads to its operation, and its success to the record of it."""
    by_id = {operation["operationId"]: operation for operation in _operations(document)}
    for way in (*WAYS, *_to_operations(by_id)):
        links = by_id[way.source]["responses"][way.status].setdefault("links", {})
        links[way.target] = {"operationId": way.target, "parameters": dict(way.parameters)}


def _to_operations(by_id: Mapping[str, dict[str, Any]]) -> Iterable[Way]:
    for source, operation in by_id.items():
        if "Location" not in operation["responses"].get("202", {}).get("headers", {}):
            continue  # nothing was accepted that would have an operation
        for target in ("get_operation", "withdraw_operation"):
            yield Way(source, "202", target, _OPERATION)
        for status in operation["responses"].keys() & {"200", "201"}:
            yield Way(source, status, "get_operation", _DONE_OPERATION)


def _operations(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]
