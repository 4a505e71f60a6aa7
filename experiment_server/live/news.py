"""Tells the rooms what has changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from experiment_server.errors import ExpansionFailed
from experiment_server.flow.events import Entry
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import DASHBOARD_GATHERING, NAMES_PUSHED
from experiment_server.live.hub import DASHBOARD, Hub, Message, participant_room
from experiment_server.live.tasks import Tasks
from experiment_server.live.turns import in_turns

log = logging.getLogger(__name__)

Snapshot = dict[str, Any]


class News:
    """Pushes snapshots to participants at once, and rows and log entries to dashboards gathered.

    `row` and `snapshot` make the two forms that participants are told about in.
    """

    def __init__(
        self,
        hub: Hub,
        tasks: Tasks,
        row: Callable[[int], Snapshot],
        snapshot: Callable[[ParticipantState], Snapshot],
    ) -> None:
        self._hub = hub
        self._tasks = tasks
        self._row = row
        self._snapshot = snapshot
        self._changed: set[int] = set()
        self._entries: list[Entry] = []
        self._told: dict[int, int] = {}
        self._gathering: asyncio.Task[Any] | None = None

    async def publish(self, *messages: Message) -> None:
        """Send messages as they are."""
        await self._hub.publish(*messages)

    async def announce(self, event: str, states: Iterable[ParticipantState]) -> None:
        """Push each state's snapshot to its participant's room, and tell the dashboards.

        Who has none hears why, as `problem`: `{"code", "message"}`.
        """
        states = list(states)
        snapshots, problems = [], []
        async for state in in_turns(states):
            try:
                snapshots.append(self._snapshot(state))
            except ExpansionFailed as error:
                log.error("participant %d has no blocks: %s", state.participant_index, error)
                told = {"code": error.code, "message": error.detail}
                room = participant_room(state.participant_index)
                problems.append(Message(room, "problem", told))
        await self.tell(event, snapshots)
        await self._hub.publish(*problems)
        self.gather(changed=(state.participant_index for state in states))

    async def tell(self, event: str, snapshots: Iterable[Snapshot]) -> None:
        """Push snapshots to their participants' rooms, but those that are older than one before.

        What is told in one call of this comes before what is told in the next.
        """
        messages = []
        for snapshot in snapshots:
            index, revision = snapshot["participant_index"], snapshot["revision"]
            if revision >= self._told.get(index, 0):
                self._told[index] = revision
                messages.append(Message(participant_room(index), event, snapshot))
        await self._hub.publish(*messages)

    async def pages(self, indices: Iterable[int]) -> AsyncIterator[list[Snapshot]]:
        """Participants' rows, as many at a time as one message should have, made in turns."""
        page: list[Snapshot] = []
        names = 0
        async for index in in_turns(indices):
            row = self._row(index)
            if page and names + row["blocks_count"] > NAMES_PUSHED:
                yield page
                page, names = [], 0
            page.append(row)
            names += row["blocks_count"]
        if page:
            yield page

    def gather(self, *, changed: Iterable[int] = (), entries: Iterable[Entry] = ()) -> None:
        """Tell the dashboards: at once, or with what else happens within the gathering time."""
        if not self._hub.hears(DASHBOARD):
            return
        self._changed.update(changed)
        self._entries.extend(entries)
        waits = self._changed or self._entries
        if waits and (self._gathering is None or self._gathering.done()):
            self._gathering = self._tasks.start(self._tell_dashboards(), "tell-dashboards")

    async def _tell_dashboards(self) -> None:
        while self._changed or self._entries:
            changed, self._changed = sorted(self._changed), set()
            entries, self._entries = self._entries, []
            async for rows in self.pages(changed):
                await self._hub.publish(Message(DASHBOARD, "participants-changed", rows))
            if entries:
                told = [entry.as_dict() for entry in entries]
                await self._hub.publish(Message(DASHBOARD, "event", told))
            await asyncio.sleep(DASHBOARD_GATHERING)
