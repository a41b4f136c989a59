"""Messages that we send to an address of the operator's: signed by Standard Webhooks, bounded, never redirected."""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from app.core.pools import HttpPools

SEND_SECONDS = 10.0
"""For one message, from the connection to the status of its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent. The `id` is the same whenever it is sent again, so that its receiver can tell."""

    id: str
    at: datetime
    body: bytes
    """JSON."""


@dataclass(frozen=True)
class WebhookSender:
    """Sends messages to one address; without a `secret` (raw bytes) they are not signed."""

    url: str = field(repr=False)
    secret: bytes | None = field(repr=False)
    pools: HttpPools = field(repr=False)

    async def send(self, message: Message) -> str | None:
        """Send a message once; gives why it was not taken, or nothing where it was."""
        pool = self.pools.outward(self.url)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                request = pool.build_request("POST", self.url, content=message.body, headers=self._headers(message))
                answer = await pool.send(request, stream=True)
                await answer.aclose()  # what it says is of no interest
        except TimeoutError:
            return "no answer in time"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        finally:
            await self.pools.release(pool)
        return None if answer.is_success else f"status {answer.status_code}"

    def _headers(self, message: Message) -> dict[str, str]:
        seconds = str(int(message.at.timestamp()))
        headers = {"Content-Type": "application/json", "webhook-id": message.id, "webhook-timestamp": seconds}
        if self.secret is not None:
            headers["webhook-signature"] = signature(self.secret, message.id, seconds, message.body)
        return headers


def signature(secret: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """Sign a message by Standard Webhooks 1.0.0, symmetric (read 2026-11-20).

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = b".".join([message_id.encode(), seconds.encode(), body])
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"
