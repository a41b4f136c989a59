"""What uvicorn leaves open to anybody who can connect: heads of any size, sent at any pace.

Its limits hold for its other parser only, and it waits for a first request for ever (0.54, tried 2026-11-21: a hundred
megabytes of headers were held before the answer was 401). Bodies are bounded by `app.api.middleware`.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 65_536
"""Bytes of the request line and all headers."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLarge(Exception):
    """The request line and the headers are larger than any caller's need to be."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection on which the head of a request is bounded in size and in time; beyond that it is closed."""

    head_seconds = 10.0
    """From the first byte of a head to its end, and from the connection to the end of its first head."""

    _in_head = _in_body = False
    _heads = 0
    """How many were read to their end."""
    _parsed = _unfinished = 0
    """Bytes of the present head: those in its whole parts, and those that came after its first chunk."""
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request, but not for ever."""
        super().connection_made(transport)
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless it is too much of one head or comes too slowly."""
        heads, was_in_head = self._heads, self._in_head
        super().data_received(data)
        if self._in_head and was_in_head:
            self._unfinished += len(data)
            if self._unfinished > LARGEST_HEAD:
                self._refuse()
        if self._in_head or (self._heads == heads and not self._in_body):
            self._begin_waiting()
        elif self._patience is not None:
            self._end_waiting()

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head = True
        self._parsed = self._unfinished = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header as it stands on the wire."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._in_head, self._in_body = False, True
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Be ready for the next request."""
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell what is too large from what is no HTTP."""
        if self._parsed > LARGEST_HEAD:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > LARGEST_HEAD:
            raise HeadTooLarge  # the parser stops, and uvicorn takes it for a head that cannot be read

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _begin_waiting(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.head_seconds, self._give_up)

    def _end_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering:
            self.transport.close()
