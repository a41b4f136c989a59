"""The register of keys: which ones data was written under, and by what each is known again.

A process that lacks one of them, or has other bytes under its id, would find out row by row, or, worse, write what
nobody else can read. It asks here first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

import structlog
from sqlalchemy import CheckConstraint, Table, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.store.key_samples import KeySamples
from app.store.operation_records import LIVE
from app.store.repository import Repository
from app.store.tables import Base, Now, OperationRow

SILENT_AFTER = timedelta(minutes=3)
"""How long nobody must have said that it writes under a key before the key can be retired; it is said every minute."""

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('key_register'))")

log = structlog.get_logger()


class KeyKind(StrEnum):
    """What a key is for."""

    ENCRYPTION = "encryption"
    INDEX = "index"
    IDEMPOTENCY = "idempotency"

    @property
    def setting(self) -> str:
        """The setting that holds keys of this kind."""
        return _SETTINGS[self]


_SETTINGS = {
    KeyKind.ENCRYPTION: "ENCRYPTION_KEYS",
    KeyKind.INDEX: "INDEX_KEYS",
    KeyKind.IDEMPOTENCY: "IDEMPOTENCY_SECRET",
}


class KeyRow(Base):
    """A key that data was, or may be, written under; the key itself is nowhere here.

    One that waits behind the active one was not used yet. Of a retired one nothing is left.
    """

    __tablename__ = "key_register"
    __table_args__ = (CheckConstraint("kind IN ('encryption', 'index', 'idempotency')", name="kind"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(primary_key=True)
    proof: Mapped[bytes | None]
    """Null where the register was made of the data, which names keys and does not prove them."""
    first_seen_at: Mapped[Now]
    first_used_at: Mapped[datetime | None]
    active_at: Mapped[datetime | None]
    """When a process last said that it writes under this key."""
    retired_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class DeclaredKeys:
    """The keys of one kind that a process was given: by what each is known again, the active one first."""

    kind: KeyKind
    proofs: Mapping[str, bytes]

    @property
    def active(self) -> str:
        """The id of the key that this process writes under."""
        return next(iter(self.proofs))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A key as the register has it."""

    kind: KeyKind
    key_id: str
    proof: bytes | None
    first_used_at: datetime | None
    active_at: datetime | None
    retired_at: datetime | None
    is_silent: bool
    """Whether no process has said for a while that it writes under it."""

    @property
    def is_needed(self) -> bool:
        """Whether data may still be under it."""
        return self.first_used_at is not None and self.retired_at is None

    def __str__(self) -> str:
        return f"key {self.key_id} of {self.kind.setting}" if self.key_id else self.kind.setting


class KeysRefused(Exception):
    """A key that data is under is missing or is not the one it was; says which, and what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class KeyRegister(Repository):
    """The keys of this database."""

    table = "key_register"

    async def all(self) -> list[RegisteredKey]:
        """Give every key ever met, in the order in which they came."""
        silent = func.coalesce(KeyRow.active_at < func.now() - SILENT_AFTER, True)
        query = select(KeyRow, silent).order_by(KeyRow.kind, KeyRow.first_seen_at, KeyRow.key_id)
        found = await self._session.execute(query.execution_options(populate_existing=True))
        return [
            RegisteredKey(
                kind=KeyKind(row.kind),
                key_id=row.key_id,
                proof=row.proof,
                first_used_at=row.first_used_at,
                active_at=row.active_at,
                retired_at=row.retired_at,
                is_silent=is_silent,
            )
            for row, is_silent in found
        ]

    async def require(self, declared: Sequence[DeclaredKeys]) -> None:
        """Compare a process's keys with the register; changes nothing, so that a replica will do.

        Raises:
            KeysRefused: data is under a key that it does not have.
        """
        if faults := _faults(declared, await self.all()):
            raise KeysRefused(faults)

    async def note(self, declared: Sequence[DeclaredKeys]) -> None:
        """Add what is new, and say that this process writes under the active ones, from now on.

        A key whose proof is not known, as the register was made of the data, is tried on the data.

        Raises:
            KeysRefused: data is under a key that the process does not have, or not with these bytes.
        """
        await self._session.execute(_ONE_AT_A_TIME)
        known = {(key.kind, key.key_id): key for key in await self.all()}
        await self.require(declared)
        for keys in declared:
            for key_id, proof in keys.proofs.items():
                found = known.get((keys.kind, key_id))
                if found is None or found.proof is None:
                    await self._register(keys.kind, key_id, proof, is_in_data=found is not None)
            await self._session.execute(
                update(KeyRow)
                .where(KeyRow.kind == keys.kind.value, KeyRow.key_id == keys.active)
                .values(
                    first_used_at=func.coalesce(KeyRow.first_used_at, func.now()),
                    active_at=func.now(),
                    retired_at=None,
                )
            )

    async def retire(self, kind: KeyKind, key_id: str) -> bool:
        """Note that nothing is left under a key; false where there is no such key in use."""
        found = await self._session.scalar(
            update(KeyRow)
            .where(KeyRow.kind == kind.value, KeyRow.key_id == key_id, KeyRow.retired_at.is_(None))
            .values(retired_at=func.now())
            .returning(KeyRow.key_id)
        )
        return found is not None

    async def retire_if_free(self, key: RegisteredKey) -> bool:
        """Retire a key under which nobody writes any more; false where that cannot be said of it yet.

        Who goes on with a write has read its blind indexes before they were written anew, and writes them once more
        when it ends: as long as one is in somebody's hands that was begun under the key, the key is needed.
        """
        await self._session.execute(_ONE_AT_A_TIME)
        now = {(one.kind, one.key_id): one for one in await self.all()}[key.kind, key.key_id]
        if not now.is_silent or not now.is_needed or await self._is_in_hand(now):
            return False
        return await self.retire(key.kind, key.key_id)

    async def _is_in_hand(self, key: RegisteredKey) -> bool:
        begun = OperationRow.created_at <= (key.active_at or func.now()) + SILENT_AFTER
        held = OperationRow.next_attempt_at.is_(None) & ~OperationRow.handed_over
        live = OperationRow.status.in_([status.value for status in LIVE])
        query = select(OperationRow.id).where(live, held, begun).limit(1)
        return key.kind is KeyKind.INDEX and await self._session.scalar(query) is not None

    async def forget(self, kind: KeyKind) -> None:
        """Forget the keys of a kind: the next process that starts says which they are."""
        await self._session.execute(delete(KeyRow).where(KeyRow.kind == kind.value))

    async def _register(self, kind: KeyKind, key_id: str, proof: bytes, *, is_in_data: bool) -> None:
        if is_in_data and not await self._fits(kind, key_id):
            raise KeysRefused([_changed(kind, key_id)])
        fresh = insert(cast("Table", KeyRow.__table__)).values(kind=kind.value, key_id=key_id, proof=proof)
        await self._session.execute(
            fresh.on_conflict_do_update(index_elements=["kind", "key_id"], set_={"proof": proof})
        )
        log.info("key.registered", kind=kind.value, name=key_id)

    async def _fits(self, kind: KeyKind, key_id: str) -> bool:
        samples = KeySamples(self._session, self._keys)
        match kind:
            case KeyKind.ENCRYPTION:
                return await samples.opens(key_id)
            case KeyKind.INDEX:
                return await samples.indexes(key_id)
            case KeyKind.IDEMPOTENCY:
                return True  # what is stored under it does not tell of what


def _faults(declared: Sequence[DeclaredKeys], registered: Sequence[RegisteredKey]) -> list[str]:
    given = {keys.kind: keys.proofs for keys in declared}
    faults = []
    for key in registered:
        proof = given.get(key.kind, {}).get(key.key_id)
        if proof is None:
            faults += [_missing(key)] if key.is_needed else []
        elif key.proof is not None and key.proof != proof:
            faults.append(_changed(key.kind, key.key_id))
    return faults


def _missing(key: RegisteredKey) -> str:
    return (
        f"{key} is missing, and data may be stored under it: put it back, behind the active one, until "
        f"`pms-gateway keys rotate-encryption` says that it may be removed; or, if it is lost for good, give up what "
        f"is under it with `pms-gateway keys give-up {key.kind.value} {key.key_id}`"
    )


def _changed(kind: KeyKind, key_id: str) -> str:
    if kind is KeyKind.IDEMPOTENCY:
        return (
            "IDEMPOTENCY_SECRET is not the one that this database's idempotency keys are stored under: put the "
            "former one back, it is never rotated, or, if it is lost for good, `pms-gateway keys give-up idempotency`"
        )
    return (
        f"key {key_id} of {kind.setting} is not the key of that name that data is stored under: put the former one "
        "back, and give a new key a new name"
    )
