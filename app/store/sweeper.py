"""Removes what the cache keeps of a hotel: not only outdated, but gone."""

from functools import partial

from app.store.cache import Cache, entry_name
from app.store.redis_link import NoAnswer, RedisLink
from app.store.snapshots import snapshot_name

_AT_ONCE = 1_000
"""How many keys Redis looks at for one answer."""


class Sweeper:
    """Takes the encrypted answers and lists of a hotel out of Redis."""

    def __init__(self, link: RedisLink, cache: Cache) -> None:
        self._link = link
        self._cache = cache

    async def sweep(self, hotel_id: str) -> bool:
        """Remove all that is kept of a hotel; false when Redis did not confirm all of it.

        What is asked for from now on may be kept again. Looking at every key is right here and nowhere else: an
        invalidation happens with every write, this when a guest or a hotel is erased.
        """
        # First the generations: what is under way to the PMS now finds its own gone, and is not kept.
        if not await self._cache.move_all(hotel_id):
            return False
        try:
            for pattern in (entry_name(hotel_id, "*"), snapshot_name(hotel_id, "*")):
                await self._remove(pattern)
        except NoAnswer:
            return False
        return True

    async def _remove(self, pattern: str) -> None:
        place = 0
        while True:
            # Each answer has Redis's whole patience; ids of hotels have no character that a pattern reads otherwise.
            look = partial(self._link.client.scan, place, match=pattern, count=_AT_ONCE)
            place, names = await self._link.ask(look)
            if names:
                await self._link.ask(partial(self._link.client.unlink, *names))
            if not place:
                return
