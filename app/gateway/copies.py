"""Per-process copies of small tables, so that reads go on while Postgres is away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog

from app.core.clock import Clock
from app.domain.errors import StorageUnavailable
from app.gateway.optional_store import SPARE_SECONDS, spare
from app.gateway.patience import within

T = TypeVar("T")

FRESH_SECONDS = 2.0
OLD_SECONDS = 5.0
"""A copy older than this is not believed while Postgres may answer: what was revoked must not live longer."""
OLD_SPARE_SECONDS = 1.0
"""How long a request waits at most to replace a copy that is so old."""
LOAD_SECONDS = 2.0
"""How long one load may take; it belongs to the process, and whoever asks waits for a part of it."""
MISSED_SECONDS = 1.0
"""After a load that failed the copies serve as they are for this long; then somebody tries again."""
WATCH_SECONDS = 0.5
"""Between two looks whether a copy grows old: so that it is renewed before a request has to wait for it."""
WANTED_SECONDS = 60.0
"""For how long after it was asked for a copy is renewed unasked."""
PAUSE_SECONDS = 0.05
"""Least time between two loads for those who looked in vain, so that wrong keys do not become a query each."""
KEEP_SECONDS = 900.0
"""How long a copy serves while it cannot be refreshed."""
FIRST_SECONDS = 2.0
"""How long a request waits for a copy when there is none to go on with."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Copy:
    begun: float
    number: int
    """Which load of this process brought it; they are numbered as they begin."""
    changes: int
    """How often this process had changed the table when the copy was loaded."""
    value: Any


@dataclass(frozen=True, slots=True)
class _Load:
    task: asyncio.Task[None]
    begun: float
    """By the event loop, as waiting is; the clock need not move meanwhile."""

    @property
    def is_slow(self) -> bool:
        """Tell whether it takes longer than a patient caller waits for it; timers are not exact."""
        return asyncio.get_running_loop().time() - self.begun >= 0.9 * SPARE_SECONDS


class Copies:
    """Named copies, each refreshed by whoever needs it, one load of a name at a time.

    A load goes on when those who asked for it have gone on without it: a Postgres that answers slowly renews the
    copies too, and callers in a hurry cannot keep one old.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Copy] = {}
        self._changes: dict[str, int] = {}
        self._loads: dict[str, _Load] = {}
        self._wanted: dict[str, tuple[Callable[[], Awaitable[Any]], float]] = {}
        """How each copy is loaded, and when it was last asked for."""
        self._begun = 0
        self._missed_at = float("-inf")

    async def get(
        self, name: str, load: Callable[[], Awaitable[T]], *, newest: bool = False, until: float = float("inf")
    ) -> T:
        """Give the copy called `name`, at most two seconds old while it can be loaded, else at most 15 minutes.

        With `newest` it is one that was loaded after this call: for somebody who looked in vain, and must not be told
        that there is no such thing when only we could not look. `until` is when the caller's time ends (monotonic).

        Raises:
            StorageUnavailable: it cannot be loaded in time and no copy is recent enough.
        """
        now = self._clock.monotonic()
        left, self._wanted[name] = until - now, (load, now)
        if newest:
            await within(min(FIRST_SECONDS, left), self._loaded_after(name, load, self._begun))
        elif self._age(name) >= KEEP_SECONDS:
            await within(min(FIRST_SECONDS, left), self._refreshed(name, load))
        elif not self._is_fresh(name) and not self._is_in_trouble():
            await self._try_to_refresh(name, load, left)
        return cast("T", self._held[name].value)

    def forget(self, name: str) -> None:
        """Let the next look load anew: this process itself has just changed it. The copy stays for bad times."""
        self._changes[name] = self._changes.get(name, 0) + 1
        self._missed_at = float("-inf")

    async def watch(self) -> None:
        """Renew the copies that are asked for before they grow old, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = self._clock.monotonic()
            for name, (load, asked_at) in list(self._wanted.items()):
                if now - asked_at < WANTED_SECONDS and not self._is_fresh(name, FRESH_SECONDS / 2):
                    await asyncio.wait({self._start(name, load)})  # what goes wrong is noted where it ends

    async def _try_to_refresh(self, name: str, load: Callable[[], Awaitable[T]], left: float) -> None:
        """Wait a moment for a newer copy; go on with the one that there is where it does not come."""
        at_most = SPARE_SECONDS if self._age(name) < OLD_SECONDS else OLD_SPARE_SECONDS
        try:
            await within(spare(left, at_most=at_most), self._refreshed(name, load))
        except StorageUnavailable:
            if any(one.is_slow for one in self._loads.values()):  # who is in a hurry does not speak for all
                self._missed_at = self._clock.monotonic()

    async def _refreshed(self, name: str, load: Callable[[], Awaitable[T]]) -> None:
        while not self._is_fresh(name):  # a load from before a change of our own brings what was before it
            await self._join(name, load)

    async def _loaded_after(self, name: str, load: Callable[[], Awaitable[T]], number: int) -> None:
        if not self._is_loading(name) and self._age(name) < PAUSE_SECONDS:
            await self._clock.sleep(PAUSE_SECONDS - self._age(name))
        while (held := self._held.get(name)) is None or held.number <= number:
            await self._join(name, load)

    async def _join(self, name: str, load: Callable[[], Awaitable[T]]) -> None:
        """Wait for the load that is under way, however it ends, or for one of our own."""
        is_under_way = self._is_loading(name)
        try:
            await asyncio.shield(self._start(name, load))
        except StorageUnavailable:
            if not is_under_way:
                raise

    def _start(self, name: str, load: Callable[[], Awaitable[T]]) -> asyncio.Task[None]:
        """Give the load that is under way, or begin one."""
        if not self._is_loading(name):
            self._begun += 1
            task = asyncio.create_task(self._load(name, load, self._begun))
            self._loads[name] = _Load(task, asyncio.get_running_loop().time())
            task.add_done_callback(lambda ended: self._end(name, ended))
        return self._loads[name].task

    def _is_loading(self, name: str) -> bool:
        """Tell whether a load is under way; one that has just ended is nothing to wait for."""
        return name in self._loads and not self._loads[name].task.done()

    async def _load(self, name: str, load: Callable[[], Awaitable[T]], number: int) -> None:
        begun, changes = self._clock.monotonic(), self._changes.get(name, 0)

        async def loaded() -> T:
            return await load()

        try:
            value = await within(LOAD_SECONDS, loaded())
        except StorageUnavailable:
            raise
        except Exception as error:  # a copy that serves for 15 minutes is better than any fault of the table's
            log.exception("copy.failed", name=name)
            raise StorageUnavailable("the gateway's database answers with an error") from error
        self._held[name] = _Copy(begun, number, changes, value)

    def _end(self, name: str, task: asyncio.Task[None]) -> None:
        if name in self._loads and self._loads[name].task is task:
            del self._loads[name]
        failed = task.cancelled() or task.exception() is not None  # seen here, so that nobody complains about it
        self._missed_at = self._clock.monotonic() if failed else float("-inf")

    def _is_fresh(self, name: str, seconds: float = FRESH_SECONDS) -> bool:
        held = self._held.get(name)
        return held is not None and self._age(name) < seconds and held.changes == self._changes.get(name, 0)

    def _is_in_trouble(self) -> bool:
        """Tell whether Postgres did not answer a moment ago, or does not answer now: one request waits, not each."""
        missed = self._clock.monotonic() - self._missed_at
        return missed < MISSED_SECONDS or any(one.is_slow for one in self._loads.values())

    def _age(self, name: str) -> float:
        held = self._held.get(name)
        return float("inf") if held is None else self._clock.monotonic() - held.begun
