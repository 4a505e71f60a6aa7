"""What a client knows of its participant, and who waits to hear of it."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from experiment_server.client.errors import StudyError
from experiment_server.client.snapshot import Place, Snapshot, Taken
from experiment_server.client.values import JsonObject

Connection = Literal["socket", "rest", "none"]

# What tells a block from another one, and from the same one begun anew.
_BLOCK = ("block_id", "block_name", "block_started_at")


@dataclass(frozen=True, slots=True)
class Happening:
    """What an AsyncClient heard: `block`, `config`, `end` with a snapshot, or `connection`."""

    event: Literal["block", "config", "end", "connection"]
    snapshot: Snapshot | None = None
    connection: Connection = "none"


class KnownState:
    """The newest snapshot of a participant, and the one that the app goes on from.

    `failure` is why the client has stopped, where it should not have.
    """

    def __init__(self, move_on: Callable[[Place], Awaitable[Snapshot]]) -> None:
        self.newest: Snapshot | None = None
        self.given: Snapshot | None = None
        self.failure: StudyError | None = None
        self.closed = False
        self._move_on = move_on
        self._epoch = 0
        self._known: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()
        # Weak: who has stopped iterating, wherever that was, is told nothing more.
        self._listening: weakref.WeakSet[Happenings] = weakref.WeakSet()

    def begin(self) -> None:
        """Have `first` wait from now on; raises StudyError (`closed`) the second time."""
        if self._known is not None:
            raise StudyError("closed", "a client takes part once: make another one")
        self._known = asyncio.get_running_loop().create_future()

    async def first(self) -> None:
        """Wait until a state is known; raises StudyError if there will be none."""
        if self._known is not None:
            await asyncio.shield(self._known)
        self.given = self.newest

    @property
    def snapshot(self) -> Snapshot:
        """Where the participant is by now; raises StudyError (`not-ready`) before that is known."""
        if self.newest is None:
            raise StudyError("not-ready", "the state is not known yet")
        return self.newest

    def take(self, members: JsonObject) -> Snapshot:
        """Take a snapshot in, from wherever it comes; one older than what is known tells nobody."""
        snapshot = Snapshot(members, Taken(self._epoch, members["revision"]), self._move_on)
        known = self.newest
        if known is not None and snapshot.taken < known.taken:
            return snapshot
        self.newest = snapshot
        if self._known and not self._known.done():
            self._known.set_result(None)
        if known is None or any(known[key] != snapshot[key] for key in _BLOCK):
            self.tell(Happening("block", snapshot))
            if snapshot.is_over:
                self.tell(Happening("end", snapshot))
        elif known["config"] != snapshot["config"]:
            self.tell(Happening("config", snapshot))
        return snapshot

    def give(self, snapshot: Snapshot) -> Snapshot:
        """Hand a snapshot to the app, which goes on from the latest that it was given."""
        if self.given is None or snapshot.taken >= self.given.taken:
            self.given = snapshot
        return snapshot

    def forget_order(self) -> None:
        """The server may be another one from here on: its revisions are newer than all before."""
        self._epoch += 1

    def refuse(self, error: StudyError) -> None:
        """Tell whoever waits for the first state that there will be none."""
        if self._known and not self._known.done():
            self._known.set_exception(error)

    def happenings(self) -> Happenings:
        """All that is heard from now on."""
        happenings = Happenings(self)
        self._listening.add(happenings)
        return happenings

    def tell(self, happening: Happening) -> None:
        """Tell whoever listens."""
        for happenings in self._listening:
            happenings.heard.append(happening)
        self.wake()

    def wake(self) -> None:
        """Have whoever waits for a change look again."""
        self._changed.set()

    async def change(self) -> None:
        """Wait until something has changed; raises StudyError once the client has failed."""
        if self.failure is not None:
            raise self.failure
        self._changed.clear()
        await self._changed.wait()


class Blocks(AsyncIterator[Snapshot]):
    """Gives the app each block; a cancelled wait for one loses none."""

    def __init__(self, known: KnownState) -> None:
        self._known = known
        self._last: Place | None = None

    async def __anext__(self) -> Snapshot:
        while not self._known.closed:
            snapshot = self._known.snapshot
            if snapshot.is_over:
                break
            if snapshot["active"] and snapshot.place != self._last:
                self._last = snapshot.place
                return self._known.give(snapshot)
            await self._known.change()
        raise StopAsyncIteration


class Happenings(AsyncIterator[Happening]):
    """Gives the app what is heard, in order; a cancelled wait loses nothing of it."""

    def __init__(self, known: KnownState) -> None:
        self._known = known
        self.heard: deque[Happening] = deque()

    async def __anext__(self) -> Happening:
        while not self.heard:
            if self._known.closed:
                raise StopAsyncIteration
            await self._known.change()
        happening = self.heard.popleft()
        if happening.snapshot is not None:
            self._known.give(happening.snapshot)
        return happening
