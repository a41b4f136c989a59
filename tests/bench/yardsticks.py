"""What we are measured against: the plainest application that does the same outside, and promises nothing.

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
import uvicorn
from fastapi import FastAPI, Header, Request
from pydantic import BaseModel

from app.api.middleware import Edge
from app.telemetry import log

POOL_SIZE = 10
"""Postgres connections: the default of DATABASE_POOL_SIZE."""


class NoteBody(BaseModel):
    """A note to a reservation."""

    text: str


def create_app() -> FastAPI:
    """Make the application; DATABASE_URL, PMS_URL (of one property) and PMS_KEY say where it works."""
    log.configure("INFO")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        key = {"Authorization": f"Bearer {os.environ['PMS_KEY']}"}
        async with (
            asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE) as pool,
            httpx.AsyncClient(base_url=os.environ["PMS_URL"], headers=key, trust_env=False) as http,
        ):
            await pool.execute("CREATE TABLE IF NOT EXISTS bodies (id uuid PRIMARY KEY, body bytea NOT NULL)")
            app.state.pool, app.state.http = pool, http
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(Edge)

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

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
