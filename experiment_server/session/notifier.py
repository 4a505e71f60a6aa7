"""Publishes commits: snapshots to participants at once, and batches to dashboards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from experiment_server.errors import ExpansionFailed, StoreUnavailable
from experiment_server.limits.session import (
    DASHBOARD_BATCH_INTERVAL_S,
    DASHBOARD_RESULTS_INTERVAL_S,
    LOOP_TURN_S,
)
from experiment_server.participants.events import Entry, Event
from experiment_server.participants.state import ParticipantState
from experiment_server.session.hub import DASHBOARD, Hub, Message
from experiment_server.session.participants import Committed
from experiment_server.session.result_counts import TableBlock
from experiment_server.session.tasks import Tasks
from experiment_server.session.views import ParticipantViews
from experiment_server.wire.events import Moved
from experiment_server.wire.refusals import error_info
from experiment_server.wire.results import ResultsChanged

log = logging.getLogger(__name__)


class Notifier:
    """Pushes snapshots to participants' rooms, and rows, numbers and log entries to dashboards.

    Publishing never waits, so every socket gets messages in the order in which they were
    published, and a participant's snapshots in the order of their revisions. The notifier sends
    many pushes in batches, and the event loop serves other requests between two batches.
    """

    def __init__(
        self,
        hub: Hub,
        tasks: Tasks,
        views: ParticipantViews,
        numbers: Callable[[Mapping[int, Collection[TableBlock]]], Awaitable[ResultsChanged]],
    ) -> None:
        self._hub = hub
        self._tasks = tasks
        self._views = views
        self._pushes: deque[tuple[str, ParticipantState]] = deque()
        self._pushing = False
        self._changed: dict[int, ParticipantState] = {}
        self._entries: list[Entry] = []
        self._batch_task: asyncio.Task[None] | None = None
        self._numbers = numbers
        self._results: defaultdict[int, set[TableBlock]] = defaultdict(set)
        self._results_task: asyncio.Task[None] | None = None

    def committed(self, committed: Committed) -> None:
        """Publish a commit to the rooms of its participants, and to the dashboards."""
        self.batch(changed=committed.changed, entries=committed.written.entries)
        if committed.version is not None:
            return  # StudyFile pushes the new study to all participants itself
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
        """Push a snapshot of each state to the participant's room, as an event of the given name.

        Pass pushes that belong together in one call, so that they are sent in batches.
        """
        self._pushes.extend(pushes)
        if not self._pushing:
            self._push_some()

    def batch(
        self, *, changed: Iterable[ParticipantState] = (), entries: Iterable[Entry] = ()
    ) -> None:
        """Send rows and log entries to the dashboards, at most one batch per batch interval."""
        if not self._hub.listening(DASHBOARD):
            return
        self._changed.update((state.participant_index, state) for state in changed)
        self._entries.extend(entries)
        pending = self._changed or self._entries
        if pending and (self._batch_task is None or self._batch_task.done()):
            self._batch_task = self._tasks.start(self._publish_batches(), "publish-batches")

    def results_changed(self, participant_index: int, blocks: Collection[TableBlock]) -> None:
        """Send new numbers of records to the dashboards, at most one batch per interval."""
        if not self._hub.listening(DASHBOARD):
            return
        self._results[participant_index].update(blocks)
        if self._results_task is None or self._results_task.done():
            self._results_task = self._tasks.start(self._publish_results(), "publish-results")

    def _push_some(self) -> None:
        end = time.monotonic() + LOOP_TURN_S
        while self._pushes:
            event, state = self._pushes.popleft()
            if transports := self._hub.listening(state.participant_index):
                message = self._push_message(event, state)
                for transport in transports:
                    transport.deliver(message)
                if time.monotonic() > end:
                    break
        self._pushing = bool(self._pushes)
        if self._pushing:
            asyncio.get_running_loop().call_soon(self._push_some)

    def _push_message(self, event: str, state: ParticipantState) -> Message:
        room = state.participant_index
        try:
            return Message(room, event, self._views.snapshot(state))
        except ExpansionFailed as error:
            # An app that waits for blocks gets the reason why they cannot be made.
            log.error("participant %d has no blocks: %s", state.participant_index, error)
            return Message(room, "problem", error_info(error))

    async def _publish_batches(self) -> None:
        while self._changed or self._entries:
            changed, self._changed = self._changed, {}
            entries, self._entries = self._entries, []
            states = [changed[index] for index in sorted(changed)]
            async for rows in self._views.row_pages(states):
                self.publish(Message(DASHBOARD, "participants-changed", rows))
            if entries:
                entries_on_wire = [entry.on_wire() for entry in entries]
                self.publish(Message(DASHBOARD, "event", entries_on_wire))
            await asyncio.sleep(DASHBOARD_BATCH_INTERVAL_S)

    async def _publish_results(self) -> None:
        while self._results:
            changed, self._results = self._results, defaultdict(set)
            # Without the database, numbers that are not in memory come with a later change.
            with contextlib.suppress(StoreUnavailable):
                numbers = await self._numbers(changed)
                self.publish(Message(DASHBOARD, "results-changed", numbers))
            await asyncio.sleep(DASHBOARD_RESULTS_INTERVAL_S)


def _push_name(events: Sequence[Event]) -> str | None:
    if not events:
        return None
    return "block-changed" if isinstance(events[0].data, Moved) else "config-changed"
