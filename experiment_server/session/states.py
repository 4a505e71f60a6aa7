"""The states of all participants in memory: the durable ones, and those with a pending commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

from experiment_server.errors import ParticipantUnknown
from experiment_server.participants.state import ParticipantState
from experiment_server.store.store import Store


class ParticipantStates:
    """A cache of the store. `drop_cache` may be called at any time, and nothing changes.

    A state is `pending` from the moment when its commit is handed to the store until the store
    answers. A change that arrives in between starts from the pending state.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, ParticipantState] = {}
        # Whether the cache holds every participant, so that a missing one does not exist.
        self._complete = False
        self._generation = 0
        self._pending: dict[int, ParticipantState] = {}
        self._open = asyncio.Event()
        self._open.set()

    # Durable states

    async def get(self, participant_index: int) -> ParticipantState:
        """A participant's durable state; raises ParticipantUnknown."""
        state = self._known.get(participant_index)
        if state is None and not self._complete:
            state = await self.read(participant_index)
        if state is None:
            raise ParticipantUnknown(participant_index)
        return state

    async def all(self) -> list[ParticipantState]:
        """The durable states of all participants, ascending by index."""
        if not self._complete:
            generation = self._generation
            states = await asyncio.wrap_future(self._store.load())
            if generation != self._generation:
                # The cache was dropped meanwhile: these states may be stale and are not cached.
                return states
            self._cache(states)
            self._complete = True
        return [self._known[index] for index in sorted(self._known)]

    @property
    def known_count(self) -> int:
        """The number of participants in the cache: all of them, after `all`."""
        return len(self._known)

    async def read(self, participant_index: int) -> ParticipantState | None:
        """Read a state from the store, after all commits that were sent earlier."""
        generation = self._generation
        state = await asyncio.wrap_future(self._store.read(participant_index))
        if state is None or generation != self._generation:
            # The cache was dropped meanwhile. This state may be stale, so it is not cached.
            return state
        self._cache([state])
        return self._known[participant_index]

    def drop_cache(self) -> None:
        """Empty the cache; states are read again when they are needed."""
        self._known.clear()
        self._pending.clear()
        self._complete = False
        self._generation += 1

    # Newest states

    async def newest(self) -> list[ParticipantState]:
        """The states of all participants, with pending changes applied."""
        states = await self.all()
        return [self._pending.get(state.participant_index, state) for state in states]

    async def newest_of(self, participant_index: int) -> ParticipantState:
        """A participant's newest state, with pending changes; waits while `alone` blocks changes.

        Raises ParticipantUnknown.
        """
        # Nothing is awaited between the check of `_open` and the return, so a change that begins
        # now uses the blocks of the version that is served.
        while True:
            await self._wait_until_open()
            state = self._pending.get(participant_index) or self._known.get(participant_index)
            if state is not None:
                return state
            state = await self.get(participant_index)
            if self._open.is_set():
                return self._pending.get(participant_index) or state

    def is_newest(self, state: ParticipantState) -> bool:
        """Whether the participant has not changed since this state was read."""
        index = state.participant_index
        return (self._pending.get(index) or self._known.get(index)) is state

    def is_pending(self, participant_index: int) -> bool:
        """Whether a commit of the participant is pending."""
        return participant_index in self._pending

    @property
    def largest_index(self) -> int:
        """The largest participant index in memory, 0 if there is none."""
        return max([*self._known, *self._pending], default=0)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Block new changes while the context is open."""
        await self._wait_until_open()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    # Commits

    def send(self, state: ParticipantState) -> None:
        """Record that a commit with this state was sent to the store."""
        self._pending[state.participant_index] = state

    def settle(self, states: Sequence[ParticipantState], *, kept: bool) -> None:
        """Record the store's answer about one commit: it kept all of the states, or none."""
        for state in states:
            # Commits made from a failed one will fail too, so no new change starts from them.
            if not kept or self._pending.get(state.participant_index) is state:
                self._pending.pop(state.participant_index, None)
        if kept:
            self._cache(states)

    def _cache(self, states: Iterable[ParticipantState]) -> None:
        for state in states:
            known = self._known.get(state.participant_index)
            if known is None or known.revision < state.revision:
                self._known[state.participant_index] = state

    async def _wait_until_open(self) -> None:
        while not self._open.is_set():
            await self._open.wait()
