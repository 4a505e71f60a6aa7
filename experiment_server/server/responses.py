"""Responses with a complete body, with cached headers.

aiohttp encodes the headers of every response one by one. Nearly all responses of this server have
the same headers, so they are encoded once a second; one of them is the date.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

from experiment_server.server.browsers import PAGE_HEADERS


def whole_response(
    request: web.Request, body: bytes, content_type: str, status: int = 200
) -> web.StreamResponse:
    """A response with a complete body; `content_type` includes the charset."""
    if request.version == HttpVersion11 and request.method != hdrs.METH_HEAD:
        return WholeResponse(body, content_type, status)
    return web.Response(body=body, status=status, headers={hdrs.CONTENT_TYPE: content_type})


class WholeResponse(web.StreamResponse):
    """A response that sends its headers and its body in one write, to an HTTP/1.1 client.

    It has the headers of all responses of this server, and those in `headers`.
    """

    def __init__(self, body: bytes, content_type: str, status: int = 200) -> None:
        super().__init__(status=status)
        self._content = body
        self._media_type = content_type
        self._request: web.BaseRequest | None = None

    @property
    def prepared(self) -> bool:
        """Whether the headers can no longer change."""
        return self._request is not None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open, as the client requested."""
        return self._request is not None and self._request.keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Set the request of this response."""
        self._request = request

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the response; raises ConnectionError if the client has disconnected."""
        request = self._request
        if request is None:
            raise RuntimeError("a response is prepared before it is sent")
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        more = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if not request.keep_alive:
            more.append("Connection: close\r\n")
        more.append(f"Content-Length: {len(self._content)}\r\n\r\n")
        headers_bytes = _header_cache.get(self.status, self._media_type)
        transport.write(b"".join((headers_bytes, "".join(more).encode("ascii"), self._content)))
        await request.writer.drain()


class _HeaderCache:
    """Caches encoded status lines and common headers for one second."""

    def __init__(self) -> None:
        self._second = 0
        self._encoded: dict[tuple[int, str], bytes] = {}

    def get(self, status: int, content_type: str) -> bytes:
        """The status line and the common headers."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._encoded.clear()
        headers_bytes = self._encoded.get((status, content_type))
        if headers_bytes is None:
            headers_bytes = self._encoded[status, content_type] = _head(
                status, content_type, second
            )
        return headers_bytes


_header_cache = _HeaderCache()


def _head(status: int, content_type: str, second: int) -> bytes:
    headers = {
        hdrs.CONTENT_TYPE: content_type,
        hdrs.DATE: formatdate(second, usegmt=True),
        hdrs.SERVER: SERVER_SOFTWARE,
        **PAGE_HEADERS,
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
