"""A write as a chain of durable steps: each vendor call is recorded before the next one is sent.

An adapter's write method takes an `Operation` and wraps each of its sends:
`stay = await op.step("reserve", lambda: self._reserve(draft), returns=Reservation)`. A resumed operation gets
the recorded result of a finished step and goes on at the first unfinished one (writes.md, step 3).
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from app.domain.errors import (
    CannotBeSeen,
    DeadlineExceeded,
    GatewayError,
    NotFound,
    NotSeen,
    Outcome,
    OutcomeUnknown,
    VendorRejected,
)
from app.domain.ids import OperationId
from app.domain.model import type_adapter

T = TypeVar("T")
Undo = Callable[[], Awaitable[object]]

READING = "read "
"""Begins the names of recorded readings, which change nothing and so never stand."""


@dataclass(slots=True)
class Send:
    """The permission to send one write: the reference that it carries, and until when it may be opened."""

    reference: str
    operation: "Operation"
    _is_open: bool = False
    _doubt: GatewayError | None = None

    def open(self, now: float) -> None:
        """Note that the write goes onto the wire now (monotonic seconds).

        Raises:
            DeadlineExceeded: the operation's time has ended, or somebody gave up waiting; nothing is sent.
        """
        if now >= self.operation.not_after:
            raise DeadlineExceeded("the time for this write ended before it could be sent")
        self._is_open = True
        self.operation.sends += 1

    def failed(self, error: GatewayError) -> None:
        """Note how an attempt ended: it surely did not arrive, or it may have."""
        if error.outcome is Outcome.UNKNOWN:
            self._doubt = error
        elif error.outcome is Outcome.NOT_SENT and self._is_open:
            self.operation.sends -= 1
        self._is_open = False

    def verdict(self, last: GatewayError) -> GatewayError:
        """Give the error of all attempts, of which `last` ended them.

        Once one may have landed, a later refusal or bounce is no answer any more (writes.md, Outcomes).
        """
        return last if self._doubt is None or last.outcome is Outcome.UNKNOWN else self._doubt


_send: ContextVar[Send | None] = ContextVar("send", default=None)


def current_send() -> Send | None:
    """Give the permission under which the running code may send a write, if it runs inside a step."""
    return _send.get()


@dataclass
class Operation:
    """One write and its steps, kept in memory: for connectors used as a library.

    The gateway's subclass keeps the steps in the database.
    """

    id: OperationId
    not_after: float = float("inf")
    """Monotonic seconds; no send is opened after it."""
    receipts: list[str] = field(default_factory=list)
    """The vendor's own ids of our requests, for the audit."""
    sends: int = 0
    """How many sends may have arrived; 0 means that surely nothing happened."""
    doubtful: set[str] = field(default_factory=set)
    """Steps of earlier attempts that may have landed, and nobody knows."""
    may_repeat: bool = False
    """Whether the vendor still honours the keys of those steps, so that they can simply be sent again."""
    _results: dict[str, bytes] = field(default_factory=dict)
    _undo: list[tuple[str, Undo]] = field(default_factory=list)

    def reference(self, step: str) -> str:
        """Give the reference that the vendor sees for a step: the same on every attempt, 32 hex digits."""
        return hashlib.sha256(f"{self.id}/{step}".encode()).hexdigest()[:32]

    async def step(
        self,
        name: str,
        call: Callable[[], Awaitable[T]],
        *,
        returns: type[T],
        undo: Undo | None = None,
        find: Callable[[], Awaitable[T | None]] | None = None,
    ) -> T:
        """Run one vendor call as a durable step and give its result, or the recorded one.

        Args:
            name: the step's name, one of its kind in this operation.
            call: sends it.
            returns: the type of the result, by which it is recorded and read again.
            undo: takes the step back when a later one is refused; it may be sent twice.
            find: looks in the PMS, by `reference(name)` or by what was seen before, for what a send made whose
                answer was lost; gives it as `call` would have, or None when it is not there. It raises
                `CannotBeSeen` when the PMS can't tell. Without it such a send is settled by the vendor's key, or
                by a person.

        Raises:
            NotSeen: the answer of an earlier send was lost, and it is not to be found so far.
            CannotBeSeen: the answer of an earlier send was lost, and a person has to look.
            GatewayError: with its outcome.
        """
        recorded = await self._recorded(name)
        if recorded is not None:
            result: T = type_adapter(returns).validate_json(recorded)
        elif name in self.doubtful and not self.may_repeat:
            result = await self._settle(name, returns, find)
        else:
            result = await self._run(name, call, returns, find)
        if undo is not None:
            self._undo.append((name, undo))
        return result

    async def remember(self, name: str, read: Callable[[], Awaitable[T]], *, returns: type[T]) -> T:
        """Read something once for all attempts: how it was before anything was sent, for a later `find`."""
        recorded = await self._recorded(READING + name)
        if recorded is not None:
            known: T = type_adapter(returns).validate_json(recorded)
            return known
        result = await read()
        await self._finished(READING + name, type_adapter(returns).dump_json(result))
        return result

    @asynccontextmanager
    async def alone(self, name: str, *, until_settled: bool = False) -> AsyncIterator[None]:
        """Keep other operations of this hotel out of what they would disturb: an order, a room type.

        With `until_settled` they stay out while it is not known what became of this one. A resumed operation is
        let in where it was. Kept in memory there is nobody to keep out.

        Raises:
            VendorUnavailable: others were at it for too long; nothing was sent.
        """
        yield

    async def _settle(self, name: str, returns: type[T], find: Callable[[], Awaitable[T | None]] | None) -> T:
        """Find out what became of a send whose answer was lost."""
        if find is None:
            raise CannotBeSeen("the answer was lost, and the PMS has no way to show what became of it")
        try:
            found = await find()
        except CannotBeSeen:
            raise
        except GatewayError as error:  # a refusal to be read is no answer of the send
            raise OutcomeUnknown("the answer was lost, and the PMS could not be read since") from error
        if found is None:
            raise NotSeen("the answer was lost; so far the PMS does not show that it was done")
        self.doubtful.discard(name)
        await self._finished(name, type_adapter(returns).dump_json(found))
        return found

    async def _run(
        self,
        name: str,
        call: Callable[[], Awaitable[T]],
        returns: type[T],
        find: Callable[[], Awaitable[T | None]] | None,
    ) -> T:
        await self._started(name)
        token = _send.set(self._permit(name))
        try:
            result = await call()
        except GatewayError as error:
            result = await self._looked_for(name, error, find)
        finally:
            _send.reset(token)
        self.doubtful.discard(name)
        await self._finished(name, type_adapter(returns).dump_json(result))
        return result

    async def _looked_for(self, name: str, error: GatewayError, find: Callable[[], Awaitable[T | None]] | None) -> T:
        """Tell a failed send by all sends of its step; what may have landed is looked for at once.

        That it is not there a moment later says nothing. A refusal under a vendor's key is an answer to all of them,
        unless it was given before the key was looked at.
        """
        in_doubt = name in self.doubtful
        if not in_doubt and error.outcome is not Outcome.UNKNOWN:
            await self._failed(name, error.outcome)
            raise error
        self.doubtful.add(name)
        await self._failed(name, Outcome.UNKNOWN)
        found, can_be_seen = await self._glance(find)
        if found is not None:
            return found
        if in_doubt and isinstance(error, VendorRejected) and (can_be_seen or not isinstance(error, NotFound)):
            self.doubtful.discard(name)
            await self._failed(name, Outcome.REJECTED)
        raise error

    @staticmethod
    async def _glance(find: Callable[[], Awaitable[T | None]] | None) -> tuple[T | None, bool]:
        """Look for a send, and tell whether the PMS could show it."""
        if find is None:
            return None, False
        try:
            return await find(), True
        except GatewayError:
            return None, False

    @property
    def stands(self) -> bool:
        """Whether a step has been done and not taken back."""
        return any(not name.startswith(READING) for name in self._results)

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier attempt did something, or may have."""
        return self.stands or bool(self.doubtful)

    def give_up_waiting(self) -> bool:
        """Let nothing be sent any more, if nothing was sent yet; tell whether that was in time."""
        if self.sends:
            return False
        self.not_after = float("-inf")
        return True

    async def undo(self) -> bool:
        """Take back the steps that stand, the last first; tell whether all of it worked."""
        while self._undo:
            name, undo = self._undo.pop()
            token = _send.set(self._permit(f"undo {name}"))
            try:
                await undo()
            except GatewayError as error:
                if error.outcome is Outcome.UNKNOWN:  # it may be gone by now, or go yet: it is looked for, as if sent
                    await self._undone(name)
                    self.doubtful.add(name)
                    await self._failed(name, Outcome.UNKNOWN)
                return False
            finally:
                _send.reset(token)
            await self._undone(name)
        return True

    def _permit(self, step: str) -> Send:
        return Send(self.reference(step), self)

    async def _recorded(self, name: str) -> bytes | None:
        return self._results.get(name)

    async def _started(self, name: str) -> None:
        """Note that the step is about to be sent."""

    async def _finished(self, name: str, result: bytes) -> None:
        self._results[name] = result

    async def _failed(self, name: str, outcome: Outcome) -> None:
        """Note how the step failed."""

    async def _undone(self, name: str) -> None:
        self._results.pop(name, None)
