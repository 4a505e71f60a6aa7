"""Encodes Socket.IO 5 packets, and validates those that clients send in Engine.IO 4 frames.

The libraries do not validate what they decode. These checks run first, so that an invalid packet
closes its own connection and has no other effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from engineio import packet as engine
from engineio.payload import Payload
from socketio import msgpack_packet, packet

from experiment_server.limits.network import PACKET_BURST_MAX
from experiment_server.server.outgoing import Push
from experiment_server.wire.encoding import Encoded, to_json, to_json_bytes, to_msgpack

# A polling client sends together what it has gathered; the library's 16 would lose the rest.
Payload.max_decode_packets = int(PACKET_BURST_MAX)

# The library calls handlers with these names for connection events, so clients must not send
# them.
_RESERVED = frozenset({"connect", "connect_error", "disconnect", "*"})

# What a polling client posts. Of anything else the library thinks that it ends the connection, and
# waits without end for its client to take what was sent to it.
_POSTED = frozenset({engine.CLOSE, engine.PONG, engine.MESSAGE})

_ACCEPTED = frozenset({packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.ACK})


class FrameInvalid(OSError):
    """A client sent an invalid packet.

    This is an OSError, because Engine.IO closes a connection on an OSError.
    """


def check_frame(frame: str | bytes) -> None:
    """Raise FrameInvalid if a WebSocket message is not an Engine.IO packet."""
    try:
        decoded = engine.Packet(encoded_packet=frame)
    except (ValueError, RecursionError):
        raise FrameInvalid("a frame is no Engine.IO packet") from None
    if decoded.packet_type >= len(engine.packet_names):
        raise FrameInvalid(f"no Engine.IO packet has the type {decoded.packet_type}")


def check_payload(body: bytes) -> int:
    """The number of packets in a polling client's post; raises FrameInvalid for invalid ones."""
    try:
        text = body.decode("utf-8")
        frames = Payload(encoded_payload=text).packets
    except (ValueError, KeyError, RecursionError):
        raise FrameInvalid("it holds no Engine.IO packets") from None
    if any(frame.packet_type not in _POSTED for frame in frames):
        raise FrameInvalid("it holds packets that no polling client sends")
    return len(frames)


class _CheckedPacket:
    """A packet that is validated when it is decoded."""

    def decode(self, encoded_packet: str | bytes) -> int:
        """Decode and validate a packet; raises FrameInvalid."""
        try:
            attachments: int = super().decode(encoded_packet)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - the library raises many types
            raise FrameInvalid(f"a packet cannot be read ({type(error).__name__})") from None
        self._check()
        return attachments

    def _check(self) -> None:
        kind, namespace, data = self.packet_type, self.namespace, self.data  # type: ignore[attr-defined]
        if not isinstance(kind, int) or kind not in _ACCEPTED:
            raise FrameInvalid("clients must not send packets of this type")
        if not isinstance(namespace, str | None):
            raise FrameInvalid("a namespace has to be text")
        number = self.id  # type: ignore[attr-defined]
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise FrameInvalid("a packet's id has to be a whole number")
        if kind == packet.CONNECT and not isinstance(data, dict | None):
            raise FrameInvalid("auth has to be an object")
        if kind == packet.EVENT:
            if not isinstance(data, list) or not data or not isinstance(data[0], str):
                raise FrameInvalid("an event has to be a list that begins with its name")
            if data[0] in _RESERVED:
                raise FrameInvalid(f'clients must not send the event "{data[0]}"')
        if kind == packet.ACK and not isinstance(data, list):
            raise FrameInvalid("an acknowledgement has to be a list")


class JsonPacket(_CheckedPacket, packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet in JSON."""

    def encode(self) -> str:
        """The packet as text; its data may contain structs."""
        namespace = "" if self.namespace in (None, "/") else f"{self.namespace},"
        number = "" if self.id is None else self.id
        data = "" if self.data is None else to_json(self.data)
        return f"{self.packet_type}{namespace}{number}{data}"


class MsgpackPacket(_CheckedPacket, msgpack_packet.MsgPackPacket):  # type: ignore[misc]
    """A Socket.IO packet in MessagePack."""

    def encode(self) -> bytes:
        """The packet as bytes; its data may contain structs."""
        return to_msgpack(self._to_dict())


def _json_event(namespace: str, name: str, payload: object) -> bytes:
    start = _json_start(namespace, name)
    if payload is None:
        return start + b"]"
    # A snapshot that was encoded already is taken as it is.
    json = payload.json if isinstance(payload, Encoded) else to_json_bytes(payload)
    return b"%b,%b]" % (start, json)


@lru_cache(maxsize=64)
def _json_start(namespace: str, name: str) -> bytes:
    prefix = "" if namespace == "/" else f"{namespace},"
    return f"{packet.EVENT}{prefix}[{to_json(name)}".encode()


def _msgpack_event(namespace: str, name: str, payload: object) -> bytes:
    data = [name] if payload is None else [name, payload]
    return to_msgpack({"type": packet.EVENT, "data": data, "nsp": namespace})


@dataclass(frozen=True, slots=True)
class Dialect:
    """An encoding of Socket.IO packets. `encode_event` encodes an event to the same bytes as the
    library, but faster."""

    packet_class: type[JsonPacket | MsgpackPacket]
    encode_event: Callable[[str, str, object], bytes]
    is_binary: bool

    def push(self, namespace: str, name: str, payload: object) -> Push:
        """An event for the sockets of a namespace; `payload` None sends none."""
        return Push(self.encode_event(namespace, name, payload), is_binary=self.is_binary)


JSON = Dialect(JsonPacket, _json_event, is_binary=False)
MSGPACK = Dialect(MsgpackPacket, _msgpack_event, is_binary=True)
