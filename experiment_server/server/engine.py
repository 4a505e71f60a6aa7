"""python-socketio's server, with bounds: on connections, on bodies, and on what clients send."""

from __future__ import annotations

import asyncio
import io
import logging
from collections import Counter
from typing import Any

import socketio
from aiohttp import web
from engineio.async_drivers import aiohttp as driver

from experiment_server.errors import LimitReached, ParameterInvalid
from experiment_server.limits import BODY_SIZE, HELLO_WITHIN, SOCKETS, SOCKETS_PER_ADDRESS
from experiment_server.live.tasks import Tasks
from experiment_server.server.frames import FrameInvalid, check_frame, check_payload

log = logging.getLogger(__name__)

# The libraries log what clients do to them as errors; what we have to say is logged here.
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.CRITICAL)

_DROPPED = "a client was disconnected, because it does not speak Socket.IO: %s"


class Census:
    """Who is connected from where, over all endpoints of a server."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._per_address: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Raise LimitReached if one more connection from there would be too many."""
        if len(self._addresses) >= SOCKETS:
            raise LimitReached(f"this server takes {SOCKETS} connections, and has them")
        if self._per_address[address] >= SOCKETS_PER_ADDRESS:
            raise LimitReached(
                f"one address may have {SOCKETS_PER_ADDRESS} connections, and {address} has them"
            )

    def enter(self, connection: str, address: str) -> None:
        """Count a connection."""
        self._addresses[connection] = address
        self._per_address[address] += 1

    def leave(self, connection: str) -> None:
        """Count a connection no longer."""
        self._per_address -= Counter([self._addresses.pop(connection, "")])


class _Reading:
    """A body that was read, as the library reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    async def read(self, length: int) -> bytes:
        return self._body.read(length)


class Door:
    """A Socket.IO server for aiohttp whose clients cannot get past the limits.

    A new connection may be refused with LimitReached, a polling client's body with
    ParameterInvalid; a connection that sends what is no packet, or says nothing, is dropped.
    """

    def __init__(self, packet_class: type, census: Census, tasks: Tasks) -> None:
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=packet_class,
            cors_allowed_origins=[],  # the browser guard has already looked at the Origin
            max_http_buffer_size=BODY_SIZE,
            logger=_quiet,
            engineio_logger=_quiet,
        )
        self._engine = self.server.eio
        self._census = census
        self._tasks = tasks
        self._greetings: dict[str, asyncio.TimerHandle] = {}
        self._websockets: dict[str, asyncio.Transport] = {}
        self._stopping = False
        # Engine.IO calls us, and we call Socket.IO.
        self._handlers = dict(self._engine.handlers)
        self._engine.on("connect", self._connect)
        self._engine.on("message", self._receive)
        self._engine.on("disconnect", self._disconnect)
        # The driver is a table of functions, and has no other door for a check before them.
        self._engine._async = {
            **self._engine._async,
            "translate_request": self._translate,
            "websocket": self._websocket,
        }

    async def drop(self, connection: str) -> None:
        """End a connection without waiting for its client, which may have stopped reading."""
        socket = self._engine.sockets.get(connection)
        if transport := self._websockets.get(connection):
            transport.abort()
        if socket is not None:
            await socket.close(wait=False, abort=True)

    def refuse(self) -> None:
        """Let nobody else in: clients come back at once, also to a server that stops."""
        self._stopping = True

    def hang_up(self) -> None:
        """End what connections there are; what was written to them is sent before."""
        for transport in self._websockets.values():
            transport.close()

    async def _translate(self, request: web.Request) -> dict[str, Any]:
        if "sid" not in request.query:
            if self._stopping:
                raise LimitReached("this server is stopping, and takes no more connections")
            self._census.check(request.remote or "")
        environ: dict[str, Any] = driver.translate_request(request)
        if request.method == "POST":
            body = await request.read()
            try:
                check_payload(body)
            except FrameInvalid as error:
                raise ParameterInvalid(f"the body cannot be read: {error}") from None
            environ |= {"wsgi.input": _Reading(body), "CONTENT_LENGTH": str(len(body))}
        return environ

    def _websocket(self, handler: Any, engine: Any) -> _WebSocket:
        return _WebSocket(handler, engine, self._websockets)

    async def _connect(self, connection: str, environ: dict[str, Any]) -> Any:
        self._census.enter(connection, environ["aiohttp.request"].remote or "")
        loop = asyncio.get_running_loop()
        self._greetings[connection] = loop.call_later(HELLO_WITHIN, self._drop_silent, connection)
        return await self._handlers["connect"](connection, environ)

    async def _receive(self, connection: str, message: Any) -> None:
        if connection not in self._greetings:
            return  # the rest of what a connection sent that has ended
        try:
            if not message:
                raise FrameInvalid("an empty packet")
            await self._handlers["message"](connection, message)
        except FrameInvalid as error:
            log.warning(_DROPPED, error)
            await self.drop(connection)
        except Exception:
            log.exception("a client was disconnected, because its message could not be handled")
            await self.drop(connection)

    async def _disconnect(self, connection: str, reason: str) -> Any:
        self._census.leave(connection)
        self._greetings.pop(connection).cancel()
        return await self._handlers["disconnect"](connection, reason)

    def _drop_silent(self, connection: str) -> None:
        manager = self.server.manager
        if not any(manager.sid_from_eio_sid(connection, name) for name in manager.get_namespaces()):
            self._tasks.start(self.drop(connection), "drop-silent")


class _WebSocket(driver.WebSocket):  # type: ignore[misc]
    """The driver's WebSocket, which looks at frames and can be found by its connection."""

    def __init__(self, handler: Any, engine: Any, found: dict[str, asyncio.Transport]) -> None:
        super().__init__(handler, engine)
        self._connection: str = handler.__self__.sid
        self._found = found

    async def __call__(self, environ: dict[str, Any]) -> Any:
        self._found[self._connection] = environ["aiohttp.request"].transport
        try:
            return await super().__call__(environ)
        finally:
            del self._found[self._connection]

    async def wait(self) -> Any:
        frame = await super().wait()
        try:
            check_frame(frame)
        except FrameInvalid as error:
            log.warning(_DROPPED, error)
            raise
        return frame
