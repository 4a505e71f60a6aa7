"""Timeouts of HTTP connections: for headers, bodies, responses and idle time.

aiohttp has no timeouts for a request's headers and body, and no limit on connections, which
`connection_counts.py` adds. Only this module extends aiohttp's protocol class. It uses public
attributes only, and a test checks that.
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

from experiment_server.limits.network import (
    BODY_MIN_BYTES_PER_S,
    BODY_RATE_INTERVAL_S,
    IDLE_CONNECTION_TIMEOUT_S,
    REQUEST_HEADERS_TIMEOUT_S,
    RETRY_AFTER_S,
    UNREAD_RESPONSE_TIMEOUT_S,
)
from experiment_server.limits.session import SHUTDOWN_GRACE_S
from experiment_server.server.connection_counts import Connections

ServerHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers every request of a server."""

log = logging.getLogger(__name__)

_REFUSAL = (
    f"HTTP/1.1 {int(HTTPStatus.SERVICE_UNAVAILABLE)} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}\r\n"
    f"Retry-After: {RETRY_AFTER_S}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
).encode("ascii")


class Connection(web.RequestHandler):
    """One HTTP connection with timeouts.

    One timer enforces all of them: for the headers of a request, for a slow body, for a response
    that the client does not read, and for an idle connection.
    """

    # The base class has slots, so new attributes need slots too.
    __slots__ = (
        "_address",
        "_connections",
        "_deadline",
        "_on_deadline",
        "_progress",
        "_request",
        "_resumed",
        "_timer",
        "_timer_at",
        "_unsent_before",
    )

    def __init__(self, connections: Connections, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            # Compressed bodies are refused. Unpacking one would block the event loop.
            auto_decompress=False,
        )
        self._connections = connections
        self._address: str | None = None
        self._request: web.BaseRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = 0.0
        self._on_deadline: Callable[[], None] = self._abort_slow
        self._progress = 0
        self._resumed = 0
        self._unsent_before: tuple[int, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, or refuse it with 503 and Retry-After."""
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        if not self._connections.enter(self, address):
            log.warning("a connection from %s was refused: the limit is reached", address)
            transport.write(_REFUSAL)
            transport.close()
            return
        self._address = address
        super().connection_made(transport)
        _set_send_timeout(transport.get_extra_info("socket"))
        self._wait_for_request(REQUEST_HEADERS_TIMEOUT_S)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timer and the counting."""
        if self._address is not None:
            self._connections.leave(self, self._address)
            self._stop_timer()
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data; the first byte of a request starts the timeout for its headers."""
        if self._address is None:
            return
        super().data_received(data)
        if self._request is None and self._progress == 0 and data:
            self._progress = 1
            self._set_deadline(REQUEST_HEADERS_TIMEOUT_S, self._abort_slow)

    def resume_writing(self) -> None:
        """Record that the client reads the response."""
        self._resumed += 1
        super().resume_writing()

    def on_request(self, request: web.BaseRequest) -> None:
        """Record that the headers of a request are complete."""
        self._request = request
        self._progress = 0
        self._unsent_before = None
        self._connections.set_busy(self, self._address or "")
        self._set_deadline(BODY_RATE_INTERVAL_S, self._check_progress)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; then the connection waits for the next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        except TimeoutError as error:
            # aiohttp expects a ConnectionResetError for a client that has disconnected.
            raise ConnectionResetError("the client did not read the response") from error
        finally:
            self._request = None
            if self.transport is not None:
                self._wait_for_request(IDLE_CONNECTION_TIMEOUT_S)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer an invalid request with 400, without logging a traceback."""
        if isinstance(exc, ConnectionError):
            # The client does not receive this response; it closes the connection.
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
        """Close the connection at once, without sending its buffered data."""
        if self._address is not None:
            self._connections.leave(self, self._address)
        if self.transport is not None:
            self.transport.abort()

    def _wait_for_request(self, seconds: float) -> None:
        self._progress = 0
        self._connections.set_idle(self, self._address or "")
        self._set_deadline(seconds, self._abort_slow)

    def _abort_slow(self) -> None:
        if self._progress:
            log.warning("a connection from %s was closed: its headers took too long", self._address)
        self.abort()

    def _check_progress(self) -> None:
        """Close the connection if its request or its response makes no progress."""
        request, transport = self._request, self.transport
        if request is None or transport is None:
            return
        body = request.content
        # The bytes since the last check.
        received, self._progress = body.total_bytes - self._progress, body.total_bytes
        # If reading is paused, the server is slow, and not the client.
        if (
            not body.is_eof()
            and transport.is_reading()
            and received < BODY_MIN_BYTES_PER_S * BODY_RATE_INTERVAL_S
        ):
            log.warning("a connection from %s was closed: its body was too slow", self._address)
            self.abort()
            return
        unsent = transport.get_write_buffer_size(), self._resumed
        if unsent[0] and unsent == self._unsent_before:
            log.warning("a connection from %s was closed: it read no response", self._address)
            self.abort()
            return
        self._unsent_before = unsent
        self._set_deadline(
            UNREAD_RESPONSE_TIMEOUT_S if body.is_eof() else BODY_RATE_INTERVAL_S,
            self._check_progress,
        )

    def _set_deadline(self, seconds: float, on_deadline: Callable[[], None]) -> None:
        # Each request sets three deadlines. A timer that fires too early is restarted, so few
        # deadlines need a new timer.
        self._deadline, self._on_deadline = monotonic() + seconds, on_deadline
        if self._timer is None or self._timer_at > self._deadline:
            self._stop_timer()
            self._start_timer(seconds)

    def _on_timer(self) -> None:
        remaining = self._deadline - monotonic()
        if remaining > 0:
            self._start_timer(remaining)
        else:
            self._timer = None
            self._on_deadline()

    def _start_timer(self, seconds: float) -> None:
        self._timer_at = self._deadline
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _set_send_timeout(sock: socket.socket | None) -> None:
    # asyncio's buffers do not contain files that the kernel sends, so Linux has to time out.
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, int(UNREAD_RESPONSE_TIMEOUT_S * 1000))


@contextlib.asynccontextmanager
async def listening(
    app: web.Application,
    entrance: Callable[[ServerHandler], ServerHandler],
    connections: Connections,
    host: str,
    port: int,
    tls: SSLContext | None,
) -> AsyncIterator[int]:
    """Serve an application on an address while the context is open; yields the port.

    `entrance` makes the handler of all requests from that of the application.
    Raises OSError if the server cannot listen on the address.
    """
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_GRACE_S
    )
    await runner.setup()
    try:
        server = cast(web.Server, runner.server)
        server.request_handler = _with_start(entrance(server.request_handler))
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


def _with_start(handler: ServerHandler) -> ServerHandler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        if isinstance(protocol, Connection):
            protocol.on_request(request)
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            return web.Response(status=HTTPStatus.EXPECTATION_FAILED)
        return await handler(request)

    return handle
