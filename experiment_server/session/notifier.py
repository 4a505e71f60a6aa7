"""Publishes what has changed: snapshots to participants at once, rows to dashboards gathered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence

from experiment_server.errors import ExpansionFailed
from experiment_server.limits import DASHBOARD_BATCH_INTERVAL_S, LOOP_TURN_S
from experiment_server.participants.events import Entry, Event
from experiment_server.participants.state import ParticipantState
from experiment_server.session.hub import DASHBOARD, Hub, Message, participant_room
from experiment_server.session.participants import Committed
from experiment_server.session.tasks import Tasks
from experiment_server.session.views import ParticipantViews
from experiment_server.wire.events import Moved
from experiment_server.wire.refusals import error_info

log = logging.getLogger(__name__)


class Notifier:
    """Pushes snapshots to participants' rooms, and rows and log entries to the dashboards.

    Publishing never waits, so messages reach every socket in the order in which they were
    published: a participant's pushes come in the order of their revisions. Many pushes at once are
    sent in portions, with other work served in between.
    """

    def __init__(self, hub: Hub, tasks: Tasks, views: ParticipantViews) -> None:
        self._hub = hub
        self._tasks = tasks
        self._views = views
        self._pushes: deque[tuple[str, ParticipantState]] = deque()
        self._pushing = False
        self._changed: dict[int, ParticipantState] = {}
        self._entries: list[Entry] = []
        self._gathering: asyncio.Task[None] | None = None

    def committed(self, committed: Committed) -> None:
        """Tell of a commit: participants' rooms of their own change, dashboards of all of it."""
        self.gather(changed=committed.changed, entries=committed.written.entries)
        if committed.version is not None:
            return  # whoever serves it tells everybody in one go
        self.push(
            (event, item.outcome.state)
            for item in committed.planned
            if item.before is not None and (event := _push_name(item.outcome.events))
        )

    def publish(self, message: Message) -> None:
        """Send a message to every socket in its room."""
        for transport in self._hub.listening(message.room):
            transport.deliver(message)

    def push(self, pushes: Iterable[tuple[str, ParticipantState]]) -> None:
        """Push snapshots to their participants' rooms: of each state, as an event of that name.

        Those that belong together come in one call, so that they are sent in portions.
        """
        self._pushes.extend(pushes)
        if not self._pushing:
            self._push_portion()

    def gather(
        self, *, changed: Iterable[ParticipantState] = (), entries: Iterable[Entry] = ()
    ) -> None:
        """Tell the dashboards: at once, or with what else happens within the gathering time."""
        if not self._hub.listening(DASHBOARD):
            return
        self._changed.update((state.participant_index, state) for state in changed)
        self._entries.extend(entries)
        waits = self._changed or self._entries
        if waits and (self._gathering is None or self._gathering.done()):
            self._gathering = self._tasks.start(self._tell_dashboards(), "tell-dashboards")

    def _push_portion(self) -> None:
        end = time.monotonic() + LOOP_TURN_S
        while self._pushes:
            event, state = self._pushes.popleft()
            room = participant_room(state.participant_index)
            if transports := self._hub.listening(room):
                message = self._pushed(room, event, state)
                for transport in transports:
                    transport.deliver(message)
                if time.monotonic() > end:
                    break
        self._pushing = bool(self._pushes)
        if self._pushing:
            asyncio.get_running_loop().call_soon(self._push_portion)

    def _pushed(self, room: str, event: str, state: ParticipantState) -> Message:
        try:
            return Message(room, event, self._views.snapshot(state))
        except ExpansionFailed as error:
            # Who waits for blocks that cannot be made hears why.
            log.error("participant %d has no blocks: %s", state.participant_index, error)
            return Message(room, "problem", error_info(error))

    async def _tell_dashboards(self) -> None:
        while self._changed or self._entries:
            changed, self._changed = self._changed, {}
            entries, self._entries = self._entries, []
            states = [changed[index] for index in sorted(changed)]
            async for rows in self._views.row_pages(states):
                self.publish(Message(DASHBOARD, "participants-changed", rows))
            if entries:
                told = [entry.on_wire() for entry in entries]
                self.publish(Message(DASHBOARD, "event", told))
            await asyncio.sleep(DASHBOARD_BATCH_INTERVAL_S)


def _push_name(events: Sequence[Event]) -> str | None:
    if not events:
        return None
    return "block-changed" if isinstance(events[0].data, Moved) else "config-changed"
