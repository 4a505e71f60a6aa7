"""Where a participant is, as an app is given it: a block that can be gone on from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from experiment_server.client.values import JsonObject, JsonValue

_MEMBERS = frozenset({"active", "block_name", "block_started_at", "config"})
_COUNTS = ("block_id", "blocks_count", "revision")


class Taken(NamedTuple):
    """When a snapshot was taken: revisions can be compared within one `epoch` only.

    A server that was gone may have another database, and count from zero.
    """

    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Place:
    """The block that a participant is in, and when it began, where that is known."""

    block_id: int
    started_at: str | None = None

    def may_be(self, other: Place) -> bool:
        """Whether they are the same as far as is known."""
        unknown = self.started_at is None or other.started_at is None
        return self.block_id == other.block_id and (unknown or self.started_at == other.started_at)

    def parameters(self) -> JsonObject:
        """What a move says of the place that it is meant from."""
        given = {"from_block": self.block_id, "from_started_at": self.started_at}
        return {name: value for name, value in given.items() if value is not None}


class Snapshot(dict[str, JsonValue]):
    """Where the participant is: the snapshot of the wire contract, as a dictionary.

    `next` and `finish` go on from this very block: they raise StudyError (`participant-elsewhere`)
    once the participant is in another one, or in the same one anew, and nothing is skipped.
    """

    def __init__(
        self,
        members: Mapping[str, JsonValue],
        taken: Taken,
        move_on: Callable[[Place], Awaitable[Snapshot]],
    ) -> None:
        super().__init__(members)
        self.taken = taken
        self._move_on = move_on

    @property
    def place(self) -> Place:
        """The block, and when it began."""
        return Place(self["block_id"], self["block_started_at"])

    @property
    def is_over(self) -> bool:
        """Whether the participant is past the last block."""
        return bool(self["block_id"] >= self["blocks_count"])

    async def next(self) -> Snapshot:
        """One block on from this one; returns where the participant is then."""
        return await self._move_on(self.place)

    async def finish(self) -> Snapshot:
        """End this block: what belongs to it is done, and the participant goes on."""
        return await self.next()


def is_snapshot(value: object) -> bool:
    """Whether a server may have said this: other things answer in its place."""
    if not isinstance(value, dict) or not value.keys() >= _MEMBERS:
        return False
    return all(isinstance(value.get(name), int) for name in _COUNTS)
