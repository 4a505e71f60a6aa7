"""The send queue of a socket, and WebSocket frames.

The queue replaces the asyncio.Queue that Engine.IO creates for each socket. It has the methods that
Engine.IO calls; a test checks that.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol, TypeAlias

from engineio import packet as engine_packet

from experiment_server.limits.network import SEND_QUEUE_MAX, SEND_QUEUE_MAX_BYTES

Item: TypeAlias = engine_packet.Packet | None
"""A packet, or None at the end of the connection."""


class Push:
    """A Socket.IO packet for many sockets, which is encoded and framed once."""

    __slots__ = ("_body", "_is_binary", "frame")

    frame: bytes
    """The WebSocket frame."""

    def __init__(self, body: bytes, *, is_binary: bool) -> None:
        self._body = body
        self._is_binary = is_binary
        self.frame = _frame(_BINARY, body) if is_binary else _frame(_TEXT, _MESSAGE + body)

    def packet(self) -> engine_packet.Packet:
        """The packet in the library's type."""
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
    """The part of the library's socket that the queue reads."""

    upgraded: bool
    """Whether polling was upgraded to a WebSocket."""


class OutgoingQueue:
    """The send queue of a socket: pushes, acknowledgements, and the library's own packets.

    If the library's writer task waits for a packet, all earlier packets are sent, so a message is
    written to the socket directly. Each socket has a queue, so the queue has to be small: an
    asyncio.Queue takes 3 kB, and a task for each `get`.
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
        """Use a WebSocket's transport, after the socket was upgraded from polling."""
        self._transport, self._socket = transport, socket

    def push(self, push: Push) -> None:
        """Send a message at once if the queue is empty; otherwise queue it."""
        if self._is_idle():
            self._write(push.frame)
        else:
            self._put(push.packet())

    # The interface that the library calls

    async def put(self, item: Item) -> None:
        """Send or queue a packet; never waits."""
        self.put_nowait(item)

    def put_nowait(self, item: Item) -> None:
        """Send a message at once if the queue is empty; queue any other packet."""
        # Pings have to wake the library's writer, which ends the connection after a long silence.
        if item is not None and item.packet_type == engine_packet.MESSAGE and self._is_idle():
            self._write(websocket_frame(item.encode()))
        else:
            self._put(item)

    def get(self) -> asyncio.Future[Item]:
        """A future for the next packet."""
        getter: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        if self._packets:
            getter.set_result(self._pop())
        else:
            self._getters.append(getter)
        return getter

    def get_nowait(self) -> Item:
        """The next packet; raises asyncio.QueueEmpty."""
        if not self._packets:
            raise asyncio.QueueEmpty
        return self._pop()

    def task_done(self) -> None:
        """Record that a packet was processed."""
        self._unfinished -= 1
        if not self._unfinished:
            self.release()

    async def join(self) -> None:
        """Wait until all packets are processed."""
        if self._unfinished:
            joiner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._joiners.append(joiner)
            await joiner

    def release(self) -> None:
        """End the waiting in `join`, because the client has gone or everything is processed."""
        joiners, self._joiners = self._joiners, []
        for joiner in joiners:
            if not joiner.done():
                joiner.set_result(None)

    def _is_idle(self) -> bool:
        # The writer waits for the next packet, the socket is a WebSocket, and its write buffer is
        # empty.
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
        self._size += _size_of(item)
        # One packet of any size has to fit, so the size of the first one is not counted.
        behind_first = self._size - _size_of(self._packets[0])
        if len(self._packets) > SEND_QUEUE_MAX or behind_first > SEND_QUEUE_MAX_BYTES:
            self._overflow()

    def _pop(self) -> Item:
        item = self._packets.pop(0)
        self._size -= _size_of(item)
        return item

    def _overflow(self) -> None:
        if self.on_overflow:
            callback, self.on_overflow = self.on_overflow, None
            callback()


def _size_of(item: Item) -> int:
    data = None if item is None else item.data
    return len(data) if isinstance(data, str | bytes) else 0


class InitialPushes:
    """Holds the pushes to a socket until it has its initial state, which has to come first.

    `push` sends a push, or holds it. That takes as long as the state takes to be encoded, so few
    are held.
    """

    __slots__ = ("_held", "_queue", "push")

    push: Callable[[Push], None]

    def __init__(self, queue: OutgoingQueue) -> None:
        self._queue = queue
        self._held: list[Push] = []
        self.push = self._held.append

    def release(self) -> None:
        """Send what was held, and from now on every push at once."""
        self.push = self._queue.push
        for push in self._held:
            self._queue.push(push)
        self._held = []
