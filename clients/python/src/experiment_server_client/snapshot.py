"""The snapshot of a participant, with the methods to move on from its block."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, overload

from experiment_server_client.recorder import FINISH_TIMEOUT_S, Recorder
from experiment_server_client.records import table_and_data
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


class RecordMethod(ABC):
    """Has the method `record`, for results in the block of a snapshot."""

    _recorder: Recorder

    @overload
    def record(self, table_or_data: Mapping[str, JsonValue]) -> None: ...
    @overload
    def record(self, table_or_data: str, data: Mapping[str, JsonValue]) -> None: ...
    def record(
        self,
        table_or_data: str | Mapping[str, JsonValue],
        data: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Record results in this block: `record({...})`, or `record("table", {...})`.

        With a client, the block is the one that the app got last. Returns at once, when the record
        is on the device; it is sent in the background, also after a move, and by the next start of
        the program if this one ends before. The default table is `trials`. Raises StudyError
        (`closed`, a client also `not-ready`; `record-invalid` and `record-too-large` for what the
        server would never accept).
        """
        self._recorder.record(self._record_context(), *table_and_data(table_or_data, data))

    @abstractmethod
    def _record_context(self) -> Mapping[str, JsonValue]:
        """The snapshot that describes the context of records; raises StudyError."""


class RecordingSnapshot(RecordMethod, dict[str, JsonValue]):
    """A participant's snapshot, as in the wire contract, as a dictionary that records results."""

    def __init__(self, members: Mapping[str, JsonValue], recorder: Recorder) -> None:
        super().__init__(members)
        self._recorder = recorder

    @property
    def place(self) -> Place:
        """The block, and when it started."""
        return Place(self["block_id"], self["block_started_at"])

    @property
    def is_over(self) -> bool:
        """Whether the participant is past the last block."""
        return bool(self["block_id"] >= self["blocks_count"])

    def _record_context(self) -> Mapping[str, JsonValue]:
        return self

    def _arrived(self) -> Future[bool] | None:
        """Done when the server has what was recorded in this block."""
        return self._recorder.arrived(self["participant_index"], self["block_id"])


class Snapshot(RecordingSnapshot):
    """A snapshot of an AsyncClient.

    `next` and `finish` move on from this block. They raise StudyError (`participant-elsewhere`) if
    the participant is in another block, or has started this one again, so that no block is skipped.
    """

    def __init__(
        self,
        members: Mapping[str, JsonValue],
        time: SnapshotTime,
        move_on: Callable[[Place], Awaitable[Snapshot]],
        recorder: Recorder,
    ) -> None:
        super().__init__(members, recorder)
        self.time = time
        self._move_on = move_on

    async def next(self) -> Snapshot:
        """Move one block on from this one; returns the new snapshot."""
        return await self._move_on(self.place)

    async def finish(self) -> Snapshot:
        """Wait at most 3 seconds for the records of this block, and move to the next one.

        Returns the new snapshot. Records that have not arrived then are sent later.
        """
        arrived = self._arrived()
        if arrived is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(arrived), FINISH_TIMEOUT_S)
        return await self.next()


def is_snapshot(value: object) -> bool:
    """Whether an answer is a snapshot; another program may have answered."""
    if not isinstance(value, dict) or not value.keys() >= _MEMBERS:
        return False
    return all(isinstance(value.get(name), int) for name in _COUNTS)
