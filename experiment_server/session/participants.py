"""Everybody's state: a cache of the store, and the one way to change it.

A change is made in three steps: the pure function on the newest state, the durable commit, and the
news of it. Between reading the newest state and handing the commit to the store nothing is awaited,
so changes of one participant that arrive together line up behind each other and share a commit. A
commit names the revision that it was made from; one whose predecessor failed, or that somebody else
was faster than, finds that revision gone and is made anew from what is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from experiment_server.errors import (
    ExperimentServerError,
    LimitReached,
    ParticipantElsewhere,
    ParticipantExists,
    ParticipantUnknown,
    RevisionConflict,
    StoreUnavailable,
)
from experiment_server.limits import COMMIT_ATTEMPTS, COMMIT_TIMEOUT, PARTICIPANTS
from experiment_server.participants import moves
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Event
from experiment_server.participants.moves import Outcome, Transition
from experiment_server.participants.state import ParticipantState, is_active
from experiment_server.session.idempotency import Idempotency
from experiment_server.session.requests import Request
from experiment_server.session.turns import in_turns
from experiment_server.session.versions import StudyVersions
from experiment_server.session.views import ParticipantViews
from experiment_server.store.commits import Commit, Written
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from experiment_server.study.model import Study


@dataclass(frozen=True, slots=True)
class Planned:
    """One participant's part of a commit. `before` is None for who is added."""

    before: ParticipantState | None
    outcome: Outcome


@dataclass(slots=True)
class Committed:
    """What was committed together; `changed` leaves out who is as before."""

    planned: Sequence[Planned]
    written: Written
    version: StudyVersion | None = None
    changed: list[ParticipantState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changed = [
            item.outcome.state for item in self.planned if item.outcome.state is not item.before
        ]


class ParticipantRepository:
    """The participants of a session, as committed and with what is on its way to the disk.

    `committed` is told of every commit of participants, in their order. Nothing here is more than
    a cache: `drop_cache` may be called at any time.
    """

    def __init__(
        self,
        store: Store,
        versions: StudyVersions,
        views: ParticipantViews,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        committed: Callable[[Committed], None],
    ) -> None:
        self._store = store
        self._versions = versions
        self._views = views
        self._idempotency = idempotency
        self._clock = clock
        self._tell = committed
        self._known: dict[int, ParticipantState] = {}
        # Whether everybody is known, so that who is not does not exist.
        self._complete = False
        self._generation = 0
        self._pending: dict[int, ParticipantState] = {}
        self._open = asyncio.Event()
        self._open.set()

    # Reading

    async def get(self, participant_index: int) -> ParticipantState:
        """A participant's state as it is durable; raises ParticipantUnknown."""
        state = self._known.get(participant_index)
        if state is None and not self._complete:
            state = await self._read(participant_index)
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

    def drop_cache(self) -> None:
        """Forget everything; it is read again where it is needed."""
        self._known.clear()
        self._pending.clear()
        self._complete = False
        self._generation += 1

    # Changing

    async def change(
        self,
        request: Request,
        participant_index: int,
        transition: Transition,
    ) -> ParticipantState:
        """The state after a pure change of one participant, once that is durable.

        Raises what the change raises, ParticipantUnknown, ParticipantElsewhere if the request
        names another place than the participant's, and StoreUnavailable.
        """
        for _ in range(COMMIT_ATTEMPTS):
            before = await self._newest_when_open(participant_index)
            sequence = self._versions.sequence(before)
            try:
                self._require_place(request, before, sequence)
                outcome = transition(before, sequence, request.cause, self._clock())
                reply = self._reply(request, outcome.state, sequence)
            except ExperimentServerError:
                if participant_index not in self._pending:
                    raise
                # A refusal has to rest on what is durable.
                await self._read(participant_index)
                continue
            try:
                await self.commit([Planned(before, outcome)], reply=reply)
            except RevisionConflict:
                await self._read(participant_index)
                continue
            return outcome.state
        raise _changed_too_often()

    async def move_all_to_block(
        self, request: Request, block_id: int, default_participant: int
    ) -> list[ParticipantState]:
        """Everybody who is in a block moved to a block, all or none; their states after it.

        Raises BlockOutOfRange if one of them, or with nobody active the default participant, has
        no such block.
        """
        async with self.alone():
            for _ in range(COMMIT_ATTEMPTS):
                planned = await self._plan_all(request, await self.newest(), block_id)
                if not planned:
                    default = await self.get(default_participant)
                    sequence = self._versions.sequence(default)
                    moves.move_to_block(default, sequence, request.cause, self._clock(), block_id)
                moved = [item.outcome.state for item in planned]
                indices = [state.participant_index for state in moved]
                try:
                    reply = self._idempotency.reply(request, indices)
                    await self.commit(planned, reply=reply)
                except RevisionConflict:
                    for index in indices:
                        await self._read(index)
                    continue
                return moved
        raise _changed_too_often()

    async def add(self, request: Request, participant_index: int) -> int:
        """A new participant by index, which is returned.

        Raises ParticipantExists, ParticipantIndexInvalid and LimitReached.
        """
        for _ in range(COMMIT_ATTEMPTS):
            known = {state.participant_index for state in await self.all()}
            if participant_index in known:
                raise ParticipantExists(participant_index)
            try:
                return await self._add(request, participant_index, len(known))
            except RevisionConflict:
                await self._read(participant_index)
        raise _changed_too_often()

    async def add_next(self, request: Request) -> int:
        """A new participant after the largest index; returns the new index."""
        for _ in range(COMMIT_ATTEMPTS):
            known = {state.participant_index for state in await self.all()}
            index = max([*known, *self._known, *self._pending], default=0) + 1
            try:
                return await self._add(request, index, len(known))
            except RevisionConflict:
                await self._read(index)
        raise _changed_too_often()

    async def _add(self, request: Request, participant_index: int, there_are: int) -> int:
        outcome = moves.add(participant_index, request.cause, self._clock())
        if there_are >= PARTICIPANTS:
            raise LimitReached(f"a session takes {PARTICIPANTS} participants, and has them")
        reply = self._idempotency.reply(request, participant_index)
        await self.commit([Planned(None, outcome)], reply=reply)
        return participant_index

    async def commit(
        self,
        planned: Sequence[Planned],
        *,
        events: Sequence[Event] = (),
        version: StudyVersion | None = None,
        served: Study | None = None,
        reply: Reply | None = None,
    ) -> Committed:
        """Make planned changes durable, all or none, with more events before theirs.

        With a `version`, the study of which is `served`, everybody has it from then on. Nothing may
        be awaited between reading the states that the plan rests on and this call.
        Raises RevisionConflict and StoreUnavailable.
        """
        changes = []
        happened = list(events)
        for item in planned:
            state = item.outcome.state
            self._pending[state.participant_index] = state
            changes.append(Change(state, None if item.before is None else item.before.revision))
            happened.extend(item.outcome.events)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Committed] = loop.create_future()
        commit = Commit(changes, happened, version, reply)
        self._store.send(commit, partial(self._settle, planned, version, served, waiting))
        timer = loop.call_later(COMMIT_TIMEOUT, _give_up, waiting)
        try:
            return await waiting
        finally:
            timer.cancel()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let no other change begin for as long as the context lasts."""
        await self._opened()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def newest(self) -> list[ParticipantState]:
        """Everybody's state with the changes that are on their way to the disk."""
        states = await self.all()
        return [self._pending.get(state.participant_index, state) for state in states]

    def is_newest(self, state: ParticipantState) -> bool:
        """Whether nothing about a participant has changed since this state was read."""
        index = state.participant_index
        return (self._pending.get(index) or self._known.get(index)) is state

    async def _plan_all(
        self, request: Request, states: Sequence[ParticipantState], block_id: int
    ) -> list[Planned]:
        planned, now = [], self._clock()
        async for state in in_turns(states):
            sequence = self._versions.sequence(state)
            if is_active(state, len(sequence)):
                outcome = moves.move_to_block(state, sequence, request.cause, now, block_id)
                planned.append(Planned(state, outcome))
        return planned

    def _require_place(
        self, request: Request, state: ParticipantState, sequence: BlockSequence
    ) -> None:
        try:
            if request.from_block is not None:
                moves.require_block(state, sequence, request.from_block)
            if request.from_started_at is not None:
                moves.require_start(state, request.from_started_at)
        except ParticipantElsewhere as error:
            error.snapshot = self._views.snapshot(state)
            raise

    def _reply(
        self, request: Request, state: ParticipantState, sequence: BlockSequence
    ) -> Reply | None:
        # A change that cannot be shown afterwards is not made.
        self._views.snapshot(state)
        return self._idempotency.reply(request, replace(state, study=sequence.study.digest))

    async def _opened(self) -> None:
        while not self._open.is_set():
            await self._open.wait()

    def _settle(
        self,
        planned: Sequence[Planned],
        version: StudyVersion | None,
        served: Study | None,
        waiting: asyncio.Future[Committed],
        outcome: Written | Exception,
    ) -> None:
        # Also for a request that was cancelled meanwhile: what is kept is kept.
        kept = isinstance(outcome, Written)
        states = [item.outcome.state for item in planned]
        for state in states:
            # Whatever lined up behind a change that failed will fail too; nothing new joins it.
            if not kept or self._pending.get(state.participant_index) is state:
                self._pending.pop(state.participant_index, None)
        if isinstance(outcome, Exception):
            if not waiting.done():
                waiting.set_exception(outcome)
            return
        if version is not None and served is not None:
            self._versions.serve(served)
            self._versions.add(version)
        self._learn(states)
        committed = Committed(planned, outcome, version)
        self._tell(committed)
        if not waiting.done():
            waiting.set_result(committed)

    async def _newest_when_open(self, participant_index: int) -> ParticipantState:
        # Nothing is awaited between the look at the gate and the return: a change that begins has
        # the blocks of the version that is served.
        while True:
            await self._opened()
            state = self._pending.get(participant_index) or self._known.get(participant_index)
            if state is not None:
                return state
            state = await self.get(participant_index)
            if self._open.is_set():
                return self._pending.get(participant_index) or state

    async def _read(self, participant_index: int) -> ParticipantState | None:
        """A state from the store, read behind all that is on its way there."""
        generation = self._generation
        state = await asyncio.wrap_future(self._store.read(participant_index))
        if state is None or generation != self._generation:
            # It may be older than what was dropped meanwhile: good for now, not to be kept.
            return state
        self._learn([state])
        return self._known[participant_index]

    def _learn(self, states: Iterable[ParticipantState]) -> None:
        for state in states:
            known = self._known.get(state.participant_index)
            if known is None or known.revision < state.revision:
                self._known[state.participant_index] = state


def _give_up(waiting: asyncio.Future[Committed]) -> None:
    # The change may be kept after all: then everybody hears of it, and who repeats it is answered.
    if not waiting.done():
        waiting.set_exception(
            StoreUnavailable(
                "the database has not answered yet, and whether the change is made will be known "
                "when it does; ask for the state, or repeat the request with its idempotency key"
            )
        )


def _changed_too_often() -> StoreUnavailable:
    return StoreUnavailable("the participant is being changed too often; try again in a moment")
