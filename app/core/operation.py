"""A write as a chain of durable steps: each vendor call is recorded before the next one is sent.

An adapter's write method takes an `Operation` and wraps each of its sends:
`stay = await op.step("reserve", lambda: self._reserve(draft), returns=Reservation)`. A resumed operation gets
the recorded result of a finished step and goes on at the first unfinished one (writes.md, step 3).
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from app.domain.errors import DeadlineExceeded, GatewayError, Outcome
from app.domain.ids import OperationId
from app.domain.model import type_adapter

T = TypeVar("T")
Undo = Callable[[], Awaitable[object]]


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
    _results: dict[str, bytes] = field(default_factory=dict)
    _undo: list[tuple[str, Undo]] = field(default_factory=list)

    def reference(self, step: str) -> str:
        """Give the reference that the vendor sees for a step: the same on every attempt, 32 hex digits."""
        return hashlib.sha256(f"{self.id}/{step}".encode()).hexdigest()[:32]

    async def step(
        self, name: str, call: Callable[[], Awaitable[T]], *, returns: type[T], undo: Undo | None = None
    ) -> T:
        """Run one vendor call as a durable step and give its result, or the recorded one.

        `returns` is the type of the result, by which it is recorded and read again. `undo` takes the step
        back when a later one is refused.
        """
        recorded = await self._recorded(name)
        if recorded is not None:
            result: T = type_adapter(returns).validate_json(recorded)
        else:
            result = await self._run(name, call, returns)
        if undo is not None:
            self._undo.append((name, undo))
        return result

    async def _run(self, name: str, call: Callable[[], Awaitable[T]], returns: type[T]) -> T:
        await self._started(name)
        token = _send.set(self._permit(name))
        try:
            result = await call()
        except GatewayError as error:
            await self._failed(name, error.outcome)
            raise
        finally:
            _send.reset(token)
        await self._finished(name, type_adapter(returns).dump_json(result))
        return result

    @property
    def stands(self) -> bool:
        """Whether a step has been done and not taken back."""
        return bool(self._results)

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
            except GatewayError:
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
