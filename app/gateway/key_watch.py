"""Sees to it that a process has the keys that the data is under: before it serves, and as long as it does."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from app.domain.errors import StorageUnavailable
from app.store.database import Database
from app.store.key_register import DeclaredKeys, KeysRefused
from app.store.statements import StorageReadOnly

NOTE_EVERY = 60.0
"""Seconds between two words of a process that it writes under its active keys."""

LOOK_EVERY = 1.0
"""Seconds between two looks of a process that has not passed yet; a slow Postgres has all its time."""

log = structlog.get_logger()


class KeyWatch:
    """The keys of one process, compared with the register."""

    def __init__(self, database: Database, declared: Sequence[DeclaredKeys]) -> None:
        self._database = database
        self.declared = tuple(declared)
        self.has_passed = False
        """Whether the keys were all there when they were first compared. Nothing is known before Postgres answers."""
        self.refusal: str | None = None
        """What is wrong with them, as of the last look."""

    def require_passed(self) -> None:
        """Refuse to serve before the keys have been compared: what is written under a wrong one, nobody can read.

        Who has passed once goes on, whatever is found later: its own data is under the keys that it has.

        Raises:
            StorageUnavailable: they were not compared yet, or were refused.
        """
        if not self.has_passed:
            known = "are not those that the data is under" if self.refusal else "were not compared with the data yet"
            raise StorageUnavailable(f"this gateway serves nobody: its keys {known}; see /health/ready")

    async def check(self) -> None:
        """Compare the keys with the register, and add to it what is new.

        With a database that is read-only it is content with comparing; the next look adds. Before the schema is
        current it does nothing.

        Raises:
            KeysRefused: data is under a key that this process does not have.
            StorageUnavailable: Postgres cannot be reached, and nothing is known.
        """
        if not await self._database.is_current():
            return  # no migration has made the register yet, or one is about to change it; readiness says so
        try:
            async with self._database.unit_of_work() as work:
                await work.key_register.require(self.declared)
            await self._note()
        except KeysRefused as refused:
            if self.refusal != str(refused):
                log.error("keys.refused", reason=str(refused))  # noqa: TRY400 - where it was found tells nothing
            self.refusal = str(refused)
            raise
        self.has_passed, self.refusal = True, None

    async def repeat(self) -> None:
        """Look again; what is wrong is remembered and does not end a process that serves.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        try:
            await self.check()
        except KeysRefused:
            return  # it is logged, and readiness tells it

    async def pass_before(self, stop: asyncio.Event) -> bool:
        """Wait until the keys have been compared and are all there; false where `stop` came first.

        Raises:
            KeysRefused: data is under a key that this process does not have.
        """
        while not self.has_passed and not stop.is_set():
            with suppress(StorageUnavailable):
                await self.check()
            if not self.has_passed:
                log.warning("keys.not_compared")
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY)
        return self.has_passed

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(NOTE_EVERY if self.has_passed else LOOK_EVERY)
            try:
                await self.repeat()
            except StorageUnavailable:
                continue
            except Exception:
                log.exception("keys.check.failed")

    async def _note(self) -> None:
        try:
            async with self._database.unit_of_work() as work:
                await work.key_register.note(self.declared)
        except StorageReadOnly:
            return
