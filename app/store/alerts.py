"""Which alerts fire, and what the operator was told of them: one row an alert, for all workers together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import AlertRow


@dataclass(frozen=True, slots=True)
class Measured:
    """What an alert is about, as it is now."""

    firing: bool
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """An alert since its last change; `value` is what was measured then, `now` the database's clock."""

    name: str
    firing: bool
    value: float
    changed_at: datetime
    now: datetime


class Alerts(Repository):
    """Alerts by name."""

    table = "alerts"

    async def note(self, measured: Mapping[str, Measured]) -> list[AlertState]:
        """Write down which alerts fire; gives those that changed by this. Of many workers one sees each change."""
        names = sorted(measured)
        fresh = insert(AlertRow).values([{"name": name} for name in names])
        await self._session.execute(fresh.on_conflict_do_nothing())
        rows = await self._session.scalars(
            select(AlertRow)
            .where(AlertRow.name.in_(names))
            .order_by(AlertRow.name)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        changed = [row.name for row in rows if row.firing != measured[row.name].firing]
        return [await self._change(name, measured[name]) for name in changed]

    async def claim(self, *, names: list[str], lease: timedelta) -> list[AlertState]:
        """Give what the webhook was not told yet, to be told by the caller alone until the lease ends."""
        statement = (
            update(AlertRow)
            .where(
                AlertRow.name.in_(names),
                AlertRow.told != AlertRow.firing,
                or_(AlertRow.telling_until.is_(None), AlertRow.telling_until <= func.now()),
            )
            .values(telling_until=func.now() + lease)
            .returning(AlertRow, func.now())
        )
        found = await self._session.execute(statement, execution_options={"populate_existing": True})
        return sorted((_state(row, now) for row, now in found), key=lambda state: (state.changed_at, state.name))

    async def release(self, state: AlertState, *, told: bool) -> None:
        """End a claim; `told`: the webhook has been told this state, whatever came after it."""
        values = {"telling_until": None, **({"told": state.firing} if told else {})}
        await self._session.execute(update(AlertRow).where(AlertRow.name == state.name).values(values))

    async def _change(self, name: str, measured: Measured) -> AlertState:
        statement = (
            update(AlertRow)
            .where(AlertRow.name == name)
            .values(firing=measured.firing, value=measured.value, changed_at=func.now())
            .returning(AlertRow, func.now())
        )
        found = await self._session.execute(statement, execution_options={"populate_existing": True})
        row, now = found.one()
        return _state(row, now)


def _state(row: AlertRow, now: datetime) -> AlertState:
    return AlertState(name=row.name, firing=row.firing, value=row.value, changed_at=row.changed_at, now=now)
