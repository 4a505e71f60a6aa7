"""Who hears of a change: messages go to rooms, and transports carry rooms to sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

DASHBOARD = "dashboard"
PARTICIPANTS = "participants"
"""The room of every participant's app."""


def participant_room(participant_index: int) -> str:
    """The room of one participant's apps."""
    return f"participant:{participant_index}"


@dataclass(frozen=True, slots=True)
class Message:
    """An event for everybody in a room. `payload` is plain JSON data, None for none."""

    room: str
    event: str
    payload: Any


Deliver = Callable[[Message], Awaitable[None]]
Hears = Callable[[str], bool]


class Hub:
    """Delivers messages within this process, one after the other.

    One at a time, so that two changes of a participant arrive in the order of their revisions. A
    publisher waits for the delivery, so what waits here is bounded by the requests in flight.
    """

    def __init__(self) -> None:
        self._receivers: list[tuple[Deliver, Hears]] = []
        self._order = asyncio.Lock()

    def subscribe(self, deliver: Deliver, hears: Hears) -> None:
        """Have every message from now on delivered to a transport.

        `hears` tells whether anybody is in a room; for empty rooms nothing is delivered.
        """
        self._receivers.append((deliver, hears))

    def hears(self, room: str) -> bool:
        """Whether anybody would hear of what is said in a room."""
        return any(hears(room) for _, hears in self._receivers)

    async def publish(self, *messages: Message) -> None:
        """Deliver messages to all transports, in order."""
        if not any(self.hears(message.room) for message in messages):
            return
        async with self._order:
            for message in messages:
                for deliver, hears in self._receivers:
                    if hears(message.room):
                        await deliver(message)
