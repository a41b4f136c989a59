"""What references to secrets lead to: looked up beside the event loop, kept for a while, and looked up anew.

A secret may change where it is kept, and where it is kept may be away. Nobody waits for a lookup but who has nothing
to go on with, and one place is looked at by one lookup at a time, however many hotels have their credentials there.
"""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import SecretStr

from app.core.clock import Clock
from app.core.secrets import CannotLookNow, Content, LeadsNowhere, Place, SecretResolver, part_of, refusal
from app.domain.errors import CredentialsUnreadable

FRESH_SECONDS = 60.0
"""How long what was found serves unasked: a secret that was rotated is in use a minute later, and a Vault is asked
once a minute for each secret by each process."""
KEEP_SECONDS = 300.0
"""How long it serves while it cannot be looked up again; a secret that was withdrawn must not live longer."""
WAIT_SECONDS = 2.0
"""For one lookup, logins and the wait for a thread included."""
PAUSE_SECONDS = 5.0
"""After a lookup that brought nothing: until then those who ask are told the same at once."""
_THREADS = 4
"""For each scheme, so that a Vault that is silent keeps nobody from reading a file."""
_MOST_PLACES = 2_000
_NAMES = {"file": "CREDENTIALS_DIR", "vault": "Vault"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential as it is now, and since when; None where nobody but the registration can tell."""

    value: SecretStr
    since: datetime | None = None


@dataclass(slots=True)
class _Known:
    """What is known of a place; times are monotonic."""

    content: Content | None = None
    read_at: float = float("-inf")
    failure: Exception | None = None
    failed_at: float = float("-inf")


class References:
    """Gives credentials with their references looked up."""

    def __init__(self, resolver: SecretResolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._known: dict[Place, _Known] = {}
        self._running: dict[Place, asyncio.Task[None]] = {}
        self._away: set[str] = set()
        """The schemes that the log knows to be away."""
        self._threads = {scheme: ThreadPoolExecutor(_THREADS, f"{scheme}-secrets") for scheme in _NAMES}

    async def look_up(self, credentials: Mapping[str, SecretStr], *, newest: bool = False) -> dict[str, Secret]:
        """Give all credentials of a hotel, literals as they are.

        What is older than a minute is looked up behind the caller's back; what is older than five is waited for.
        With `newest` everything is looked up now: for somebody who has just said where it is.

        Raises:
            InvalidRequest: a reference is not allowed or leads nowhere; the message names the credential.
            CredentialsUnreadable: a place cannot be looked at now.
        """
        located: dict[str, tuple[Place, str] | None] = {}
        for name, value in credentials.items():
            try:
                located[name] = self._resolver.locate(value)
            except LeadsNowhere as error:
                raise refusal(name, error) from None
        await self._prepare({found[0] for found in located.values() if found}, newest=newest)
        # From here on nobody waits, so that fields of one secret are of one version.
        return {name: self._secret(name, value, located[name], newest=newest) for name, value in credentials.items()}

    async def aclose(self) -> None:
        """Give up what is being looked up; threads that wait for an answer end by themselves."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        if self._resolver.vault is not None:
            self._resolver.vault.close()

    async def _prepare(self, places: Iterable[Place], *, newest: bool) -> None:
        needed = []
        for place in places:
            if place.scheme == "env":  # what a process was started with does not change
                self._known[place] = self._read_at_once(place)
            elif newest:
                needed.append(asyncio.ensure_future(self._renewed(place)))
            elif self._is_due(place):
                task = self._start(place)
                if self._age(place) >= KEEP_SECONDS:
                    needed.append(task)
        if needed:
            await asyncio.wait(needed)

    def _secret(self, name: str, value: SecretStr, located: tuple[Place, str] | None, *, newest: bool) -> Secret:
        if located is None:
            return Secret(value)
        place, part = located
        known = self._known.get(place, _Known())
        is_good = self._age(place) < KEEP_SECONDS and not (newest and known.failure)
        if known.content is not None and is_good:
            try:
                return Secret(part_of(known.content, part), known.content.since)
            except LeadsNowhere as error:
                raise refusal(name, error) from None
        if isinstance(known.failure, LeadsNowhere):
            raise refusal(name, known.failure) from None
        why = str(known.failure) if known.failure else "the lookup was given up"
        raise CredentialsUnreadable(
            f"the credentials of this hotel cannot be read now: {why}; nothing was sent", retry_after=PAUSE_SECONDS
        )

    def _age(self, place: Place) -> float:
        known = self._known.get(place)
        return float("inf") if known is None or known.content is None else self._clock.monotonic() - known.read_at

    def _is_due(self, place: Place) -> bool:
        known = self._known.get(place)
        if known is not None and self._clock.monotonic() - known.failed_at < PAUSE_SECONDS:
            return False
        return place.scheme != "env" and self._age(place) >= FRESH_SECONDS

    async def _renewed(self, place: Place) -> None:
        """Wait for a lookup that begins now; one that is under way may bring what was there before."""
        if place in self._running:
            await asyncio.wait({self._running[place]})
        await asyncio.wait({self._start(place)})

    def _start(self, place: Place) -> asyncio.Task[None]:
        """Give the lookup that is under way, or begin one."""
        if place not in self._running:
            self._forget_the_unused()
            task = asyncio.create_task(self._look(place))
            self._running[place] = task
            task.add_done_callback(lambda _: self._running.pop(place, None))
        return self._running[place]

    async def _look(self, place: Place) -> None:
        begun = self._clock.monotonic()
        known = self._known.setdefault(place, _Known())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                loop = asyncio.get_running_loop()
                content = await loop.run_in_executor(self._threads[place.scheme], self._resolver.fetch, place)
        except LeadsNowhere as error:
            known.content = None  # it is not there any more, which is an answer
            self._note(place, known, error)
        except TimeoutError:
            self._note(place, known, CannotLookNow(f"{_NAMES[place.scheme]} does not answer in time"))
        except CannotLookNow as error:
            self._note(place, known, error)
        except Exception as error:  # noqa: BLE001 - its words may name the place
            log.error("credentials.lookup_failed", source=place.scheme, error_type=type(error).__name__)  # noqa: TRY400
            self._note(place, known, CannotLookNow("the gateway failed while it looked them up"))
        else:
            known.content, known.read_at, known.failure = content, begun, None
            self._note(place, known, None)

    def _note(self, place: Place, known: _Known, failure: Exception | None) -> None:
        """Keep how a lookup ended, and tell the log when a place of secrets goes away or is back."""
        if failure is not None:
            known.failure, known.failed_at = failure, self._clock.monotonic()
        is_away = isinstance(failure, CannotLookNow)
        if is_away and place.scheme not in self._away:
            self._away.add(place.scheme)
            log.warning("credentials.source_away", source=place.scheme, reason=str(failure))
        elif not is_away and place.scheme in self._away:
            self._away.discard(place.scheme)
            log.info("credentials.source_back", source=place.scheme)

    def _read_at_once(self, place: Place) -> _Known:
        try:
            return _Known(self._resolver.fetch(place), self._clock.monotonic())
        except LeadsNowhere as error:
            return _Known(failure=error)

    def _forget_the_unused(self) -> None:
        """Let go of secrets that nobody has asked for in a while."""
        if len(self._known) < _MOST_PLACES:
            return
        for place in [place for place in self._known if self._age(place) >= KEEP_SECONDS]:
            if place not in self._running:
                del self._known[place]
