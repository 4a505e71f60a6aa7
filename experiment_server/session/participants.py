"""The one way to change participants: the pure function, the durable commit, and telling of it.

Between reading the newest state and handing the commit to the store nothing is awaited, so changes
of one participant that arrive together line up behind each other and share a commit. A commit names
the revision that it was made from; one whose predecessor failed, or that somebody else was faster
than, finds that revision gone and is made anew from what is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from experiment_server.errors import (
    ExperimentServerError,
    LimitReached,
    ParticipantElsewhere,
    ParticipantExists,
    RevisionConflict,
    StoreUnavailable,
)
from experiment_server.limits import COMMIT_ATTEMPTS_MAX, PARTICIPANTS_MAX
from experiment_server.participants import moves
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Event
from experiment_server.participants.moves import Outcome, Transition
from experiment_server.participants.state import ParticipantState, is_active
from experiment_server.session.deadlines import CommitDeadlines
from experiment_server.session.idempotency import Idempotency
from experiment_server.session.requests import Request
from experiment_server.session.states import ParticipantStates
from experiment_server.session.turns import in_turns
from experiment_server.session.versions import StudyVersions
from experiment_server.session.views import ParticipantViews
from experiment_server.store.commits import Commit, Written
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from experiment_server.study.model import Study


class Planned(Struct, frozen=True, gc=False):
    """One participant's part of a commit. `before` is None for who is added."""

    before: ParticipantState | None
    outcome: Outcome


class Committed(Struct):
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
    """Changes the participants of a session, and tells `committed` of every commit, in order."""

    def __init__(
        self,
        store: Store,
        states: ParticipantStates,
        versions: StudyVersions,
        views: ParticipantViews,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        committed: Callable[[Committed], None],
    ) -> None:
        self._store = store
        self._states = states
        self._versions = versions
        self._views = views
        self._idempotency = idempotency
        self._clock = clock
        self._tell = committed
        self._deadlines: CommitDeadlines[Committed] = CommitDeadlines()

    async def change(
        self, request: Request, participant_index: int, transition: Transition
    ) -> ParticipantState:
        """The state after a pure change of one participant, once that is durable.

        A request with a key is carried out once. Raises what the change raises, ParticipantUnknown,
        ParticipantElsewhere if the request names another place than the participant's, and
        StoreUnavailable.
        """
        async with self._idempotency.once(request, ParticipantState) as answered:
            if answered is not None:
                return answered
            return await self.make(request, participant_index, transition)

    async def make(
        self, request: Request, participant_index: int, transition: Transition
    ) -> ParticipantState:
        """`change`, for who has looked whether the request came before."""
        for _ in range(COMMIT_ATTEMPTS_MAX):
            before = await self._states.newest_of(participant_index)
            sequence = self._versions.sequence(before)
            try:
                self._require_place(request, before, sequence)
                outcome = transition(before, sequence, request.cause, self._clock())
                reply = self._reply(request, outcome.state, sequence)
            except ExperimentServerError:
                if not self._states.is_pending(participant_index):
                    raise
                # A refusal has to rest on what is durable.
                await self._states.read(participant_index)
                continue
            try:
                await self.commit([Planned(before, outcome)], reply=reply)
            except RevisionConflict:
                await self._states.read(participant_index)
                continue
            return outcome.state
        raise _changed_too_often()

    async def move_all_to_block(
        self, request: Request, block_id: int, default_participant: int
    ) -> list[int]:
        """Everybody who is in a block moved to a block, all or none; their indices.

        Raises BlockOutOfRange if one of them, or with nobody active the default participant, has
        no such block.
        """
        async with self._states.alone():
            for _ in range(COMMIT_ATTEMPTS_MAX):
                planned = await self._plan_all(request, await self._states.newest(), block_id)
                if not planned:
                    default = await self._states.get(default_participant)
                    sequence = self._versions.sequence(default)
                    moves.move_to_block(default, sequence, request.cause, self._clock(), block_id)
                indices = [item.outcome.state.participant_index for item in planned]
                try:
                    reply = self._idempotency.reply(request, indices)
                    await self.commit(planned, reply=reply)
                except RevisionConflict:
                    for index in indices:
                        await self._states.read(index)
                    continue
                return indices
        raise _changed_too_often()

    async def add(self, request: Request, participant_index: int, row: int | None = None) -> int:
        """A new participant by index, which is returned, in a row of the design.

        By default it is that of the index. Raises ParticipantExists, ParticipantIndexInvalid and
        LimitReached.
        """
        for _ in range(COMMIT_ATTEMPTS_MAX):
            known = {state.participant_index for state in await self._states.all()}
            if participant_index in known:
                raise ParticipantExists(participant_index)
            try:
                return await self._add(request, participant_index, len(known), row)
            except RevisionConflict:
                await self._states.read(participant_index)
        raise _changed_too_often()

    async def add_next(self, request: Request) -> int:
        """A new participant after the largest index; returns the new index."""
        for _ in range(COMMIT_ATTEMPTS_MAX):
            known = [state.participant_index for state in await self._states.all()]
            index = max([*known, self._states.largest_index]) + 1
            try:
                return await self._add(request, index, len(known))
            except RevisionConflict:
                await self._states.read(index)
        raise _changed_too_often()

    async def _add(
        self, request: Request, participant_index: int, there_are: int, row: int | None = None
    ) -> int:
        outcome = moves.add(participant_index, request.cause, self._clock(), row)
        if there_are >= PARTICIPANTS_MAX:
            raise LimitReached(f"a session takes {PARTICIPANTS_MAX} participants, and has them")
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
            self._states.send(state)
            changes.append(Change(state, None if item.before is None else item.before.revision))
            happened.extend(item.outcome.events)
        waiting: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        commit = Commit(changes, happened, version, reply)
        self._store.send(commit, partial(self._settle, planned, version, served, waiting))
        self._deadlines.add(waiting)
        return await waiting

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
        if request.key is None:
            return None
        return self._idempotency.reply(request, replace(state, study=sequence.study.digest))

    def _settle(
        self,
        planned: Sequence[Planned],
        version: StudyVersion | None,
        served: Study | None,
        waiting: asyncio.Future[Committed],
        outcome: Written | Exception,
    ) -> None:
        # Also for a request that was cancelled meanwhile: what is kept is kept.
        states = [item.outcome.state for item in planned]
        if isinstance(outcome, Exception):
            self._states.settle(states, kept=False)
            if not waiting.done():
                waiting.set_exception(outcome)
            return
        if version is not None and served is not None:
            self._versions.serve(served)
            self._versions.add(version)
        self._states.settle(states, kept=True)
        committed = Committed(planned, outcome, version)
        self._tell(committed)
        if not waiting.done():
            waiting.set_result(committed)


def _changed_too_often() -> StoreUnavailable:
    return StoreUnavailable("the participant is being changed too often; try again in a moment")
