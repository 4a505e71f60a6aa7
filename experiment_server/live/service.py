"""The running study: what can be asked of it and done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from experiment_server.errors import (
    LimitReached,
    ParticipantElsewhere,
    ParticipantExists,
    RevisionConflict,
)
from experiment_server.flow import participant as flow
from experiment_server.flow.events import Event, EventType
from experiment_server.flow.overrides import Patch, checked, digest_of_overrides
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import PARTICIPANTS
from experiment_server.live import answers
from experiment_server.live.clock import Clock
from experiment_server.live.editions import Editions
from experiment_server.live.history import History
from experiment_server.live.hub import Hub
from experiment_server.live.news import News, Snapshot
from experiment_server.live.presence import Presence
from experiment_server.live.requests import BY_SERVER, Request
from experiment_server.live.retries import Retries
from experiment_server.live.roster import Plan, Planning, Roster
from experiment_server.live.tasks import Tasks
from experiment_server.store.store import Reply, Store, Written
from experiment_server.study.model import Block, Study

Transition = Callable[[ParticipantState, datetime], ParticipantState]


class Service:
    """One session of a study, live: its participants, their moves, and the news of them.

    Call `start` before anything else. Methods raise ParticipantUnknown for an index that was never
    added, and StoreUnavailable when a change could not be made durable; it was not made then. Those
    that change something take the request behind it: one with a key is carried out once.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        hub: Hub,
        tasks: Tasks,
        *,
        default_participant_index: int = 1,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.default_participant_index = default_participant_index
        self.stopping = asyncio.Event()
        self.clock = clock = clock or Clock()
        self.editions = Editions(study)
        self.roster = Roster(store)
        self.roster.tell_late(self._tell_late)
        self.news = News(hub, tasks, self.row, self._snapshot_of)
        self.history = History(store, self.editions, self.news)
        self.retries = Retries(store, tasks, clock)
        self._store = store
        self._tasks = tasks
        self.presence = Presence(self.history.log, self.clock)

    async def start(self) -> None:
        """Read everybody's place from the store."""
        # All that is settled by one commit is told in one go.
        self._store.deliver_with(asyncio.get_running_loop().call_soon_threadsafe)
        await self.roster.load()
        states = map(self.roster.state, self.roster.indices())
        self.editions.restore(await asyncio.wrap_future(self._store.versions()), states)
        self._tasks.start(self.retries.sweep(), "sweep-replies")

    # Reading

    def participants(self) -> list[Snapshot]:
        """Everybody's row, ascending by index: a snapshot without config, with block_names."""
        return [self.row(index) for index in self.roster.indices()]

    def row(self, participant_index: int) -> Snapshot:
        """One participant as lists show them: without config, with their own block_names."""
        state = self.roster.state(participant_index)
        names = self.editions.order(state)
        summary = flow.summary(
            state,
            names,
            connected=self.presence.apps(participant_index),
            study=self.editions.study_of(state).digest,
        )
        return {**summary, "block_names": list(names)}

    def snapshot(self, participant_index: int) -> Snapshot:
        """The participant snapshot of the wire contract; raises ExpansionFailed."""
        return self._snapshot_of(self.roster.state(participant_index))

    def blocks(self, participant_index: int) -> tuple[Block, ...]:
        """A participant's blocks; shared and cached, so not to be changed by the caller."""
        return self.editions.blocks(self.roster.state(participant_index))

    def connected_apps(self) -> list[int]:
        """The participants of whom an app is connected."""
        return self.presence.participants()

    # Moving

    async def move_to_next(self, participant_index: int, request: Request = BY_SERVER) -> Snapshot:
        """One block on; END stays END."""

        def transition(state: ParticipantState, now: datetime) -> ParticipantState:
            return flow.move_to_next(state, self._count(state), now)

        return await self._move(participant_index, transition, request)

    async def move_to_previous(
        self, participant_index: int, request: Request = BY_SERVER
    ) -> Snapshot:
        """One block back; START stays START."""

        def transition(state: ParticipantState, now: datetime) -> ParticipantState:
            return flow.move_to_previous(state, self._count(state), now)

        return await self._move(participant_index, transition, request)

    async def move_to_block(
        self, participant_index: int, block_id: int, request: Request = BY_SERVER
    ) -> Snapshot:
        """To a block by its id; raises BlockOutOfRange."""

        def transition(state: ParticipantState, now: datetime) -> ParticipantState:
            return flow.move_to_block(state, block_id, self._count(state), now)

        return await self._move(participant_index, transition, request)

    async def move_all_to_block(self, block_id: int, request: Request = BY_SERVER) -> None:
        """Move every active participant, all or none.

        Raises BlockOutOfRange if one of them, or with nobody active the default participant, has
        no such block.
        """

        def planning() -> Plan:
            now = self.clock()
            everybody = [self.roster.newest(index) for index in self.roster.indices()]
            active = [state for state in everybody if flow.is_active(state, self._count(state))]
            if not active:
                default = self.roster.newest(self.default_participant_index)
                flow.move_to_block(default, block_id, self._count(default), now)
            states = [
                (state, flow.move_to_block(state, block_id, self._count(state), now))
                for state in active
            ]
            return Plan(
                states,
                [
                    item
                    for before, after in states
                    for item in self.history.moved(before, after, request)
                ],
                reply=self.retries.reply(request, None),
            )

        async def work() -> None:
            plan = await self._change(planning)
            await self.news.announce("block-changed", plan.after)

        await self.retries.once(request, work)

    async def undo(self, participant_index: int, request: Request = BY_SERVER) -> Snapshot:
        """Take the participant's last move back that was not taken back yet.

        Raises NothingToUndo where there is none, or the study no longer has the place it came from.
        """

        async def work() -> Snapshot:
            while True:
                state = self.roster.newest(participant_index)
                # Read behind all changes of this participant that are on their way to the log.
                entry = await self.history.last_move(participant_index)
                if self.roster.newest(participant_index) is not state:
                    continue
                place = entry.as_dict()["data"]["from"]["block_id"]
                try:
                    back = _take_back(state, place, self._count)
                    return await self._move_now(participant_index, back, request, undoes=entry.id)
                except RevisionConflict:
                    continue

        snapshot: Snapshot = await self.retries.once(request, work, self._snapshot_again)
        return snapshot

    # Configs

    async def update_config(
        self, participant_index: int, patch: Patch, request: Request = BY_SERVER
    ) -> Snapshot:
        """Change the config of the participant's current block, for them alone.

        Raises NotInBlock, OverrideRefused, and ParameterInvalid for what is no patch.
        """
        patch = checked(patch)

        def transition(state: ParticipantState, now: datetime) -> ParticipantState:
            return flow.override(state, self.editions.file_blocks(state), patch, now)

        def happened(before: ParticipantState, after: ParticipantState) -> list[Event]:
            told = {
                "block": self.history.place(after),
                "patch": patch,
                "overrides": digest_of_overrides(after.overrides),
                **request.told(),
            }
            return self.history.altered(EventType.CONFIG_OVERRIDDEN, before, after, told)

        return await self._alter(participant_index, transition, happened, request)

    async def reset_participant(
        self, participant_index: int, request: Request = BY_SERVER
    ) -> Snapshot:
        """Drop all that was changed about the participant's configs; the position is kept."""

        def transition(state: ParticipantState, now: datetime) -> ParticipantState:
            return flow.reset(state, self._count(state), now)

        def happened(before: ParticipantState, after: ParticipantState) -> list[Event]:
            dropped = [[item.block_name, item.occurrence] for item in before.overrides]
            told = {"dropped": dropped, **request.told()}
            return self.history.altered(EventType.PARTICIPANT_RESET, before, after, told)

        return await self._alter(participant_index, transition, happened, request)

    # Adding

    async def add_participant(self, participant_index: int, request: Request = BY_SERVER) -> None:
        """Add a participant; raises ParticipantExists, or ParticipantIndexInvalid below 1."""

        async def work() -> None:
            await self._add(lambda: participant_index, request, lambda _: None)

        await self.retries.once(request, work)

    async def add_default_participant(self) -> None:
        """Make sure that the participant is there who is meant by clients that name none."""
        if self.default_participant_index not in self.roster:
            await self.add_participant(self.default_participant_index)

    async def new_participant(self, request: Request = BY_SERVER) -> int:
        """Add the participant after the largest index; returns the new index."""

        async def work() -> int:
            return await self._add(self.roster.free_index, request, lambda index: index)

        added: int = await self.retries.once(request, work)
        return added

    async def _add(
        self, choose: Callable[[], int], request: Request, answer: Callable[[int], Any]
    ) -> int:
        def planning() -> Plan:
            index, now = choose(), self.clock()
            state = flow.added(index, now)
            if len(self.roster) >= PARTICIPANTS:
                raise LimitReached(f"a session takes {PARTICIPANTS} participants, and has them")
            if index in self.roster:
                raise ParticipantExists(index)
            event = Event(EventType.PARTICIPANT_ADDED, now, index, request.told())
            reply = self.retries.reply(request, answer(index))
            return Plan([(None, state)], [event], reply=reply)

        plan = await self._change(planning)
        return plan.after[0].participant_index

    # Presence

    def connected(self, participant_index: int) -> None:
        """An app of this participant has connected; raises ParticipantUnknown."""
        self.roster.state(participant_index)
        self.presence.enter(participant_index)
        self.news.gather(changed=[participant_index])

    def disconnected(self, participant_index: int) -> None:
        """An app of this participant has gone."""
        self.presence.leave(participant_index)
        self.news.gather(changed=[participant_index])

    # Changes

    def _count(self, state: ParticipantState) -> int:
        return len(self.editions.order(state))

    def _snapshot_of(self, state: ParticipantState) -> Snapshot:
        return flow.snapshot(
            state,
            self.editions.file_blocks(state),
            connected=self.presence.apps(state.participant_index),
            study=self.editions.study_of(state).digest,
        )

    async def _move(
        self, participant_index: int, transition: Transition, request: Request
    ) -> Snapshot:
        async def work() -> Snapshot:
            return await self._move_now(participant_index, transition, request)

        snapshot: Snapshot = await self.retries.once(request, work, self._snapshot_again)
        return snapshot

    async def _move_now(
        self,
        participant_index: int,
        transition: Transition,
        request: Request,
        **more: Any,
    ) -> Snapshot:
        def happened(before: ParticipantState, after: ParticipantState) -> list[Event]:
            return self.history.moved(before, after, request, **more)

        return await self._alter_now(
            "block-changed", participant_index, transition, happened, request
        )

    async def _alter(
        self,
        participant_index: int,
        transition: Transition,
        happened: Callable[[ParticipantState, ParticipantState], list[Event]],
        request: Request,
    ) -> Snapshot:
        async def work() -> Snapshot:
            return await self._alter_now(
                "config-changed", participant_index, transition, happened, request
            )

        snapshot: Snapshot = await self.retries.once(request, work, self._snapshot_again)
        return snapshot

    def _reply(self, request: Request, snapshot: Snapshot, state: ParticipantState) -> Reply | None:
        kept = answers.kept(snapshot, state, self.editions.file_blocks(state))
        return self.retries.reply(request, kept)

    async def _snapshot_again(self, kept: answers.Kept) -> Snapshot:
        index = kept["state"]["participant_index"]
        return answers.again(kept, await self.editions.file_blocks_in(kept["study"], index))

    async def _alter_now(
        self,
        news: str,
        participant_index: int,
        transition: Transition,
        happened: Callable[[ParticipantState, ParticipantState], list[Event]],
        request: Request,
    ) -> Snapshot:
        # The reply speaks of this change's own outcome, also when others have moved on since.
        snapshot: Snapshot = {}

        def planning() -> Plan:
            nonlocal snapshot
            before = self.roster.newest(participant_index)
            self._require_place(before, request)
            after = transition(before, self.clock())
            snapshot = self._snapshot_of(after)
            return Plan(
                [(before, after)],
                happened(before, after),
                reply=self._reply(request, snapshot, after),
            )

        plan = await self._change(planning, participant_index)
        if plan.states[0][0] is not plan.states[0][1]:
            await self.news.tell(news, [snapshot])
        return snapshot

    def _require_place(self, state: ParticipantState, request: Request) -> None:
        try:
            if request.from_block is not None:
                flow.require_block(state, request.from_block, self._count(state))
            if request.from_started_at is not None:
                flow.require_start(state, request.from_started_at)
        except ParticipantElsewhere as error:
            error.snapshot = self._snapshot_of(state)
            raise

    async def _change(self, planning: Planning, concerning: int | None = None) -> Plan:
        plan = await self.roster.change(planning, concerning)
        self.news.gather(
            changed=(state.participant_index for state in plan.after),
            entries=plan.written.entries,
        )
        return plan

    def _tell_late(self, states: Sequence[ParticipantState], written: Written) -> None:
        self.news.gather(entries=written.entries)
        self._tasks.start(self.news.announce("block-changed", states), "tell-late")


def _take_back(
    known: ParticipantState, block_id: int, count: Callable[[ParticipantState], int]
) -> Transition:
    def transition(state: ParticipantState, now: datetime) -> ParticipantState:
        if state is not known:
            raise RevisionConflict("the participant has moved on meanwhile")
        return flow.take_back(state, block_id, count(state), now)

    return transition
