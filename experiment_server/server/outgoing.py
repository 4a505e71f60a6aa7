"""What is sent to a socket: frames, and the packets that wait for a client to take them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import cached_property

from engineio import packet as engine_packet

from experiment_server.limits import SEND_QUEUE_MAX, SEND_QUEUE_MAX_BYTES


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


class OutgoingQueue(asyncio.Queue[engine_packet.Packet | None]):
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

    def _put(self, item: engine_packet.Packet | None) -> None:
        super()._put(item)
        self._size += _weight(item)
        behind_first = self._size - _weight(self._queue[0])  # type: ignore[attr-defined]
        too_much = self.qsize() > SEND_QUEUE_MAX or behind_first > SEND_QUEUE_MAX_BYTES
        if too_much:
            self._overflow()

    def _get(self) -> engine_packet.Packet | None:
        item = super()._get()
        self._size -= _weight(item)
        return item


def _weight(item: engine_packet.Packet | None) -> int:
    data = None if item is None else item.data
    return len(data) if isinstance(data, str | bytes) else 0
