"""Reading an answer to its end, without ever holding more than was allowed.

httpx unpacks a whole chunk at once, and as many layers as the answer names: 64 kB of gzip within gzip become
gigabytes before anybody can count them. A hotel's `base_url` comes from outside, so it is counted here instead.
"""

import zlib
from collections.abc import Callable

import httpx

ACCEPT_ENCODING = "gzip"
_GZIP = 16 + zlib.MAX_WBITS


class UnusableBody(Exception):
    """The body cannot be read; the message is a sentence without anything of it."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Give the body, unpacked; at most `limit` bytes and one network chunk are held.

    Raises:
        UnusableBody: it is larger than `limit`, or packed in a way that we did not ask for.
    """
    unpack, is_whole = _unpacker(response.headers.get("content-encoding", ""))
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += unpack(chunk, limit + 1 - len(body))
        if len(body) > limit:
            raise UnusableBody(f"sent more than {limit} bytes")
    if body and not is_whole():
        raise UnusableBody("sent a body that ends too early")
    return bytes(body)


def _unpacker(encoding: str) -> tuple[Callable[[bytes, int], bytes], Callable[[], bool]]:
    """Give what unpacks a chunk to at most so many bytes, and what tells whether the end was reached."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk, _: chunk, lambda: True
        case "gzip" | "x-gzip":
            stream = zlib.decompressobj(_GZIP)

            def unpack(chunk: bytes, most: int) -> bytes:
                try:
                    return stream.decompress(chunk, most)
                except zlib.error:
                    raise UnusableBody("sent a body that is no gzip") from None

            return unpack, lambda: stream.eof
        case _:
            raise UnusableBody("sent a body that is packed in a way that was not asked for")
