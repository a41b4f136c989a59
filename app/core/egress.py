"""Where we may connect to: the fence between a hotel's settings and our network.

A hotel's `base_url` comes from outside. It is checked when it is stored and again, by address, whenever a
connection is opened, so that a name that later resolves elsewhere leads nowhere.
"""

import asyncio
import select
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpcore
import httpx

from app.domain.errors import InvalidRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Lookup: TypeAlias = Callable[[str, int], Sequence[tuple[Any, ...]]]
"""Gives the addresses of a host and port, as `socket.getaddrinfo` does; it blocks."""

_RESOLVING_THREADS = 16
_NAT64 = ip_network("64:ff9b::/96")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What stands before the IPv4 address in an interface identifier of RFC 5214 § 6.1."""
_PUBLIC_IN_NAME_ONLY = (
    ip_network("168.63.129.16/32"),  # Azure's own services for its machines, reached from inside alone
    ip_network("192.0.0.0/24"),  # of the IETF (RFC 6890); some clouds keep their metadata here
    ip_network("192.88.99.0/24"),  # relays of 6to4, given back (RFC 7526)
    ip_network("3fff::/20"),  # documentation (RFC 9637), which Python 3.11 counts as global
)


class EgressDenied(httpcore.ConnectError):
    """The host resolves to an address that we may not connect to."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Which addresses a PMS may have: public ones, loopback when allowed, and the private networks listed."""

    allow_loopback: bool = False
    private_networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, *, allow_loopback: bool, private_networks: Iterable[str]) -> "EgressPolicy":
        """Make a policy of settings; networks are in CIDR form."""
        return cls(allow_loopback, tuple(ip_network(text) for text in private_networks))

    def permits(self, address: Address) -> bool:
        """Tell whether a connection to `address` may be opened."""
        bare = _unwrapped(address)
        if bare.is_loopback:
            return self.allow_loopback
        if any(bare in network for network in self.private_networks):
            return True
        if isinstance(bare, IPv6Address) and (bare.is_reserved or bare.is_site_local):
            return False  # such as `::127.0.0.1`, which Python counts as global
        if any(bare in network for network in _PUBLIC_IN_NAME_ONLY):
            return False
        return bare.is_global and not bare.is_multicast and self._permits_tunnel(bare)

    def _permits_tunnel(self, address: Address) -> bool:
        """Look at the other end where an address is that of a tunnel within a site."""
        inner = int(address) & 0xFFFFFFFF
        is_tunnel = isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
        return not is_tunnel or self.permits(IPv4Address(inner))

    def check_url(self, field: str, url: str) -> None:
        """Refuse a URL that we would never call.

        Raises:
            InvalidRequest: it is malformed, not https outside loopback, or names a forbidden address.
        """
        if not url.isprintable() or " " in url:
            raise InvalidRequest.of(field, "must not contain spaces or control characters")
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise InvalidRequest.of(field, "must be a URL") from None
        if parts.scheme not in {"http", "https"} or not host:
            raise InvalidRequest.of(field, "must be an http or https URL with a host")
        if not _can_be_called(url):
            raise InvalidRequest.of(field, "must name a host that can exist")
        if "@" in parts.netloc or "?" in url or "#" in url:
            raise InvalidRequest.of(field, "must have no user, query or fragment")
        loopback = self._check_host(field, host)
        if parts.scheme != "https" and not (loopback and self.allow_loopback):
            raise InvalidRequest.of(field, "must be https, except on loopback where ALLOW_LOOPBACK_PMS is set")

    def _check_host(self, field: str, host: str) -> bool:
        """Check a host that is written as an address; tell whether it is loopback."""
        try:
            address = ip_address(host)
        except ValueError:
            return host == "localhost"
        if not self.permits(address):
            raise InvalidRequest.of(
                field, "must not point to this machine or a private network, unless the operator allows it"
            )
        return address.is_loopback


def _can_be_called(url: str) -> bool:
    """Tell whether the HTTP client takes the URL: it is stricter about international names than `urlsplit`."""
    try:
        parsed = httpx.URL(url)
        parsed.raw_host.decode("ascii").encode("idna")
        return bool(parsed.host)
    except (httpx.InvalidURL, UnicodeError):
        return False


def _unwrapped(address: Address) -> Address:
    """Give the IPv4 address inside an IPv6 one, where it only wraps it."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    """Looks names up in threads of its own, each name once at a time.

    A lookup cannot be stopped and holds its thread for as long as a dead name server is silent. In the loop's own
    few threads, a hotel or two with such a server would keep every other vendor from being connected to.
    """

    def __init__(self, lookup: Lookup = _look_up) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(_RESOLVING_THREADS, thread_name_prefix="resolve")
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[tuple[Any, ...]]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Give the addresses of a host, in the system's order.

        Raises:
            httpcore.ConnectError: it has none.
        """
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            found = await asyncio.shield(self._joined(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the host name cannot be resolved") from error
        return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

    def _joined(self, host: str, port: int) -> asyncio.Future[Sequence[tuple[Any, ...]]]:
        """Give the lookup that is running, or a new one: whoever gave up waiting left it to the next."""
        name = (host, port)
        if name not in self._running:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)
            running.add_done_callback(lambda done: self._ended(name, done))
            self._running[name] = running
        return self._running[name]

    def _ended(self, name: tuple[str, int], done: asyncio.Future[Sequence[tuple[Any, ...]]]) -> None:
        del self._running[name]
        if not done.cancelled():
            done.exception()  # nobody may be waiting any more

    def close(self) -> None:
        """Start no more lookups; those that run end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Watched(httpcore.AsyncNetworkStream):
    """A connection that tells quickly whether the other side has said something, as when it has hung up.

    httpcore asks every idle connection of a pool twice per call, and to look its socket up was a twentieth of a write
    (measured with `make bench`, 2026-11-21).
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> httpcore.AsyncNetworkStream:
        return _Watched(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._is_readable()
        return self._stream.get_extra_info(info)

    def _is_readable(self) -> bool:
        number = self._socket.fileno()
        if number < 0:  # closed, of which the next read will tell
            return True
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host itself, checks every address, and connects to one that was checked."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers.

        Raises:
            EgressDenied: one of its addresses is forbidden.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver.addresses(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        if not all(self._policy.permits(address) for address in addresses):
            raise EgressDenied("the host resolves to an address that may not be called")
        failure: Exception = httpcore.ConnectError("the host has no address")
        for address in addresses:
            try:
                found = await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
                return _Watched(found)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no PMS lives in a file."""
        raise EgressDenied("unix sockets may not be called")

    async def sleep(self, seconds: float) -> None:
        """Wait, between httpcore's own connection attempts."""
        await self._backend.sleep(seconds)
