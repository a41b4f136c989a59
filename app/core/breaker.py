"""An asynchronous guard over pybreaker: one per vendor and host.

pybreaker keeps the state machine; what it does to coroutines is done here instead (traps.md § 5): results are
recorded after the call, so that cancellation counts as nothing, and a half-open circuit lets one probe through.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pybreaker

from app.core.clock import Clock
from app.domain.causes import Cause
from app.domain.errors import (
    GatewayError,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorRejected,
    VendorUnavailable,
)
from app.telemetry import metrics

T = TypeVar("T")

STATE_NUMBERS = {pybreaker.STATE_CLOSED: 0, pybreaker.STATE_OPEN: 1, pybreaker.STATE_HALF_OPEN: 2}
_NEVER = 10**9
"""pybreaker's own reopening follows the machine's clock; ours is handed in."""


class CircuitOpen(VendorUnavailable):
    """The breaker refused the call; asking again at once is pointless."""


class DeadlineCut(OutcomeUnknown):
    """An attempt that ended because the caller's time was up, before the vendor's own time was."""


class NoFreeConnection(VendorUnavailable):
    """All our own connections to the vendor are busy, which is no fault of its own."""


class Breaker:
    """Refuses calls to a vendor that keeps failing, and lets one through now and then to see.

    Opens after `fail_max` failures in a row, probes after `reset_after` seconds. Failures are errors whose
    fault is the vendor's or the network's; refusals, and attempts that a caller's deadline cut short, are not.
    """

    def __init__(
        self,
        vendor: str,
        clock: Clock,
        *,
        fail_max: int = 5,
        reset_after: float = 30.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a closed one; `on_change` is called when it opens, closes or begins to probe."""
        self._vendor = vendor
        self._clock = clock
        self._on_change = on_change
        self._reset_after = reset_after
        self._circuit = pybreaker.CircuitBreaker(fail_max=fail_max, reset_timeout=_NEVER, throw_new_error_on_trip=False)
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> str:
        """Where the circuit stands: `closed`, `open` or `half-open`."""
        return str(self._circuit.current_state)

    @property
    def is_probing(self) -> bool:
        """Whether one call is let through to see: for whoever asks within a call that began now, whether it is that."""
        return self._probing

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run one attempt, or refuse it.

        Raises:
            CircuitOpen: the circuit is open, with the seconds until the next probe; nothing was sent.
        """
        try:
            self._admit()
        except CircuitOpen:
            self._count("blocked")
            raise
        probe = self.state == pybreaker.STATE_HALF_OPEN
        self._probing = self._probing or probe
        try:
            result = await attempt()
        except GatewayError as error:
            self._record_error(error, probe=probe)
            raise
        else:
            self._record_success(probe=probe)
            return result
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> None:
        if self.state == pybreaker.STATE_OPEN and self._left() <= 0:
            self._circuit.half_open()
            self._on_change()
        if self.state == pybreaker.STATE_OPEN or self._probing:
            raise CircuitOpen(
                "the PMS keeps failing, calls to it are paused",
                vendor=self._vendor,
                retry_after=max(1.0, self._left()),
                cause=Cause.PAUSED,
            )

    def _left(self) -> float:
        return self._opened_at + self._reset_after - self._clock.monotonic()

    def _record_success(self, *, probe: bool) -> None:
        self._count("success")
        self._close(probe=probe)

    def _count(self, result: str) -> None:
        metrics.BREAKER_CALLS.labels(self._vendor, self.state, result).inc()

    def _close(self, *, probe: bool) -> None:
        before = self.state
        if probe or before == pybreaker.STATE_CLOSED:
            self._circuit.call(lambda: None)
        if self.state != before:
            self._on_change()

    def _record_error(self, error: GatewayError, *, probe: bool) -> None:
        if counts_as_failure(error):
            self._record_failure(error, probe=probe)
            return
        self._count("refusal")
        if probe and isinstance(error, VendorRejected | VendorAuthFailed):
            self._close(probe=True)  # a refusal is an answer: the vendor is back

    def _record_failure(self, error: GatewayError, *, probe: bool) -> None:
        self._count("failure")
        if not probe and self.state != pybreaker.STATE_CLOSED:
            return  # a call from before the circuit opened says nothing new

        def fail() -> None:
            raise error

        try:
            self._circuit.call(fail)
        except GatewayError:
            if self.state == pybreaker.STATE_OPEN:
                self._opened_at = self._clock.monotonic()
                self._on_change()


def counts_as_failure(error: GatewayError) -> bool:
    """Tell whether an error speaks against the vendor's health."""
    return isinstance(error, OutcomeUnknown | VendorUnavailable | VendorContractBroken) and not isinstance(
        error, DeadlineCut | NoFreeConnection
    )
