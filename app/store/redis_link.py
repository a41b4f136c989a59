"""The way to Redis, which nothing may depend on: it is asked for a moment, and while it is away it is not asked at all.

A local breaker stands in it. The first one who gets no answer has waited 50 ms; from then on nobody waits, and a probe
in the background finds out when Redis is back. An answer that says no (Redis is full, or only a replica) is an answer:
what can be read of it is still read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, ResponseError

T = TypeVar("T")

PATIENCE_SECONDS = 0.05
"""How long Redis may take for one answer, connecting included."""
_AT_A_TIME = 32
"""How many questions are under way at once; more of them wait in line, which says nothing about Redis."""
_SOCKET_SECONDS = 1.0
_PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between two probes of a Redis that is away; the last one again and again."""
_REFUSALS_TOLD_EVERY = 10.0
"""Seconds between two log lines that say so."""
_TURNS = 10
"""Turns of the event loop, at least, in which an answer may come: the patience is cut into as many."""

log = structlog.get_logger()


class NoAnswer(Exception):
    """Redis did not answer, is left alone for now, or refused."""


class Refused(NoAnswer):
    """Redis answered that it does not do this: it is full, or a replica, or what is stored there is of another kind."""


class RedisLink:
    """One pool of connections, and the knowledge whether it is any use to ask."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=2 * _AT_A_TIME,
            timeout=None,  # the patience is kept here, for waiting, connecting and answer together
            socket_connect_timeout=_SOCKET_SECONDS,
            socket_timeout=_SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a pooled connection may have been closed by a restart
            protocol=3,
        )
        self.client = Redis.from_pool(pool)
        self._probe: asyncio.Task[None] | None = None
        self._before_return: list[Callable[[], Awaitable[None]]] = []
        self._line = asyncio.Semaphore(_AT_A_TIME)
        self._batch: _Batch | None = None
        self._refusals_untold_until = float("-inf")
        self._renewing: asyncio.Future[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether Redis is left alone now."""
        return self._probe is not None

    def before_return(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something each time when Redis has come back, before anybody else asks it.

        `act` asks with `even_when_away`; where it raises `NoAnswer` Redis is still away.
        """
        self._before_return.append(act)

    async def ask(
        self, call: Callable[[], Awaitable[T]], *, seconds: float = PATIENCE_SECONDS, even_when_away: bool = False
    ) -> T:
        """Ask Redis, for so many seconds at most and never longer than its patience.

        Raises:
            NoAnswer: it does not answer, or did not a moment ago.
            Refused: it answered that it does not do this.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._stand_in_line(seconds)
        try:
            if self.is_away and not even_when_away:
                raise NoAnswer
            hurry = seconds - (loop.time() - began)
            return await self._ask(call, hurry if seconds < PATIENCE_SECONDS else PATIENCE_SECONDS)
        finally:
            self._line.release()

    async def _stand_in_line(self, seconds: float) -> None:
        """Wait in line: who is in a hurry only so long, the others until it is their turn.

        That is soon, or as soon as Redis is found to be away: whoever stands before them waits no longer than its
        patience.
        """
        if seconds >= PATIENCE_SECONDS:
            await self._line.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._line.acquire()
        except TimeoutError:
            raise NoAnswer from None

    async def _ask(self, call: Callable[[], Awaitable[T]], seconds: float) -> T:
        try:
            return await _within(seconds, call)
        except ResponseError as error:
            self._note_refusal(error)
            raise Refused from None
        except TimeoutError as error:
            if seconds >= PATIENCE_SECONDS:  # who is in a hurry does not speak for all
                self._leave_alone(error)
        except Exception as error:  # noqa: BLE001 - uvloop raises RuntimeError for a connection that is closed
            self._leave_alone(error)
        raise NoAnswer

    async def ask_if_there(self, call: Callable[[], Awaitable[T]], *, seconds: float = PATIENCE_SECONDS) -> T | None:
        """Ask Redis; None where it gives no answer."""
        try:
            return await self.ask(call, seconds=seconds)
        except NoAnswer:
            return None

    async def mget(self, names: Sequence[str], *, seconds: float = PATIENCE_SECONDS) -> list[bytes | None]:
        """Give the values of `names`; all who ask in the same turn of the event loop share one round trip.

        Raises:
            NoAnswer: Redis does not answer in time.
        """
        if self.is_away:
            raise NoAnswer
        batch = self._batch
        if batch is None or batch.sent:
            batch = self._batch = _Batch(self)
        batch.add(names)
        hurry = seconds if seconds < PATIENCE_SECONDS else None  # else it ends with the patience of all
        done, _ = await asyncio.wait({batch.answer}, timeout=hurry)
        if not done:
            raise NoAnswer
        return batch.answer.result().of(names)

    async def is_up(self) -> bool:
        """Tell whether Redis answers now, also while it is left alone."""
        try:
            await self.ask(self.client.ping, even_when_away=True)
        except NoAnswer:
            return False
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        await self.client.aclose()

    def _note_refusal(self, error: ResponseError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._refusals_untold_until:  # a Redis that is full refuses often
            self._refusals_untold_until = now + _REFUSALS_TOLD_EVERY
            log.warning("redis.refused", error_type=type(error).__name__)
            if isinstance(error, ReadOnlyError):  # the primary is elsewhere by now; its name is looked up anew
                self._renewing = asyncio.ensure_future(self.client.connection_pool.disconnect(inuse_connections=False))

    def _leave_alone(self, error: Exception) -> None:
        if self._probe is None:
            log.warning("redis.away", error_type=type(error).__name__)
            self._probe = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        tries = 0
        while not await self._has_returned():
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
        self._probe = None
        log.info("redis.back")

    async def _has_returned(self) -> bool:
        try:
            await self.ask(self.client.ping, even_when_away=True)
            for act in self._before_return:
                await act()
        except NoAnswer:
            return False
        except Exception:  # a probe that ended would leave Redis alone for ever
            log.exception("redis.probe_failed")
            return False
        return True


class _Values:
    """What Redis holds under some names."""

    def __init__(self, names: Iterable[str], values: Sequence[bytes | None]) -> None:
        self._values = dict(zip(names, values, strict=True))

    def of(self, names: Iterable[str]) -> list[bytes | None]:
        return [self._values[name] for name in names]


class _Batch:
    """One MGET for all who ask in the same turn of the event loop."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names: dict[str, None] = {}
        self.sent = False
        self.answer = asyncio.create_task(self._fetch())  # begins in the loop's next turn
        self.answer.add_done_callback(_seen)

    def add(self, names: Iterable[str]) -> None:
        self._names |= dict.fromkeys(names)

    async def _fetch(self) -> _Values:
        self.sent = True
        names = tuple(self._names)
        values = await self._link.ask(lambda: self._link.client.mget(names))
        return _Values(names, cast("Sequence[bytes | None]", values))  # this connection decodes nothing


async def _within(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """Wait so many seconds for an answer.

    A loop that is held up, by whatever else this process does, is no fault of Redis's: it gets some turns in any case.

    Raises:
        TimeoutError: there is none.
    """
    task: asyncio.Future[T] = asyncio.ensure_future(call())
    try:
        for _ in range(_TURNS):
            done, _ = await asyncio.wait({task}, timeout=seconds / _TURNS)
            if done:
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()
        task.add_done_callback(_seen)


def _seen(task: "asyncio.Future[Any]") -> None:
    """Look at how something ended that nobody may wait for any more, so that nobody complains about it."""
    if not task.cancelled():
        task.exception()


def script(client: Redis, text: str) -> Callable[..., Awaitable[Any]]:
    """Give a Lua script, which Redis runs as one; called with `keys` and `args`."""
    return cast("Callable[..., Awaitable[Any]]", client.register_script(text))
