"""Responses that are there as a whole before they are sent.

aiohttp puts the headers of a response together one by one. Nearly all of ours have the same ones,
which are encoded once a second here, because one of them is the date.
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
    """A response with a body that is known; `content_type` has its charset with it."""
    if request.version == HttpVersion11 and request.method != hdrs.METH_HEAD:
        return WholeResponse(body, content_type, status)
    return web.Response(body=body, status=status, headers={hdrs.CONTENT_TYPE: content_type})


class WholeResponse(web.StreamResponse):
    """Writes its headers and its body in one piece, to an HTTP/1.1 client.

    It has the headers that every response of ours has, and those that are put into `headers`.
    """

    def __init__(self, body: bytes, content_type: str, status: int = 200) -> None:
        super().__init__(status=status)
        self._content = body
        self._media_type = content_type
        self._asked: web.BaseRequest | None = None

    @property
    def prepared(self) -> bool:
        """Whether headers can be put into it no more."""
        return self._asked is not None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open, as its client wishes."""
        return self._asked is not None and self._asked.keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Take the request that it answers."""
        self._asked = request

    async def write_eof(self, data: bytes = b"") -> None:
        """Send it; raises ConnectionError where nobody is there any more."""
        request = self._asked
        if request is None:
            raise RuntimeError("a response is prepared before it is sent")
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        more = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if not request.keep_alive:
            more.append("Connection: close\r\n")
        more.append(f"Content-Length: {len(self._content)}\r\n\r\n")
        head = _heads.of(self.status, self._media_type)
        transport.write(b"".join((head, "".join(more).encode("ascii"), self._content)))
        await request.writer.drain()


class _Heads:
    """The beginnings of responses, as they are within this second."""

    def __init__(self) -> None:
        self._second = 0
        self._encoded: dict[tuple[int, str], bytes] = {}

    def of(self, status: int, content_type: str) -> bytes:
        """The status line and the headers that responses of a kind have in common."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._encoded.clear()
        head = self._encoded.get((status, content_type))
        if head is None:
            head = self._encoded[status, content_type] = _head(status, content_type, second)
        return head


_heads = _Heads()


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
