"""The repository of participants. It applies a pure function, commits the result and publishes it.

Nothing is awaited between reading the newest state and sending the commit to the store. So
concurrent changes of one participant form a queue, and the store writes them in one transaction. A
commit names the revision that it was made from. If the previous commit failed, or another process
changed the participant, that revision is gone: the repository then repeats the change from the
durable state.
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
from experiment_server.limits.session import PARTICIPANTS_MAX
from experiment_server.limits.store import COMMIT_ATTEMPTS_MAX
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


class PlannedChange(Struct, frozen=True, gc=False):
    """The change of one participant in a commit. `before` is None for a new participant."""

    before: ParticipantState | None
    outcome: Outcome


class Committed(Struct):
    """A commit that is durable. `changed` has the states that differ from before."""

    planned: Sequence[PlannedChange]
    written: Written
    version: StudyVersion | None = None
    changed: list[ParticipantState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changed = [
            item.outcome.state for item in self.planned if item.outcome.state is not item.before
        ]


class ParticipantRepository:
    """Changes the participants of a session; calls `on_committed` with every commit, in order."""

    def __init__(
        self,
        store: Store,
        states: ParticipantStates,
        versions: StudyVersions,
        views: ParticipantViews,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        on_committed: Callable[[Committed], None],
    ) -> None:
        self._store = store
        self._states = states
        self._versions = versions
        self._views = views
        self._idempotency = idempotency
        self._clock = clock
        self._on_committed = on_committed
        self._deadlines: CommitDeadlines[Committed] = CommitDeadlines()

    async def change(
        self, request: Request, participant_index: int, transition: Transition
    ) -> ParticipantState:
        """Apply a transition to one participant, and return the new state when it is durable.

        A request with an idempotency key is executed once. Raises ParticipantUnknown,
        ParticipantElsewhere if the participant is not where the request expects, StoreUnavailable,
        and the errors of the transition.
        """
        async with self._idempotency.once(request, ParticipantState) as answered:
            if answered is not None:
                return answered
            return await self.make(request, participant_index, transition)

    async def make(
        self, request: Request, participant_index: int, transition: Transition
    ) -> ParticipantState:
        """Do what `change` does, for a caller that has checked the idempotency key already."""
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
                # A change may be refused because of a durable state only, not of a pending one.
                await self._states.read(participant_index)
                continue
            try:
                await self.commit([PlannedChange(before, outcome)], reply=reply)
            except RevisionConflict:
                await self._states.read(participant_index)
                continue
            return outcome.state
        raise _changed_too_often()

    async def move_all_to_block(
        self, request: Request, block_id: int, default_participant: int
    ) -> list[int]:
        """Move all active participants to a block, all or none; return their indices.

        Raises BlockOutOfRange if one of them has no such block. If nobody is active, the default
        participant is checked instead.
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
        """Add a participant who follows a row of the design, and return the index.

        The default row is the index. Raises ParticipantExists, ParticipantIndexInvalid and
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
        """Add a participant after the largest index, and return the new index."""
        for _ in range(COMMIT_ATTEMPTS_MAX):
            known = [state.participant_index for state in await self._states.all()]
            index = max([*known, self._states.largest_index]) + 1
            try:
                return await self._add(request, index, len(known))
            except RevisionConflict:
                await self._states.read(index)
        raise _changed_too_often()

    async def _add(
        self,
        request: Request,
        participant_index: int,
        participants_count: int,
        row: int | None = None,
    ) -> int:
        outcome = moves.add(participant_index, request.cause, self._clock(), row)
        if participants_count >= PARTICIPANTS_MAX:
            raise LimitReached(
                f"this session has {PARTICIPANTS_MAX} participants, which is the limit"
            )
        reply = self._idempotency.reply(request, participant_index)
        await self.commit([PlannedChange(None, outcome)], reply=reply)
        return participant_index

    async def commit(
        self,
        planned: Sequence[PlannedChange],
        *,
        events: Sequence[Event] = (),
        version: StudyVersion | None = None,
        served: Study | None = None,
        reply: Reply | None = None,
    ) -> Committed:
        """Commit planned changes, all or none; log `events` before the events of the changes.

        If a study `version` is given, its study `served` is served to everybody from then on. The
        caller must not await anything between reading the planned states and this call. Raises
        RevisionConflict and StoreUnavailable.
        """
        changes = []
        all_events = list(events)
        for item in planned:
            state = item.outcome.state
            self._states.send(state)
            changes.append(Change(state, None if item.before is None else item.before.revision))
            all_events.extend(item.outcome.events)
        committing: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        commit = Commit(changes, all_events, version, reply)
        self._store.send(commit, partial(self._settle, planned, version, served, committing))
        self._deadlines.add(committing)
        return await committing

    async def _plan_all(
        self, request: Request, states: Sequence[ParticipantState], block_id: int
    ) -> list[PlannedChange]:
        planned, now = [], self._clock()
        async for state in in_turns(states):
            sequence = self._versions.sequence(state)
            if is_active(state, len(sequence.names)):
                outcome = moves.move_to_block(state, sequence, request.cause, now, block_id)
                planned.append(PlannedChange(state, outcome))
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
        # If the new state has no snapshot, this raises, and the change is not made.
        self._views.snapshot(state)
        if request.key is None:
            return None
        return self._idempotency.reply(request, replace(state, study=sequence.study.digest))

    def _settle(
        self,
        planned: Sequence[PlannedChange],
        version: StudyVersion | None,
        served: Study | None,
        committing: asyncio.Future[Committed],
        outcome: Written | Exception,
    ) -> None:
        # This also runs if the request was cancelled meanwhile, because the commit is durable.
        states = [item.outcome.state for item in planned]
        if isinstance(outcome, Exception):
            self._states.settle(states, kept=False)
            if not committing.done():
                committing.set_exception(outcome)
            return
        if version is not None and served is not None:
            self._versions.serve(served)
            self._versions.add(version)
        self._states.settle(states, kept=True)
        committed = Committed(planned, outcome, version)
        self._on_committed(committed)
        if not committing.done():
            committing.set_result(committed)


def _changed_too_often() -> StoreUnavailable:
    return StoreUnavailable(
        "other requests changed the participant at the same time; try again in a moment"
    )
