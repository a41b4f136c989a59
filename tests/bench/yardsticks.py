"""What we are measured against: the plainest application that does the same outside, and promises nothing.

Its callers are in a dict, its reservations in Redis as they are, under names of its own: one GET each.

It stands behind the same outermost layer as ours, for the same access log, metrics and security headers.
`python -m tests.bench.yardsticks` serves it under the same server with the same settings as `pms-gateway serve`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import httpx
import orjson
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel
from redis.asyncio import Redis

from app.api.middleware import Edge
from app.telemetry import log

POOL_SIZE = 10
"""Postgres connections: the default of DATABASE_POOL_SIZE."""


STORED = "yardstick:"
"""What the names of its reservations in Redis begin with."""


class NoteBody(BaseModel):
    """A note to a reservation."""

    text: str


def create_app() -> FastAPI:
    """Make the application; the environment says where it works, and who may call."""
    log.configure("INFO")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        key = {"Authorization": f"Bearer {os.environ['PMS_KEY']}"}
        async with (
            asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE) as pool,
            httpx.AsyncClient(base_url=os.environ["PMS_URL"], headers=key, trust_env=False) as http,
            Redis.from_url(os.environ["REDIS_URL"], protocol=3) as redis,
        ):
            await pool.execute("CREATE TABLE IF NOT EXISTS bodies (id uuid PRIMARY KEY, body bytea NOT NULL)")
            app.state.pool, app.state.http, app.state.redis = pool, http, redis
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(Edge)
    callers = {f"Bearer {os.environ['API_KEY']}": "bench"}

    async def the_caller(authorization: Annotated[str, Header()]) -> str:
        caller = callers.get(authorization)
        if caller is None:
            raise HTTPException(401)
        return caller

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.get("/reservations/{reservation_id}")
    async def reservation(reservation_id: str, _: Annotated[str, Depends(the_caller)]) -> Response:
        stored = await app.state.redis.get(f"{STORED}{reservation_id}")
        if stored is None:
            raise HTTPException(404)
        answer = {"data": orjson.loads(stored), "meta": {"source": "cache"}}
        return Response(orjson.dumps(answer), media_type="application/json")

    @app.post("/reservations/{reservation_id}/notes", status_code=201)
    async def note(
        request: Request, reservation_id: str, body: NoteBody, idempotency_key: Annotated[str, Header()]
    ) -> Any:
        answer = await app.state.http.post(
            f"/reservations/{reservation_id}/notes",
            json=body.model_dump(),
            headers={"Idempotency-Key": idempotency_key},
        )
        answer.raise_for_status()
        await app.state.pool.execute("INSERT INTO bodies VALUES ($1, $2)", uuid4(), await request.body())
        return answer.json()

    return app


if __name__ == "__main__":
    uvicorn.run(
        "tests.bench.yardsticks:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
    )
