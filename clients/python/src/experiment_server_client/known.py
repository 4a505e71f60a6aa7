"""The state of a client's participant, and the iterators over its changes."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from experiment_server_client.errors import StudyError
from experiment_server_client.recorder import Recorder
from experiment_server_client.snapshot import Place, Snapshot, SnapshotTime
from experiment_server_client.values import JsonObject

Connection = Literal["socket", "rest", "none"]

# The keys that identify a visit to a block.
_BLOCK_KEYS = ("block_id", "block_name", "block_started_at")


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """An event of an AsyncClient: `block`, `config` or `end` with a snapshot, or `connection`."""

    event: Literal["block", "config", "end", "connection"]
    snapshot: Snapshot | None = None
    connection: Connection = "none"


class KnownState:
    """The newest snapshot of a participant, and the last one that the app got.

    `failure` is the error that stopped the client, None if there is none.
    """

    def __init__(self, move_on: Callable[[Place], Awaitable[Snapshot]], recorder: Recorder) -> None:
        self.newest: Snapshot | None = None
        self.handed_over: Snapshot | None = None
        self.failure: StudyError | None = None
        self.closed = False
        self._move_on = move_on
        self._recorder = recorder
        self._epoch = 0
        self._first: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()
        # Weak references, so that abandoned iterators get no more events.
        self._listeners: weakref.WeakSet[ClientEvents] = weakref.WeakSet()

    def start(self) -> None:
        """Prepare `first`; raises StudyError (`closed`) at the second call."""
        if self._first is not None:
            raise StudyError("closed", "a client can be entered once; create another one")
        self._first = asyncio.get_running_loop().create_future()

    async def first(self) -> None:
        """Wait until a state is known; raises StudyError if the server refuses."""
        if self._first is not None:
            await asyncio.shield(self._first)
        self.handed_over = self.newest

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot; raises StudyError (`not-ready`) before the first one."""
        if self.newest is None:
            raise StudyError("not-ready", "the state is not known yet")
        return self.newest

    def update(self, members: JsonObject) -> Snapshot:
        """Store a received snapshot and publish its changes; an older one is ignored."""
        time = SnapshotTime(self._epoch, members["revision"])
        snapshot = Snapshot(members, time, self._move_on, self._recorder)
        known = self.newest
        if known is not None and snapshot.time < known.time:
            return snapshot
        self.newest = snapshot
        self._recorder.start(snapshot["participant_index"])
        if self._first and not self._first.done():
            self._first.set_result(None)
        if known is None or any(known[key] != snapshot[key] for key in _BLOCK_KEYS):
            self.publish(ClientEvent("block", snapshot))
            if snapshot.is_over:
                self.publish(ClientEvent("end", snapshot))
        elif known["config"] != snapshot["config"]:
            self.publish(ClientEvent("config", snapshot))
        return snapshot

    @property
    def given(self) -> Snapshot:
        """The snapshot that the app got last; raises StudyError as `snapshot` does."""
        return self.handed_over or self.snapshot

    def hand_over(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot to the app; its next move starts from the latest one."""
        if self.handed_over is None or snapshot.time >= self.handed_over.time:
            self.handed_over = snapshot
        return snapshot

    def start_epoch(self) -> None:
        """Start a new epoch: another server may answer, whose revisions start anew."""
        self._epoch += 1

    def refuse(self, error: StudyError) -> None:
        """Fail `first` with an error."""
        if self._first and not self._first.done():
            self._first.set_exception(error)

    def events(self) -> ClientEvents:
        """An iterator over all later events."""
        events = ClientEvents(self)
        self._listeners.add(events)
        return events

    def publish(self, event: ClientEvent) -> None:
        """Send an event to all iterators."""
        for events in self._listeners:
            events.queue.append(event)
        self.wake()

    def wake(self) -> None:
        """Wake all tasks that wait for a change."""
        self._changed.set()

    async def change(self) -> None:
        """Wait for the next change; raises StudyError if the client has failed."""
        if self.failure is not None:
            raise self.failure
        self._changed.clear()
        await self._changed.wait()


class Blocks(AsyncIterator[Snapshot]):
    """Yields each block; a cancelled wait loses no block."""

    def __init__(self, known: KnownState) -> None:
        self._first = known
        self._last: Place | None = None

    async def __anext__(self) -> Snapshot:
        while not self._first.closed:
            snapshot = self._first.snapshot
            if snapshot.is_over:
                break
            if snapshot["active"] and snapshot.place != self._last:
                self._last = snapshot.place
                return self._first.hand_over(snapshot)
            await self._first.change()
        raise StopAsyncIteration


class ClientEvents(AsyncIterator[ClientEvent]):
    """Yields events in order; a cancelled wait loses no event."""

    def __init__(self, known: KnownState) -> None:
        self._first = known
        self.queue: deque[ClientEvent] = deque()

    async def __anext__(self) -> ClientEvent:
        while not self.queue:
            if self._first.closed:
                raise StopAsyncIteration
            await self._first.change()
        event = self.queue.popleft()
        if event.snapshot is not None:
            self._first.hand_over(event.snapshot)
        return event
