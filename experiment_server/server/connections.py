"""Connections: how long each may take over what it sends, and over what is sent to it.

aiohttp bounds neither the time for a request's headers nor that for its body, and lets anybody open
as many connections as there are descriptors; `connection_counts.py` counts them. Its protocol is
extended here, and nowhere else; all that is used of it is public, and a test holds it to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from ssl import SSLContext
from time import monotonic
from typing import cast

from aiohttp import web

from experiment_server.limits import (
    BODY_MIN_BYTES_PER_S,
    BODY_RATE_INTERVAL_S,
    IDLE_CONNECTION_TIMEOUT_S,
    REQUEST_HEADERS_TIMEOUT_S,
    RETRY_AFTER_S,
    SHUTDOWN_GRACE_S,
    UNREAD_RESPONSE_TIMEOUT_S,
)
from experiment_server.server.connection_counts import Connections

log = logging.getLogger(__name__)

_FULL = (
    f"HTTP/1.1 {int(HTTPStatus.SERVICE_UNAVAILABLE)} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}\r\n"
    f"Retry-After: {RETRY_AFTER_S}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
).encode("ascii")


class Connection(web.RequestHandler):
    """One connection, whose headers, bodies and answers have to get on.

    A single timer looks at it: for the headers of a request as a whole, for a body that comes too
    slowly, for an answer that is not taken, and for a connection that is not used.
    """

    # The base has slots, and no room for attributes of ours without these.
    __slots__ = (
        "_address",
        "_connections",
        "_deadline",
        "_look",
        "_progress",
        "_request",
        "_resumed",
        "_timer",
        "_timer_at",
        "_unread",
    )

    def __init__(self, connections: Connections, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            # A compressed body is refused; unpacked, it would hold up everybody even then.
            auto_decompress=False,
        )
        self._connections = connections
        self._address: str | None = None
        self._request: web.BaseRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = 0.0
        self._look: Callable[[], None] = self._too_slow
        self._progress = 0
        self._resumed = 0
        self._unread: tuple[int, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, or tell it to come back later."""
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        if not self._connections.enter(self, address):
            log.warning("a connection from %s was refused: there are as many as may be", address)
            transport.write(_FULL)
            transport.close()
            return
        self._address = address
        super().connection_made(transport)
        _give_up_unread(transport.get_extra_info("socket"))
        self._wait(REQUEST_HEADERS_TIMEOUT_S)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no longer."""
        if self._address is not None:
            self._connections.leave(self, self._address)
            self._stop_timer()
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what comes; the first byte of a request starts the time for its headers."""
        if self._address is None:
            return
        super().data_received(data)
        if self._request is None and self._progress == 0 and data:
            self._progress = 1
            self._look_after(REQUEST_HEADERS_TIMEOUT_S, self._too_slow)

    def resume_writing(self) -> None:
        """Note that the client takes what is sent to it."""
        self._resumed += 1
        super().resume_writing()

    def begin(self, request: web.BaseRequest) -> None:
        """Note that the headers of a request are here."""
        self._request = request
        self._progress = 0
        self._unread = None
        self._connections.works(self, self._address or "")
        self._look_after(BODY_RATE_INTERVAL_S, self._watch)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; then the connection waits for the next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        except TimeoutError as error:
            # The library knows in other words what has become of the client.
            raise ConnectionResetError("the answer was not taken") from error
        finally:
            self._request = None
            if self.transport is not None:
                self._wait(IDLE_CONNECTION_TIMEOUT_S)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, without a traceback: it is nothing of ours."""
        if isinstance(exc, ConnectionError):
            # Nobody hears this answer, and it ends what is left of the connection.
            response = web.Response(status=HTTPStatus.BAD_REQUEST)
            response.force_close()
            return response
        if status == HTTPStatus.BAD_REQUEST:
            log.warning("a request could not be read: %r", str(message or exc)[:200])
            response = web.Response(status=status, text="the request could not be read\n")
            response.force_close()
            return response
        return super().handle_error(request, status, exc, message)

    def abort(self) -> None:
        """End it now, whatever it still has to send."""
        if self._address is not None:
            self._connections.leave(self, self._address)
        if self.transport is not None:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._progress = 0
        self._connections.waits(self, self._address or "")
        self._look_after(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self._progress:
            log.warning("a connection from %s was ended: its headers took too long", self._address)
        self.abort()

    def _watch(self) -> None:
        """Look how a request gets on that is being received, worked at or answered."""
        request, transport = self._request, self.transport
        if request is None or transport is None:
            return
        body = request.content
        # What came since the last look.
        received, self._progress = body.total_bytes - self._progress, body.total_bytes
        # Where we have paused it, it is not the client who is slow.
        if (
            not body.is_eof()
            and transport.is_reading()
            and received < BODY_MIN_BYTES_PER_S * BODY_RATE_INTERVAL_S
        ):
            log.warning("a connection from %s was ended: its body came too slowly", self._address)
            self.abort()
            return
        unsent = transport.get_write_buffer_size(), self._resumed
        if unsent[0] and unsent == self._unread:
            log.warning("a connection from %s was ended: its answer was not taken", self._address)
            self.abort()
            return
        self._unread = unsent
        self._look_after(
            UNREAD_RESPONSE_TIMEOUT_S if body.is_eof() else BODY_RATE_INTERVAL_S, self._watch
        )

    def _look_after(self, seconds: float, look: Callable[[], None]) -> None:
        # Each request sets three deadlines. A timer that comes too early is set anew then, so that
        # hardly any of them needs one of its own.
        self._deadline, self._look = monotonic() + seconds, look
        if self._timer is None or self._timer_at > self._deadline:
            self._stop_timer()
            self._start_timer(seconds)

    def _on_timer(self) -> None:
        remaining = self._deadline - monotonic()
        if remaining > 0:
            self._start_timer(remaining)
        else:
            self._timer = None
            self._look()

    def _start_timer(self, seconds: float) -> None:
        self._timer_at = self._deadline
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _give_up_unread(sock: socket.socket | None) -> None:
    # Of what a file is sent from, asyncio knows nothing; Linux looks after it.
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, int(UNREAD_RESPONSE_TIMEOUT_S * 1000))


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, connections: Connections, host: str, port: int, tls: SSLContext | None
) -> AsyncIterator[int]:
    """Serve an application on an address for as long as the context lasts; gives the port.

    Raises OSError where the address cannot be listened on.
    """
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_GRACE_S
    )
    await runner.setup()
    try:
        server = cast(web.Server, runner.server)
        server.request_handler = _begun(server.request_handler)
        sockets = await asyncio.get_running_loop().create_server(
            lambda: Connection(connections, server),
            host,
            port,
            ssl=tls,
            backlog=1024,
            ssl_handshake_timeout=REQUEST_HEADERS_TIMEOUT_S if tls else None,
        )
        try:
            yield sockets.sockets[0].getsockname()[1]
        finally:
            sockets.close()
    finally:
        await runner.cleanup()


_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def _begun(handler: _Handler) -> _Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        if isinstance(protocol, Connection):
            protocol.begin(request)
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            return web.Response(status=HTTPStatus.EXPECTATION_FAILED)
        return await handler(request)

    return handle
