"""The contract's calls as they are said: paths, pages and searches of one property; nothing here translates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.adapters.bridge import wire
from app.adapters.bridge.wire import Item
from app.core.http import VendorClient
from app.core.paging import by_cursor

PROPERTY = "properties/{property_id}"
RESERVATION = "reservations/{reservation_id}"
GUEST = "guests/{guest_id}"
ROOM = "rooms/{room_number}"

Params = Mapping[str, str | int | None]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Write:
    """One call that changes something, as a durable step."""

    step: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """The way to one property of an installation; paths are relative to the property's."""

    client: VendorClient
    property_id: str

    def at(self, **values: str) -> Mapping[str, str]:
        """Give the values of a path."""
        return {"property_id": self.property_id, **values}

    async def facts(self) -> wire.Property:
        """Read what the PMS says of itself."""
        return await self.client.ask("GET", PROPERTY, at=self.at(), answer=wire.Property)

    async def ask(self, path: str, answer: type[Answer], params: Params | None = None, **values: str) -> Answer:
        """Read one thing; parameters that are None are left out."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return await self.client.ask("GET", f"{PROPERTY}/{path}", at=self.at(**values), params=given, answer=answer)

    async def list_all(
        self, path: str, page: type[wire.Page[Item]], params: Params | None = None, **values: str
    ) -> list[Item]:
        """Read a list to its end."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Item], str | None]:
            query = {"limit": self.client.profile.page_size, "cursor": cursor, **(params or {})}
            found = await self.ask(path, page, query, **values)
            return found.items, found.next_cursor

        return [item async for item in by_cursor(fetch)]

    async def search(self, path: str, page: type[wire.Page[Item]], filters: Mapping[str, Any]) -> list[Item]:
        """Read a search to its end; the filters travel in a body, so that no name is in an access log."""

        async def fetch(cursor: str | None) -> tuple[Sequence[Item], str | None]:
            body = {**filters, "limit": self.client.profile.page_size, **({"cursor": cursor} if cursor else {})}
            url = f"{PROPERTY}/{path}/search"
            found = await self.client.ask("POST", url, at=self.at(), json=body, answer=page)  # Q1
            return found.items, found.next_cursor

        return [item async for item in by_cursor(fetch)]

    async def act(self, write: Write, answer: type[Answer], **values: str) -> Answer:
        """Send what changes something, inside its step."""
        return await self.client.act(
            write.method,
            f"{PROPERTY}/{write.path}",
            at=self.at(**values),
            json=write.body,
            headers=write.headers,
            answer=answer,
        )
