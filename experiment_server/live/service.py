"""The running study: the only place that changes it.

A change is made in three steps: the pure transition on the latest state, the durable commit, and
the news to the rooms. Between reading the latest state and handing the commit to the store nothing
is awaited, so changes of one participant that arrive together line up behind each other and share
a commit; a change whose predecessor failed finds its revision gone and starts over from what is
durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import lru_cache, partial
from typing import Any

from experiment_server.errors import (
    ExpansionFailed,
    ExperimentServerError,
    ParticipantExists,
    ParticipantUnknown,
    RevisionConflict,
    StoreUnavailable,
)
from experiment_server.flow import participant as flow
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import (
    COMMIT_ATTEMPTS,
    DASHBOARD_GATHERING,
    EXPANSIONS_CACHED,
    ORDERS_CACHED,
)
from experiment_server.live.hub import DASHBOARD, PARTICIPANTS, Hub, Message, participant_room
from experiment_server.live.tasks import Tasks
from experiment_server.store.store import Change, Store
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Block, Study
from experiment_server.study.parse import Parsed

log = logging.getLogger(__name__)

Snapshot = dict[str, Any]
Transition = Callable[[ParticipantState, int, datetime], ParticipantState]


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(timezone.utc)


class Service:
    """One study, live: its participants, their moves, and the news of them.

    `name` is what people call the study, usually its file's name. Call `start` before anything
    else. Methods raise ParticipantUnknown for an index that was never added, and StoreUnavailable
    when a change could not be made durable; it was not made then.
    """

    def __init__(
        self,
        study: Study,
        name: str,
        store: Store,
        hub: Hub,
        tasks: Tasks,
        *,
        diagnostics: Sequence[Diagnostic] = (),
        database: str = "",
        default_participant_index: int = 1,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.default_participant_index = default_participant_index
        self.stopping = asyncio.Event()
        self._store = store
        self._hub = hub
        self._tasks = tasks
        self._clock = clock
        self._database = database
        self._committed: dict[int, ParticipantState] = {}
        self._latest: dict[int, ParticipantState] = {}
        self._connected: Counter[int] = Counter()
        self._changed: set[int] = set()
        self._gathering: asyncio.Task[Any] | None = None
        self._diagnostics = tuple(diagnostics)
        self._use(study)

    async def start(self) -> None:
        """Read everybody's place from the store, fit it to the study, add the default one."""
        states = await asyncio.wrap_future(self._store.load())
        self._committed = {state.participant_index: state for state in states}
        await self._fit_everybody()
        if self.default_participant_index not in self._committed:
            await self.add_participant(self.default_participant_index)

    # Reading

    def participants(self) -> list[Snapshot]:
        """Everybody's row, ascending by index: a snapshot without config, with block_names."""
        return [self.row(index) for index in sorted(self._committed)]

    def row(self, participant_index: int) -> Snapshot:
        """One participant as lists show them: without config, with their own block_names."""
        state = self._state(participant_index)
        names = self._order(participant_index)
        summary = flow.summary(
            state,
            names,
            connected=self._connected[participant_index],
            study=self._study.digest,
        )
        return {**summary, "block_names": list(names)}

    def snapshot(self, participant_index: int) -> Snapshot:
        """The participant snapshot of the wire contract; raises ExpansionFailed."""
        return self._snapshot_of(self._state(participant_index))

    def blocks(self, participant_index: int) -> tuple[Block, ...]:
        """A participant's blocks; shared and cached, so not to be changed by the caller."""
        self._state(participant_index)
        return self._expand(participant_index)

    def overview(self) -> dict[str, Any]:
        """All that a dashboard needs to begin with."""
        return {
            "study": {"name": self.name, "digest": self._study.digest},
            "diagnostics": [item.as_dict() for item in self._diagnostics],
            "participants": self.participants(),
            "default_participant": self.default_participant_index,
            "database": self._database,
            "server_time": flow.timestamp(self._clock()),
        }

    # Moving

    async def move_to_next(self, participant_index: int) -> Snapshot:
        """One block on; END stays END."""
        return await self._move(participant_index, flow.move_to_next)

    async def move_to_previous(self, participant_index: int) -> Snapshot:
        """One block back; START stays START."""
        return await self._move(participant_index, flow.move_to_previous)

    async def move_to_block(self, participant_index: int, block_id: int) -> Snapshot:
        """To a block by its id; raises BlockOutOfRange."""
        return await self._move(participant_index, _to_block(block_id))

    async def move_all_to_block(self, block_id: int) -> list[int]:
        """Move every active participant, all or none; returns their indices.

        Raises BlockOutOfRange if one of them, or with nobody active the default participant, has
        no such block.
        """

        def active() -> list[int]:
            return [
                index
                for index in sorted(self._committed)
                if flow.is_active(self._newest(index), len(self._order(index)))
            ]

        if not active():
            default = self._newest(self.default_participant_index)
            _to_block(block_id)(default, len(self._order(default.participant_index)), self._clock())
        moved = await self._change(active, _to_block(block_id))
        await self._announce("block-changed", moved)
        return [state.participant_index for state in moved]

    # Adding

    async def add_participant(self, participant_index: int) -> None:
        """Add a participant; raises ParticipantExists, or ParticipantIndexInvalid below 1."""
        state = flow.added(participant_index, self._clock())
        if participant_index in self._committed:
            raise ParticipantExists(participant_index)
        try:
            await self._commit([Change(state, read_revision=None)])
        except RevisionConflict:
            raise ParticipantExists(participant_index) from None
        self._gather([participant_index])

    async def new_participant(self) -> int:
        """Add the participant after the largest index; returns the new index."""
        while True:
            participant_index = max([*self._committed, *self._latest], default=0) + 1
            try:
                await self.add_participant(participant_index)
            except ParticipantExists:
                continue
            return participant_index

    # Presence

    def connected(self, participant_index: int) -> None:
        """An app of this participant has connected; raises ParticipantUnknown."""
        self._state(participant_index)
        self._connected[participant_index] += 1
        self._gather([participant_index])

    def disconnected(self, participant_index: int) -> None:
        """An app of this participant has gone."""
        self._connected[participant_index] -= 1
        if not self._connected[participant_index]:
            del self._connected[participant_index]
        self._gather([participant_index])

    # The study

    async def apply(self, parsed: Parsed) -> None:
        """Serve a changed study file; a broken one is reported and changes nothing."""
        self._diagnostics = parsed.diagnostics
        if parsed.study is None:
            await self._hub.publish(self._study_changed(DASHBOARD))
            return
        changed = parsed.study.digest != self._study.digest
        self._use(parsed.study)
        try:
            await self._fit_everybody()
        except StoreUnavailable as error:
            # Whoever is beyond the end is shown there all the same; it is only not durable yet.
            log.error("%s", error)
        await self._hub.publish(
            *([self._study_changed(PARTICIPANTS)] if changed else []),
            self._study_changed(DASHBOARD),
        )
        if changed:
            await self._announce("config-changed", map(self._state, self._connected))
            self._gather(self._committed)

    async def refuse(self, error: ExperimentServerError) -> None:
        """Report that the study file cannot be read; the last good study keeps running."""
        await self.apply(Parsed(None, (Diagnostic(error.code, "error", error.detail),)))

    def _use(self, study: Study) -> None:
        self._study = study
        self._expand = lru_cache(maxsize=EXPANSIONS_CACHED)(partial(expand, study))
        self._order = lru_cache(maxsize=ORDERS_CACHED)(partial(block_order, study))

    def _study_changed(self, room: str) -> Message:
        payload: dict[str, Any] = {"digest": self._study.digest, "name": self.name}
        if room == DASHBOARD:
            payload["diagnostics"] = [item.as_dict() for item in self._diagnostics]
        return Message(room, "study-changed", payload)

    async def _fit_everybody(self) -> None:
        def beyond() -> list[int]:
            return [
                index
                for index in sorted(self._committed)
                if not self._newest(index).ended
                and self._newest(index).block_id >= len(self._order(index))
            ]

        if beyond():
            await self._change(beyond, flow.fit_to_study)

    # Changes

    def _state(self, participant_index: int) -> ParticipantState:
        state = self._committed.get(participant_index)
        if state is None:
            raise ParticipantUnknown(participant_index)
        return state

    def _newest(self, participant_index: int) -> ParticipantState:
        """The state with the changes that are on their way to the disk."""
        return self._latest.get(participant_index) or self._state(participant_index)

    def _snapshot_of(self, state: ParticipantState) -> Snapshot:
        index = state.participant_index
        return flow.snapshot(
            state,
            self._expand(index),
            connected=self._connected[index],
            study=self._study.digest,
        )

    async def _move(self, participant_index: int, transition: Transition) -> Snapshot:
        # The reply speaks of this move's own outcome, also when others have moved on since.
        [state] = await self._change(lambda: [participant_index], transition)
        await self._announce("block-changed", [state])
        return self._snapshot_of(state)

    async def _change(
        self, whom: Callable[[], list[int]], transition: Transition
    ) -> list[ParticipantState]:
        """Apply a transition to some participants in one commit; their states after it."""
        for _ in range(COMMIT_ATTEMPTS):
            now = self._clock()
            indices = whom()
            changes = [
                Change(transition(state, len(self._order(index)), now), state.revision)
                for index in indices
                for state in [self._newest(index)]
            ]
            try:
                await self._commit(changes)
            except RevisionConflict:
                await self._refresh(indices)
                continue
            return [change.state for change in changes]
        raise StoreUnavailable("the participant is being changed too often; try again in a moment")

    async def _commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._latest[change.state.participant_index] = change.state
        committed = asyncio.wrap_future(self._store.commit(changes))
        # Settled by the commit itself: a request that is cancelled meanwhile changes nothing.
        committed.add_done_callback(partial(self._settle, changes))
        await asyncio.shield(committed)

    def _settle(self, changes: Sequence[Change], committed: asyncio.Future[None]) -> None:
        kept = not committed.cancelled() and committed.exception() is None
        for state in (change.state for change in changes):
            # Whatever lined up behind a change that failed will fail too; nothing new joins it.
            if not kept or self._latest.get(state.participant_index) is state:
                self._latest.pop(state.participant_index, None)
            if kept:
                self._learn(state)

    async def _refresh(self, indices: Iterable[int]) -> None:
        for index in indices:
            state = await asyncio.wrap_future(self._store.read(index))
            if state is not None:
                self._committed[index] = state

    def _learn(self, state: ParticipantState) -> None:
        known = self._committed.get(state.participant_index)
        if known is None or known.revision <= state.revision:
            self._committed[state.participant_index] = state

    # News

    async def _announce(self, event: str, states: Iterable[ParticipantState]) -> None:
        """Push each state's snapshot to its participant's room, and tell the dashboards."""
        states = list(states)
        messages = []
        for state in states:
            try:
                snapshot = self._snapshot_of(state)
            except ExpansionFailed:
                log.exception("no snapshot for participant %d", state.participant_index)
                continue
            messages.append(Message(participant_room(state.participant_index), event, snapshot))
        await self._hub.publish(*messages)
        self._gather(state.participant_index for state in states)

    def _gather(self, indices: Iterable[int]) -> None:
        """Tell the dashboards: at once, or with what else happens within the gathering time."""
        self._changed.update(indices)
        if self._changed and (self._gathering is None or self._gathering.done()):
            self._gathering = self._tasks.start(self._tell_dashboards(), "tell-dashboards")

    async def _tell_dashboards(self) -> None:
        while self._changed:
            changed, self._changed = sorted(self._changed), set()
            rows = [self.row(index) for index in changed]
            await self._hub.publish(Message(DASHBOARD, "participants-changed", rows))
            await asyncio.sleep(DASHBOARD_GATHERING)


def _to_block(block_id: int) -> Transition:
    def transition(state: ParticipantState, blocks_count: int, now: datetime) -> ParticipantState:
        return flow.move_to_block(state, block_id, blocks_count, now)

    return transition
