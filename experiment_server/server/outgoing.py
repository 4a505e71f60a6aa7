"""What is sent to a socket: frames, and the packets that wait for a client to take them.

The queue stands in for the asyncio.Queue that Engine.IO gives each of its sockets, and has what
Engine.IO asks of it; a test holds it to that.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol, TypeAlias

from engineio import packet as engine_packet

from experiment_server.limits import SEND_QUEUE_MAX, SEND_QUEUE_MAX_BYTES

Item: TypeAlias = engine_packet.Packet | None
"""A packet, or None for the end."""


class Push:
    """A message for many sockets: a Socket.IO packet, which is framed once."""

    __slots__ = ("_body", "_is_binary", "frame")

    frame: bytes
    """The whole WebSocket frame, as a server sends it."""

    def __init__(self, body: bytes, *, is_binary: bool) -> None:
        self._body = body
        self._is_binary = is_binary
        self.frame = _frame(_BINARY, body) if is_binary else _frame(_TEXT, _MESSAGE + body)

    def packet(self) -> engine_packet.Packet:
        """The message as the library queues it."""
        data = self._body if self._is_binary else self._body.decode()
        return engine_packet.Packet(engine_packet.MESSAGE, data=data)


_TEXT, _BINARY = 0x81, 0x82
_MESSAGE = str(engine_packet.MESSAGE).encode()


def websocket_frame(message: str | bytes) -> bytes:
    """A message in one unmasked frame (RFC 6455, section 5.2)."""
    if isinstance(message, str):
        return _frame(_TEXT, message.encode())
    return _frame(_BINARY, message)


def _frame(opcode: int, body: bytes) -> bytes:
    length = len(body)
    if length < 126:
        head = bytes((opcode, length))
    elif length < 2**16:
        head = struct.pack("!BBH", opcode, 126, length)
    else:
        head = struct.pack("!BBQ", opcode, 127, length)
    return head + body


class EngineSocket(Protocol):
    """The library's socket, as far as its queue looks at it."""

    upgraded: bool
    """Whether it is a WebSocket by now."""


class OutgoingQueue:
    """The packets that wait for a client to take them: pushes, answers, and the library's own.

    While the library's writer waits for a packet, everything before has been sent, and a message
    goes straight to the socket. Whoever goes on waiting has no packet, so there is none in the
    queue either. There is a queue for each socket, so it has to be small: an asyncio.Queue takes
    3 kB, and a task for each `get`.
    """

    __slots__ = ("_getters", "_joiners", "_packets", "_size", "_socket", "_transport",
                 "_unfinished", "on_overflow")  # fmt: skip

    def __init__(self) -> None:
        self._packets: list[Item] = []
        self._getters: list[asyncio.Future[Item]] = []
        self._joiners: list[asyncio.Future[None]] = []
        self._size = 0
        self._unfinished = 0
        self._transport: asyncio.Transport | None = None
        self._socket: EngineSocket | None = None
        self.on_overflow: Callable[[], None] | None = None

    def attach(self, transport: asyncio.Transport, socket: EngineSocket) -> None:
        """Send to a WebSocket's connection once it has taken polling's place."""
        self._transport, self._socket = transport, socket

    def push(self, push: Push) -> None:
        """Send a message, or put it behind what waits."""
        if self._is_idle():
            self._write(push.frame)
        else:
            self._put(push.packet())

    # What the library asks of a queue

    async def put(self, item: Item) -> None:
        """Send a message, or put any other packet behind what waits; never waits itself."""
        self.put_nowait(item)

    def put_nowait(self, item: Item) -> None:
        """Send a message, or put any other packet behind what waits."""
        # The library's pings wake its writer, which would take a long silence for the end.
        if item is not None and item.packet_type == engine_packet.MESSAGE and self._is_idle():
            self._write(websocket_frame(item.encode()))
        else:
            self._put(item)

    def get(self) -> asyncio.Future[Item]:
        """The next packet, once there is one."""
        getter: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        if self._packets:
            getter.set_result(self._take())
        else:
            self._getters.append(getter)
        return getter

    def get_nowait(self) -> Item:
        """The next packet; raises asyncio.QueueEmpty."""
        if not self._packets:
            raise asyncio.QueueEmpty
        return self._take()

    def task_done(self) -> None:
        """Note that a packet has been taken care of."""
        self._unfinished -= 1
        if not self._unfinished:
            joiners, self._joiners = self._joiners, []
            for joiner in joiners:
                if not joiner.done():
                    joiner.set_result(None)

    async def join(self) -> None:
        """Wait until every packet has been taken care of."""
        if self._unfinished:
            joiner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._joiners.append(joiner)
            await joiner

    def _is_idle(self) -> bool:
        # Whoever takes packets waits for the next one and takes them to a WebSocket, whose client
        # has read all that was sent before.
        return (
            bool(self._getters)
            and not self._getters[-1].done()
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
            and self._socket is not None
            and self._socket.upgraded
        )

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def _put(self, item: Item) -> None:
        self._unfinished += 1
        while self._getters:
            getter = self._getters.pop(0)
            if not getter.done():
                getter.set_result(item)
                return
        self._packets.append(item)
        self._size += _weight(item)
        # The largest packet there is has to fit, so the first in line is not weighed.
        behind_first = self._size - _weight(self._packets[0])
        if len(self._packets) > SEND_QUEUE_MAX or behind_first > SEND_QUEUE_MAX_BYTES:
            self._overflow()

    def _take(self) -> Item:
        item = self._packets.pop(0)
        self._size -= _weight(item)
        return item

    def _overflow(self) -> None:
        if self.on_overflow:
            told, self.on_overflow = self.on_overflow, None
            told()


def _weight(item: Item) -> int:
    data = None if item is None else item.data
    return len(data) if isinstance(data, str | bytes) else 0
