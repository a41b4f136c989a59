"""When a vendor call is tried again, how long it waits, and when never."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.stop import stop_base

from app.core import deadline, setback
from app.core.breaker import CircuitOpen
from app.core.clock import Clock
from app.domain.errors import GatewayError, Outcome

T = TypeVar("T")

MAX_ATTEMPTS = 3
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
LARGEST_JITTER = 0.5
LEAST_LEFT = 0.5
"""No waiting that would leave less than this many seconds of the deadline."""


def backoff(attempt: int, jitter: float) -> float:
    """Give the seconds to wait after `attempt` (1, 2, …); `jitter` is 0 to 1 and adds up to a half."""
    delay = min(FIRST_DELAY * 2.0 ** (attempt - 1), LONGEST_DELAY)
    return delay * (1 + LARGEST_JITTER * jitter)


def may_repeat(error: BaseException, *, harmless: bool) -> bool:
    """Tell whether sending again cannot do a thing twice and may help.

    `harmless`: the call is a read, or a write that carries a key which the vendor honours.
    """
    if not isinstance(error, GatewayError) or not error.retryable or isinstance(error, CircuitOpen):
        return False
    return harmless or error.outcome is Outcome.NOT_SENT


class _OutOfTime(stop_base):
    """Stops where the wait would leave too little of the deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, retry_state: RetryCallState) -> bool:
        return deadline.remaining(self._clock.monotonic()) - retry_state.upcoming_sleep < LEAST_LEFT


async def with_retry(clock: Clock, attempt: Callable[[], Awaitable[T]], *, harmless: bool) -> T:
    """Run `attempt` up to three times within the deadline, with exponential backoff and jitter.

    `Retry-After` is respected; where waiting for it would miss the deadline, the error is raised at once.
    """
    failure: GatewayError | None = None
    try:
        return await attempt()  # most need no more than this; tenacity's machinery is for the rest
    except GatewayError as error:
        if not may_repeat(error, harmless=harmless):
            raise
        failure = error

    def tell_of_setback(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GatewayError):
            setback.tell(error)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, GatewayError) else None
        own = backoff(state.attempt_number, random.random())  # noqa: S311 - spreads load, guards nothing  # nosec B311
        return max(asked or 0.0, own)

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: may_repeat(error, harmless=harmless)),
        stop=stop_after_attempt(MAX_ATTEMPTS) | _OutOfTime(clock),
        wait=wait,
        sleep=clock.sleep,
        before_sleep=tell_of_setback,
        reraise=True,
    )

    async def again() -> T:
        nonlocal failure
        if failure is not None:  # the first attempt, which has been made
            error, failure = failure, None
            raise error
        return await attempt()

    return await retrying(again)
