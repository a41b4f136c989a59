"""Getting to know a PMS before its hotel is registered: what the credentials open, and what is sold there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from app.core import deadline
from app.core.adapter import HealthFinding, PMSAdapter, PropertyFound
from app.core.clock import Clock
from app.domain.errors import GatewayError
from app.domain.hotel import RoomType
from app.domain.inventory import RatePlan
from app.gateway import remedies
from app.gateway.connection import find_properties, look_after
from app.gateway.hotels import HotelDirectory, HotelDraft
from app.gateway.mapping_faults import contract_kept

T = TypeVar("T")

_SECONDS = 30.0
"""For each of the questions here."""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """How a hotel looks as it would be registered; None is what the PMS did not let itself be asked."""

    checks: tuple[HealthFinding, ...]
    room_types: tuple[RoomType, ...] | None = None
    rate_plans: tuple[RatePlan, ...] | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing speaks against registering it."""
        return all(one.ok for one in self.checks)


class Introduction:
    """Asks a PMS that is not registered, through a connector that is closed again."""

    def __init__(self, hotels: HotelDirectory, clock: Clock) -> None:
        self._hotels = hotels
        self._clock = clock

    async def properties(self, hotel_id: str, draft: HotelDraft) -> list[PropertyFound] | HealthFinding | None:
        """Give the properties that the credentials open, None where the PMS cannot tell, or why it cannot be asked.

        Raises:
            InvalidRequest: a field of the draft is wrong.
        """
        async with await self._hotels.rehearse(hotel_id, draft, place_known=False) as connector:
            try:
                with deadline.until(self._clock.monotonic() + _SECONDS):
                    return await find_properties(connector)
            except GatewayError as error:
                return remedies.failure(error, connector.hotel)

    async def acquaint(self, hotel_id: str, draft: HotelDraft) -> Acquaintance:
        """Look after the connection, and at what is sold.

        Raises:
            InvalidRequest: a field of the draft is wrong.
        """
        async with await self._hotels.rehearse(hotel_id, draft) as connector:
            reached, checks = await look_after(connector, self._clock.monotonic() + _SECONDS)
            if not reached:
                return Acquaintance(tuple(checks))
            with deadline.until(self._clock.monotonic() + _SECONDS):
                kinds = await _if_told(connector, connector.list_room_types)
                plans = await _if_told(connector, connector.list_rate_plans)
        return Acquaintance(tuple(checks), kinds, plans)


async def _if_told(connector: PMSAdapter, ask: Callable[[], Awaitable[list[T]]]) -> tuple[T, ...] | None:
    """Give a list, or nothing where the PMS refuses it: the checks say why, and the doctor more."""
    try:
        with contract_kept(connector.profile.vendor):
            return tuple(await ask())
    except GatewayError:
        return None
