"""A caller of the simulated shop, and the bodies that it sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from app.core.xml import build, parse
from app.simulators.site import Site

GRACE = {"firstname": "Grace", "lastname": "Hopper", "email": "grace@example.test", "phone": "+15550111"}


@dataclass(frozen=True)
class Shop:
    """The shop as somebody with its key sees it."""

    site: Site
    http: httpx.AsyncClient

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        """Ask for JSON; a mapping is sent as JSON, anything else as it is."""
        content = json.dumps(body) if isinstance(body, Mapping) else body
        return await self.http.request(method, path, params={"output_format": "JSON", **query}, content=content)

    async def rows(self, resource: str, **query: str) -> list[dict[str, Any]]:
        """Give the rows of a resource, whole."""
        reply = await self.call("GET", resource, display="full", **query)
        assert reply.status_code == 200, reply.text
        answer = reply.json()
        return next(iter(answer.values())) if answer else []

    async def row(self, resource: str, number: object) -> dict[str, Any]:
        """Give one thing."""
        reply = await self.call("GET", f"{resource}/{number}")
        assert reply.status_code == 200, reply.text
        row: dict[str, Any] = next(iter(reply.json().values()))
        return row

    async def book(self, **changes: Any) -> dict[str, Any]:
        """Make a booking."""
        reply = await self.call("POST", "bookings", booking(**changes))
        assert reply.status_code == 200, reply.text
        made: dict[str, Any] = reply.json()["booking"]
        return made

    async def put(self, number: object, **changes: Any) -> httpx.Response:
        """Lay a booking over the one of that number."""
        return await self.call("PUT", f"bookings/{number}", booking(id=number, **changes))

    async def write_whole(self, resource: str, number: object, **changes: str | None) -> httpx.Response:
        """Read one thing as XML, change some of its fields or leave them out, and send it back whole."""
        reply = await self.http.get(f"{resource}/{number}")
        node = parse(reply.content)[0]
        fields = {str(child.tag): child.text or "" for child in node if not len(child)} | changes
        sent = {name: value for name, value in fields.items() if value is not None}
        return await self.call("PUT", f"{resource}/{number}", build("qloapps", {str(node.tag): sent}))


def stay(kind: int = 1, first: str = "2027-05-10", last: str = "2027-05-12", **more: Any) -> dict[str, Any]:
    """Give rooms of a type for some nights, as they are sent."""
    return {"id_room_type": kind, "checkin_date": first, "checkout_date": last, "number_of_rooms": 1, **more}


def booking(
    *stays: Mapping[str, Any], guest: Any = GRACE, about: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Give the smallest booking that works, with changes; a field that is None is left out."""
    rooms = fields.pop("room_types", None) or list(stays) or [stay()]
    inner = {"customer_detail": guest, "room_types": rooms, **(about or {})}
    whole = {"id_property": 1, "currency": "USD", "source": "key-1", **fields}
    return {
        "booking": {
            **{name: value for name, value in whole.items() if value is not None},
            "associations": {name: value for name, value in inner.items() if value is not None},
        }
    }


def told(reply: httpx.Response) -> list[tuple[int, str]]:
    """Give the errors of an answer."""
    return [(error["code"], error["message"]) for error in reply.json()["errors"]]
