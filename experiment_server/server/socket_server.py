"""python-socketio's server with limits on connections, bodies and packets."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from types import MethodType

import socketio
from aiohttp import web
from engineio.async_drivers import aiohttp as driver

from experiment_server.errors import LimitReached, ParameterInvalid
from experiment_server.limits.network import (
    APP_MESSAGE_MAX_BYTES,
    APP_MESSAGE_PIECE_BYTES,
    BODY_MAX_BYTES,
    CONNECT_PACKET_TIMEOUT_S,
    PACKET_BURST_MAX,
    PACKETS_PER_S_MAX,
)
from experiment_server.limits.session import SHUTDOWN_NOTICE_TIMEOUT_S
from experiment_server.server.bodies import read_at_most
from experiment_server.server.connection_counts import ConnectionCounter
from experiment_server.server.engine_io import DROPPED, BodyReader, CheckedWebSocket, Environ
from experiment_server.server.frames import FrameInvalid, check_payload
from experiment_server.server.outgoing import OutgoingQueue
from experiment_server.session.tasks import Tasks
from experiment_server.session.token_bucket import TokenBucket

log = logging.getLogger(__name__)

# The libraries log clients' mistakes as errors. They are silenced, and this module logs instead.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)

_TOO_MANY_PACKETS = f"more than {PACKETS_PER_S_MAX:.0f} messages a second; the connection ends"


@dataclass(slots=True)
class _Connection:
    """The state of an Engine.IO connection."""

    connect_timer: asyncio.TimerHandle | None
    """Ends the connection if it does not send a CONNECT packet; None after that packet."""
    bucket: TokenBucket = field(
        default_factory=lambda: TokenBucket(PACKETS_PER_S_MAX, PACKET_BURST_MAX)
    )
    ending: bool = False
    """Whether it exceeded a limit, and will be disconnected after the error was sent."""
    allows_large: bool = False
    """Whether it may send large messages such as studies, as a dashboard does."""


class SocketServer:
    """A Socket.IO server for aiohttp that enforces limits on its clients.

    It may refuse a new connection with LimitReached, and a polling client's body with
    ParameterInvalid or LimitReached. It drops a connection that sends invalid packets or too many
    packets, that stops reading, or that sends no CONNECT packet.
    """

    def __init__(
        self, packet_class: type, connection_counter: ConnectionCounter, tasks: Tasks
    ) -> None:
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=packet_class,
            cors_allowed_origins=[],  # BrowserRules has already checked the Origin
            max_http_buffer_size=BODY_MAX_BYTES,
            logger=_library_log,
            engineio_logger=_library_log,
            http_compression=False,  # it would be done on the event loop
        )
        self._engine = self.server.eio
        self._connection_counter = connection_counter
        self._tasks = tasks
        self._connections: dict[str, _Connection] = {}
        self._websockets: dict[str, asyncio.Transport] = {}
        self._stopping = False
        # Engine.IO calls the handlers of this class, which call those of Socket.IO.
        self._handlers = dict(self._engine.handlers)
        self._engine.on("connect", self._connect)
        self._engine.on("message", self._receive)
        self._engine.on("disconnect", self._disconnect)
        self._engine.create_queue = OutgoingQueue
        # The driver is a table of functions. Replacing them is the only way to add checks.
        self._engine._async = {
            **self._engine._async,
            "translate_request": self._translate,
            "websocket": self._websocket,
        }

    async def drop(self, connection: str) -> None:
        """Close a connection at once, even if its client has stopped reading."""
        socket = self._engine.sockets.get(connection)
        if transport := self._websockets.get(connection):
            transport.abort()
        if socket is not None:
            await socket.close(wait=False, abort=True)

    def end_soon(self, connection: str) -> None:
        """Close a connection after a delay in which the client can read the last messages."""

        def drop() -> None:
            self._tasks.start(self.drop(connection), "drop")

        asyncio.get_running_loop().call_later(SHUTDOWN_NOTICE_TIMEOUT_S, drop)

    async def drained(self, connection: str) -> None:
        """Wait until the client has received all queued packets, or has disconnected."""
        socket = self._engine.sockets.get(connection)
        if socket is not None:
            await socket.queue.join()

    def require_allowed(self, connection: str) -> None:
        """Raise LimitReached for a connection that is being closed."""
        known = self._connections.get(connection)
        if known is None or known.ending:
            raise LimitReached(_TOO_MANY_PACKETS)

    def queue_of(self, connection: str) -> OutgoingQueue:
        """The queue of packets for the client of a connection."""
        queue: OutgoingQueue = self._engine.sockets[connection].queue
        return queue

    def refuse_connections(self) -> None:
        """Refuse new connections, because clients reconnect at once, even to a stopping server."""
        self._stopping = True

    def close_websockets(self) -> None:
        """Close all WebSockets after their buffered data is sent."""
        for transport in self._websockets.values():
            transport.close()

    def allow_large_messages(self, connection: str) -> None:
        """Allow large messages on an experimenter's connection."""
        self._connections[connection].allows_large = True

    def max_message_size(self, connection: str | None) -> int:
        """The size limit for a message or body, in bytes."""
        known = self._connections.get(connection or "")
        return BODY_MAX_BYTES if known and known.allows_large else APP_MESSAGE_MAX_BYTES

    async def count(self, connection: str, size: int) -> None:
        """Count a frame; raise FrameInvalid if an earlier frame exceeded the limit.

        The first frame beyond the limit is accepted, and its acknowledgement reports the error.
        """
        known = self._connections.get(connection)
        if known is None:
            return
        if known.ending:
            await asyncio.sleep(SHUTDOWN_NOTICE_TIMEOUT_S)
            raise FrameInvalid("it sent too many packets")
        self._count_packets(connection, known, 1, size)

    def _count_packets(self, connection: str, known: _Connection, packets: int, size: int) -> None:
        if not known.allows_large:
            packets += size // APP_MESSAGE_PIECE_BYTES
        if known.ending or known.bucket.take(packets):
            return
        known.ending = True
        log.warning("a client was disconnected, because it sent too much: %s", _TOO_MANY_PACKETS)
        self.end_soon(connection)

    async def _translate(self, request: web.Request) -> Environ:
        connection = request.query.get("sid")
        if connection is None:
            if self._stopping:
                raise LimitReached("this server is stopping and accepts no more connections")
            self._connection_counter.check(request.remote or "")
        elif "Upgrade" in request.headers and connection in self._websockets:
            raise ParameterInvalid("this connection has a WebSocket already")
        if "j" in request.query:
            # A page of any site can load an answer that is a script.
            raise ParameterInvalid("answers as scripts (JSONP) are not served")
        environ: Environ = driver.translate_request(request)
        if request.method == "POST":
            body = await read_at_most(request, self.max_message_size(connection))
            try:
                packets = check_payload(body)
            except FrameInvalid as error:
                raise ParameterInvalid(f"the body cannot be read: {error}") from None
            if connection in self._connections:
                self._count_packets(connection, self._connections[connection], packets, len(body))
                self.require_allowed(connection)
            self._require_open(connection)
            environ |= {"wsgi.input": BodyReader(body), "CONTENT_LENGTH": str(len(body))}
        return environ

    def _require_open(self, connection: str | None) -> None:
        # The library knows a connection for some time after its end, but fails to say so.
        socket = self._engine.sockets.get(connection)
        if socket is not None and socket.closed:
            raise ParameterInvalid("this connection has ended; make a new one")

    def _websocket(self, handler: MethodType, _engine: object) -> CheckedWebSocket:
        return CheckedWebSocket(handler, self)

    def add_websocket(self, connection: str, transport: asyncio.Transport) -> None:
        """Register the WebSocket of a connection."""
        self._websockets[connection] = transport
        socket = self._engine.sockets.get(connection)
        if socket is not None:
            socket.queue.attach(transport, socket)

    def remove_websocket(self, connection: str) -> None:
        """Unregister the WebSocket of a connection."""
        del self._websockets[connection]
        # The library does not reset this flag if a WebSocket ends before it has replaced polling.
        socket = self._engine.sockets.get(connection)
        if socket is not None and not socket.upgraded:
            socket.upgrading = False

    async def _connect(self, connection: str, environ: Environ) -> object:
        self._connection_counter.enter(connection, environ["aiohttp.request"].remote or "")
        self._connections[connection] = _Connection(self._start_connect_timer(connection))
        queue: OutgoingQueue = self._engine.sockets[connection].queue
        queue.on_overflow = partial(self._drop_stalled, connection)
        return await self._handlers["connect"](connection, environ)

    async def _receive(self, connection: str, message: str | bytes) -> None:
        known = self._connections.get(connection)
        if known is None:
            return  # the connection has ended; this is the rest of its input
        try:
            if not message:
                raise FrameInvalid("an empty packet")
            await self._handlers["message"](connection, message)
            self._expect_connect_packet(connection)
        except FrameInvalid as error:
            log.warning(DROPPED, error)
            await self.drop(connection)
        except Exception:
            log.exception("a client was disconnected, because its message could not be handled")
            await self.drop(connection)

    async def _disconnect(self, connection: str, reason: str) -> object:
        self._connection_counter.leave(connection)
        if connect_timer := self._connections.pop(connection).connect_timer:
            connect_timer.cancel()
        if transport := self._websockets.get(connection):
            # The library waits without a timeout until the client has read everything.
            asyncio.get_running_loop().call_later(SHUTDOWN_NOTICE_TIMEOUT_S, transport.abort)
        try:
            return await self._handlers["disconnect"](connection, reason)
        finally:
            if socket := self._engine.sockets.get(connection):
                socket.queue.release()

    def _drop_stalled(self, connection: str) -> None:
        log.warning("a client was disconnected, because it stopped reading")
        if known := self._connections.get(connection):
            known.ending = True
        self._tasks.start(self.drop(connection), "drop-stalled")

    def _start_connect_timer(self, connection: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(
            CONNECT_PACKET_TIMEOUT_S, self._drop_without_connect, connection
        )

    def _expect_connect_packet(self, connection: str) -> None:
        """Stop the connect timer if the client is in a namespace; otherwise start it."""
        known = self._connections.get(connection)
        if known is None:
            return
        manager = self.server.manager
        if not any(manager.sid_from_eio_sid(connection, name) for name in manager.get_namespaces()):
            known.connect_timer = known.connect_timer or self._start_connect_timer(connection)
        elif known.connect_timer is not None:
            known.connect_timer.cancel()
            known.connect_timer = None

    def _drop_without_connect(self, connection: str) -> None:
        self._tasks.start(self.drop(connection), "drop-silent")
