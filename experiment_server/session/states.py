"""Everybody's state in memory: as it is durable, and as it is on its way to the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

from experiment_server.errors import ParticipantUnknown
from experiment_server.participants.state import ParticipantState
from experiment_server.store.store import Store


class ParticipantStates:
    """A cache of the store: `drop_cache` may be called at any time, and nothing changes.

    A state is `pending` from the moment in which its commit is handed to the store until the store
    has answered: a change that comes meanwhile is made from it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, ParticipantState] = {}
        # Whether everybody is known, so that who is not does not exist.
        self._complete = False
        self._generation = 0
        self._pending: dict[int, ParticipantState] = {}
        self._open = asyncio.Event()
        self._open.set()

    # Durable states

    async def get(self, participant_index: int) -> ParticipantState:
        """A participant's state as it is durable; raises ParticipantUnknown."""
        state = self._known.get(participant_index)
        if state is None and not self._complete:
            state = await self.read(participant_index)
        if state is None:
            raise ParticipantUnknown(participant_index)
        return state

    async def all(self) -> list[ParticipantState]:
        """Everybody's state as it is durable, ascending by index."""
        if not self._complete:
            generation = self._generation
            states = await asyncio.wrap_future(self._store.load())
            if generation != self._generation:
                # It may be older than what was dropped meanwhile: good for now, not to be kept.
                return states
            self._learn(states)
            self._complete = True
        return [self._known[index] for index in sorted(self._known)]

    @property
    def known_count(self) -> int:
        """How many participants are in the cache: everybody, once they were listed."""
        return len(self._known)

    async def read(self, participant_index: int) -> ParticipantState | None:
        """A state from the store, read behind all that is on its way there."""
        generation = self._generation
        state = await asyncio.wrap_future(self._store.read(participant_index))
        if state is None or generation != self._generation:
            # It may be older than what was dropped meanwhile: good for now, not to be kept.
            return state
        self._learn([state])
        return self._known[participant_index]

    def drop_cache(self) -> None:
        """Forget everything; it is read again where it is needed."""
        self._known.clear()
        self._pending.clear()
        self._complete = False
        self._generation += 1

    # Newest states

    async def newest(self) -> list[ParticipantState]:
        """Everybody's state with the changes that are on their way to the disk."""
        states = await self.all()
        return [self._pending.get(state.participant_index, state) for state in states]

    async def newest_of(self, participant_index: int) -> ParticipantState:
        """A participant's newest state, once changes may begin; raises ParticipantUnknown."""
        # Nothing is awaited between the look at `_open` and the return: a change that begins has
        # the blocks of the version that is served.
        while True:
            await self._opened()
            state = self._pending.get(participant_index) or self._known.get(participant_index)
            if state is not None:
                return state
            state = await self.get(participant_index)
            if self._open.is_set():
                return self._pending.get(participant_index) or state

    def is_newest(self, state: ParticipantState) -> bool:
        """Whether nothing about a participant has changed since this state was read."""
        index = state.participant_index
        return (self._pending.get(index) or self._known.get(index)) is state

    def is_pending(self, participant_index: int) -> bool:
        """Whether a change of a participant is on its way to the disk."""
        return participant_index in self._pending

    @property
    def largest_index(self) -> int:
        """The largest index that a participant in memory has, 0 for none."""
        return max([*self._known, *self._pending], default=0)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let no other change begin for as long as the context lasts."""
        await self._opened()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    # What the store is given, and what it answers

    def send(self, state: ParticipantState) -> None:
        """A state is on its way to the disk."""
        self._pending[state.participant_index] = state

    def settle(self, states: Sequence[ParticipantState], *, kept: bool) -> None:
        """The store has answered about states that were sent together: all are kept, or none."""
        for state in states:
            # Whatever lined up behind a change that failed will fail too; nothing new joins it.
            if not kept or self._pending.get(state.participant_index) is state:
                self._pending.pop(state.participant_index, None)
        if kept:
            self._learn(states)

    def _learn(self, states: Iterable[ParticipantState]) -> None:
        for state in states:
            known = self._known.get(state.participant_index)
            if known is None or known.revision < state.revision:
                self._known[state.participant_index] = state

    async def _opened(self) -> None:
        while not self._open.is_set():
            await self._open.wait()
