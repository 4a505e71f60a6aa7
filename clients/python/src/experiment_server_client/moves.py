"""The queue of an app's moves that are not answered yet."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from experiment_server_client.errors import StudyError
from experiment_server_client.snapshot import Place, Snapshot
from experiment_server_client.values import JsonObject

Action = Literal["move-to-next", "move-to-previous", "move-to-block"]

# Moves that wait for a connection. People press a button repeatedly if nothing happens.
MOVE_QUEUE_MAX = 16


@dataclass(eq=False, slots=True)
class Move:
    """A move with an idempotency key, so that the server executes it once.

    It starts from a `place`, or from any place if that is None. `follows` is a queued move that
    leads to that place.
    """

    action: Action
    block_id: int | None = None
    place: Place | None = None
    follows: Move | None = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    answer: asyncio.Future[Snapshot] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def parameters(self) -> JsonObject:
        """The parameters besides the block."""
        return {} if self.place is None else self.place.parameters()


class Moves:
    """The queued moves."""

    def __init__(self) -> None:
        self._waiting: list[Move] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[Move]:
        return iter(self._waiting)

    @property
    def first(self) -> Move:
        """The move to send next."""
        return self._waiting[0]

    def add(self, move: Move) -> None:
        """Queue a move; raises StudyError (`queue-full`)."""
        if len(self._waiting) >= MOVE_QUEUE_MAX:
            raise StudyError("queue-full", f"{MOVE_QUEUE_MAX} moves wait for a connection already")
        self._waiting.append(move)

    def remove(self, move: Move) -> None:
        """Remove a move, so that it is not sent."""
        if move in self._waiting:
            self._waiting.remove(move)

    def answer(self, move: Move, snapshot: Snapshot) -> None:
        """Remove a move, and return its snapshot to its caller."""
        self.remove(move)
        if not move.answer.done():
            move.answer.set_result(snapshot)

    def refuse(self, move: Move, error: StudyError) -> None:
        """Fail a move, and the moves that follow it."""
        self.remove(move)
        if not move.answer.done():
            move.answer.set_exception(error)
        for other in [other for other in self._waiting if other.follows is move]:
            self.refuse(other, error)

    def refuse_all(self, error: StudyError) -> None:
        """Fail all queued moves."""
        while self._waiting:
            self.refuse(self.first, error)

    def next_from(self, given: Snapshot) -> tuple[Place, Move | None]:
        """The place after all queued moves, and the last move that leads there."""
        place, last = given.place, None
        for move in self._waiting:
            if move.block_id is not None:
                place, last = Place(move.block_id), move
            # The move's effect may be known already, because the server pushes before it answers.
            elif move.place is not None and move.place.may_be(place):
                step = 1 if move.action == "move-to-next" else -1
                reached = min(max(place.block_id + step, -1), given["blocks_count"])
                place, last = Place(reached), move
        return place, last
