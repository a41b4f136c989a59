"""Rotating keys: everything that is under a former key is written anew under the active one, while gateways serve.

It has no memory of its own, and needs none: what is done names the active key, and is passed over by whoever begins
again. What cannot be moved stays readable under its key, is counted, and keeps the key from being retired.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.store.audit import AuditEntry
from app.store.database import Database
from app.store.key_register import DeclaredKeys, KeyKind, RegisteredKey
from app.store.recognition import Recognition
from app.store.rekeying import Rekeying
from app.store.repository import StoreKeys
from app.store.sealed import SealedTable, sealed_tables
from app.store.walking import COUNTED_AT_ONCE, Held, Tally, Under, tally, walk

PASSES = 3
"""How often everything is gone through: what somebody held, or wrote behind our back, is met by the next pass."""
_ROTATED = (KeyKind.ENCRYPTION, KeyKind.INDEX)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a table is: rows written anew, of about so many."""

    table: str
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key, what is under it, and what this process makes of it."""

    key: RegisteredKey
    is_configured: bool
    is_active: bool
    held: Mapping[str, Held]
    """By table; empty for the idempotency secret, of which nobody can tell."""

    @property
    def count(self) -> int:
        """How many values are under it."""
        return sum(held.count for held in self.held.values())


@dataclass(frozen=True, slots=True)
class Rotated:
    """How a rotation ended."""

    renewed: int
    """How many rows were written anew."""
    retired: tuple[RegisteredKey, ...]
    """The keys that nothing needs any more, as of now."""
    states: tuple[KeyState, ...]


class Rotation:
    """Moves data from former keys to the active ones."""

    def __init__(self, database: Database, keys: StoreKeys, declared: Sequence[DeclaredKeys]) -> None:
        self._database = database
        self._keys = keys
        self._declared = {one.kind: one for one in declared}
        self._tables = sealed_tables()
        self._active = frozenset(Under(kind.value, self._declared[kind].active) for kind in _ROTATED)

    async def run(self, *, actor: str, batch: int, tell: Callable[[Progress], None]) -> Rotated:
        """Write everything anew that is under a former key, `batch` rows a step, and retire what nothing needs.

        May be ended anywhere and begun again; may run twice at once.

        Raises:
            StorageUnavailable: Postgres cannot be reached; what was done is done.
        """
        log.info("keys.rotation.started", kind=self._named())
        before = await self._tally()
        renewed = 0
        for _ in range(PASSES):
            done = sum([await self._table(table, before, batch=batch, tell=tell) for table in self._tables])
            renewed += done
            if not done:
                break
        quiet = await self._quiet()  # before they are counted: the last one to write may have done so meanwhile
        retired = await self._retire(quiet, await self._tally())
        states = await self.states()
        await self._note(actor, renewed, retired, states)
        log.info("keys.rotation.ended", count=renewed)
        return Rotated(renewed, retired, states)

    async def states(self) -> tuple[KeyState, ...]:
        """Tell of every key whether it is there, and what is under it."""
        counted = await self._tally()
        async with self._database.unit_of_work() as work:
            keys = await work.key_register.all()
        return tuple(self._state(key, counted) for key in keys)

    async def _table(self, table: SealedTable, before: Tally, *, batch: int, tell: Callable[[Progress], None]) -> int:
        async with self._sessions() as session:
            recognition = await Recognition.of(session, self._keys)
        rekeying = Rekeying(table, self._keys, sessions=self._sessions, recognition=recognition)
        done = 0
        async for step in walk(self._sessions, table, step=max(batch, COUNTED_AT_ONCE)):
            stale = [mark for mark in step if mark.is_stale(self._active)]
            for start in range(0, len(stale), batch):
                renewed = await rekeying.renew(stale[start : start + batch])
                done += renewed
                if renewed:
                    tell(Progress(table.name, done, max(done, before.stale.get(table.name, 0))))
        return done

    async def _quiet(self) -> list[RegisteredKey]:
        """Give the former keys under which nobody writes any more."""
        async with self._database.unit_of_work() as work:
            keys = await work.key_register.all()
        former = [key for key in keys if key.kind in _ROTATED and key.key_id != self._declared[key.kind].active]
        return [key for key in former if key.is_needed and key.is_silent]

    async def _retire(self, quiet: Sequence[RegisteredKey], counted: Tally) -> tuple[RegisteredKey, ...]:
        """Retire those of these keys of which nothing is left."""
        retired = []
        for key in quiet:
            if counted.total(Under(key.kind.value, key.key_id)):
                continue
            async with self._database.unit_of_work() as work:
                if await work.key_register.retire_if_free(key):
                    retired.append(key)
                    log.info("key.retired", kind=key.kind.value, name=key.key_id)
        return tuple(retired)

    async def _note(
        self, actor: str, renewed: int, retired: Sequence[RegisteredKey], states: Sequence[KeyState]
    ) -> None:
        """Write into the audit that keys were rotated; it belongs to no hotel and holds no key."""
        left = [state for state in states if state.count and not state.is_active]
        after: dict[str, Any] = {
            "active": {kind.value: self._declared[kind].active for kind in _ROTATED},
            "rows": renewed,
            "retired": [str(key) for key in retired],
            "left": {str(state.key): {table: held.count for table, held in state.held.items()} for state in left},
        }
        entry = AuditEntry(
            actor=actor, hotel_id=None, operation="key.rotate", target=self._named(), outcome="succeeded", after=after
        )
        async with self._database.unit_of_work() as work:
            await work.audit.append(entry)

    def _state(self, key: RegisteredKey, counted: Tally) -> KeyState:
        declared = self._declared[key.kind]
        return KeyState(
            key,
            is_configured=key.key_id in declared.proofs,
            is_active=key.key_id == declared.active,
            held=counted.held.get(Under(key.kind.value, key.key_id), {}),
        )

    def _named(self) -> str:
        return ", ".join(f"{kind.value} {self._declared[kind].active}" for kind in _ROTATED)

    async def _tally(self) -> Tally:
        return await tally(self._sessions, self._tables, self._active)

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[AsyncSession]:
        async with self._database.unit_of_work() as work:
            yield work.session
