"""How Mews is asked: POST to one URL per operation, lists by cursor; nothing here translates."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from app.adapters.mews.profile import MewsOptions
from app.adapters.mews.wire import Page, Row
from app.core.http import VendorClient
from app.core.paging import by_cursor
from app.domain.hotel import Hotel

Answer = TypeVar("Answer")
Members = Mapping[str, Any]

MOST_IDS = 1000
"""How many ids a filter takes, unless its page says otherwise."""
_SMALLEST = 10
"""Rows of a page that is not made smaller still."""


class Calls:
    """The way to one property; `here` and `place` name it, for tokens that open several (# Q4)."""

    def __init__(self, client: VendorClient, hotel: Hotel) -> None:
        self._client = client
        options = hotel.options
        self.options = options if isinstance(options, MewsOptions) else MewsOptions.model_validate(options.model_dump())
        self.place: Members = {"EnterpriseId": hotel.property_id} if hotel.property_id else {}
        self.here: Members = {"EnterpriseIds": [hotel.property_id]} if hotel.property_id else {}

    def now(self) -> datetime:
        """Give the time as the last answer's `Date` tells it: intervals are about Mews's clock, not about ours."""
        ahead = self._client.pms_clock.ahead() or 0.0
        return self._client.services.clock.now() + timedelta(seconds=ahead)

    async def ask(self, operation: str, answer: type[Answer], members: Members) -> Answer:
        """Ask for something that is no list."""
        return await self._client.ask("POST", self._path(operation), answer=answer, json=self._body(members))

    async def act(self, operation: str, answer: type[Answer], members: Members) -> Answer:
        """Send what changes something, inside its step."""
        return await self._client.act("POST", self._path(operation), answer=answer, json=self._body(members))

    async def may(self, operation: str, members: Members) -> bool:
        """Tell whether the tokens may use a list (# Q2)."""
        asked = self._body({**members, "Limitation": {"Count": 1}})
        refused = {"401": b"401"}
        answer = await self._client.ask("POST", self._path(operation), answer=bytes, json=asked, instead=refused)
        return answer != refused["401"]

    async def list_all(self, operation: str, page: type[Page[Row]], filters: Members) -> list[Row]:
        """Read a list to its end, the newest first."""
        count = self._client.profile.page_size

        async def fetch(cursor: str | None) -> tuple[Sequence[Row], str | None]:
            nonlocal count
            found = await self._page(operation, page, filters, (count, cursor))
            while found is None:  # Q6
                count = max(_SMALLEST, count // 10)
                found = await self._page(operation, page, filters, (count, cursor))
            return found.rows, found.cursor if len(found.rows) >= count else None  # Q5

        return [row async for row in by_cursor(fetch)]

    async def list_among(
        self, operation: str, page: type[Page[Row]], name: str, ids: Sequence[str], filters: Members
    ) -> list[Row]:
        """Read what a list has for these ids, as many at a time as the filter takes."""
        portions = [ids[first : first + MOST_IDS] for first in range(0, len(ids), MOST_IDS)]
        return [
            row
            for portion in portions
            for row in await self.list_all(operation, page, {**filters, name: list(portion)})
        ]

    async def newest(self, operation: str, page: type[Page[Row]], filters: Members) -> Row | None:
        """Give the first row of a list, which is the newest."""
        found = await self.ask(operation, page, {**filters, "Limitation": {"Count": 1}})
        return found.rows[0] if found.rows else None

    async def _page(
        self, operation: str, page: type[Page[Row]], filters: Members, part: tuple[int, str | None]
    ) -> Page[Row] | None:
        """Give one page, or None where it was too much at once."""
        count, cursor = part
        limitation = {"Count": count, **({"Cursor": cursor} if cursor else {})}
        too_much = {"408": cast("Page[Row]", None)} if count > _SMALLEST else {}
        asked = self._body({**filters, "Limitation": limitation})
        return await self._client.ask("POST", self._path(operation), answer=page, json=asked, instead=too_much)

    def _body(self, members: Members) -> dict[str, Any]:
        return {"Client": self.options.client, **members}

    @staticmethod
    def _path(operation: str) -> str:
        return f"api/connector/v1/{operation}"
