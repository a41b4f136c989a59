"""All that happened to one operation, for whoever has to find out why."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg

from app.settings import Settings
from app.simulators.site import Site
from tests.chaos.weather import Weather

_OPERATION = """SELECT status, runs_again, queueable, handed_over, absences, looks, owner, attempts, created_at,
accepted_at, last_sent_at, deadline_at, next_attempt_at, updated_at, settled_at, target FROM operations WHERE id = $1"""
_STEPS = (
    "SELECT name, reference, status, attempts, started_at, finished_at FROM operation_steps WHERE operation_id = $1"
)


@dataclass(frozen=True)
class History:
    """Reads what the database and the simulator know."""

    connection: Any
    site: Site
    weather: Weather

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, settings: Settings, site: Site, weather: Weather) -> AsyncIterator[Self]:
        """Open the books of a run."""
        connection = await asyncpg.connect(settings.plain_database_url)
        try:
            yield cls(connection, site, weather)
        finally:
            await connection.close()

    async def of_operation(self, operation_id: str | None) -> str:
        """Tell of one operation: its row, its steps, and the requests that carried their references."""
        if operation_id is None:
            return "no operation"
        rows = [
            *await self.connection.fetch(_OPERATION, operation_id),
            *(steps := await self.connection.fetch(_STEPS, operation_id)),
        ]
        told = [", ".join(f"{name}={_short(value)}" for name, value in row.items()) for row in rows]
        traces = {step["reference"] for step in steps}
        return "\n".join([*told, *self._requests(traces, rows[0]["target"] if rows else None)])

    def _requests(self, traces: set[str], target: str | None) -> list[str]:
        """Tell of the requests that carry a reference or, vendors' writes often carrying none, go to the target."""
        struck = {one.request: one.kind for one in self.weather.struck}
        return [
            f"  {_clock(at)} {request.method} {request.path} {struck.get(place, '')}"
            for place, (request, at) in enumerate(zip(self.site.requests, self.weather.times, strict=False))
            if target in request.path.split("/")
            or traces & set(request.headers.values())
            or any(trace in request.body.decode(errors="replace") for trace in traces)
        ]


def _short(value: object) -> object:
    return _clock(value.timestamp()) if isinstance(value, datetime) else value


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
