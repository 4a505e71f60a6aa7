"""Everybody's state, and the one way to change it.

A change is made in three steps: the pure transition on the latest state, the durable commit, and
the news to the rooms. Between reading the latest state and handing the commit to the store nothing
is awaited, so changes of one participant that arrive together line up behind each other and share
a commit; a change whose predecessor failed finds its revision gone and starts over from what is
durable.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from experiment_server.errors import (
    ExperimentServerError,
    ParticipantUnknown,
    RevisionConflict,
    StoreUnavailable,
)
from experiment_server.flow.events import Event
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import COMMIT_ATTEMPTS, COMMIT_TIMEOUT
from experiment_server.store.records import StudyVersion
from experiment_server.store.store import Change, Commit, Reply, Store, Written


@dataclass(slots=True)
class Plan:
    """A change that is about to be made.

    `states` holds the states before and after; before is None for who is added.
    """

    states: Sequence[tuple[ParticipantState | None, ParticipantState]] = ()
    events: Sequence[Event] = ()
    version: StudyVersion | None = None
    reply: Reply | None = None
    written: Written = field(default_factory=lambda: Written(()))

    @property
    def after(self) -> list[ParticipantState]:
        """The states once it is made."""
        return [after for _, after in self.states]


Planning = Callable[[], Plan]

Late = Callable[[Sequence[ParticipantState], Written], None]
"""Told of states that are durable after all, when nobody waits for them any longer."""


class Roster:
    """The participants of a session as committed, and with what is on its way to the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._committed: dict[int, ParticipantState] = {}
        self._latest: dict[int, ParticipantState] = {}
        self._late: Late = lambda _states, _written: None
        self._open = asyncio.Event()
        self._open.set()

    async def load(self) -> None:
        """Read everybody's state from the store."""
        states = await asyncio.wrap_future(self._store.load())
        self._committed = {state.participant_index: state for state in states}

    def tell_late(self, late: Late) -> None:
        """Have `late` told of changes that are kept after who asked for them has given up."""
        self._late = late

    def __contains__(self, participant_index: int) -> bool:
        return participant_index in self._committed

    def __len__(self) -> int:
        return len(self._committed)

    def indices(self) -> list[int]:
        """All participants, ascending."""
        return sorted(self._committed)

    def free_index(self) -> int:
        """The index after the largest one."""
        return max([*self._committed, *self._latest], default=0) + 1

    def state(self, participant_index: int) -> ParticipantState:
        """A participant's state as it is durable; raises ParticipantUnknown."""
        state = self._committed.get(participant_index)
        if state is None:
            raise ParticipantUnknown(participant_index)
        return state

    def newest(self, participant_index: int) -> ParticipantState:
        """The state with the changes that are on their way to the disk."""
        return self._latest.get(participant_index) or self.state(participant_index)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let no change begin but those made with `make`, for as long as the context lasts."""
        while not self._open.is_set():
            await self._open.wait()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def change(self, planning: Planning, concerning: int | None = None) -> Plan:
        """Make the change that `planning` plans, in one commit.

        It is planned again when a state that it was made from turns out not to be kept, and, with
        `concerning`, before it is refused because of a state that is not durable yet.
        """
        while not self._open.is_set():
            await self._open.wait()
        return await self.make(planning, concerning)

    async def make(self, planning: Planning, concerning: int | None = None) -> Plan:
        """Make a change as `change` does, inside of `alone`."""
        for _ in range(COMMIT_ATTEMPTS):
            try:
                plan = planning()
            except ExperimentServerError:
                if concerning not in self._latest:
                    raise
                await self._refresh([])
                continue
            try:
                plan.written = await self._commit(plan)
            except RevisionConflict:
                await self._refresh(state.participant_index for state in plan.after)
                continue
            return plan
        raise StoreUnavailable("the participant is being changed too often; try again in a moment")

    async def _commit(self, plan: Plan) -> Written:
        for state in plan.after:
            self._latest[state.participant_index] = state
        changes = [
            Change(after, None if before is None else before.revision)
            for before, after in plan.states
        ]
        commit = Commit(changes, plan.events, plan.version, plan.reply)
        waiting: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._store.send(commit, partial(self._settle, plan.after, waiting))
        try:
            await asyncio.wait((waiting,), timeout=COMMIT_TIMEOUT)
            if waiting.done():
                return waiting.result()
        finally:
            # Nobody waits for it from here on; a future that is done stays as it is.
            waiting.cancel()
        raise StoreUnavailable(
            "the database has not answered yet, and whether the change is made will be known when "
            "it does; ask for the state, or repeat the request with its idempotency key"
        )

    def _settle(
        self,
        states: Sequence[ParticipantState],
        waiting: asyncio.Future[Written],
        outcome: Written | Exception,
    ) -> None:
        # Also for a request that was cancelled meanwhile: what is kept is kept.
        kept = outcome if isinstance(outcome, Written) else None
        for state in states:
            # Whatever lined up behind a change that failed will fail too; nothing new joins it.
            if kept is None or self._latest.get(state.participant_index) is state:
                self._latest.pop(state.participant_index, None)
            if kept:
                self._learn(state)
        if waiting.cancelled():
            if kept:
                self._late(states, kept)
            return
        if isinstance(outcome, Exception):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)

    async def _refresh(self, indices: Iterable[int]) -> None:
        """Read states from the store, behind all that is on its way there."""
        for index in [*indices] or [0]:
            state = await asyncio.wrap_future(self._store.read(index))
            if state is not None:
                self._committed[index] = state

    def _learn(self, state: ParticipantState) -> None:
        known = self._committed.get(state.participant_index)
        if known is None or known.revision <= state.revision:
            self._committed[state.participant_index] = state
