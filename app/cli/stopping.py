"""How a server of ours ends: nobody who was let in is sent away without an answer."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess, multiprocess

_LAST_REQUEST_WITHIN = 1.0
"""Seconds in which a connection that is open, but idle, may still bring the request that is on its way."""
_LOOK_EVERY = 0.05  # seconds
_CLOSES = (b"connection", b"close")


class GracefulConfig(uvicorn.Config):
    """A configuration that also says how long the server drains; it reaches the worker processes with the rest."""

    def __init__(self, application: str, *, drain: float, **options: Any) -> None:
        super().__init__(application, **options)
        self.drain = drain


class GracefulServer(uvicorn.Server):
    """Ends in steps: not ready, drained, no longer listening, the last requests answered.

    uvicorn itself closes idle connections and its listening socket at once. A request that is on its way just then
    meets a reset, and its caller cannot know whether it was read. So, before uvicorn does as it does:

    1. `/health/ready` answers 503 and every answer says `Connection: close`; for as long as the configuration has it
       drain, everything is served as ever, so that load balancers find out.
    2. What waits to be accepted is accepted; then nobody listens any more, and new connections are refused.
    3. Open connections have a second for a request that is on its way.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in good order; a second Ctrl-C cuts it short."""
        withdraw: Callable[[], None] | None = self.lifespan.state.get("withdraw")
        if withdraw is not None:
            withdraw()
        self._close_after_each_answer()
        drain = self.config.drain if isinstance(self.config, GracefulConfig) else 0.0
        await self._go_on(drain, lambda: False)
        await self._stop_listening(sockets or ())
        await self._go_on(_LAST_REQUEST_WITHIN, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

    def _close_after_each_answer(self) -> None:
        self.config.encoded_headers.append(_CLOSES)
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False

    async def _go_on(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Serve on, at most that long."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        await self.on_tick(0)  # puts our header among the ones of every answer
        while loop.time() < ends and not self.force_exit and not is_over():
            await asyncio.sleep(_LOOK_EVERY)
            await self.on_tick(0)  # keeps the date right

    async def _stop_listening(self, sockets: Iterable[socket.socket]) -> None:
        for listening in sockets:
            listening.setblocking(False)
            await self._accept_who_waits(listening)
        for server in self.servers:
            server.close()

    async def _accept_who_waits(self, listening: socket.socket) -> None:
        """Take the connections that the kernel has accepted for us: closing the socket would reset them."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # nobody waits, or another process of ours has closed the socket
                return
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class _Worker(multiprocess.Process):
    """One of several processes that serve."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = GracefulServer(self.config)
        return self._server


class GracefulWorkers(Multiprocess):
    """Several processes on one port; its own copy of the socket is closed first.

    Else the kernel would go on to accept connections for it, which nobody serves, while a worker finishes what it has.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        multiprocess.Process = _Worker  # type: ignore[misc]  # named in four places of uvicorn, a parameter of none

    def terminate_all(self) -> None:
        """Stop listening, and tell the workers to stop."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()
