"""python-socketio's server, with bounds: on connections, on bodies, and on what clients send."""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import dataclass, field
from functools import partial
from types import MethodType
from typing import TypedDict

import socketio
from aiohttp import WSMsgType, web
from engineio.async_drivers import aiohttp as driver
from engineio.async_socket import AsyncSocket

from experiment_server.errors import LimitReached, ParameterInvalid
from experiment_server.limits import (
    APP_MESSAGE_MAX_BYTES,
    APP_MESSAGE_PIECE_BYTES,
    BODY_MAX_BYTES,
    CONNECT_PACKET_TIMEOUT_S,
    PACKET_BURST_MAX,
    PACKETS_PER_S_MAX,
    SHUTDOWN_NOTICE_TIMEOUT_S,
)
from experiment_server.server.bodies import read_at_most
from experiment_server.server.connection_counts import ConnectionCounter
from experiment_server.server.frames import FrameInvalid, check_frame, check_payload
from experiment_server.server.outgoing import OutgoingQueue
from experiment_server.session.tasks import Tasks
from experiment_server.session.token_bucket import TokenBucket

log = logging.getLogger(__name__)

# The libraries log what clients do to them as errors; what we have to say is logged here.
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.CRITICAL)

_DROPPED = "a client was disconnected, because it does not speak Socket.IO: %s"
_TOO_MANY = f"more than {PACKETS_PER_S_MAX:.0f} messages a second; the connection ends"


class _Reading:
    """A body that was read, as the library reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    async def read(self, length: int) -> bytes:
        return self._body.read(length)


Environ = TypedDict(
    "Environ",
    {"aiohttp.request": web.Request, "wsgi.input": _Reading, "CONTENT_LENGTH": str},
    total=False,
)
"""What the library knows of a request, as far as it is looked at or changed here."""


@dataclass(slots=True)
class _Connection:
    """What is known of a connection."""

    silent: asyncio.TimerHandle | None
    """Ends it, unless it says who it is; None for one that has."""
    bucket: TokenBucket = field(
        default_factory=lambda: TokenBucket(PACKETS_PER_S_MAX, PACKET_BURST_MAX)
    )
    ending: bool = False
    """Whether it has met a limit, and is only told so any more."""
    sends_studies: bool = False
    """Whether it may send as much as a study has: a dashboard's."""


class SocketServer:
    """A Socket.IO server for aiohttp whose clients cannot get past the limits.

    A new connection may be refused with LimitReached, a polling client's body with
    ParameterInvalid or LimitReached; a connection that sends what is no packet, sends too many,
    takes none, or says nothing, is dropped.
    """

    def __init__(
        self, packet_class: type, connection_counter: ConnectionCounter, tasks: Tasks
    ) -> None:
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=packet_class,
            cors_allowed_origins=[],  # the browser guard has already looked at the Origin
            max_http_buffer_size=BODY_MAX_BYTES,
            logger=_quiet,
            engineio_logger=_quiet,
            http_compression=False,  # it would be done on the event loop
        )
        self._engine = self.server.eio
        self._connection_counter = connection_counter
        self._tasks = tasks
        self._connections: dict[str, _Connection] = {}
        self._websockets: dict[str, asyncio.Transport] = {}
        self._stopping = False
        # Engine.IO calls us, and we call Socket.IO.
        self._handlers = dict(self._engine.handlers)
        self._engine.on("connect", self._connect)
        self._engine.on("message", self._receive)
        self._engine.on("disconnect", self._disconnect)
        self._engine.create_queue = OutgoingQueue
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

    def end(self, connection: str) -> None:
        """End a connection once its client has had time to take what was sent to it."""

        def drop() -> None:
            self._tasks.start(self.drop(connection), "drop")

        asyncio.get_running_loop().call_later(SHUTDOWN_NOTICE_TIMEOUT_S, drop)

    async def taken(self, connection: str) -> None:
        """Wait until a client has taken what was sent to it, or has gone."""
        socket = self._engine.sockets.get(connection)
        if socket is not None:
            await socket.queue.join()

    def require_allowed(self, connection: str) -> None:
        """Raise LimitReached for a connection that is about to end."""
        known = self._connections.get(connection)
        if known is None or known.ending:
            raise LimitReached(_TOO_MANY)

    def queue_of(self, connection: str) -> OutgoingQueue:
        """What waits for the client of a connection."""
        queue: OutgoingQueue = self._engine.sockets[connection].queue
        return queue

    def refuse(self) -> None:
        """Let nobody else in: clients come back at once, also to a server that stops."""
        self._stopping = True

    def hang_up(self) -> None:
        """End what connections there are; what was written to them is sent before."""
        for transport in self._websockets.values():
            transport.close()

    def let_send_studies(self, connection: str) -> None:
        """Take large messages from a connection, because it is an experimenter's."""
        self._connections[connection].sends_studies = True

    def most_from(self, connection: str | None) -> int:
        """How large a message or body may be, before anything of it is looked at."""
        known = self._connections.get(connection or "")
        return BODY_MAX_BYTES if known and known.sends_studies else APP_MESSAGE_MAX_BYTES

    async def count(self, connection: str, size: int) -> None:
        """Count a frame; raise FrameInvalid, some time after the first that was too many.

        That first one is let through, so that its sender can be told; then nothing more is read.
        """
        known = self._connections.get(connection)
        if known is None:
            return
        if known.ending:
            await asyncio.sleep(SHUTDOWN_NOTICE_TIMEOUT_S)
            raise FrameInvalid("it sends too many packets")
        self._take(connection, known, 1, size)

    def _take(self, connection: str, known: _Connection, packets: int, size: int) -> None:
        if not known.sends_studies:
            packets += size // APP_MESSAGE_PIECE_BYTES
        if known.ending or known.bucket.take(packets):
            return
        known.ending = True
        log.warning("a client was disconnected, because it sends too much: %s", _TOO_MANY)
        self.end(connection)

    async def _translate(self, request: web.Request) -> Environ:
        connection = request.query.get("sid")
        if connection is None:
            if self._stopping:
                raise LimitReached("this server is stopping, and takes no more connections")
            self._connection_counter.check(request.remote or "")
        elif "Upgrade" in request.headers and connection in self._websockets:
            raise ParameterInvalid("this connection has a WebSocket already")
        if "j" in request.query:
            # A page of any site may run an answer that is a script.
            raise ParameterInvalid("answers as scripts (JSONP) are not served")
        environ: Environ = driver.translate_request(request)
        if request.method == "POST":
            body = await read_at_most(request, self.most_from(connection))
            try:
                packets = check_payload(body)
            except FrameInvalid as error:
                raise ParameterInvalid(f"the body cannot be read: {error}") from None
            if connection in self._connections:
                self._take(connection, self._connections[connection], packets, len(body))
                self.require_allowed(connection)
            self._require_open(connection)
            environ |= {"wsgi.input": _Reading(body), "CONTENT_LENGTH": str(len(body))}
        return environ

    def _require_open(self, connection: str | None) -> None:
        # The library knows a connection for some time after its end, but fails to say so.
        socket = self._engine.sockets.get(connection)
        if socket is not None and socket.closed:
            raise ParameterInvalid("this connection has ended; make a new one")

    def _websocket(self, handler: MethodType, _engine: object) -> _WebSocket:
        return _WebSocket(handler, self)

    def hold(self, connection: str, transport: asyncio.Transport) -> None:
        """Know the WebSocket of a connection from now on."""
        self._websockets[connection] = transport
        socket = self._engine.sockets.get(connection)
        if socket is not None:
            socket.queue.attach(transport, socket)

    def release(self, connection: str) -> None:
        """Know the WebSocket of a connection no longer."""
        del self._websockets[connection]
        # The library forgets to say so when a WebSocket ends before it has replaced polling.
        socket = self._engine.sockets.get(connection)
        if socket is not None and not socket.upgraded:
            socket.upgrading = False

    async def _connect(self, connection: str, environ: Environ) -> object:
        self._connection_counter.enter(connection, environ["aiohttp.request"].remote or "")
        self._connections[connection] = _Connection(self._await_hello(connection))
        queue: OutgoingQueue = self._engine.sockets[connection].queue
        queue.on_overflow = partial(self._drop_stalled, connection)
        return await self._handlers["connect"](connection, environ)

    async def _receive(self, connection: str, message: str | bytes) -> None:
        known = self._connections.get(connection)
        if known is None:
            return  # the rest of what a connection sent that has ended
        try:
            if not message:
                raise FrameInvalid("an empty packet")
            await self._handlers["message"](connection, message)
            self._await_hello_unless_greeted(connection)
        except FrameInvalid as error:
            log.warning(_DROPPED, error)
            await self.drop(connection)
        except Exception:
            log.exception("a client was disconnected, because its message could not be handled")
            await self.drop(connection)

    async def _disconnect(self, connection: str, reason: str) -> object:
        self._connection_counter.leave(connection)
        if silent := self._connections.pop(connection).silent:
            silent.cancel()
        if transport := self._websockets.get(connection):
            # The library waits without end for a client to take what was sent to it.
            asyncio.get_running_loop().call_later(SHUTDOWN_NOTICE_TIMEOUT_S, transport.abort)
        return await self._handlers["disconnect"](connection, reason)

    def _drop_stalled(self, connection: str) -> None:
        log.warning("a client has stopped reading, and was disconnected")
        if known := self._connections.get(connection):
            known.ending = True
        self._tasks.start(self.drop(connection), "drop-stalled")

    def _await_hello(self, connection: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(
            CONNECT_PACKET_TIMEOUT_S, self._drop_silent, connection
        )

    def _await_hello_unless_greeted(self, connection: str) -> None:
        """End a connection after a while that has greeted nobody, or said goodbye to all."""
        known = self._connections.get(connection)
        if known is None:
            return
        manager = self.server.manager
        if not any(manager.sid_from_eio_sid(connection, name) for name in manager.get_namespaces()):
            known.silent = known.silent or self._await_hello(connection)
        elif known.silent is not None:
            known.silent.cancel()
            known.silent = None

    def _drop_silent(self, connection: str) -> None:
        self._tasks.start(self.drop(connection), "drop-silent")


class _WebSocket(driver.WebSocket):  # type: ignore[misc]
    """The driver's WebSocket, which looks at frames and can be found by its connection."""

    def __init__(self, handler: MethodType, server: SocketServer) -> None:
        super().__init__(handler, server.server.eio)
        socket: AsyncSocket = handler.__self__
        self._connection: str = socket.sid
        self._socket_server = server

    async def __call__(self, environ: Environ) -> web.WebSocketResponse:
        request = environ["aiohttp.request"]
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        # As the driver does it, but that it would take compressed messages: a few kilobytes of
        # those unpack to megabytes, and what both ends keep for it is larger than all else of a
        # socket. Nor would it see pings, which are packets as well.
        self._sock = web.WebSocketResponse(
            max_msg_size=BODY_MAX_BYTES, compress=False, autoping=False
        )
        self._socket_server.hold(self._connection, transport)
        try:
            await self._sock.prepare(request)
            await self.handler(self)
        finally:
            self._socket_server.release(self._connection)
        return self._sock

    async def wait(self) -> str | bytes:
        """The next message's content; raises OSError, also where the connection has ended."""
        frame = await self._message()
        try:
            if len(frame) > self._socket_server.most_from(self._connection):
                raise FrameInvalid("an app sends nothing so large")
            check_frame(frame)
        except FrameInvalid as error:
            log.warning(_DROPPED, error)
            raise
        await self._socket_server.count(self._connection, len(frame))
        return frame

    async def _message(self) -> str | bytes:
        """The next message; raises OSError when there are no more."""
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
