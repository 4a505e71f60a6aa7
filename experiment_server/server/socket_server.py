"""python-socketio's server, with bounds: on connections, on bodies, and on what clients send."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import socketio
from aiohttp import web
from engineio import packet as engine_packet
from engineio.async_drivers import aiohttp as driver

from experiment_server.errors import LimitReached, ParameterInvalid
from experiment_server.limits import (
    BODY_SIZE,
    FAREWELL,
    HELLO_WITHIN,
    MESSAGES_AT_ONCE,
    MESSAGES_PER_SECOND,
    OUTGOING,
    OUTGOING_SIZE,
)
from experiment_server.server.frames import FrameInvalid, check_frame, check_payload
from experiment_server.session.allowance import Allowance
from experiment_server.session.tasks import Tasks

log = logging.getLogger(__name__)

# The libraries log what clients do to them as errors; what we have to say is logged here.
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.CRITICAL)

_DROPPED = "a client was disconnected, because it does not speak Socket.IO: %s"
_TOO_MANY = f"more than {MESSAGES_PER_SECOND:.0f} messages a second; the connection ends"


class ConnectionCounter:
    """Who is connected from where, over all endpoints of a server, and how many may be."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._most_per_address = per_address
        self._addresses: dict[str, str] = {}
        self._per_address: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Raise LimitReached if one more connection from there would be too many."""
        if len(self._addresses) >= self._total:
            raise LimitReached(f"this server takes {self._total} connections, and has them")
        if self._per_address[address] >= self._most_per_address:
            raise LimitReached(
                f"one address may have {self._most_per_address} connections, and {address} has them"
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


class Push:
    """A message for many sockets, with its frame, which is made once."""

    def __init__(self, data: str | bytes) -> None:
        self.packet = engine_packet.Packet(engine_packet.MESSAGE, data=data)

    @cached_property
    def frame(self) -> bytes:
        """The whole WebSocket frame, as a server sends it."""
        return websocket_frame(self.packet.encode())


def websocket_frame(message: str | bytes) -> bytes:
    """A message in one unmasked frame (RFC 6455, section 5.2)."""
    opcode = 0x81 if isinstance(message, str) else 0x82
    body = message.encode() if isinstance(message, str) else message
    length = len(body)
    if length < 126:
        head = bytes((opcode, length))
    elif length < 2**16:
        head = struct.pack("!BBH", opcode, 126, length)
    else:
        head = struct.pack("!BBQ", opcode, 127, length)
    return head + body


class OutgoingQueue(asyncio.Queue[Any]):
    """The packets that wait for a client to take them: pushes, answers, and the library's own.

    While the library's writer waits for a packet, everything before has been sent, and a message
    goes straight to the socket. The largest packet there is has to fit, so the first in line is not
    weighed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._size = 0
        self.on_overflow: Callable[[], None] | None = None
        self._awaited = False
        self.transport: asyncio.Transport | None = None
        self._is_upgraded: Callable[[], bool] = lambda: False

    def attach(self, transport: asyncio.Transport, is_upgraded: Callable[[], bool]) -> None:
        """Send to a WebSocket's connection once it has taken polling's place."""
        self.transport, self._is_upgraded = transport, is_upgraded

    def push(self, push: Push) -> None:
        """Send a message, or put it behind what waits."""
        if self._is_idle():
            self._write(push.frame)
        else:
            self.put_nowait(push.packet)

    def put_nowait(self, item: engine_packet.Packet | None) -> None:
        """Send a message, or put it, as any other packet, behind what waits."""
        # The library's pings wake its writer, which would take a long silence for the end.
        if item is not None and item.packet_type == engine_packet.MESSAGE and self._is_idle():
            self._write(websocket_frame(item.encode()))
        else:
            self._awaited = False
            super().put_nowait(item)

    async def get(self) -> engine_packet.Packet | None:
        """The next packet, once there is one."""
        self._awaited = self.empty()
        try:
            return await super().get()
        finally:
            self._awaited = False

    def _is_idle(self) -> bool:
        # Whoever takes packets waits for the next one and takes them to a WebSocket, whose client
        # has read all that was sent before.
        return (
            self._awaited
            and self.transport is not None
            and not self.transport.get_write_buffer_size()
            and self._is_upgraded()
        )

    def _write(self, frame: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)

    def _overflow(self) -> None:
        if self.on_overflow:
            told, self.on_overflow = self.on_overflow, None
            told()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self._size += _weight(item)
        behind_first = self._size - _weight(self._queue[0])  # type: ignore[attr-defined]
        too_much = self.qsize() > OUTGOING or behind_first > OUTGOING_SIZE
        if too_much:
            self._overflow()

    def _get(self) -> Any:
        item = super()._get()
        self._size -= _weight(item)
        return item


def _weight(item: engine_packet.Packet | None) -> int:
    data = None if item is None else item.data
    return len(data) if isinstance(data, str | bytes) else 0


@dataclass(slots=True)
class _Connection:
    """What is known of a connection."""

    silent: asyncio.TimerHandle
    """Ends it, unless it says who it is."""
    allowance: Allowance = field(
        default_factory=lambda: Allowance(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
    )
    ending: bool = False
    """Whether it has met a limit, and is only told so any more."""


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
            max_http_buffer_size=BODY_SIZE,
            logger=_quiet,
            engineio_logger=_quiet,
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

        asyncio.get_running_loop().call_later(FAREWELL, drop)

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

    async def count(self, connection: str) -> None:
        """Count a frame; raise FrameInvalid, some time after the first that was too many.

        That first one is let through, so that its sender can be told; then nothing more is read.
        """
        known = self._connections.get(connection)
        if known is None:
            return
        if known.ending:
            await asyncio.sleep(FAREWELL)
            raise FrameInvalid("it sends too many packets")
        self._take(connection, known, 1)

    def _take(self, connection: str, known: _Connection, packets: int) -> None:
        if known.ending or known.allowance.take(packets):
            return
        known.ending = True
        log.warning("a client was disconnected, because it sends too much: %s", _TOO_MANY)
        self.end(connection)

    async def _translate(self, request: web.Request) -> dict[str, Any]:
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
        environ: dict[str, Any] = driver.translate_request(request)
        if request.method == "POST":
            body = await request.read()
            try:
                packets = check_payload(body)
            except FrameInvalid as error:
                raise ParameterInvalid(f"the body cannot be read: {error}") from None
            if connection in self._connections:
                self._take(connection, self._connections[connection], packets)
                self.require_allowed(connection)
            environ |= {"wsgi.input": _Reading(body), "CONTENT_LENGTH": str(len(body))}
        return environ

    def _websocket(self, handler: Any, _engine: Any) -> _WebSocket:
        return _WebSocket(handler, self)

    @contextlib.contextmanager
    def holding(self, connection: str, transport: asyncio.Transport) -> Iterator[None]:
        """Know the WebSocket of a connection for as long as the context lasts."""
        self._websockets[connection] = transport
        socket = self._engine.sockets.get(connection)
        if socket is not None:
            socket.queue.attach(transport, lambda: socket.upgraded)
        try:
            yield
        finally:
            del self._websockets[connection]
            # The library forgets to say so when a WebSocket ends before it has replaced polling.
            socket = self._engine.sockets.get(connection)
            if socket is not None and not socket.upgraded:
                socket.upgrading = False

    async def _connect(self, connection: str, environ: dict[str, Any]) -> Any:
        self._connection_counter.enter(connection, environ["aiohttp.request"].remote or "")
        self._connections[connection] = _Connection(self._await_hello(connection))
        queue: OutgoingQueue = self._engine.sockets[connection].queue
        queue.on_overflow = partial(self._drop_stalled, connection)
        return await self._handlers["connect"](connection, environ)

    async def _receive(self, connection: str, message: Any) -> None:
        known = self._connections.get(connection)
        if known is None:
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
        self._connection_counter.leave(connection)
        self._connections.pop(connection).silent.cancel()
        if transport := self._websockets.get(connection):
            # The library waits without end for a client to take what was sent to it.
            asyncio.get_running_loop().call_later(FAREWELL, transport.abort)
        return await self._handlers["disconnect"](connection, reason)

    def _drop_stalled(self, connection: str) -> None:
        log.warning("a client has stopped reading, and was disconnected")
        if known := self._connections.get(connection):
            known.ending = True
        self._tasks.start(self.drop(connection), "drop-stalled")

    def _await_hello(self, connection: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(HELLO_WITHIN, self._drop_silent, connection)

    def _drop_silent(self, connection: str) -> None:
        manager = self.server.manager
        if any(manager.sid_from_eio_sid(connection, name) for name in manager.get_namespaces()):
            # It may still say goodbye to all that it has greeted, and stay.
            self._connections[connection].silent = self._await_hello(connection)
        else:
            self._tasks.start(self.drop(connection), "drop-silent")


class _WebSocket(driver.WebSocket):  # type: ignore[misc]
    """The driver's WebSocket, which looks at frames and can be found by its connection."""

    def __init__(self, handler: Any, server: SocketServer) -> None:
        super().__init__(handler, server.server.eio)
        self._connection: str = handler.__self__.sid
        self._socket_server = server

    async def __call__(self, environ: dict[str, Any]) -> Any:
        with self._socket_server.holding(self._connection, environ["aiohttp.request"].transport):
            return await super().__call__(environ)

    async def wait(self) -> Any:
        frame = await super().wait()
        try:
            check_frame(frame)
        except FrameInvalid as error:
            log.warning(_DROPPED, error)
            raise
        await self._socket_server.count(self._connection)
        return frame
