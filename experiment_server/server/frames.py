"""What a client may send over a socket: Engine.IO 4 frames that carry Socket.IO 5 packets.

The libraries trust what they decode; these checks stand before them, so that anything else ends
the connection that sent it, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engineio import packet as engine
from engineio.payload import Payload
from socketio import msgpack_packet, packet

from experiment_server.limits import PACKET_BURST_MAX
from experiment_server.server.outgoing import Push
from experiment_server.wire.encoding import to_json, to_json_bytes, to_msgpack

# A polling client sends together what it has gathered; the library's 16 would lose the rest.
Payload.max_decode_packets = int(PACKET_BURST_MAX)

# The library calls handlers of these names for what happens to a connection, so that a client
# must not send them as events.
_RESERVED = frozenset({"connect", "connect_error", "disconnect", "*"})

# What a polling client posts. Of anything else the library thinks that it ends the connection, and
# waits without end for its client to take what was sent to it.
_POSTED = frozenset({engine.CLOSE, engine.PONG, engine.MESSAGE})

_ACCEPTED = frozenset({packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.ACK})


class FrameInvalid(OSError):
    """What a client sent is no packet of the protocol.

    An OSError, because that is what Engine.IO ends a connection for.
    """


def check_frame(frame: str | bytes) -> None:
    """Raise FrameInvalid for a WebSocket message that is no Engine.IO packet."""
    try:
        decoded = engine.Packet(encoded_packet=frame)
    except (ValueError, RecursionError):
        raise FrameInvalid("a frame is no Engine.IO packet") from None
    if decoded.packet_type >= len(engine.packet_names):
        raise FrameInvalid(f"no Engine.IO packet has the type {decoded.packet_type}")


def check_payload(body: bytes) -> int:
    """How many packets a polling client posts; raises FrameInvalid for what is none."""
    try:
        text = body.decode("utf-8")
        frames = Payload(encoded_payload=text).packets
    except (ValueError, KeyError, RecursionError):
        raise FrameInvalid("it holds no Engine.IO packets") from None
    if any(frame.packet_type not in _POSTED for frame in frames):
        raise FrameInvalid("it holds packets that no polling client sends")
    return len(frames)


class _Checked:
    """Refuses, while decoding, what the protocol does not have."""

    def decode(self, encoded_packet: str | bytes) -> int:
        """Decode as the library does; raises FrameInvalid."""
        try:
            attachments: int = super().decode(encoded_packet)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - the library says no in many ways
            raise FrameInvalid(f"a packet cannot be read ({type(error).__name__})") from None
        self._check()
        return attachments

    def _check(self) -> None:
        kind, namespace, data = self.packet_type, self.namespace, self.data  # type: ignore[attr-defined]
        if not isinstance(kind, int) or kind not in _ACCEPTED:
            raise FrameInvalid("packets of this type are not sent by clients")
        if not isinstance(namespace, str | None):
            raise FrameInvalid("a namespace is a text")
        number = self.id  # type: ignore[attr-defined]
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise FrameInvalid("a packet's id is a whole number")
        if kind == packet.CONNECT and not isinstance(data, dict | None):
            raise FrameInvalid("auth is an object")
        if kind == packet.EVENT:
            if not isinstance(data, list) or not data or not isinstance(data[0], str):
                raise FrameInvalid("an event is a list that begins with its name")
            if data[0] in _RESERVED:
                raise FrameInvalid(f'"{data[0]}" is not for clients to send')
        if kind == packet.ACK and not isinstance(data, list):
            raise FrameInvalid("an acknowledgement is a list")


class JsonPacket(_Checked, packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet in JSON."""

    def encode(self) -> str:
        """The packet as text; its data may hold structs."""
        namespace = "" if self.namespace in (None, "/") else f"{self.namespace},"
        number = "" if self.id is None else self.id
        data = "" if self.data is None else to_json(self.data)
        return f"{self.packet_type}{namespace}{number}{data}"


class MsgpackPacket(_Checked, msgpack_packet.MsgPackPacket):  # type: ignore[misc]
    """A Socket.IO packet in MessagePack."""

    def encode(self) -> bytes:
        """The packet as bytes; its data may hold structs."""
        return to_msgpack(self._to_dict())


def _json_event(namespace: str, data: list[object]) -> bytes:
    prefix = "" if namespace == "/" else f"{namespace},"
    return f"{packet.EVENT}{prefix}".encode() + to_json_bytes(data)


def _msgpack_event(namespace: str, data: list[object]) -> bytes:
    return to_msgpack({"type": packet.EVENT, "data": data, "nsp": namespace})


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write Socket.IO packets. `encode_event` does it for events without the library's
    work on each packet, and in the same bytes."""

    packet_class: type[JsonPacket | MsgpackPacket]
    encode_event: Callable[[str, list[object]], bytes]
    is_binary: bool

    def push(self, namespace: str, name: str, payload: object) -> Push:
        """An event for the sockets of a namespace; without a payload where that is None."""
        data: list[object] = [name] if payload is None else [name, payload]
        return Push(self.encode_event(namespace, data), is_binary=self.is_binary)


JSON = Dialect(JsonPacket, _json_event, is_binary=False)
MSGPACK = Dialect(MsgpackPacket, _msgpack_event, is_binary=True)
