"""Is the process alive, can it serve, and its metrics."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api import examples
from app.core.services import Breakers
from app.domain.errors import StorageUnavailable
from app.gateway.key_watch import KeyWatch
from app.gateway.patience import within
from app.store.database import Database
from app.store.redis_link import RedisLink
from app.telemetry import metrics

CHECK_EVERY = 1.0
CHECK_TIMEOUT = 0.9

log = structlog.get_logger()

router = APIRouter(tags=["health"])


class CheckResult(BaseModel):
    """One thing that the gateway stands on."""

    ok: bool
    detail: str


class ReadinessOut(BaseModel):
    """Whether requests can be served, and why."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckResult]


class LivenessOut(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


@dataclass
class Readiness:
    """Looks after Postgres and Redis in the background, so that asking is always quick."""

    database: Database
    redis: RedisLink
    breakers: Breakers | None
    """Reported, never failed for; None leaves vendors out."""
    keys: KeyWatch
    serving: bool = False
    """False during start-up and shutdown."""
    checks: dict[str, CheckResult] = field(default_factory=dict)
    current: bool = False
    """Whether migrations were current when Postgres last answered."""
    away: frozenset[str] = frozenset()
    """What nothing can be had from; a database that is read-only still tells who may ask and what we hold."""

    def open(self) -> None:
        """Say from now on that requests may come, if what was found allows it."""
        self.serving = True
        self._publish()

    def withdraw(self) -> None:
        """Say from now on that no more requests should come: the process is about to stop."""
        self.serving = False
        self._publish()

    async def watch(self) -> None:
        """Check again and again, until cancelled."""
        while True:
            await self.check()  # raises nothing: what goes wrong is what it finds
            await asyncio.sleep(CHECK_EVERY)

    async def check(self) -> None:
        """Check once."""
        before = self.checks
        (postgres, is_away), redis = await asyncio.gather(self._postgres(), self._redis())
        self.checks = {"postgres": postgres, "redis": redis}
        found = {"postgres": is_away, "redis": not redis.ok}
        self.away = frozenset(name for name in found if found[name])
        for name, check in self.checks.items():
            if name in before and check != before[name]:
                log.warning("readiness.changed", check=name, state=check.detail)

        self._publish()

    def _publish(self) -> None:
        metrics.READY.labels("gateway").set(self.state()[0] == 200)
        for name, check in self.checks.items():
            metrics.READY.labels(name).set(check.ok)

    def state(self) -> tuple[int, ReadinessOut]:
        """Give the HTTP status and what is known."""
        keys = self._keys()
        checks = {**self.checks, **keys, **self._vendors()}
        is_up = self.serving and self.current and self.keys.has_passed
        if not is_up or self.away >= self.checks.keys():
            return 503, ReadinessOut(status="unavailable", checks=checks)
        is_well = all(check.ok for check in (*self.checks.values(), *keys.values()))
        return 200, ReadinessOut(status="ok" if is_well else "degraded", checks=checks)

    async def _postgres(self) -> tuple[CheckResult, bool]:
        """Give what is known of Postgres, and whether it is of no use at all."""
        try:
            found = await within(CHECK_TIMEOUT, self.database.standing())
        except StorageUnavailable:
            busy = self.database.busy_connections()
            detail = "does not answer" if busy is None else f"none of our {busy} connections to it is free"
            return CheckResult(ok=False, detail=detail), True
        except Exception:
            log.exception("readiness.failed", check="postgres")
            return CheckResult(ok=False, detail="answers with an error"), True
        self.current = found.is_current
        if found.is_current and not self.keys.has_passed:
            await self._look_at_keys()
        if not found.is_current:
            return CheckResult(ok=False, detail="the schema is not current: run pms-gateway migrate"), False
        if found.is_read_only:
            return CheckResult(ok=False, detail="is read-only: reads are served, writes are refused"), False
        return CheckResult(ok=True, detail="answers, schema is current"), False

    async def _look_at_keys(self) -> None:
        """Compare the keys as soon as Postgres answers, where it did not when this process began."""
        try:
            await within(CHECK_TIMEOUT, self.keys.repeat())
        except StorageUnavailable:
            return
        except Exception:
            log.exception("readiness.failed", check="keys")

    def _keys(self) -> Mapping[str, CheckResult]:
        """Speak of the keys only where something is wrong with them."""
        if self.keys.refusal is not None:
            return {"keys": CheckResult(ok=False, detail=self.keys.refusal)}
        if self.current and not self.keys.has_passed:
            return {"keys": CheckResult(ok=False, detail="not compared yet with those that the data is under")}
        return {}

    async def _redis(self) -> CheckResult:
        try:
            up = await within(CHECK_TIMEOUT, self.redis.is_up())
        except StorageUnavailable:
            up = False
        except Exception:
            log.exception("readiness.failed", check="redis")
            return CheckResult(ok=False, detail="answers with an error")
        return CheckResult(ok=up, detail="answers" if up else "does not answer")

    def _vendors(self) -> Mapping[str, CheckResult]:
        if self.breakers is None:
            return {}
        by_vendor: dict[str, list[str]] = {}
        for (vendor, _), state in self.breakers.states().items():
            by_vendor.setdefault(vendor, []).append(state)
        return {
            f"pms:{vendor}": CheckResult(
                ok="open" not in states, detail=f"{states.count('open')} of {len(states)} circuits open"
            )
            for vendor, states in by_vendor.items()
        }


@router.get(
    "/health/live",
    operation_id="get_liveness",
    summary="Does the process run",
    responses={200: {"content": {"application/json": {"example": {"status": "ok"}}}}},
)
async def get_liveness() -> LivenessOut:
    """200 while the process runs, whatever it stands on."""
    return LivenessOut()


@router.get(
    "/health/ready",
    operation_id="get_readiness",
    summary="Can requests be served",
    responses={
        200: {"content": {"application/json": {"example": examples.READINESS}}},
        503: {"model": ReadinessOut, "description": "Starting, stopping, not migrated, or both stores away."},
    },
)
async def get_readiness(request: Request, response: Response) -> ReadinessOut:
    """`degraded` while one of Postgres and Redis is away; reads can still be served then."""
    readiness: Readiness = request.app.state.readiness
    response.status_code, found = readiness.state()
    return found


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics in the Prometheus text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'pms_cache_hits_total{operation="availability"} 3.0'}}}},
)
async def get_metrics(request: Request) -> Response:
    """Right under several processes, too."""
    body = metrics.exposition(several_processes=request.app.state.several_processes)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
