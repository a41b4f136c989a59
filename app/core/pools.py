"""Connections to vendors: where they may lead, how many there are, and who shares them."""

import asyncio
import math
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from app.core.body import ACCEPT_ENCODING
from app.core.egress import EgressPolicy, GuardedBackend, Resolver
from app.core.profile import VendorProfile
from app.core.tls import ClientCertificate, showing, trusting

_OUTWARD_CONNECTIONS = 2
_OUTWARD_CONNECT_TIMEOUT = 2.0


class Slots:
    """The connections of one pool: whoever has a slot finds one free, and what it may send leaves at once."""

    def __init__(self, connections: int, patience: float) -> None:
        self._free = asyncio.Semaphore(connections)
        self._patience = patience

    async def acquire(self, seconds: float = math.inf) -> None:
        """Wait for a slot, as long as for a connection, and so many seconds at most.

        Raises:
            httpx.PoolTimeout: none came free.
        """
        try:
            async with asyncio.timeout(min(self._patience, seconds)):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no slot came free") from None

    def release(self) -> None:
        """Give a slot back."""
        self._free.release()


class HttpPools:
    """One connection pool per vendor and destination, so that a slow host cannot use up another's connections.

    Hotels that show a client certificate share connections only with those that show the same one. `ca_file` holds
    authorities of PMSs beside those that the machine trusts; they vouch for nobody but a PMS. Beyond `capacity`,
    pools that nobody holds any more are closed, the one unused for longest first.
    """

    def __init__(self, policy: EgressPolicy, *, ca_file: Path | None = None, capacity: int = 500) -> None:
        self._policy = policy
        self._resolver = Resolver()
        self._capacity = capacity
        self._ca_file = ca_file
        self._outward_tls = trusting()
        self._pms_tls = trusting(ca_file) if ca_file else self._outward_tls
        self._prepared: dict[str, ssl.SSLContext] = {}
        """Of client certificates by fingerprint, until a pool takes them."""
        self._pools: OrderedDict[tuple[str, str, str], httpx.AsyncClient] = OrderedDict()
        self._slots: dict[httpx.AsyncClient, Slots] = {}
        self._holders: Counter[httpx.AsyncClient] = Counter()

    def of(
        self, profile: VendorProfile, base_url: str, certificate: ClientCertificate | None = None
    ) -> httpx.AsyncClient:
        """Give the pool for the host of `base_url`, to be held until `release`.

        Raises:
            InvalidRequest: the certificate and its key cannot be used.
        """
        connections, connect_timeout = profile.max_connections, profile.connect_timeout
        if certificate is None:
            return self._held((profile.vendor, base_url, ""), lambda: self._pms_tls, connections, connect_timeout)
        key = (profile.vendor, base_url, certificate.fingerprint)
        return self._held(key, lambda: self._showing(certificate), connections, connect_timeout)

    async def prepare(self, certificate: ClientCertificate) -> None:
        """Load a certificate beside the event loop, so that `of` need not: it takes tens of milliseconds.

        Raises:
            InvalidRequest: the certificate and its key cannot be used.
        """
        if not any(key[2] == certificate.fingerprint for key in self._pools):
            made = await asyncio.to_thread(showing, certificate, self._ca_file)
            self._prepared[certificate.fingerprint] = made

    def _showing(self, certificate: ClientCertificate) -> ssl.SSLContext:
        return self._prepared.pop(certificate.fingerprint, None) or showing(certificate, self._ca_file)

    def outward(self, url: str) -> httpx.AsyncClient:
        """Give the pool for an address of the operator's, where no PMS is, to be held until `release`."""
        return self._held(("", url, ""), lambda: self._outward_tls, _OUTWARD_CONNECTIONS, _OUTWARD_CONNECT_TIMEOUT)

    def _held(
        self, place: tuple[str, str, str], tls: Callable[[], ssl.SSLContext], connections: int, connect_timeout: float
    ) -> httpx.AsyncClient:
        key = (place[0], urlsplit(place[1]).netloc, place[2])
        if key not in self._pools:
            pool = self._pools[key] = self._open(tls(), connections, connect_timeout)
            self._slots[pool] = Slots(connections, connect_timeout)
        self._pools.move_to_end(key)
        self._holders[self._pools[key]] += 1
        return self._pools[key]

    def slots(self, pool: httpx.AsyncClient) -> Slots:
        """Give the slots of a pool that is held."""
        return self._slots[pool]

    async def release(self, pool: httpx.AsyncClient) -> None:
        """Let go of a pool. Others may hold it, so that it is closed only when it is surplus."""
        self._holders[pool] -= 1
        surplus = len(self._pools) - self._capacity
        idle = [key for key, kept in self._pools.items() if self._holders[kept] <= 0]
        await self._close([self._pools.pop(key) for key in idle[: max(0, surplus)]])

    async def aclose(self) -> None:
        """Close all pools, and look no more names up."""
        pools = list(self._pools.values())
        self._pools.clear()
        await self._close(pools)
        self._resolver.close()

    async def _close(self, pools: list[httpx.AsyncClient]) -> None:
        for pool in pools:
            del self._holders[pool], self._slots[pool]
            await pool.aclose()

    def _open(self, tls: ssl.SSLContext, connections: int, connect_timeout: float) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits, trust_env=False)
        # httpx has no public way to hand in a network backend; the guard against DNS rebinding needs one.
        transport._pool._network_backend = GuardedBackend(self._policy, self._resolver)  # noqa: SLF001
        return httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(None, connect=connect_timeout, pool=connect_timeout),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": "pms-gateway", "Accept-Encoding": ACCEPT_ENCODING},
        )
