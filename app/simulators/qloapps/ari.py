"""`hotel_ari`: availability and rates, asked for by POST in XML alone."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.core.xml import Element, parse_if_xml
from app.simulators.hotel import RoomWish, SimulatedHotel
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import SERVICE_PER_NIGHT, TAX
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Room

_PHP = "[PHP Warning #2] simplexml_load_string(): Entity: line 1: parser error (WebserviceHotelAri.php)"


def answer(tables: Tables, body: bytes) -> Mapping[str, Any]:
    """Answer one question, for the stay as a whole or night by night."""
    asked = _read(body)
    first, last = _dates(asked)
    if asked.get("date_wise_breakdown") != "1":
        return {"hotel_ari": _ari(tables, asked, first, last, detailed=True)}
    nights = [first + timedelta(days=offset) for offset in range((last - first).days)]
    return {"hotel_aris": [_ari(tables, asked, night, night + timedelta(days=1), detailed=False) for night in nights]}


def _read(body: bytes) -> Mapping[str, str]:
    if not body:
        raise Refused(400, (85, "Validation error: ARI search parameters are missing."))
    root = parse_if_xml(body)
    if root is None:
        raise Refused(400, (3, _PHP), (85, "Validation error: Invalid ARI search parameters found."))
    question: Element | None = root.find("hotel_ari")
    asked = {str(node.tag): node.text or "" for node in (question if question is not None else ())}
    for name in ("id_hotel", "date_from", "date_to"):
        if not asked.get(name):
            raise Refused(400, (41, f'parameter "{name}" required'))
    return asked


def _dates(asked: Mapping[str, str]) -> tuple[date, date]:
    found = []
    for name in ("date_from", "date_to"):
        try:
            found.append(date.fromisoformat(asked[name]))
        except ValueError:
            raise Refused(400, (85, f'Validation error: "The {name} field is invalid."')) from None
    first, last = found
    if last <= first:
        raise Refused(400, (85, 'Validation error: "Date to" must be after "date from"'))
    return first, last


def _ari(tables: Tables, asked: Mapping[str, str], first: date, last: date, *, detailed: bool) -> dict[str, Any]:
    hotel = tables.hotel(asked["id_hotel"])
    found: dict[str, Any] = {
        "id_hotel": asked["id_hotel"],
        "date_from": f"{first}",
        "date_to": f"{last}",
        "currency": "USD",
    }
    kinds = [code for code in (hotel.kinds if hotel else ()) if asked.get("id_room_type") in {None, "", code}]
    if hotel is None or not kinds:
        return found
    types = [_room_type(tables, hotel, code, first, last, detailed=detailed) for code in kinds]
    rooms = sum(room.kind in kinds for room in hotel.rooms.values())
    free = sum(len(kind["rooms"]["available"]) for kind in types)
    return {**found, "total_rooms": rooms, "total_available_rooms": free, "room_types": types}


def _room_type(
    tables: Tables, hotel: SimulatedHotel, code: str, first: date, last: date, *, detailed: bool
) -> dict[str, Any]:
    nights = hotel.price(RoomWish(kind=code, plan="BAR", arrival=first, departure=last, adults=2))
    total = sum((night.price + SERVICE_PER_NIGHT for night in nights), Decimal())
    average = total / len(nights)
    free = hotel.free_rooms(code, first, last)
    return {
        "id_room_type": int(code),
        "base_price": _number(average / TAX),
        "base_price_with_tax": _number(average),
        "total_price": _number(total / TAX),
        "total_price_with_tax": _number(total),
        "name": hotel.kinds[code].name,
        "rooms": {
            "available": {
                str(tables.room_id(room.number)): _shown(tables, hotel, room, detailed=detailed) for room in free
            }
            or []
        },
    }


def _shown(tables: Tables, hotel: SimulatedHotel, room: Room, *, detailed: bool) -> dict[str, Any]:
    short = {"id_room": tables.room_id(room.number), "room_num": room.number}
    if not detailed:
        return short
    limits = {"max_adult": 3, "max_children": 2, "max_occupancy": hotel.kinds[room.kind].max_occupancy}
    return {**short, "id_product": int(room.kind), "id_hotel": int(hotel.setup.property_id), **limits}


def _number(amount: Decimal) -> int | float:
    """Write an amount as PHP does: a whole number without a point."""
    rounded = round(amount, 6)
    return int(rounded) if rounded == int(rounded) else float(rounded)
