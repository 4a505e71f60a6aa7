"""The parts of Engine.IO's aiohttp driver that are replaced: request bodies, and WebSockets."""

from __future__ import annotations

import asyncio
import io
import logging
from types import MethodType
from typing import Protocol, TypedDict

from aiohttp import WSMsgType, web
from engineio.async_drivers import aiohttp as driver
from engineio.async_socket import AsyncSocket

from experiment_server.limits.network import BODY_MAX_BYTES
from experiment_server.server.frames import FrameInvalid, check_frame

log = logging.getLogger(__name__)

DROPPED = "a client was disconnected, because it sent invalid Socket.IO data: %s"
"""The log message for a connection that sends invalid packets, with the reason."""


class BodyReader:
    """A request body in memory, with the `read` method that the library calls."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    async def read(self, length: int) -> bytes:
        """The next bytes of the body, at most `length`."""
        return self._body.read(length)


Environ = TypedDict(
    "Environ",
    {"aiohttp.request": web.Request, "wsgi.input": BodyReader, "CONTENT_LENGTH": str},
    total=False,
)
"""The parts of the library's request environment that this module reads or changes."""


class ConnectionLimits(Protocol):
    """The functions that a WebSocket calls for its connection."""

    def add_websocket(self, connection: str, transport: asyncio.Transport) -> None:
        """Note that a connection has a WebSocket."""

    def remove_websocket(self, connection: str) -> None:
        """Note that the WebSocket has ended."""

    def max_message_size(self, connection: str | None) -> int:
        """The largest size of a message, in bytes."""

    async def count(self, connection: str, size: int) -> None:
        """Count a frame; raises FrameInvalid if there were too many."""


class CheckedWebSocket(driver.WebSocket):  # type: ignore[misc]
    """The driver's WebSocket, which also checks frames and registers itself by its connection."""

    def __init__(self, handler: MethodType, server: ConnectionLimits) -> None:
        super().__init__(handler, None)
        socket: AsyncSocket = handler.__self__
        self._connection: str = socket.sid
        self._socket_server = server

    async def __call__(self, environ: Environ) -> web.WebSocketResponse:
        """Serve a request for a WebSocket until it ends."""
        request = environ["aiohttp.request"]
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has disconnected")
        # The driver does the same with compression and automatic pongs. But a few compressed
        # kilobytes unpack to megabytes, buffers for it are large, and pings have to be counted.
        self._sock = web.WebSocketResponse(
            max_msg_size=BODY_MAX_BYTES, compress=False, autoping=False
        )
        self._socket_server.add_websocket(self._connection, transport)
        try:
            await self._sock.prepare(request)
            await self.handler(self)
        finally:
            self._socket_server.remove_websocket(self._connection)
        return self._sock

    async def wait(self) -> str | bytes:
        """The content of the next message; raises OSError if there is none or it is invalid."""
        frame = await self._message()
        try:
            if len(frame) > self._socket_server.max_message_size(self._connection):
                raise FrameInvalid("the message is too large for an app")
            check_frame(frame)
        except FrameInvalid as error:
            log.warning(DROPPED, error)
            raise
        await self._socket_server.count(self._connection, len(frame))
        return frame

    async def _message(self) -> str | bytes:
        """The next message; raises OSError if the connection has ended."""
        while True:
            received = await self._sock.receive()
            if received.type is WSMsgType.PING:
                await self._sock.pong(received.data)
            elif received.type is not WSMsgType.PONG:
                break
            await self._socket_server.count(self._connection, 0)
        if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise ConnectionResetError("the client has closed its WebSocket")
        message: str | bytes = received.data
        return message
