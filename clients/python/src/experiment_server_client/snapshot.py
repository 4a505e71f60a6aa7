"""The snapshot of a participant, with the methods to move on from its block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from experiment_server_client.values import JsonObject, JsonValue

_MEMBERS = frozenset({"active", "block_name", "block_started_at", "config"})
_COUNTS = ("block_id", "blocks_count", "revision")


class SnapshotTime(NamedTuple):
    """Orders snapshots by age. Revisions can be compared within one `epoch` only.

    After a lost connection the server may have another database, whose revisions start at zero.
    """

    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Place:
    """The block that a participant is in, and when it started, if that is known."""

    block_id: int
    started_at: str | None = None

    def may_be(self, other: Place) -> bool:
        """Whether both may be the same visit; an unknown start fits any."""
        unknown = self.started_at is None or other.started_at is None
        return self.block_id == other.block_id and (unknown or self.started_at == other.started_at)

    def parameters(self) -> JsonObject:
        """The preconditions of a move from this place."""
        given = {"from_block": self.block_id, "from_started_at": self.started_at}
        return {name: value for name, value in given.items() if value is not None}


class Snapshot(dict[str, JsonValue]):
    """A participant's snapshot, as in the wire contract, as a dictionary.

    `next` and `finish` move on from this block. They raise StudyError (`participant-elsewhere`) if
    the participant is in another block, or has started this one again, so that no block is skipped.
    """

    def __init__(
        self,
        members: Mapping[str, JsonValue],
        time: SnapshotTime,
        move_on: Callable[[Place], Awaitable[Snapshot]],
    ) -> None:
        super().__init__(members)
        self.time = time
        self._move_on = move_on

    @property
    def place(self) -> Place:
        """The block, and when it started."""
        return Place(self["block_id"], self["block_started_at"])

    @property
    def is_over(self) -> bool:
        """Whether the participant is past the last block."""
        return bool(self["block_id"] >= self["blocks_count"])

    async def next(self) -> Snapshot:
        """Move one block on from this one; returns the new snapshot."""
        return await self._move_on(self.place)

    async def finish(self) -> Snapshot:
        """Finish this block and move to the next one; returns the new snapshot."""
        return await self.next()


def is_snapshot(value: object) -> bool:
    """Whether an answer is a snapshot; another program may have answered."""
    if not isinstance(value, dict) or not value.keys() >= _MEMBERS:
        return False
    return all(isinstance(value.get(name), int) for name in _COUNTS)
