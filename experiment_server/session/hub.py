"""Rooms: a message to a room goes to every transport that has sockets in the room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from experiment_server.wire.encoding import Encoded
from experiment_server.wire.snapshots import ParticipantSnapshot

DASHBOARD = "dashboard"
PARTICIPANTS = "participants"
"""The room of every participant's app."""


Room: TypeAlias = str | int
"""The name of a room, or the index of a participant: the room of their apps."""


class Message(Struct, frozen=True, gc=False):
    """An event for all sockets in a room, with a struct, a list of structs, or no payload."""

    room: Room
    event: str
    payload: Encoded[ParticipantSnapshot] | Struct | Sequence[Struct] | None


class Transport(Protocol):
    """Sends messages to the sockets of one endpoint."""

    def has_listeners(self, room: Room) -> bool:
        """Whether the room has any socket."""

    def deliver(self, message: Message) -> None:
        """Send a message to the sockets of its room, or queue it; never waits."""


class Hub:
    """Knows the transports of this process, and which of them have sockets in a room."""

    def __init__(self) -> None:
        self._transports: list[Transport] = []

    def subscribe(self, transport: Transport) -> None:
        """Add a transport; it delivers every later message."""
        self._transports.append(transport)

    def listening(self, room: Room) -> list[Transport]:
        """The transports with sockets in a room."""
        return [transport for transport in self._transports if transport.has_listeners(room)]
